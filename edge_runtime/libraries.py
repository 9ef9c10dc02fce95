"""The two libraries the runtime stands on: installing it does not bring them along."""

from __future__ import annotations

from importlib import import_module, util

from edge_runtime.errors import InstallError

__all__ = ["in_one_line", "need_libraries"]


def need_libraries() -> None:
    """Import onnxruntime and OpenCV, or name the commands that install them.

    Raises:
        InstallError: One is missing or cannot be loaded.
    """
    for module, package, other in (
        ("onnxruntime", "onnxruntime", "onnxruntime-gpu for an NVIDIA GPU"),
        ("cv2", "opencv-python", "opencv-python-headless where there is no screen"),
    ):
        try:
            import_module(module)
        except ImportError as error:
            if util.find_spec(module) is None:
                ways = f"pip install {package}, or {other}"
                raise InstallError(f"{module} is not installed; {ways}") from None
            raise InstallError(
                f"{module} is installed but cannot be loaded ({error}); take {other}, or install "
                "the system library it names"
            ) from None


def in_one_line(error: Exception) -> str:
    """Return what a library complains of, its first 200 characters, for a message of ours."""
    return " ".join(str(error).split())[:200]
