"""The versions module: every operation on the versions of a model, sync and async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NotRequired, TypedDict

from airflow_provider_wriftai.client import endpoints
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.common_types import Schemas, Version
from airflow_provider_wriftai.client.pagination import (
    PaginatedResponse,
    PaginationOptions,
    async_every_page,
    every_page,
)
from airflow_provider_wriftai.client.references import ModelReference, parse_version


class CreateVersionParams(TypedDict):
    """Parameters for creating a version of a model."""

    release_notes: str
    """What is new in this version, at most 255 characters."""
    schemas: Schemas
    """The JSON Schemas of what goes in and what comes out."""
    container_image_digest: str
    """The digest of the image's manifest: ``sha256:`` and 64 lower-case hexadecimal digits."""
    compatibilities: NotRequired[Mapping[str, bool]]
    """Which foreign endpoints the version can stand in for (generation 2)."""
    configuration: NotRequired[Mapping[str, Any]]
    """``hardware_identifier`` and ``variable_names``; left out: as the previous version (generation 2)."""


class Versions:
    """Operations on the versions of a model.

    A ``version_id`` is an id (generation 1 of the API) or ``owner/name:number`` (generation 2).

    Every method raises the errors of ``client.errors``: ``InvalidReferenceError`` before anything is
    sent, ``ConnectionFailedError``, ``UnreadableResponseError`` or one of ``APIError`` after.

    Args:
        api: What the requests are made with.
    """

    def __init__(self, api: API) -> None:
        self._api = api

    def get(self, version_id: str) -> Version:
        """Fetch a version with its details.

        Args:
            version_id: The version's id, or ``owner/name:number``.

        Returns:
            The version.
        """
        return self._api.request(endpoints.get_version(parse_version(version_id)))

    async def async_get(self, version_id: str) -> Version:
        """Fetch a version as :meth:`get` does, asynchronously."""
        return await self._api.async_request(endpoints.get_version(parse_version(version_id)))

    def list(
        self, model_owner: str, model_name: str, pagination_options: PaginationOptions | None = None
    ) -> PaginatedResponse[Version]:
        """Fetch one page of a model's versions, newest first.

        Args:
            model_owner: Username of the model's owner.
            model_name: Name of the model.
            pagination_options: Which page, and how long.

        Returns:
            The page. For all pages see :meth:`every_page`.
        """
        model = ModelReference(model_owner, model_name)
        return self._api.request(endpoints.list_versions(model, pagination_options))

    async def async_list(
        self, model_owner: str, model_name: str, pagination_options: PaginationOptions | None = None
    ) -> PaginatedResponse[Version]:
        """Fetch one page as :meth:`list` does, asynchronously."""
        model = ModelReference(model_owner, model_name)
        return await self._api.async_request(endpoints.list_versions(model, pagination_options))

    def every_page(self, model_owner: str, model_name: str) -> Iterator[PaginatedResponse[Version]]:
        """Fetch all pages of a model's versions, one after the other, newest first.

        Args:
            model_owner: Username of the model's owner.
            model_name: Name of the model.

        Yields:
            Each page, of the largest size that the service allows.

        Raises:
            PaginationError: The listing does not end.
        """
        return every_page(lambda options: self.list(model_owner, model_name, options))

    def async_every_page(self, model_owner: str, model_name: str) -> AsyncIterator[PaginatedResponse[Version]]:
        """Fetch all pages as :meth:`every_page` does, asynchronously."""
        return async_every_page(lambda options: self.async_list(model_owner, model_name, options))

    def delete(self, version_id: str) -> None:
        """Delete a version.

        Args:
            version_id: The version's id, or ``owner/name:number``.
        """
        self._api.request(endpoints.delete_version(parse_version(version_id)))

    async def async_delete(self, version_id: str) -> None:
        """Delete a version as :meth:`delete` does, asynchronously."""
        await self.async_delete_confirmed(version_id)

    async def async_delete_confirmed(self, version_id: str) -> bool:
        """Delete a version as :meth:`async_delete` does, and tell how certain that is.

        Args:
            version_id: The version's id, or ``owner/name:number``.

        Returns:
            Whether the service said that it deleted the version. False: the answer to a try was lost, and a later
            one found no such version.
        """
        return await self._api.async_request(endpoints.delete_version(parse_version(version_id)))

    def create(self, model_owner: str, model_name: str, options: CreateVersionParams) -> Version:
        """Create a version of a model: one POST.

        An error whose ``ambiguous`` is true leaves open whether the version was made;
        ``publishing.publish`` settles that.

        Args:
            model_owner: Username of the model's owner.
            model_name: Name of the model.
            options: What the version is made of.

        Returns:
            The new version.
        """
        return self._api.request(endpoints.create_version(ModelReference(model_owner, model_name), options))

    async def async_create(self, model_owner: str, model_name: str, options: CreateVersionParams) -> Version:
        """Create a version as :meth:`create` does, asynchronously."""
        return await self._api.async_request(endpoints.create_version(ModelReference(model_owner, model_name), options))
