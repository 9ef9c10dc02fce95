"""Reading ahead of the loop: always the newest frame, never a stale one.

Capture backends queue frames and do not honor requests for a shorter queue, so a loop that reads
when it has time falls behind the world. A thread reads all the time and keeps one frame.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from edge_runtime.media.sources import Frame, Source

__all__ = ["NewestFrames", "every_frame"]


class NewestFrames:
    """Iterates over the newest frame of a source each time one is asked for.

    A clip is played at its own pace, as a camera would give it. Use as a context manager.

    Attributes:
        dropped: Frames that passed by unused.
    """

    def __init__(self, source: Source) -> None:
        """Take a source; reading starts on entering."""
        self.dropped = 0
        self._source = source
        self._newest: Frame | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="frames", daemon=True)

    def __enter__(self) -> NewestFrames:
        """Start reading."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop reading."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        # A camera that hangs in read() must not hold up the end; the thread is a daemon.
        self._thread.join(timeout=2.0)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the source ends; raises what the source raised."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._ended)
                frame, self._newest = self._newest, None
                if frame is None:
                    if self._error is not None:
                        raise self._error
                    return
            yield frame

    def _read(self) -> None:
        try:
            started = time.monotonic()
            while True:
                frame = self._source.read()
                if frame is None:
                    break
                if not self._source.live and self._source.fps > 0:
                    due = started + frame.time_s
                    time.sleep(max(0.0, due - time.monotonic()))
                    # A player that lost time shows frames at the time they become due again.
                    frame = Frame(frame.index, frame.time_s, time.monotonic(), frame.image_bgr)
                with self._changed:
                    if self._ended:
                        return
                    if self._newest is not None:
                        self.dropped += 1
                    self._newest = frame
                    self._changed.notify_all()
        except BaseException as error:  # handed to the loop, which raises it
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def every_frame(source: Source) -> Iterator[Frame]:
    """Yield each frame of a source in turn, as fast as they are used."""
    while (frame := source.read()) is not None:
        yield frame
