"""What can go wrong while exporting; leaves of the runtime's tree."""

from edge_runtime.errors import EdgeError

__all__ = ["AccuracyError", "FinetuneError", "KerasError", "ParityError", "RunError"]


class RunError(EdgeError):
    """The run folder is missing something or does not fit together."""


class FinetuneError(EdgeError):
    """A quantized graph has something that cannot be trained here."""


class KerasError(EdgeError):
    """The Keras model cannot be loaded, or is no classifier of pictures."""


class ParityError(EdgeError):
    """The ONNX graph does not answer as the Keras model does."""


class AccuracyError(EdgeError):
    """No way of quantizing kept the accuracy asked for; both numbers are in the message."""
