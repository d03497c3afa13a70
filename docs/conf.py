"""Build the documentation as a site: ``python -m sphinx docs site``."""

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
# Anchors are spelled as on GitHub.
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

# References to names of this package must resolve. Those to Airflow's and Python's may be plain text.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!airflow_provider_wriftai\.).*"),
    ("py:.*", r"airflow_provider_wriftai\..*\.[TU]"),  # type variables
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
        "": ("Overview <self>", "Tutorial <tutorial>"),
        "Guides": (
            "Create a connection <connection>",
            "Publish <publish>",
            "Wait <wait>",
            "Start DAGs <event-driven>",
            "Prune <prune>",
            "Use the client <client>",
            "Test your DAGs <testing>",
            "Use the sandbox <sandbox>",
            "Examples <examples>",
        ),
        "Production": (
            "Install on managed Airflow <install-managed>",
            "Run at scale <scale>",
            "Operate <operations>",
            "Troubleshoot <troubleshooting>",
            "Metrics <metrics>",
            "OpenLineage <lineage>",
            "Upgrade <upgrade>",
        ),
        "How it works": (
            "Exactly one version <explanation/exactly-one-version>",
            "Shared polls <explanation/shared-polls>",
            "The rate limit <explanation/rate-limit>",
            "Guarantees <explanation/guarantees>",
            "Reliability <reliability>",
            "Benchmarks <benchmarks>",
        ),
        "Reference": ("Reference <reference/index>",),
        "Project": ("Security <security>", "Contributing <contributing>", "Changelog <changelog>"),
    },
    "reference/index": {
        "": (
            *("hook", "operators", "sensor", "triggers", "assets", "links"),
            *("api", "versions", "references", "common-types", "pagination", "errors"),
        ),
    },
}
"""What the sidebar shows below each page, by caption."""


def _tables_of_contents(captions: Mapping[str, Sequence[str]]) -> str:
    return "".join(
        "\n".join(["\n```{toctree}", ":hidden:", f":caption: {caption}" * bool(caption), "", *pages, "```\n"])
        for caption, pages in captions.items()
    )


def _adapt_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Add what GitHub would show as plain text: the navigation, included files, and the sources of the examples.

    Args:
        app: Sphinx.
        page: The name of the page, without its extension.
        source: Its text, to change in place.
    """
    source[0] += _tables_of_contents(NAVIGATION.get(page, {}))
    match page:
        case "changelog" | "contributing" | "security":
            # The only link of the page leads to the file to include.
            source[0] = re.sub(r"^\[.*\]\((.*)\)$", r"```{include} \1\n:start-line: 1\n```", source[0], flags=re.M)
        case "examples":
            source[0] = re.sub(r"^\[.*\]\((.*\.py)\)$", r"```{literalinclude} \1\n```", source[0], flags=re.M)
        case _:
            source[0] = re.sub(r"\]\(\.\./example_dags/(\w+)\.py\)", r"](examples.md#\1)", source[0])
            source[0] = re.sub(r"\]\((?:\.\./)+\.github/SECURITY\.md\)", "](/security.md)", source[0])


def _keep_colons(_app: Sphinx, kind: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Keep Napoleon from reading what precedes a colon, in the first line of an attribute's docstring, as a type.

    Args:
        kind: The kind of object that the docstring belongs to.
        lines: The docstring, to change in place.
    """
    if kind == "attribute":
        lines[:0] = ["..", ""]  # an empty comment


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("source-read", _adapt_page)
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # Napoleon comes at 500
