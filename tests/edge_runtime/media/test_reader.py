import threading
import time

import numpy as np
import pytest

from edge_runtime.errors import SourceError
from edge_runtime.media.reader import NewestFrames, every_frame
from edge_runtime.media.sources import Frame

IMAGE = np.zeros((2, 2, 3), np.uint8)


class LiveSource:
    """A camera whose frames come when the test says so."""

    name, fps, live = "camera 0", 30.0, True

    def __init__(self, error: Exception | None = None) -> None:
        self.problems: list[str] = []
        self._due = threading.Semaphore(0)
        self._ends_at: int | None = None
        self._count = 0
        self._error = error
        self.waiting = threading.Event()

    def pass_by(self, frames: int) -> None:
        """Let so many frames come, and wait until all were read."""
        for _ in range(frames):
            self.waiting.wait(5)
            self.waiting.clear()
            self._due.release()
        self.waiting.wait(5)

    def end(self) -> None:
        self._ends_at = self._count
        self._due.release()

    def read(self) -> Frame | None:
        self.waiting.set()
        self._due.acquire(timeout=5)
        if self._ends_at is not None:
            if self._error is not None:
                raise self._error
            return None
        self._count += 1
        return Frame(self._count - 1, self._count / 30, time.monotonic(), IMAGE)

    def close(self) -> None:
        pass


class PacedClip:
    """A clip of a few frames at 50 per second, decoded in no time."""

    name, live, fps = "clip", False, 50.0

    def __init__(self, frames: int) -> None:
        self.problems: list[str] = []
        self._left = iter(range(frames))

    def read(self) -> Frame | None:
        index = next(self._left, None)
        if index is None:
            return None
        return Frame(index, index / self.fps, time.monotonic(), IMAGE)

    def close(self) -> None:
        pass


def test_slow_loop_gets_the_newest_frame_and_the_others_are_counted() -> None:
    source = LiveSource()
    with NewestFrames(source) as frames:
        loop = iter(frames)
        source.pass_by(1)
        assert next(loop).index == 0
        source.pass_by(5)
        assert next(loop).index == 5
        source.pass_by(1)
        assert next(loop).index == 6
        source.pass_by(3)
        assert next(loop).index == 9
        assert frames.dropped == 4 + 2
        source.end()
        assert list(loop) == []


def test_loop_that_keeps_up_drops_nothing() -> None:
    source = LiveSource()
    with NewestFrames(source) as frames:
        loop = iter(frames)
        seen = []
        for _ in range(5):
            source.pass_by(1)
            seen.append(next(loop).index)
        source.end()
        assert list(loop) == []
    assert seen == [0, 1, 2, 3, 4]
    assert frames.dropped == 0


def test_last_frame_is_given_though_the_source_has_ended() -> None:
    source = LiveSource()
    with NewestFrames(source) as frames:
        source.pass_by(2)
        source.end()
        assert [frame.index for frame in frames] == [1]


def test_what_the_thread_raises_is_raised_in_the_loop() -> None:
    source = LiveSource(error=SourceError("camera 0: on fire"))
    with NewestFrames(source) as frames:
        source.pass_by(1)
        source.end()
        seen = []
        with pytest.raises(SourceError, match="on fire"):
            seen.extend(frame.index for frame in frames)
        assert frames.dropped == 0


def test_leaving_stops_the_reading_thread() -> None:
    source = LiveSource()
    with NewestFrames(source) as frames:
        loop = iter(frames)
        source.pass_by(1)
        next(loop)
        source._due.release(100)
    assert not any(t.name == "frames" and t.is_alive() for t in threading.enumerate())


def test_clip_is_played_at_its_own_pace() -> None:
    started = time.monotonic()
    with NewestFrames(PacedClip(11)) as frames:
        came = [(frame.index, time.monotonic() - started) for frame in frames]
    assert [index for index, _ in came][-1] == 10
    assert all(at >= index / 50 - 0.005 for index, at in came)
    assert came[-1][1] < 10 / 50 + 0.5


def test_frame_of_a_clip_is_as_old_as_since_it_was_due() -> None:
    with NewestFrames(PacedClip(6)) as frames:
        assert all(0 <= time.monotonic() - frame.captured_s < 0.1 for frame in frames)


def test_slow_loop_skips_frames_of_a_clip_and_counts_them() -> None:
    seen = []
    with NewestFrames(PacedClip(16)) as frames:
        for frame in frames:
            seen.append(frame.index)
            time.sleep(0.07)
    assert seen == sorted(set(seen))
    assert seen[-1] == 15
    assert frames.dropped == 16 - len(seen) > 5


def test_every_frame_leaves_none_out() -> None:
    assert [frame.index for frame in every_frame(PacedClip(9))] == list(range(9))
