"""Other versions of the same image, which another task created at the same moment."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow_provider_wriftai.client.endpoints import delete_version
from airflow_provider_wriftai.client.errors import NotFoundError, WriftAIError
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.publishing.comparison import age_order
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry
from airflow_provider_wriftai.domain.publishing.listing import list_newer
from airflow_provider_wriftai.domain.publishing.publication import Publication
from airflow_provider_wriftai.domain.sansio import Operations
from airflow_provider_wriftai.domain.search import match_digest, search_versions
from airflow_provider_wriftai.domain.watermark import Watermark

log = logging.getLogger(__name__)


def warn_of_duplicates(publication: Publication, found: VersionRecord, candidates: Sequence[VersionRecord]) -> None:
    """Warn if the list shows that the image has other versions than the one that was found."""
    others = [v for v in candidates if v.digest == publication.digest and v.reference != found.reference]
    if others:
        log.warning(
            "%s and %s are versions of the same image. Two tasks may have published it at the same moment.",
            found.reference,
            ", ".join(str(version.reference) for version in others),
        )


def warn_of_concurrent(publication: Publication, created: VersionRecord, watermark: Watermark) -> Operations[None]:
    """Warn if other versions were published since the search. Whether they are of the image is not looked up."""
    if created.number is None or watermark.number is None or created.number <= watermark.number + 1:
        return
    # The numbers in between may also be those of versions that were deleted before.
    try:
        newer = yield from list_newer(publication.model, watermark)
    except WriftAIError:
        return
    between = ", ".join(str(each.reference) for each in reversed(newer) if each.reference != created.reference)
    if not between:
        return
    log.warning(
        "While this task created %s, others published %s. Check whether the image is the same; "
        "on_duplicate='delete_own' does that.",
        created.reference,
        between,
    )


def delete_if_duplicate(
    publication: Publication, created: VersionRecord, entry: JournalEntry
) -> Operations[VersionRecord | None]:
    """Delete the version that this try has just created, if an older one is of the same image.

    The oldest one wins, so all tasks agree without talking to each other. The journal stays unresolved meanwhile: a
    try that follows a killed one finds whichever version is there.

    Returns:
        The older version; None if there is none.
    """
    try:
        newer = yield from list_newer(publication.model, entry.watermark)
        others = [version for version in newer if version.reference != created.reference]
        result = yield from search_versions(others, match_digest(publication.digest), find_all=True)
    except WriftAIError as error:
        log.warning("Cannot determine whether %s is a duplicate, so it is kept. %s", created.reference, error)
        return None
    older = [version for version in result.found if age_order(version) < age_order(created)]
    if not older:
        return None
    oldest = min(older, key=age_order)
    log.warning(
        "Another task created %s of the same image at the same moment. Deleting %s, which this try created.",
        oldest.reference,
        created.reference,
    )
    try:
        yield delete_version(created.reference)
    except NotFoundError:
        pass
    except WriftAIError as error:
        log.warning("%s may still exist. Delete it unless it is in use. %s", created.reference, error)
    return oldest
