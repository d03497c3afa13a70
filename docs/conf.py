"""How the documentation becomes a site: ``python -m sphinx docs site``."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence

from sphinx.application import Sphinx

import airflow_provider_wriftai

# Before autodoc imports Airflow, which writes its configuration into its home.
_airflow_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ["AIRFLOW_HOME"] = _airflow_home.name

project = "airflow-provider-wriftai"
version = release = airflow_provider_wriftai.__version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "index"
# Where an anchor leads is spelled as on GitHub.
myst_heading_anchors = 3

autoclass_content = "class"
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

# Every reference to something of this package has to lead somewhere; those to Airflow's and Python's may be plain text.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!airflow_provider_wriftai\.).*"),
    ("py:.*", r"airflow_provider_wriftai\..*\.T"),  # a type variable
]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"airflow-provider-wriftai {release}"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

NAVIGATION: Mapping[str, Mapping[str, Sequence[str]]] = {
    "index": {
        "": ("Start here <self>",),
        "Guides": (
            "Connection <connection>",
            "Publish <publish>",
            "Wait <wait>",
            "Event-driven <event-driven>",
            "Prune <prune>",
            "Sandbox <sandbox>",
            "Examples <examples>",
        ),
        "Running it": (
            "Install on managed Airflow <install-managed>",
            "Operating at scale <scale>",
            "Metrics <metrics>",
            "OpenLineage <lineage>",
            "Errors <errors>",
            "Reliability <reliability>",
            "Benchmarks <benchmarks>",
            "Upgrade and compatibility <upgrade>",
        ),
        "From your own code": ("Client <client>", "Reference <reference/index>"),
        "The project": ("Contributing <contributing>", "Changelog <changelog>"),
    },
    "reference/index": {
        "": (
            *("hook", "operators", "sensor", "triggers", "assets", "links"),
            *("api", "versions", "common-types", "pagination", "errors"),
        ),
    },
}
"""For each page that others are below: what the side bar shows there, by caption and in its order."""


def _tables_of_contents(captions: Mapping[str, Sequence[str]]) -> str:
    return "".join(
        "\n".join(["\n```{toctree}", ":hidden:", f":caption: {caption}" * bool(caption), "", *pages, "```\n"])
        for caption, pages in captions.items()
    )


def _add_what_only_the_site_shows(app: Sphinx, page: str, source: list[str]) -> None:
    """Keep out of the pages what GitHub would show as it is written.

    Args:
        app: Sphinx.
        page: The page that is read, without its ending.
        source: Its text, to be changed in place.
    """
    source[0] += _tables_of_contents(NAVIGATION.get(page, {}))
    match page:
        case "changelog" | "contributing":
            # The page's one link leads to the file that it shows.
            source[0] = re.sub(r"^\[.*\]\((.*)\)$", r"```{include} \1\n:start-line: 1\n```", source[0], flags=re.M)
        case "examples":
            source[0] = re.sub(r"^\[.*\]\((.*\.py)\)$", r"```{literalinclude} \1\n```", source[0], flags=re.M)
        case _:
            source[0] = re.sub(r"\]\(\.\./example_dags/(\w+)\.py\)", r"](examples.md#\1)", source[0])


def _keep_colons(_app: Sphinx, kind: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Let the docstring of an attribute have a colon: Napoleon takes what is before it, in its first line, for a type.

    Args:
        kind: What the docstring is of.
        lines: The docstring, to be changed in place.
    """
    if kind == "attribute":
        lines[:0] = ["..", ""]  # an empty comment


def setup(app: Sphinx) -> None:
    """Tell Sphinx what is done beside its configuration."""
    app.connect("source-read", _add_what_only_the_site_shows)
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # before Napoleon, which comes at 500
