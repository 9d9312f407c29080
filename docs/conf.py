"""How Sphinx builds the documentation: `make docs`."""

from __future__ import annotations

from smok_twisted import __version__

project = "SMOK"
copyright = "2026, SMOK contributors"
release = __version__
highlight_language = "none"
html_theme = "alabaster"
html_theme_options = {
    "description": "Reach, watch and safely command MODBUS equipment that sits behind NAT",
    "page_width": "70em",
    "body_max_width": "none",
}
html_show_copyright = False
html_show_sphinx = False
