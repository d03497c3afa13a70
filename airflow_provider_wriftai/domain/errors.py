"""The errors that several activities share, beyond those of the client."""

from __future__ import annotations

from airflow_provider_wriftai.client.errors import WriftAIError


class TaskStoppedError(WriftAIError):
    """Airflow stopped the task. No request began after that."""

    retryable = True

    @classmethod
    def while_publishing(cls, model: object) -> TaskStoppedError:
        """Return the error for a publish."""
        return cls._during(
            f"publishing a version of {model}",
            "If a create request was under way, the next try searches for its version before it creates one.",
        )

    @classmethod
    def while_reading(cls, activity: str) -> TaskStoppedError:
        """Return the error for a request that changes nothing."""
        return cls._during(activity, "Nothing was changed.")

    @classmethod
    def while_changing(cls, activity: str) -> TaskStoppedError:
        """Return the error for a request that is safe to repeat."""
        return cls._during(activity, "If the request was under way, it may have been executed. Repeating it is safe.")

    @classmethod
    def _during(cls, activity: str, next_step: str) -> TaskStoppedError:
        return TaskStoppedError(f"Airflow stopped the task while it was {activity}. {next_step}")
