"""What can go wrong, one tree; every message is one line that says what to do.

    EdgeError
    ├── CardError      a model file's description of itself is missing, malformed or does not fit
    ├── ModelError     a model file cannot be found, read, trusted or run
    ├── ImageError     a picture cannot be read or is not what a function expects
    ├── SourceError    a camera, clip or folder cannot be opened or ended early
    ├── GalleryError   a file of enrolled people, or a name in it, cannot be used
    ├── OutputError    a result cannot be written where it was asked for
    ├── InstallError   what is installed here lacks something, or two installations conflict
    └── OptionError    wrong usage: options that do not make sense, or not for this model

`train` and `export` add their own leaves. The command line catches `EdgeError` once, prints
``error: ...`` and exits with 1 (2 for wrong usage); anything else is a bug and keeps its traceback.
"""

__all__ = [
    "CardError",
    "EdgeError",
    "GalleryError",
    "ImageError",
    "InstallError",
    "ModelError",
    "OptionError",
    "OutputError",
    "SourceError",
]


class EdgeError(Exception):
    """Something the user can mend; the message says how, in one line."""

    exit_code = 1


class CardError(EdgeError):
    """The card inside a model file is missing, malformed or does not fit the graph."""


class ModelError(EdgeError):
    """A model file cannot be found, read, trusted or run."""


class ImageError(EdgeError):
    """A picture cannot be read, or an array is not the picture a function expects."""


class SourceError(EdgeError):
    """A camera, clip or folder cannot be opened, or ended before it should."""


class GalleryError(EdgeError):
    """A file of enrolled people cannot be read or trusted, or a name in it cannot be used."""


class OutputError(EdgeError):
    """A result cannot be written where it was asked for."""


class InstallError(EdgeError):
    """What is installed here lacks something, or two installations conflict."""


class OptionError(EdgeError):
    """Wrong usage: options that do not make sense, or not for this model."""

    exit_code = 2
