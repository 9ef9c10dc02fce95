import itertools
import json
import time
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.apps.webcam import WebcamOutputs, run_webcam
from edge_runtime.errors import OutputError
from edge_runtime.media.sinks import EventLines, Still, VideoFile
from edge_runtime.media.sources import ClipSource, FolderSource, Frame


class MadeUp:
    """A source of given frames, live or not."""

    name = "made up"

    def __init__(self, images, fps: float = 10.0, live: bool = False, wait_s: float = 0) -> None:
        self.fps, self.live, self.problems = fps, live, []
        self._images = enumerate(images)
        self._wait_s = wait_s
        self.closed = 0

    def read(self) -> Frame | None:
        time.sleep(self._wait_s)
        index, image = next(self._images, (0, None))
        if image is None:
            return None
        return Frame(index, index / (self.fps or 1), time.monotonic(), image)

    def close(self) -> None:
        self.closed += 1


class Window:
    """A window whose user presses q after some frames."""

    def __init__(self, frames: int = 10**6, fails_to_close: bool = False) -> None:
        self.shown: list[np.ndarray] = []
        self.closed = 0
        self._frames, self._fails = frames, fails_to_close

    def show(self, image: np.ndarray) -> bool:
        self.shown.append(image)
        return len(self.shown) < self._frames

    def close(self) -> None:
        self.closed += 1
        if self._fails:
            raise OutputError("the window is stuck")


def _events() -> list[dict]:
    return [json.loads(line) for line in Path("e.jsonl").read_text("utf-8").splitlines()]


def _outputs(**others) -> WebcamOutputs:
    return WebcamOutputs(events=EventLines(Path("e.jsonl")), **others)


# Events


def test_every_frame_of_a_clip_gives_one_event_in_order(face_clip, detector, mood) -> None:
    summary = run_webcam(ClipSource(face_clip), detector, [mood], _outputs(), take_every_frame=True)
    events = _events()
    assert [event["frame"] for event in events] == list(range(12))
    assert [event["time_s"] for event in events] == pytest.approx(np.arange(12) / 10)
    assert (summary.frames, summary.frames_with_face, summary.dropped) == (12, 12, 0)
    assert summary.tracks == 1
    assert len(summary.ages_s) == 12
    assert summary.problems == []


def test_event_has_the_fields_of_the_contract(face_clip, detector, mood, colors) -> None:
    run_webcam(ClipSource(face_clip), detector, [mood, colors], _outputs(), take_every_frame=True)
    event = _events()[0]
    assert list(event) == [
        "frame", "time_s", "utc", "source", "age_ms", "faces", "frame_predictions",
    ]  # fmt: skip
    (face,) = event["faces"]
    assert list(face) == ["track", "box", "score", "predictions"]
    assert face["box"] == pytest.approx([0, 48, 32, 80], abs=1)
    assert face["score"] > 0.8
    assert list(face["predictions"]) == ["mood"]
    assert face["predictions"]["mood"]["label"] == "red"
    assert face["predictions"]["mood"]["score"] == pytest.approx(0.9647, abs=0.01)
    assert list(event["frame_predictions"]) == ["colors"]
    assert event["frame_predictions"]["colors"]["label"] == "blue"
    assert event["source"] == str(face_clip)
    assert 0 <= event["age_ms"] < 5000
    assert datetime.fromisoformat(event["utc"]).utcoffset().total_seconds() == 0


def test_one_face_keeps_one_track_while_it_moves(face_clip, detector, mood) -> None:
    run_webcam(ClipSource(face_clip), detector, [mood], _outputs(), take_every_frame=True)
    faces = [face for event in _events() for face in event["faces"]]
    assert [face["track"] for face in faces] == [1] * 12
    assert [face["box"][0] for face in faces] == pytest.approx([8 * i for i in range(12)], abs=1)


def test_new_face_is_reported_from_its_first_frame_with_a_new_track(detector, mood, scene) -> None:
    alone, both = scene((0, 0)), scene((0, 0), (80, 80, (0, 255, 0)))
    run_webcam(MadeUp([alone, both]), detector, [mood], _outputs(), take_every_frame=True)
    first, second = _events()
    assert [face["track"] for face in first["faces"]] == [1]
    assert [(f["track"], f["predictions"]["mood"]["label"]) for f in second["faces"]] == [
        (1, "red"),
        (2, "green"),
    ]


def test_faint_face_is_reported_only_after_a_clear_one(detector, mood, scene) -> None:
    faint, clear = scene((0, 0, (0, 0, 230))), scene((0, 0))
    run_webcam(MadeUp([faint, clear, faint]), detector, [mood], _outputs(), take_every_frame=True)
    assert [len(event["faces"]) for event in _events()] == [0, 1, 1]
    assert _events()[2]["faces"][0]["track"] == 1


def test_answer_of_a_face_does_not_flicker(detector, mood, scene) -> None:
    red, green = scene((0, 0)), scene((0, 0, (0, 255, 0)))
    images = [red] * 10 + [green] + [red] * 3
    run_webcam(MadeUp(images, fps=30.0), detector, [mood], _outputs(), take_every_frame=True)
    labels = {e["faces"][0]["predictions"]["mood"]["label"] for e in _events()}
    assert labels == {"red"}


def test_frame_without_faces_has_an_empty_list(detector, mood, scene) -> None:
    summary = run_webcam(MadeUp([scene()]), detector, [mood], _outputs(), take_every_frame=True)
    (event,) = _events()
    assert (event["faces"], event["frame_predictions"]) == ([], {})
    assert (summary.frames, summary.frames_with_face, summary.tracks) == (1, 0, 0)


def test_model_of_whole_frames_needs_no_detector(colors, picture) -> None:
    run_webcam(MadeUp([picture("green")]), None, [colors], _outputs(), take_every_frame=True)
    (event,) = _events()
    assert event["frame_predictions"] == {"colors": {"label": "green", "score": 0.9647}}


# Pace


def test_slow_loop_on_a_live_source_drops_frames_and_counts_them(colors, picture) -> None:
    class Slow(Window):
        def show(self, image) -> bool:
            time.sleep(0.05)
            return super().show(image)

    source = MadeUp([picture("red")] * 40, fps=100.0, live=True, wait_s=0.01)
    summary = run_webcam(source, None, [colors], _outputs(window=Slow()))
    frames = [event["frame"] for event in _events()]
    assert summary.frames == len(frames) < 20
    assert summary.dropped == 40 - len(frames)
    assert frames == sorted(set(frames))
    assert frames[-1] == 39


def test_age_is_from_capture_to_the_results_being_out(colors, picture) -> None:
    class Late(MadeUp):
        def read(self) -> Frame | None:
            frame = super().read()
            if frame is None:
                return None
            return Frame(frame.index, frame.time_s, frame.captured_s - 0.25, frame.image_bgr)

    summary = run_webcam(Late([picture("red")]), None, [colors], _outputs(), take_every_frame=True)
    assert 0.25 <= summary.ages_s[0] < 1
    assert _events()[0]["age_ms"] == pytest.approx(summary.ages_s[0] * 1000, abs=0.01)


def test_clip_is_seen_at_its_own_pace(face_clip, colors) -> None:
    started = time.monotonic()
    summary = run_webcam(ClipSource(face_clip), None, [colors], _outputs(), max_frames=4)
    assert summary.frames == 4
    assert time.monotonic() - started >= 0.25  # four frames at 10 per second


def test_folder_without_a_pace_is_seen_picture_by_picture(colors, picture) -> None:
    Path("folder").mkdir()
    for i, color in enumerate(["red", "green", "blue"] * 4):
        cv2.imwrite(f"folder/{i:02}.png", picture(color))
    summary = run_webcam(FolderSource(Path("folder")), None, [colors], _outputs())
    labels = [e["frame_predictions"]["colors"]["label"] for e in _events()]
    assert labels == ["red", "green", "blue"] * 4
    assert summary.dropped == 0


# Ends


@pytest.mark.parametrize("every_frame", [True, False], ids=["every frame", "newest frame"])
def test_max_frames_ends_the_run_and_closes_all(colors, picture, every_frame: bool) -> None:
    source, window = MadeUp([picture("red")] * 50, fps=200.0), Window()
    summary = run_webcam(
        source, None, [colors], _outputs(window=window),
        take_every_frame=every_frame, max_frames=3,
    )  # fmt: skip
    assert summary.frames == len(_events()) == 3
    assert (source.closed, window.closed) == (1, 1)


def test_q_in_the_window_ends_the_run(colors, picture) -> None:
    source = MadeUp([picture("red")] * 50)
    summary = run_webcam(source, None, [colors], _outputs(window=Window(2)), take_every_frame=True)
    assert summary.frames == len(_events()) == 2
    assert source.closed == 1


@pytest.mark.parametrize("every_frame", [True, False], ids=["every frame", "newest frame"])
def test_ctrl_c_ends_the_run_with_whole_files(
    face_clip, detector, mood, monkeypatch, read_clip, every_frame: bool
) -> None:
    detect, calls = type(detector).detect, itertools.count()

    def interrupted(self, image, min_score):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return detect(self, image, min_score)

    monkeypatch.setattr(type(detector), "detect", interrupted)
    outputs = _outputs(record=VideoFile(Path("o.mp4"), 10.0), still=Still(Path("best.png")))
    summary = run_webcam(
        ClipSource(face_clip), detector, [mood], outputs, take_every_frame=every_frame
    )
    assert summary.frames == len(_events()) == 4
    assert summary.elapsed_s > 0
    assert len(read_clip(Path("o.mp4"))) >= 4
    assert cv2.imread("best.png").shape == (128, 128, 3)


@pytest.mark.parametrize("every_frame", [True, False], ids=["every frame", "newest frame"])
def test_failure_in_the_loop_closes_all_and_is_raised(colors, picture, every_frame) -> None:
    class Broken(Window):
        def show(self, image) -> bool:
            raise OutputError("the screen is gone")

    source, window = MadeUp([picture("red")] * 9, fps=100.0), Broken()
    with pytest.raises(OutputError, match="the screen is gone"):
        run_webcam(source, None, [colors], _outputs(window=window), take_every_frame=every_frame)
    assert (source.closed, window.closed) == (1, 1)


def test_window_that_fails_to_close_leaves_the_files_whole(
    face_clip, detector, mood, read_clip
) -> None:
    video = VideoFile(Path("o.mp4"), 10.0)
    outputs = _outputs(
        window=Window(fails_to_close=True), record=video, still=Still(Path("best.png"))
    )
    with pytest.raises(OutputError, match="the window is stuck"):
        run_webcam(ClipSource(face_clip), detector, [mood], outputs, take_every_frame=True)
    closed = outputs.events._file.closed
    frames = len(read_clip(Path("o.mp4")))
    video.close()
    outputs.events.close()
    assert (closed, frames) == (True, 12)


def test_what_the_source_could_not_read_is_in_the_summary(colors, picture) -> None:
    source = MadeUp([picture("red")])
    source.problems = ["made up: the rest is missing"]
    summary = run_webcam(source, None, [colors], WebcamOutputs(), take_every_frame=True)
    assert summary.problems == ["made up: the rest is missing"]


def test_source_without_a_frame_gives_an_empty_summary(colors) -> None:
    summary = run_webcam(MadeUp([]), None, [colors], _outputs())
    assert (summary.frames, summary.elapsed_s, list(summary.ages_s)) == (0, 0.0, [])
    assert _events() == []


# What people see


def test_window_shows_the_annotated_frame_and_the_source_keeps_its_own(
    detector, mood, scene
) -> None:
    image = scene((48, 48))
    before = image.copy()
    window = Window()
    run_webcam(
        MadeUp([image]), detector, [mood], WebcamOutputs(window=window), take_every_frame=True
    )
    (shown,) = window.shown
    assert (image == before).all()
    assert (shown != image).any(2)[40:48].any()  # text above the face
    assert (shown[60:68, 60:68] == (0, 0, 255)).all()  # the face itself is free


def test_still_is_the_frame_of_the_clearest_face(detector, mood, scene) -> None:
    images = [scene((0, 88, (0, 0, 235))), scene((48, 48)), scene((88, 0, (0, 0, 240)))]
    outputs = WebcamOutputs(still=Still(Path("best.png")))
    run_webcam(MadeUp(images), detector, [mood], outputs, take_every_frame=True)
    assert cv2.imread("best.png")[64, 64].tolist() == [0, 0, 255]


def test_pictures_of_a_folder_have_nothing_to_do_with_each_other(detector, mood, scene) -> None:
    """The same place in the next picture is somebody else, and no answer is carried over."""
    run_webcam(MadeUp([scene((0, 0))] * 2, fps=0), detector, [mood], _outputs())
    assert [event["faces"][0]["track"] for event in _events()] == [1, 2]
