"""What can go wrong while training; leaves of the runtime's tree."""

from edge_runtime.errors import EdgeError

__all__ = ["DataError", "RunError"]


class DataError(EdgeError):
    """The training data cannot be used as it is; the message says what to change."""


class RunError(EdgeError):
    """A run folder cannot be written, or does not belong to what is asked."""
