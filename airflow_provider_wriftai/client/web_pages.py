"""Web pages for people: of a version in the sandbox, or of a model on the public site."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from airflow_provider_wriftai.client.base_url import is_loopback
from airflow_provider_wriftai.client.references import ModelReference, VersionNumber, parse_version

PUBLIC_SITE = "https://wrift.ai"


def page_of(base_url: str, reference: str | None, model: str | None) -> str | None:
    """Find the page of a version or model.

    Args:
        base_url: The base URL of the API. One on this machine is a sandbox, which has pages of its own.
        reference: The version; None for the page of the model.
        model: The model; None if it is unknown. A version by number names its own.

    Returns:
        The page's URL; None where the model is not known.
    """
    version = ""
    match parse_version(reference) if reference is not None else None:
        case VersionNumber(model=named, number=number):
            version = f"/versions/{number}"
        case _ if model is not None:
            named = ModelReference.parse(model)
        case _:
            return None
    path = f"{quote(named.owner, safe='')}/{quote(named.name, safe='')}"
    parts = urlsplit(base_url)
    if not is_loopback(parts.hostname or ""):
        return f"{PUBLIC_SITE}/{path}"
    return f"{parts.scheme}://{parts.netloc}/models/{path}{version}"
