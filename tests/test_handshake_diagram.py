"""The drawings of the documentation come from the code."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.handshake.diagram import DEVICE, SERVER, as_dot, as_table, steps

SERVER_TABLE = """\
=========  ===================  ===============  ===================  =============
server     hello                login            welcome              closed
=========  ===================  ===============  ===================  =============
hello due  choose -> login due  refuse -> ended  forbid -> hello due  stop -> ended
login due  refuse -> ended      prove -> proven  forbid -> login due  stop -> ended
proven     refuse -> ended      refuse -> ended  admit -> welcomed    stop -> ended
welcomed   refuse -> ended      refuse -> ended  forbid -> welcomed   stop -> ended
ended      refuse -> ended      refuse -> ended  forbid -> ended      stop -> ended
=========  ===================  ===============  ===================  =============
"""

DEVICE_GRAPH = r"""digraph device {
    "new" -> "choice due" [label="start / greet"];
    "new" -> "ended" [label="choice / refuse\nwelcome / refuse\nclosed / stop"];
    "choice due" -> "choice due" [label="start / forbid"];
    "choice due" -> "welcome due" [label="choice / agree"];
    "choice due" -> "ended" [label="welcome / refuse\nclosed / stop"];
    "welcome due" -> "welcome due" [label="start / forbid"];
    "welcome due" -> "ended" [label="choice / refuse\nclosed / stop"];
    "welcome due" -> "welcomed" [label="welcome / believe"];
    "welcomed" -> "welcomed" [label="start / forbid"];
    "welcomed" -> "ended" [label="choice / refuse\nwelcome / refuse\nclosed / stop"];
    "ended" -> "ended" [label="start / forbid\nchoice / refuse\nwelcome / refuse\nclosed / stop"];
}
"""


class Drawings(SynchronousTestCase):
    """What docs/protocol.rst shows."""

    def test_the_server_as_a_table(self) -> None:
        """The whole machine fits a screen; this is all that a server ever does in a login."""
        self.assertEqual(as_table(SERVER), SERVER_TABLE)

    def test_the_device_as_a_graph(self) -> None:
        """The same for a device, as DOT."""
        self.assertEqual(as_dot(DEVICE), DEVICE_GRAPH)

    def test_no_cell_is_empty(self) -> None:
        """Every state answers every input, exactly once."""
        for drawn in (SERVER, DEVICE):
            cells = [(step.state, step.input) for step in steps(drawn)]
            self.assertEqual(cells, [(state, happens) for state in drawn.states for happens in drawn.inputs])
