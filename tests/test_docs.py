"""Promises of the documentation: its examples run, and its drawings show the code as it is."""

from __future__ import annotations

import dataclasses
import doctest
import runpy
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.settings import Settings, load

PROJECT = Path(__file__).resolve().parent.parent
DOCS = PROJECT / "docs"


class Examples(SynchronousTestCase):
    """Whoever types what a page shows gets what the page shows."""

    def test_examples_run(self) -> None:
        """Every example of every page gives the result that stands below it."""
        for page in sorted(DOCS.glob("*.rst")):
            failed, _ = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
            self.assertEqual(failed, 0, page.name)

    def test_there_are_some(self) -> None:
        """The walk of a byte is made of examples: the test above has something to run."""
        _, tried = doctest.testfile(str(DOCS / "life_of_a_byte.rst"), module_relative=False, encoding="utf-8")
        self.assertGreater(tried, 20)


class Machines(SynchronousTestCase):
    """The login's machines in docs/machines are those of the code; `make diagrams` draws them again."""

    def setUp(self) -> None:
        self.tool = runpy.run_path(str(PROJECT / "tools" / "draw_machines.py"))

    def test_tables_and_graphs(self) -> None:
        """The tables and the graphs are up to date."""
        for name, text in self.tool["texts"]().items():
            kept = (DOCS / "machines" / name).read_text(encoding="utf-8")
            self.assertEqual(kept, text, f"docs/machines/{name} is out of date: make diagrams")

    def test_drawings(self) -> None:
        """Each drawing was made from the graph beside it."""
        for graph in (DOCS / "machines").glob("*.dot"):
            drawing = graph.with_suffix(".svg").read_text(encoding="utf-8")
            made_from = self.tool["drawn_from"](graph.read_text(encoding="utf-8"))
            self.assertTrue(drawing.endswith(made_from), f"{graph.stem}.svg is out of date: make diagrams")


class Configuration(SynchronousTestCase):
    """docs/smok.toml is a file that one can start with."""

    def test_it_says_the_defaults(self) -> None:
        """Starting with the example is the same as starting without a configuration."""
        shown = load(DOCS / "smok.toml")
        defaults = Settings()
        daemon = dataclasses.replace(defaults.daemon, data_dir=DOCS / defaults.daemon.data_dir)
        self.assertEqual(shown, dataclasses.replace(defaults, daemon=daemon))
