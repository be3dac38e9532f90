"""Settings of the documentation site; `make docs` builds it with warnings as errors."""

project = "glulam"
author = "the glulam authors"
copyright = "2026, the glulam authors"  # noqa: A001 - Sphinx reads this very name
release = "0.1.0"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["news"]  # fragments become a page at a release
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "glulam"
