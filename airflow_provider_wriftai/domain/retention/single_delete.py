"""Delete one version, and make sure that it is gone."""

from __future__ import annotations

import logging

from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.endpoints import delete_version, get_version
from airflow_provider_wriftai.client.errors import NotFoundError, UnreadableResponseError
from airflow_provider_wriftai.client.references import VersionReference
from airflow_provider_wriftai.domain.retention.errors import UnconfirmedDeleteError
from airflow_provider_wriftai.domain.sansio import Operations, Pause

log = logging.getLogger(__name__)

_BACKOFF = Backoff(initial=1.0, maximum=8.0)
_ATTEMPTS = 5


def delete(reference: VersionReference) -> Operations[None]:
    """Delete a version.

    If the service answers with success, but not as its contract says (200 or 204 with an empty body, ``{}``, or
    ``null``), or something between us and the service answers in its place, the version is fetched until it is gone,
    for about 15 seconds. (A prune lists the versions instead: one request for many of them.)

    Args:
        reference: The version.

    Raises:
        NotFoundError: There is no such version.
        UnconfirmedDeleteError: The delete was not confirmed, and the version still exists.
        WriftAIError: What the client raises.
    """
    try:
        is_confirmed: bool = yield delete_version(reference)
    except UnreadableResponseError as error:
        log.warning("%s", error)
    else:
        if is_confirmed:
            return
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            yield get_version(reference)
        except NotFoundError:
            return
        if attempt < _ATTEMPTS:
            log.info("The delete of %s was not confirmed, and it still exists. Fetching it again.", reference)
            yield Pause(_BACKOFF.delay(attempt))
    raise UnconfirmedDeleteError(str(reference))
