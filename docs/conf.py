"""How Sphinx builds the documentation: `make docs`. The pages of the reference are written here, into docs/api."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smok_twisted import __version__

project = "SMOK"
copyright = "2026, SMOK contributors"
release = __version__
highlight_language = "none"
extensions = ["sphinx.ext.autodoc"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
# Names that are imported for type checkers alone: where two modules have one of that name, either link will do.
suppress_warnings = ["ref.python"]
html_theme = "alabaster"
html_theme_options = {
    "description": "Reach, watch and safely command MODBUS equipment that sits behind NAT",
    "page_width": "70em",
    "body_max_width": "none",
}
html_show_copyright = False
html_show_sphinx = False

#: The layers, in the order in which an octet passes them, then what stands beside its way. The first sentence of a
#: page is that of the package's docstring. The command and the page are no layers: their descriptions are `--help`
#: and openapi.json.
LAYERS = {
    "framing": "Framing",
    "cipher": "Cipher",
    "handshake": "Handshake",
    "links": "Links",
    "devices": "Devices",
    "storage": "Storage",
    "history": "History",
    "modbus": "MODBUS",
    "agent": "Agent",
    "observe": "Observe",
    "replay": "Replay",
}
PACKAGE = Path(__file__).resolve().parent.parent / "smok_twisted"
INDEX = """\
Reference
=========
Every public module, from its docstrings; a page for each layer. The modules in ``tools/pure_modules.txt`` need no
Twisted. The HTTP API is described by ``/api/v1/openapi.json``, the ``smok`` command by ``smok --help``.

.. toctree::
   :maxdepth: 2

"""
SEAMS = """\
What all layers share
=====================
Where the layers meet, the nouns of readings, errors, time and settings; and the places where it is all put together.
"""


def pages() -> dict[str, str]:
    """Name -> text of each page of the reference."""
    found = {"index": INDEX + "".join(f"   {name}\n" for name in ("seams", *LAYERS))}
    found["seams"] = SEAMS + "".join(map(_module, sorted(PACKAGE.glob("*.py"))))
    for layer, title in LAYERS.items():
        modules = "".join(map(_module, sorted((PACKAGE / layer).rglob("*.py"))))
        found[layer] = f"{title}\n{'=' * len(title)}\n.. automodule:: smok_twisted.{layer}\n   :no-index:\n{modules}"
    return found


def _module(file: Path) -> str:
    """Its heading and its docstrings; nothing of what is private."""
    if file.name.startswith("_"):
        return ""
    name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
    return f"\n``{name}``\n{'-' * (len(name) + 4)}\n.. automodule:: smok_twisted.{name}\n   :members:\n"


def _write_pages(app: Any) -> None:
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.rst"):
        if old.stem not in pages():
            old.unlink()
    for name, text in pages().items():
        (folder / f"{name}.rst").write_text(text, encoding="utf-8")


def _without_aliases(app: Any, what: str, name: str, member: Any, options: Any, lines: list[str]) -> None:
    """Fields of named tuples say "Alias for field number 3", which tells nobody anything."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", _write_pages)
    app.connect("autodoc-process-docstring", _without_aliases)
