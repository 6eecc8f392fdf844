"""How Sphinx makes the site: `make docs`, or `make docs PLAIN=1` without executing the examples."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_site"))

import spurlab  # noqa: E402

PLAIN = bool(os.environ.get("PLAIN"))  # the gallery is there, without its figures
ONLY = os.environ.get("ONLY", r"\w+")  # an expression: which examples are executed, where they or none have changed

project = "Spurlab"
author = "the authors of Spurlab"
release = version = spurlab.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",  # formulas without a look at another server
    "api",
    "pages",
]
root_doc = "index"
exclude_patterns = ["_site", "_build", "**/README.txt"]
default_role = "py:obj"  # `name` in a docstring: a link where it is the name of something documented, else code
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r".*")]  # names of Python are linked where they can be; our own roles must resolve
maximum_signature_line_length = 90
python_use_unqualified_type_names = True
add_module_names = False  # the page says which room it is
toc_object_entries_show_parents = "hide"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": rf"[/\\]({ONLY})\.py$",
    "ignore_pattern": r"__init__\.py|[/\\]plugin[/\\]",
    "within_subsection_order": "pages.example_order",
    "image_scrapers": ["pages.figures_of"],
    "reset_modules": ["pages.reset"],
    "capture_repr": (),
    "plot_gallery": not PLAIN,
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 0.1,
    "write_computation_times": False,
    "first_notebook_cell": "%matplotlib inline",
    "thumbnail_size": (480, 336),
    "nested_sections": False,
    "backreferences_dir": None,
    "download_all_examples": False,
}

html_theme = "furo"
html_title = "Spurlab"
html_static_path = ["_static"]
html_css_files = ["spurlab.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0072B2",
        "color-brand-content": "#0072B2",
        "color-api-name": "#A34700",
        "color-api-pre-name": "#A34700",
    },
    "dark_css_variables": {
        "color-brand-primary": "#56B4E9",
        "color-brand-content": "#56B4E9",
        "color-api-name": "#F0A35E",
        "color-api-pre-name": "#F0A35E",
    },
}
highlight_language = "none"  # blocks without a language are commands
pygments_style = "friendly"
pygments_dark_style = "github-dark"
linkcheck_timeout = 20
