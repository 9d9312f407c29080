"""Which protocol a conversation speaks is seen by itself."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.handshake.messages import Choice, Hello
from smok_twisted.modbus.mbap import Adu
from smok_twisted.modbus.rtu import build_frame
from smok_twisted.replay.player import Replay

from .replay_rig import Told, found

READ = bytes.fromhex("030000000a")
HELLO = Hello(1, 0, 7, 9).encode()
PROTOCOLS = {"smok4": HELLO, "modbus-tcp": Adu(1, 1, READ).encode(), "rtu": build_frame(1, READ)}


def protocol(port: int, *said: bytes, whole: bool = True) -> str:
    """Of a conversation in which the client, then the server, and so on, say these octets."""
    told = Told(port, whole)
    for at, octets in enumerate(said):
        (told.server if at % 2 else told.client)(octets)
    return str(found(told)[0]["protocol"])


class Choosing(SynchronousTestCase):
    def test_by_the_first_octets(self) -> None:
        """On a port that says nothing, answered or not; RTU that looks like MBAP is known by its CRC."""
        for name, octets in PROTOCOLS.items():
            self.assertEqual([protocol(4001, octets), protocol(4001, octets, b"?")], [name, name])

    def test_a_proof_is_more_than_a_port(self) -> None:
        """RTU on the port of MODBUS/TCP is RTU; but what only looks like another protocol is not."""
        self.assertEqual(protocol(502, PROTOCOLS["rtu"]), "rtu")
        self.assertEqual(protocol(502, HELLO), "smok4")
        self.assertEqual(protocol(2406, PROTOCOLS["modbus-tcp"]), "smok4")
        init = bytes.fromhex("000000000006000100000000")  # also MBAP: read 0 coils from 0
        self.assertEqual([protocol(port, init) for port in (2405, 502)], ["p24", "modbus-tcp"])

    def test_before_the_end(self) -> None:
        """A side that is not answered is not waited for for ever."""
        told, player = Told(9), Replay()
        for _ in range(30):
            told.client(PROTOCOLS["modbus-tcp"])
            player.hear(told.conversation, told.conversation.pieces[-1])
        self.assertEqual([one.protocol for one in player.found.values()], ["modbus-tcp"])
        self.assertEqual(player.finish()[0].messages[True], {"function 3": 30})

    def test_octet_by_octet(self) -> None:
        """However they were cut."""
        for name, octets in PROTOCOLS.items():
            told = Told(9)
            for octet in octets:
                told.client(bytes((octet,)))
            told.server(b"?")
            self.assertEqual(found(told)[0]["protocol"], name)

    def test_by_the_port(self) -> None:
        """When the octets tell nothing."""
        for port, name in {2406: "smok4", 502: "modbus-tcp", 1502: "modbus-tcp", 80: "unknown"}.items():
            self.assertEqual(protocol(port, b"GET / HTTP/1.1\r\n\r\n"), name)

    def test_by_the_answers(self) -> None:
        """A capture that begins with one."""
        told = Told(5020, is_whole=False)
        told.server(Adu(1, 1, bytes.fromhex("0302000a")).encode())
        self.assertEqual(found(told)[0]["protocol"], "modbus-tcp")

    def test_what_is_not_understood_is_counted(self) -> None:
        """Conversations of other protocols are there with their octets."""
        told = Told(80)
        told.client(500 * b"x")
        told.server(b"y")
        (shape,) = found(told)
        self.assertEqual((shape["protocol"], shape["octets"]), ("unknown", {"client": 500, "server": 1}))

    def test_several_at_once(self) -> None:
        """Each is read by itself, in the order in which they spoke first."""
        smok4, tcp = Told(2406), Told(502)
        smok4.client(HELLO)
        tcp.client(PROTOCOLS["modbus-tcp"])
        smok4.server(Choice(1, 1).encode())
        self.assertEqual([one["protocol"] for one in found(smok4, tcp)], ["smok4", "modbus-tcp"])
        self.assertEqual(found(), [])
