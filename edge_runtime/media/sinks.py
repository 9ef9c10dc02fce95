"""Where results go: a window, a video file, JSON lines, a still picture."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import cv2

from edge_runtime.errors import OutputError
from edge_runtime.model.preprocess import Image

__all__ = ["EventLines", "Still", "VideoFile", "Window", "check_writable"]


def check_writable(path: Path) -> None:
    """Refuse a place nothing can be written to, before any work is done.

    Raises:
        OutputError: The folder is missing or read-only, or the path is a folder.
    """
    folder = path.parent
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file in it")
    if not folder.is_dir():
        raise OutputError(f"{path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: the folder {folder} is read-only")


class VideoFile:
    """An mp4 of constant frame rate that stays in step with time, also when frames are dropped."""

    def __init__(self, path: Path, fps: float) -> None:
        """Take the file to write; it is opened with the first frame, whose size it takes.

        Raises:
            OutputError: Nothing can be written there.
        """
        check_writable(path)
        self._path, self._fps = path, fps if fps > 0 else 10.0
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._written = 0
        self._first_s = 0.0

    def write(self, image_bgr: Image, time_s: float) -> None:
        """Add a frame; one that was dropped before it is filled by repeating this one.

        Raises:
            OutputError: The encoder cannot be opened.
        """
        height, width = image_bgr.shape[:2]
        if self._writer is None:
            self._size, self._first_s = (width, height), time_s
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), codec, self._fps, self._size)
            if not self._writer.isOpened():
                raise OutputError(f"{self._path}: OpenCV cannot write an mp4 there")
        if (width, height) != self._size:
            image_bgr = cv2.resize(image_bgr, self._size)
        due = max(self._written + 1, round((time_s - self._first_s) * self._fps) + 1)
        for _ in range(min(due - self._written, int(self._fps) + 1)):
            self._writer.write(image_bgr)
        self._written = due

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


class EventLines:
    """JSON lines, one a frame, flushed at each, in a file or on stdout."""

    def __init__(self, path: Path | None) -> None:
        """Open the file; None writes to stdout.

        Raises:
            OutputError: Nothing can be written there.
        """
        self._file: TextIO = sys.stdout
        if path is not None:
            check_writable(path)
            try:
                self._file = path.open("w", encoding="utf-8")
            except OSError as error:
                raise OutputError(f"{path}: cannot be written ({error.strerror})") from None

    def write(self, event: dict[str, Any]) -> None:
        """Add one event."""
        self._file.write(json.dumps(event, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not sys.stdout:
            self._file.close()


class Still:
    """One annotated picture: the frame with the clearest face so far."""

    def __init__(self, path: Path) -> None:
        """Take the file to write.

        Raises:
            OutputError: Nothing can be written there, or the suffix is no picture's.
        """
        check_writable(path)
        if not cv2.haveImageWriter(str(path)):
            raise OutputError(f"{path}: OpenCV writes no such pictures; use .jpg or .png")
        self._path = path
        self._best: tuple[float, Image] | None = None

    def offer(self, image_bgr: Image, score: float) -> None:
        """Keep a frame if its score is higher than that of the one kept."""
        if self._best is None or score > self._best[0]:
            self._best = (score, image_bgr.copy())

    def close(self) -> None:
        """Write the picture under another name, then rename it."""
        if self._best is None:
            return
        part = self._path.with_name(f".{self._path.stem}.part{self._path.suffix}")
        if not cv2.imwrite(str(part), self._best[1]):
            with contextlib.suppress(OSError):
                part.unlink()
            raise OutputError(f"{self._path}: cannot be written")
        os.replace(part, self._path)


class Window:
    """A window on the desktop; q, Escape or closing it ends the loop."""

    def __init__(self, title: str) -> None:
        """Open the window.

        Raises:
            OutputError: This OpenCV has no windows, or there is no screen.
        """
        self._title = title
        no_screen = sys.platform == "linux" and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        )
        if no_screen:
            # Asked without a screen, Qt does not raise: it aborts the process.
            raise OutputError(
                "there is no screen here to open a window on; add --no-window, "
                "and --record or --events to keep what is seen"
            )
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        except cv2.error:
            raise OutputError(
                "this OpenCV has no windows (opencv-python-headless); add --no-window, or "
                "install the other flavor: pip uninstall opencv-python-headless, "
                "pip install opencv-python"
            ) from None

    def show(self, image_bgr: Image) -> bool:
        """Show a frame; return False once the user wants to stop."""
        cv2.imshow(self._title, image_bgr)
        if cv2.waitKey(1) & 0xFF in (ord("q"), 27):
            return False
        return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)

    def close(self) -> None:
        """Close the window."""
        with contextlib.suppress(cv2.error):  # the user may have closed it
            cv2.destroyWindow(self._title)
