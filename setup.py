"""What of the metadata derives from the repository's address; all else stands in pyproject.toml."""

import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from setuptools import setup

ROOT = Path(__file__).parent
BRANCH = "main"


def project_urls(repository: str) -> dict[str, str]:
    """Derive the links that a package index shows."""
    owner, name = urlsplit(repository).path.strip("/").split("/")
    return {
        "Documentation": f"https://{owner.lower()}.github.io/{name}/",
        "Source": repository,
        "Changelog": f"{repository}/blob/{BRANCH}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def with_absolute_links(markdown: str, repository: str) -> str:
    """Let relative links and pictures lead into the repository: a package index shows the text alone."""
    pictures = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|#)", rf"\1{repository}/raw/{BRANCH}/", markdown)
    return re.sub(r"(?<!!)(\[[^\]]*\]\()(?![a-z]+:|#)", rf"\1{repository}/blob/{BRANCH}/", pictures)


if __name__ == "__main__":
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    repository = pyproject["tool"]["airflow-provider-wriftai"]["repository"]
    setup(
        long_description=with_absolute_links((ROOT / "README.md").read_text(encoding="utf-8"), repository),
        long_description_content_type="text/markdown",
        project_urls=project_urls(repository),
    )
