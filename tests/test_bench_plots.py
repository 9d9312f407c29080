"""What ``make bench`` leaves in docs/performance: a table, the run it came from, and plots of it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from bench.plots import draw
from bench.row_10_modem import Served, judge
from bench.run import TABLE, Run, load
from bench.slow_line import Queue
from bench.table import Row, at_least, at_most

DOCS = Path(__file__).resolve().parent.parent / "docs"
PLOTS = [f"{name}.svg" for name in ("acks", "memory", "octets", "plots", "queue", "seven_years", "stored", "targets")]
_KEPT = {"stored": {"ours, chunks alone": 0.41, "Gorilla": 1.5}, "target": 0.6}
_ACKS = {
    "acks": {"167 a second": [[50, 3.0], [100, 40.0]], "1,000 a second": [[50, 4.0], [100, 60.0]]},
    "target_ms": 150,
}
_YEARS = {"series": [[1.5e15, 1.6e15, 1.7e15], [20.1, None, 20.3], [20.0, None, 20.2], [20.2, None, 20.5]]}
_BOTH = {"octets": {"P24": [120, 180]}, "target": 300, "peers": {"MQTT": [541, 44]}}
ROWS = [
    Row(1, "a cipher, compiled", ">= 1.0x", "2,000 MB/s", "another 600 MB/s", 3.4, at_least(3.4, 1.0)),
    Row(5, "logins a CPU second", ">= 0.8x", "3,000", "bare 16,000", 0.19, at_least(0.19, 0.8, "evenly spread")),
    Row(8, "memory", "<= 8 KB", "5 KB", "", None, at_most(5, 8), {"kilobytes": {"bare": 1.8, "an idle session": 5}}),
    Row(9, "octets", "<= 110", "152", "", None, at_most(152, 110), {"octets": {"live": [100, 52]}, "target": 110}),
    Row(9, "octets", "<= 300", "300", "", None, at_most(300, 300), _BOTH),
    Row(13, "octets", "<= 0.6", "0.59", "", None, at_most(0.59, 0.6), _KEPT),
    Row(14, "time until an ACK", "<= 150 ms", "40 ms", "", None, at_most(40, 150), _ACKS),
    Row(16, "plot", "<= 25 ms", "10 ms", "", None, at_most(10, 25), {"plots": {"30 days": [10.0, 40.0, 25.0]}}),
    Row(16, "seven years", "", "40 MB", "", None, "no target", _YEARS),
    Row(10, "shown", ">= 2,000", "", "only root can", None, "not measured"),
]


def texts(plot: Path) -> str:
    """All words of a drawing."""
    words = ElementTree.parse(plot).getroot().iter("{http://www.w3.org/2000/svg}text")
    return " ".join("".join(one.itertext()).strip() for one in words)


class Verdicts(SynchronousTestCase):
    """How far from the target."""

    def test_margins(self) -> None:
        """Above 1 is better than the target, whichever way it points."""
        self.assertEqual([at_most(4, 8).margin, at_least(4, 8).margin, at_most(8, 8).margin], [2.0, 0.5, 1.0])

    def test_words(self) -> None:
        """A miss says by how much, and why."""
        said = [str(one) for one in (at_most(8, 8), at_most(8.8, 8, "ACKs"), at_least(1, 4, "slow"))]
        self.assertEqual(said, ["meets", "misses by 10.0%: ACKs", "misses by 4x: slow"])


class Modem(SynchronousTestCase):
    """What row 10 takes for a line that carries its devices; looked at every 20 s, in octets that wait."""

    def served(self, *waiting: int, unacknowledged: int = 0) -> Served:
        times = [20.0 * number for number in range(len(waiting))]
        return Served(times, [Queue(0, octets) for octets in waiting], 0, 6651, unacknowledged, 0)

    def test_a_queue_that_comes_and_goes(self) -> None:
        """Each minute like the one before."""
        self.assertEqual(judge(self.served(0, 300, 80, 0, 320, 40, 0, 280, 60)).text, "meets")

    def test_a_queue_that_grows(self) -> None:
        """More is sent than the line carries."""
        self.assertEqual(judge(self.served(0, 300, 600, 900, 1200, 1500, 1800, 2100, 2400)).margin, None)

    def test_a_report_without_an_ack(self) -> None:
        """However short the queue."""
        self.assertIn("1 devices without", judge(self.served(*[0] * 9, unacknowledged=1)).text)


class Plots(SynchronousTestCase):
    """Drawn from a fixed table."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.run_ = Run("2 cores", ROWS)
        self.run_.save(self.folder)
        draw(self.run_, self.folder)

    def test_each_says_what_it_shows(self) -> None:
        """The words are text, so that they can be found and read aloud; axes have their units."""
        self.assertIn("5: logins a CPU second", texts(self.folder / "targets.svg"))
        self.assertNotIn("shown", texts(self.folder / "targets.svg"))
        self.assertIn("octets a minute", texts(self.folder / "octets.svg"))
        self.assertIn("MQTT", texts(self.folder / "octets.svg"))
        self.assertIn("resident memory, kB", texts(self.folder / "memory.svg"))

    def test_each_of_history_says_what_it_shows(self) -> None:
        """Octets, milliseconds, degrees and years."""
        for name, words in {
            "stored": ("octets of a stored sample", "Gorilla", "0.41"),
            "acks": ("time until the ACK, ms", "1,000 a second"),
            "plots": ("CPU, ms", "plot of 30 days"),
            "seven_years": ("temperature, °C", "3 points", "2020"),
        }.items():
            for one in words:
                self.assertIn(one, texts(self.folder / f"{name}.svg"))

    def test_what_was_not_measured(self) -> None:
        """It is said in its place: no plot of another run stays there."""
        self.assertEqual(texts(self.folder / "queue.svg"), "not measured in this run")

    def test_the_same_again_from_what_was_kept(self) -> None:
        """``--again``: the same table and the same files."""
        again = Path(self.mktemp())
        load(self.folder).save(again)
        draw(load(self.folder), again)
        for one in self.folder.iterdir():
            self.assertEqual((again / one.name).read_bytes(), one.read_bytes(), one.name)


class Page(SynchronousTestCase):
    """docs/performance.rst shows one run."""

    def test_the_table_is_that_of_the_run(self) -> None:
        """Nobody has edited it."""
        table = (DOCS / "performance" / TABLE).read_text(encoding="utf-8")
        self.assertEqual(load(DOCS / "performance").table(), table)

    def test_the_page_shows_all_plots(self) -> None:
        """Each file is there and is shown."""
        page = (DOCS / "performance.rst").read_text(encoding="utf-8")
        plots = sorted(one.name for one in (DOCS / "performance").glob("*.svg"))
        self.assertEqual(plots, PLOTS)
        for name in plots:
            self.assertIn(f".. image:: performance/{name}", page)
            self.assertTrue(texts(DOCS / "performance" / name))
