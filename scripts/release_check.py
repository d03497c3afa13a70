"""Check that the tag, the version, and the changelog of a release agree.

``python -m scripts.release_check v0.1.0``: the release workflow runs this before it builds anything.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(tag: str, root: Path = ROOT) -> None:
    """Check the checkout.

    Raises:
        SystemExit: They do not agree; the message lists all problems.
    """
    if problems := list(find_problems(tag, root)):
        raise SystemExit("\n".join(problems))
    print(f"{tag}, the version and the changelog agree.")


def find_problems(tag: str, root: Path) -> Iterator[str]:
    """Yield each problem."""
    package = (root / "airflow_provider_wriftai" / "__init__.py").read_text()
    version = "".join(re.findall(r'^__version__ = "(.+)"$', package, re.MULTILINE))
    if tag != f"v{version}":
        yield f"The tag is {tag!r}, but the version is {version!r}; the tag must be 'v{version}'."
    newest = re.search(r"^## (.+)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    heading = newest[1] if newest else ""
    if not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heading):
        yield f"The changelog begins with {heading!r}; expected '{version} (YYYY-MM-DD)'."
    pyproject = tomllib.loads((root / "pyproject.toml").read_text())
    repository = pyproject["tool"]["airflow-provider-wriftai"]["repository"]
    if "/OWNER/" in repository:
        yield f"The repository's address in pyproject.toml is still a placeholder: {repository}."


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
