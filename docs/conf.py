"""Settings of the documentation site; `make docs` builds it with warnings as errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # reference_pages

project = "glulam"
author = "the glulam authors"
copyright = "2026, the glulam authors"  # noqa: A001 - Sphinx reads this very name
release = "0.1.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "reference_pages",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["news/[0-9]*", "news/template.md"]  # the changelog's page gathers the fragments
nitpicky = True
suppress_warnings = ["ref.python"]  # `bytes` as a type might be one of our attributes of that name
# Types of other projects: their sites cannot be asked while this one is built, since nothing here reads the network.
nitpick_ignore_regex = [("py:.*", r"(?!glulam).*"), ("py:class", r"glulam(\.\w+)*\._\w+\..*")]
# What a public name holds or takes, and nobody handles by itself; so are the types of private modules, above.
nitpick_ignore = [
    ("py:class", name)
    for name in (
        "glulam.config.T",
        "glulam.index.Index",
        "glulam.memory.Slots",
        "glulam.repeated.Index",
        "glulam_train.ranks.T",
    )
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "code"  # a docstring's `name` is code, as in Markdown
smartquotes = False  # `--out` is an option, and quotes stay as they are typed
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = "glulam"
html_static_path = ["static"]
html_css_files = ["glulam.css"]
