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
from edge_runtime.files import check_writable, write_whole
from edge_runtime.model.preprocess import Image

__all__ = ["EventLines", "Still", "VideoFile", "Window"]

_LONGEST_FILL_S = 10.0  # a longer pause (a camera that hung) is cut out of the video


class VideoFile:
    """An mp4 of constant frame rate that stays in step with time, also when frames are dropped.

    It is NAME.part.mp4 until it is finished; an older file stays until then.
    """

    def __init__(self, path: Path, fps: float) -> None:
        """Take the file to write; it is opened with the first frame, whose size it takes.

        Raises:
            OutputError: Nothing can be written there.
        """
        check_writable(path)
        if path.suffix.lower() != ".mp4":
            raise OutputError(f"{path}: cannot be written (name the video .mp4)")
        self._path, self._fps = path, fps if fps > 0 else 10.0
        self._part = path.with_suffix(".part.mp4")  # OpenCV goes by the suffix
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._written = 0
        self._closed = False
        self._first_s = 0.0

    @property
    def written(self) -> Path | None:
        """The file, once there is one."""
        return None if self._writer is None else self._path

    def write(self, image_bgr: Image, time_s: float) -> None:
        """Add a frame; one that was dropped before it is filled by repeating this one.

        Raises:
            OutputError: The encoder cannot be opened.
        """
        height, width = image_bgr.shape[:2]
        if self._writer is None:
            self._size, self._first_s = (width, height), time_s
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(self._part), codec, self._fps, self._size)
            if not writer.isOpened():
                raise OutputError(f"{self._path}: OpenCV cannot write an mp4 there")
            self._writer = writer
        if (width, height) != self._size:
            image_bgr = cv2.resize(image_bgr, self._size)
        due = max(self._written + 1, round((time_s - self._first_s) * self._fps) + 1)
        too_long = due - self._written - round(_LONGEST_FILL_S * self._fps) - 1
        if too_long > 0:
            self._first_s += too_long / self._fps
            due -= too_long
        for _ in range(due - self._written):
            self._writer.write(image_bgr)
        self._written = due

    def close(self) -> None:
        """Finish the file.

        Raises:
            OutputError: It did not become one; OpenCV does not tell when a disk is full.
        """
        if self._writer is None or self._closed:
            return
        self._closed = True
        self._writer.release()
        written = cv2.VideoCapture(str(self._part))
        whole = written.isOpened() and written.get(cv2.CAP_PROP_FRAME_COUNT) >= self._written
        written.release()
        if not whole:
            raise OutputError(f"{self._part}: is not whole; is the disk full?")
        try:
            os.replace(self._part, self._path)
        except OSError as error:
            raise OutputError(
                f"{self._path}: cannot be written ({error.strerror}); the video is {self._part}"
            ) from None


class EventLines:
    """JSON lines, one a frame, flushed at each, in a file or on stdout."""

    def __init__(self, path: Path | None) -> None:
        """Take the file, which is begun with the first event; None writes to stdout.

        Raises:
            OutputError: Nothing can be written there.
        """
        if path is not None:
            check_writable(path)
        self._path = path
        self._file: TextIO | None = sys.stdout if path is None else None

    @property
    def written(self) -> Path | None:
        """The file, once there is one."""
        return None if self._file is None else self._path

    def write(self, event: dict[str, Any]) -> None:
        """Add one event.

        Raises:
            OutputError: The file cannot be written, or the disk is full.
            BrokenPipeError: Nobody reads stdout any more.
        """
        try:
            if self._file is None and self._path is not None:
                self._file = self._path.open("w", encoding="utf-8")
            if self._file is not None:
                self._file.write(json.dumps(event) + "\n")
                self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            name = self._path or "stdout"
            raise OutputError(f"{name}: cannot be written ({error.strerror})") from None

    def close(self) -> None:
        """Close the file; a run without a frame leaves an empty one."""
        if self._path is None:
            return
        if self._file is None:
            try:
                self._file = self._path.open("w", encoding="utf-8")
            except OSError as error:
                raise OutputError(f"{self._path}: cannot be written ({error.strerror})") from None
        with contextlib.suppress(OSError):  # a full disk was said when it was written to
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

    @property
    def written(self) -> Path | None:
        """The file, once there is something to write."""
        return None if self._best is None else self._path

    def offer(self, image_bgr: Image, score: float) -> None:
        """Keep a frame if its score is higher than that of the one kept."""
        if self._best is None or score > self._best[0]:
            self._best = (score, image_bgr.copy())

    def close(self) -> None:
        """Write the picture.

        Raises:
            OutputError: It cannot be written.
        """
        if self._best is not None:
            done, encoded = cv2.imencode(self._path.suffix, self._best[1])
            if not done:
                raise OutputError(f"{self._path}: cannot be written (OpenCV cannot encode it)")
            write_whole(self._path, encoded.tobytes())


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
        self._sized = False
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error:
            raise OutputError(
                "this OpenCV has no windows (opencv-python-headless); add --no-window, or "
                "install the other flavor: pip uninstall opencv-python-headless, "
                "pip install opencv-python"
            ) from None

    def show(self, image_bgr: Image) -> bool:
        """Show a frame; return False once the user wants to stop."""
        if not self._sized:
            cv2.resizeWindow(self._title, image_bgr.shape[1], image_bgr.shape[0])
            self._sized = True
        cv2.imshow(self._title, image_bgr)
        if cv2.waitKey(1) & 0xFF in (ord("q"), 27):
            return False
        return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)

    def close(self) -> None:
        """Close the window."""
        with contextlib.suppress(cv2.error):  # the user may have closed it
            cv2.destroyWindow(self._title)
