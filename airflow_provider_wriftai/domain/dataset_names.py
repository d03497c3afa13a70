"""How models are named as datasets: by the URIs of Airflow's assets, and by OpenLineage's namespaces."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.client.references import ModelReference

SCHEME = "wriftai"
API_PATH = "/v1"
"""The path of a service's API, where a connection names none."""

_CONNECTION = "connection"


def model_uri(model: ModelReference, **query: str) -> str:
    """Return the URI of a model, in the form to which Airflow normalizes URIs.

    Args:
        model: The model.
        query: What distinguishes the URI from others of the same model: the ``connection``, and what is watched.
    """
    uri = f"{SCHEME}://{quote(model.owner, safe='')}/{quote(model.name, safe='')}"
    return f"{uri}?{urlencode(sorted(query.items()))}" if query else uri


def model_of_uri(uri: str) -> ModelReference | None:
    """Return the model that a URI is about; None if it is another kind of URI."""
    try:
        parts = urlsplit(uri)
        if parts.scheme != SCHEME:
            return None
        return ModelReference(unquote(parts.netloc), unquote(parts.path.removeprefix("/")))
    except (InvalidReferenceError, ValueError):
        return None


def connection_of_uri(uri: str) -> str | None:
    """Return the connection that the URI of a model names; None if it names none."""
    return dict(parse_qsl(urlsplit(uri).query)).get(_CONNECTION)


def service_namespace(base_url: str) -> str:
    """Return OpenLineage's namespace of the models of a service, such as ``wriftai://api.wrift.ai``.

    Args:
        base_url: The base URL of the service's API. Its path ``/v1`` is the API's, and is left out.
    """
    parts = urlsplit(base_url)
    return f"{SCHEME}://{parts.netloc}{parts.path.rstrip('/').removesuffix(API_PATH)}"
