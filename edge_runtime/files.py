"""Writing files so that nothing half-written ever keeps its final name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.errors import OutputError

__all__ = ["alone_in", "check_writable", "write_whole"]


def check_writable(path: Path) -> None:
    """Refuse a place nothing can be written to, before any work is done.

    Raises:
        OutputError: The folder is missing or read-only, or the path is a folder.
    """
    folder = path.parent
    if path.is_dir():
        raise OutputError(f"{path}: cannot be written (is a folder; name a file in it)")
    if not folder.is_dir():
        raise OutputError(f"{path}: cannot be written (there is no folder {folder}; make it first)")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: cannot be written (the folder {folder} is read-only)")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time read, change and write a file of a folder; the others wait.

    Where the system knows no such lock (Windows), nobody waits.

    Raises:
        OutputError: The folder cannot be opened.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be opened ({error.strerror})") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # and the lock with it, also when the process is killed


def write_whole(path: Path, data: bytes, *, durable: bool = False, private: bool = False) -> None:
    """Write a file as NAME.part and rename it; an older file stays until then.

    A link's target is replaced, not the link; a device or pipe is written to as it is.

    Args:
        path: The file.
        data: All of it.
        durable: Return only when file and name are on the disk, so that a power cut right after
            leaves them there; takes a disk's time.
        private: Only its owner may read it.

    Raises:
        OutputError: It cannot be written there; no part is left.
    """
    check_writable(path)
    if path.exists() and not path.is_file():
        try:
            path.write_bytes(data)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
        return
    named, path = path, path.resolve()
    part = path.with_name(path.name + ".part")
    try:
        if private:
            part.touch()
            part.chmod(0o600)
        part.write_bytes(data)
        if durable:
            _sync(part)
        os.replace(part, path)
        if durable and os.name == "posix":  # elsewhere a folder cannot be opened
            _sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise OutputError(f"{named}: cannot be written ({error.strerror})") from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
