"""Sphinx configuration: the manual is Markdown, the reference comes from the docstrings."""

from importlib.metadata import version as installed

project = "mien"
author = "the mien founders"
version = release = installed("mien")
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
html_theme = "furo"
html_title = "mien"
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's Parameters sections say more: shapes, units, ranges
numpydoc_show_class_members = False
nitpicky = False
