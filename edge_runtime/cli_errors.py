"""How every command line here fails: one line on stderr, the right exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from edge_runtime.errors import EdgeError

__all__ = ["EdgeCommand", "EdgeGroup", "native_noise_silenced"]


class _Boundary:
    """Where `EdgeError`s become `error: ...` and exit code 1, and SIGTERM becomes Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        signal.signal(signal.SIGTERM, _interrupt)
        for stream in (sys.stdout, sys.stderr):
            # A file name the terminal's encoding lacks must not end the work.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            done = super().invoke(ctx)  # type: ignore[misc]
            sys.stdout.flush()
            return done
        except EdgeError as error:
            raise _failed(str(error), error, error.exit_code) from None
        except KeyboardInterrupt as error:
            raise _failed("interrupted", error) from None
        except BrokenPipeError:
            # The reader of our output went away (`| head`): not our failure.
            _leave_stdout()
            raise typer.Exit(1) from None
        except OSError as error:
            # Files are written and read where an error has a name; stdout, say on a full disk,
            # is left.
            where = error.filename or "standard output"
            _leave_stdout()
            raise _failed(f"{where}: {error.strerror or error}", error) from None


class EdgeGroup(_Boundary, TyperGroup):
    """A command line of several commands."""


class EdgeCommand(_Boundary, TyperCommand):
    """A command line that is one command."""


@contextmanager
def native_noise_silenced() -> Iterator[None]:
    """Throw away what C++ libraries write to stderr meanwhile; Python's errors still rise.

    TensorFlow greets with eight lines on import, whatever its log level.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _failed(message: str, error: BaseException, code: int = 1) -> typer.Exit:
    """Tell why, with what was noted on the way, and return what ends the program."""
    notes = getattr(error, "__notes__", ())
    print(f"error: {'; '.join([message, *notes])}", file=sys.stderr)
    return typer.Exit(code)


def _leave_stdout() -> None:
    """Send the rest nowhere: Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
