"""What can go wrong with waiting, beyond the errors of the client."""

from __future__ import annotations

from airflow_provider_wriftai.client.errors import WriftAIError


class WaitFailedError(WriftAIError):
    """A deferred wait ended without the version, for a reason that a retry may mend."""
