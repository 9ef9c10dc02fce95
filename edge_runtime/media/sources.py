"""Where frames come from: a camera, a clip, a folder of pictures, the demo clip."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2

from edge_runtime.errors import ImageError, SourceError
from edge_runtime.media.image import IMAGE_SUFFIXES, read_image
from edge_runtime.model.catalog import shipped_folder
from edge_runtime.model.preprocess import Image

__all__ = ["CameraSource", "ClipSource", "FolderSource", "Frame", "Source", "open_source"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        index: Place in the source, from 0.
        time_s: Time in the source: since the camera was opened, or from the clip's start.
        captured_s: `time.monotonic()` when the picture was there to be used.
        image_bgr: uint8, (H, W, 3), BGR.
    """

    index: int
    time_s: float
    captured_s: float
    image_bgr: Image


class Source(Protocol):
    """Whatever gives frames one by one.

    Attributes:
        name: As events call it.
        fps: Frames per second it runs at; 0 where it has no pace of its own (a folder).
        live: Whether frames pass by whether read or not.
        problems: What could not be read, known once it has ended.
    """

    name: str
    fps: float
    live: bool
    problems: list[str]

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end."""
        ...

    def close(self) -> None:
        """Release the camera or file."""
        ...


def open_source(text: str) -> Source:
    """Open a source by what the user typed.

    Args:
        text: `demo`, a camera's number, a video file or a folder of pictures.

    Raises:
        SourceError: It is not there or cannot be opened.
    """
    if text == "demo":
        return ClipSource(shipped_folder() / "demo.mp4", name="demo")
    if text.isdecimal():
        return CameraSource(int(text))
    if "://" in text:
        raise SourceError(f"{text}: streams are not supported yet; pass a camera, clip or folder")
    path = Path(text)
    if text and path.is_dir():
        return FolderSource(path)
    if path.is_file():
        return ClipSource(path)
    raise SourceError(
        f"{text or 'nothing'}: no such file or folder; --source takes demo, 0, a clip or a folder"
    )


class CameraSource:
    """A camera by number."""

    live = True

    def __init__(self, index: int, capture: Any | None = None) -> None:
        """Open the camera.

        Args:
            index: As the system counts, from 0.
            capture: Stands in for `cv2.VideoCapture(index)` in tests.

        Raises:
            SourceError: The camera cannot be opened.
        """
        self.name = f"camera {index}"
        self._capture = cv2.VideoCapture(index) if capture is None else capture
        if not self._capture.isOpened():
            self._capture.release()
            see = "ls /dev/video*" if sys.platform == "linux" else "the system's settings"
            raise SourceError(
                f"camera {index}: cannot be opened; list cameras with '{see}', close other "
                "programs that use it, or pass --source"
            )
        self.fps = _rate(self._capture)
        self.problems: list[str] = []
        self._started_s = time.monotonic()
        self._count = 0

    def read(self) -> Frame | None:
        """Return the next frame; None once the camera is gone."""
        ok, image = self._capture.read()
        if not ok:
            self.problems = [f"{self.name}: stopped after {self._count} frames (unplugged?)"]
            return None
        now = time.monotonic()
        self._count += 1
        return Frame(self._count - 1, now - self._started_s, now, image)

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


class ClipSource:
    """A video file."""

    live = False

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open the file.

        Raises:
            SourceError: It is empty or no video OpenCV can decode.
        """
        self.name = name or str(path)
        self.problems: list[str] = []
        if not path.is_file():
            raise SourceError(f"{path}: no such file")
        if path.stat().st_size == 0:
            raise SourceError(f"{path}: the file is empty (0 bytes)")
        self._capture = cv2.VideoCapture(str(path))
        self._next = self._capture.read()[1] if self._capture.isOpened() else None
        if self._next is None:
            self._capture.release()
            raise SourceError(
                f"{path}: cannot be read as a video; the file is damaged, cut short or not a video"
            )
        self.fps = _rate(self._capture)
        self._promised = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._count = 0

    def read(self) -> Frame | None:
        """Return the next frame; None at the end."""
        image = self._next
        if image is None:
            # Containers count frames only roughly (one off is common); a clip that was cut ends
            # far earlier than it says.
            if self._count < 0.95 * self._promised - 2:
                self.problems = [
                    f"{self.name}: the file is cut short or damaged, "
                    f"{self._count} of {self._promised} frames could be read"
                ]
            return None
        self._next = self._capture.read()[1]
        index, self._count = self._count, self._count + 1
        return Frame(index, index / self.fps, time.monotonic(), image)

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


class FolderSource:
    """The pictures of a folder in order of name, as frames; unreadable ones are reported."""

    live = False
    fps = 0.0

    def __init__(self, path: Path) -> None:
        """List the folder.

        Raises:
            SourceError: It holds no picture.
        """
        self.name = str(path)
        self.problems: list[str] = []
        try:
            self._paths = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        except OSError as error:
            raise SourceError(f"{path}: cannot be listed ({error.strerror})") from None
        if not self._paths:
            raise SourceError(f"{path}: no pictures in this folder")
        self._index = 0

    def read(self) -> Frame | None:
        """Return the next picture; None at the end."""
        while self._index < len(self._paths):
            index, self._index = self._index, self._index + 1
            try:
                image = read_image(self._paths[index]).image_bgr
            except ImageError as error:
                self.problems.append(str(error))
                continue
            return Frame(index, float(index), time.monotonic(), image)
        return None

    def close(self) -> None:
        """Nothing is held open."""


def _rate(capture: Any) -> float:
    """Return frames per second; drivers and containers that claim nonsense run at 30."""
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    return fps if 0 < fps < 1000 else 30.0
