"""The two libraries the runtime stands on, which installing it does not bring along."""

from __future__ import annotations

from importlib import import_module, util

from edge_runtime.errors import InstallError

__all__ = ["need_libraries"]


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
