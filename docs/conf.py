"""How Sphinx builds these pages: ``sphinx-build -n -W docs docs/_build/html``."""

from __future__ import annotations

import sys
from pathlib import Path

# The path comes first, so that the pages can be built without an installation.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))

from filesrv import __version__

project = "filesrv"
author = "the filesrv developers"
copyright = "2026, the filesrv developers"
version = release = __version__

extensions = ["sequence"]
exclude_patterns = ["_build"]
highlight_language = "none"
html_theme = "furo"
html_title = f"filesrv {release}"
