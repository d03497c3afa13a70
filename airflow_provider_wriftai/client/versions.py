"""Versions module.

Annotations are evaluated here: see ``common_types``.
"""

import builtins
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import NotRequired, TypedDict

from airflow_provider_wriftai.client import endpoints
from airflow_provider_wriftai.client.common_types import (
    Schemas,
    UpdateVersionConfigurationParams,
    Version,
    VersionConfiguration,
)
from airflow_provider_wriftai.client.pagination import (
    PaginatedResponse,
    PaginationOptions,
    aiterate_pages,
    iterate_pages,
)
from airflow_provider_wriftai.client.references import ModelReference, parse_version
from airflow_provider_wriftai.client.resource import Resource
from airflow_provider_wriftai.client.version import VersionRecord


class CreateVersionParams(TypedDict):
    """Parameters for creating a version of a model."""

    release_notes: str
    """Information about changes such as new features, bug fixes, or optimizations in this version: at most 255
    characters."""
    schemas: Schemas
    """Schemas for the model version."""
    container_image_digest: str
    """SHA256 hash digest of the version's container image: ``sha256:`` and 64 lower-case hexadecimal digits."""
    compatibilities: NotRequired[Mapping[str, bool]]
    """Which API endpoints of other vendors the version can serve (generation 2)."""
    configuration: NotRequired[UpdateVersionConfigurationParams]
    """The configuration of the version. Left out, it is that of the previous version (generation 2)."""


class Versions(Resource):
    """Operations on the versions of a model.

    A ``version_id`` is an id (generation 1 of the API) or ``owner/name:number`` (generation 2).

    Every method raises the errors of ``client.errors``: ``InvalidReferenceError`` before anything is sent, and
    ``ConnectionFailedError``, ``UnreadableResponseError``, or one of ``APIError`` afterwards.
    """

    def get(self, version_id: str) -> Version:
        """Fetch a model version by its id.

        Args:
            version_id: The unique identifier of the version.

        Returns:
            The model version.
        """
        return self._api.request(endpoints.get_version(parse_version(version_id), strict=True)).to_typed_dict()

    async def async_get(self, version_id: str) -> Version:
        """Fetch a model version by its id.

        Args:
            version_id: The unique identifier of the version.

        Returns:
            The model version.
        """
        return (
            await self._api.async_request(endpoints.get_version(parse_version(version_id), strict=True))
        ).to_typed_dict()

    def list(
        self, model_owner: str, model_name: str, pagination_options: PaginationOptions | None = None
    ) -> PaginatedResponse[Version]:
        """List versions: one page, newest first. For all pages see :meth:`iterate_pages`.

        Args:
            model_owner: Username of the model's owner.
            model_name: Name of the model.
            pagination_options: Optional settings to control pagination behavior.

        Returns:
            Paginated response containing versions and navigation metadata.
        """
        model = ModelReference(model_owner, model_name)
        page = self._api.request(endpoints.list_versions(model, pagination_options, strict=True))
        return page.map(VersionRecord.to_typed_dict)

    async def async_list(
        self, model_owner: str, model_name: str, pagination_options: PaginationOptions | None = None
    ) -> PaginatedResponse[Version]:
        """List versions: one page, newest first. For all pages see :meth:`aiterate_pages`.

        Args:
            model_owner: Username of the model's owner.
            model_name: Name of the model.
            pagination_options: Optional settings to control pagination behavior.

        Returns:
            Paginated response containing versions and navigation metadata.
        """
        model = ModelReference(model_owner, model_name)
        page = await self._api.async_request(endpoints.list_versions(model, pagination_options, strict=True))
        return page.map(VersionRecord.to_typed_dict)

    def iterate_pages(self, model_owner: str, model_name: str) -> Iterator[PaginatedResponse[Version]]:
        """List all versions, page after page, newest first.

        Args:
            model_owner: Username of the model's owner.
            model_name: Name of the model.

        Yields:
            Each page, of the largest size that the service allows.

        Raises:
            PaginationError: The listing does not end.
        """
        return iterate_pages(lambda options: self.list(model_owner, model_name, options))

    def aiterate_pages(self, model_owner: str, model_name: str) -> AsyncIterator[PaginatedResponse[Version]]:
        """List all versions as :meth:`iterate_pages` does, asynchronously."""
        return aiterate_pages(lambda options: self.async_list(model_owner, model_name, options))

    def delete(self, version_id: str) -> None:
        """Delete a model version by its id.

        Args:
            version_id: The unique identifier of the version.
        """
        self._api.request(endpoints.delete_version(parse_version(version_id)))

    async def async_delete(self, version_id: str) -> None:
        """Delete a model version by its id.

        Args:
            version_id: The unique identifier of the version.
        """
        await self._api.async_request(endpoints.delete_version(parse_version(version_id)))

    def create(self, model_owner: str, model_name: str, options: CreateVersionParams) -> Version:
        """Create a version of a model with a single POST.

        An error whose ``ambiguous`` is true leaves open whether the version was created;
        ``WriftAICreateVersionOperator`` resolves that.

        Args:
            model_owner: Username of the model's owner.
            model_name: Name of the model.
            options: Model's version creation parameters.

        Returns:
            The new version.
        """
        operation = endpoints.create_version(ModelReference(model_owner, model_name), _as_mapping(options))
        return self._api.request(operation).to_typed_dict()

    async def async_create(self, model_owner: str, model_name: str, options: CreateVersionParams) -> Version:
        """Create a version of a model with a single POST: see :meth:`create`.

        Args:
            model_owner: Username of the model's owner.
            model_name: Name of the model.
            options: Model's version creation parameters.

        Returns:
            The new version.
        """
        operation = endpoints.create_version(ModelReference(model_owner, model_name), _as_mapping(options))
        return (await self._api.async_request(operation)).to_typed_dict()

    def get_configuration(self, version_id: str) -> VersionConfiguration:
        """Fetch the configuration of a model version (generation 2).

        Args:
            version_id: The unique identifier of the version.

        Returns:
            The configuration.
        """
        return self._api.request(endpoints.get_configuration(parse_version(version_id)))

    async def async_get_configuration(self, version_id: str) -> VersionConfiguration:
        """Fetch the configuration of a model version (generation 2).

        Args:
            version_id: The unique identifier of the version.

        Returns:
            The configuration.
        """
        return await self._api.async_request(endpoints.get_configuration(parse_version(version_id)))

    def update_configuration(self, version_id: str, params: UpdateVersionConfigurationParams) -> VersionConfiguration:
        """Update the configuration of a model version (generation 2). Repeating an update changes nothing.

        Args:
            version_id: The unique identifier of the version.
            params: What to change. ``variable_names`` replaces all current names.

        Returns:
            The whole configuration after the update.
        """
        return self._api.request(endpoints.update_configuration(parse_version(version_id), _as_mapping(params)))

    async def async_update_configuration(
        self, version_id: str, params: UpdateVersionConfigurationParams
    ) -> VersionConfiguration:
        """Update the configuration of a model version (generation 2). Repeating an update changes nothing.

        Args:
            version_id: The unique identifier of the version.
            params: What to change. ``variable_names`` replaces all current names.

        Returns:
            The whole configuration after the update.
        """
        operation = endpoints.update_configuration(parse_version(version_id), _as_mapping(params))
        return await self._api.async_request(operation)


def _as_mapping(params: CreateVersionParams | UpdateVersionConfigurationParams) -> builtins.dict[str, object]:
    return {**params}
