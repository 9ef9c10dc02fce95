"""How every command line here fails: one line on stderr, the right exit code."""

from __future__ import annotations

import os
import signal
import sys
from importlib import util
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from edge_runtime.errors import EdgeError, InstallError

__all__ = ["EdgeCommand", "EdgeGroup", "need_libraries"]


class _Boundary:
    """Where `EdgeError`s become `error: ...` and exit code 1, and SIGTERM becomes Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            return super().invoke(ctx)  # type: ignore[misc]
        except EdgeError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            print("error: interrupted", file=sys.stderr)
            raise typer.Exit(1) from None
        except BrokenPipeError:
            # The reader of our output went away (`| head`): not our failure, and Python would
            # complain once more when it flushes stdout at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None


class EdgeGroup(_Boundary, TyperGroup):
    """A command line of several commands."""


class EdgeCommand(_Boundary, TyperCommand):
    """A command line that is one command."""


def need_libraries() -> None:
    """Refuse to go on without onnxruntime and OpenCV, and name the commands that install them.

    Raises:
        InstallError: One is missing.
    """
    lacking = [name for name in ("onnxruntime", "cv2") if util.find_spec(name) is None]
    if lacking:
        raise InstallError(
            f"{' and '.join(lacking)} not installed; pip install 'edge-run[desktop]' (CPU and "
            "windows), 'edge-run[cpu,headless]' (no screen) or 'edge-run[gpu,gui]'"
        )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
