"""Promises of the documentation: its examples run, and its drawings show the code as it is."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import re
import runpy
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.settings import Settings, load

PROJECT = Path(__file__).resolve().parent.parent
DOCS = PROJECT / "docs"
MODULE = re.compile(r"(?m)^\.\. automodule:: (\S+)$")


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


class Reference(SynchronousTestCase):
    """A page for each layer, made of docstrings."""

    def test_every_public_module_is_there(self) -> None:
        """On the page of its layer; a new folder needs a place in the order of layers (docs/conf.py, LAYERS)."""
        shown = {name: MODULE.findall(text) for name, text in runpy.run_path(str(DOCS / "conf.py"))["pages"]().items()}
        for file in (PROJECT / "smok_twisted").rglob("*.py"):
            *folders, name = file.relative_to(PROJECT).with_suffix("").parts
            layer = folders[1] if len(folders) > 1 else "seams"
            if not name.startswith("_") and layer not in ("tools", "web"):
                self.assertEqual(shown.get(layer, []).count(".".join((*folders, name))), 1, file)

    def test_each_layer_says_what_it_is_for(self) -> None:
        """In the first sentence of its package."""
        conf = runpy.run_path(str(DOCS / "conf.py"))
        for layer in conf["LAYERS"]:
            docstring = importlib.import_module(f"smok_twisted.{layer}").__doc__
            self.assertRegex(docstring.partition("\n\n")[0], r"(?s)\A\w.{5,}[.]\Z", layer)
        self.assertIn("   api/index\n", (DOCS / "index.rst").read_text(encoding="utf-8"))


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
