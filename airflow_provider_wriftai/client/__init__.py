"""The WriftAI versions API over httpx. Nothing here knows Airflow.

The names are loaded when they are first used, so that a DAG file that imports one of the provider's operators does not
load httpx and tenacity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wriftai.client.exports import load_on_use

if TYPE_CHECKING:
    from airflow_provider_wriftai.client.access_token import AccessToken
    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.client.common_types import (
        Model,
        SchemaIO,
        Schemas,
        UpdateVersionConfigurationParams,
        Version,
        VersionConfiguration,
    )
    from airflow_provider_wriftai.client.errors import (
        APIError,
        AuthenticationError,
        ConfigurationError,
        ConflictError,
        ConnectionFailedError,
        FieldProblem,
        InvalidReferenceError,
        InvalidRequestError,
        NotFoundError,
        PaginationError,
        PermissionDeniedError,
        RateLimitedError,
        RedirectError,
        RequestError,
        RequestInfo,
        RequestTimeoutError,
        ServerError,
        UnreadableResponseError,
        WriftAIError,
    )
    from airflow_provider_wriftai.client.pagination import PaginatedResponse, PaginationOptions
    from airflow_provider_wriftai.client.references import (
        ModelReference,
        VersionId,
        VersionNumber,
        VersionReference,
        parse_version,
    )
    from airflow_provider_wriftai.client.retrying import RetryPolicy
    from airflow_provider_wriftai.client.versions import CreateVersionParams, Versions

__all__ = [
    "API",
    "APIError",
    "AccessToken",
    "AuthenticationError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "CreateVersionParams",
    "FieldProblem",
    "InvalidReferenceError",
    "InvalidRequestError",
    "Model",
    "ModelReference",
    "NotFoundError",
    "PaginatedResponse",
    "PaginationError",
    "PaginationOptions",
    "PermissionDeniedError",
    "RateLimitedError",
    "RedirectError",
    "RequestError",
    "RequestInfo",
    "RequestTimeoutError",
    "RetryPolicy",
    "SchemaIO",
    "Schemas",
    "ServerError",
    "UnreadableResponseError",
    "UpdateVersionConfigurationParams",
    "Version",
    "VersionConfiguration",
    "VersionId",
    "VersionNumber",
    "VersionReference",
    "Versions",
    "WriftAIError",
    "parse_version",
]

_MODULES = ("errors", "references", "common_types", "pagination", "access_token", "retrying", "api", "versions")
"""From the cheapest to the dearest."""

__getattr__ = load_on_use(__name__, _MODULES)
