import errno
import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime import files
from edge_runtime.errors import OutputError
from edge_runtime.media import sinks
from edge_runtime.media.sinks import EventLines, Still, VideoFile, Window

# The recorded video


def test_recorded_video_has_every_frame_in_order(picture, read_clip) -> None:
    video = VideoFile(Path("out.mp4"), 10.0)
    for i, color in enumerate(["red", "green", "blue"]):
        video.write(picture(color, 64, 64), i / 10)
    video.close()
    frames = read_clip(Path("out.mp4"))
    assert [int(frame[32, 32].argmax()) for frame in frames] == [2, 1, 0]
    assert cv2.VideoCapture("out.mp4").get(cv2.CAP_PROP_FPS) == 10.0


@pytest.mark.parametrize(
    ("times_s", "count"),
    [
        pytest.param([0.0, 0.1, 0.2, 0.3], 4, id="none dropped"),
        pytest.param([0.0, 0.3, 0.4, 0.9], 10, id="some dropped"),
        pytest.param([5.0, 5.1, 5.5], 6, id="not from 0"),
        pytest.param([0.0, 0.01, 0.02], 3, id="faster than its rate"),
        pytest.param([0.0, 3.0], 31, id="a gap of seconds"),
        pytest.param([0.0, 10.0], 101, id="a gap of 10 s"),
        pytest.param([0.0, 60.0], 102, id="a pause of 60 s"),
        pytest.param([0.0, 60.0, 60.1, 60.5], 107, id="in step after a pause of 60 s"),
        pytest.param([0.0, 60.0, 120.0, 123.0], 233, id="two pauses of 60 s and a gap"),
    ],
)
def test_recorded_video_stays_in_step_when_frames_are_dropped(
    picture, read_clip, times_s, count: int
) -> None:
    video = VideoFile(Path("out.mp4"), 10.0)
    for time_s in times_s:
        video.write(picture("red", 64, 64), time_s)
    video.close()
    assert len(read_clip(Path("out.mp4"))) == count


def test_frames_after_a_long_pause_keep_their_places_to_each_other(picture, read_clip) -> None:
    video = VideoFile(Path("out.mp4"), 10.0)
    for color, time_s in (("red", 0.0), ("green", 60.0), ("blue", 60.5), ("red", 60.7)):
        video.write(picture(color, 64, 64), time_s)
    video.close()
    seen = [int(frame[32, 32].argmax()) for frame in read_clip(Path("out.mp4"))]
    assert seen == [2] + [1] * 101 + [0] * 5 + [2] * 2


def test_recorded_video_keeps_the_first_frames_size(picture, read_clip) -> None:
    video = VideoFile(Path("out.mp4"), 10.0)
    video.write(picture("red", 64, 96), 0.0)
    video.write(picture("blue", 480, 640), 0.1)
    video.close()
    assert [frame.shape for frame in read_clip(Path("out.mp4"))] == [(64, 96, 3)] * 2


def test_folder_without_a_frame_rate_is_recorded_at_10(picture) -> None:
    video = VideoFile(Path("out.mp4"), 0.0)
    video.write(picture("red", 64, 64), 0.0)
    video.close()
    assert cv2.VideoCapture("out.mp4").get(cv2.CAP_PROP_FPS) == 10.0


def test_video_without_a_frame_leaves_no_file() -> None:
    VideoFile(Path("out.mp4"), 10.0).close()
    assert not Path("out.mp4").exists()


def test_video_of_another_kind_is_refused_before_any_work() -> None:
    with pytest.raises(OutputError, match=r"^out\.doc: cannot be written \(name the video \.mp4\)"):
        VideoFile(Path("out.doc"), 10.0)


# Events


def test_events_are_json_lines_readable_at_once() -> None:
    lines = EventLines(Path("e.jsonl"))
    lines.write({"frame": 0, "label": "überrascht"})
    text = Path("e.jsonl").read_bytes().decode("ascii")
    assert text == '{"frame": 0, "label": "\\u00fcberrascht"}\n'
    assert json.loads(text) == {"frame": 0, "label": "überrascht"}
    lines.write({"frame": 1})
    read = [json.loads(line) for line in Path("e.jsonl").read_text("utf-8").splitlines()]
    assert [event["frame"] for event in read] == [0, 1]
    lines.close()


@pytest.mark.parametrize("there_was", [None, "of yesterday\n"])
def test_events_file_is_begun_with_the_first_event(there_was: str | None) -> None:
    path = Path("e.jsonl")
    if there_was is not None:
        path.write_text(there_was)
    lines = EventLines(path)
    assert (path.read_text() if path.exists() else None) == there_was
    lines.write({"frame": 0})
    lines.close()
    assert path.read_text() == '{"frame": 0}\n'


@pytest.mark.parametrize("there_was", [None, "of yesterday\n"])
def test_events_without_an_event_leave_an_empty_file(there_was: str | None) -> None:
    if there_was is not None:
        Path("e.jsonl").write_text(there_was)
    EventLines(Path("e.jsonl")).close()
    assert Path("e.jsonl").read_bytes() == b""


def test_events_without_a_file_go_to_stdout_which_stays_open(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    lines = EventLines(None)
    lines.write({"frame": 0})
    lines.close()
    assert sys.stdout.getvalue() == '{"frame": 0}\n'


# The still


def test_still_is_the_frame_with_the_clearest_face(picture) -> None:
    still = Still(Path("best.png"))
    for color, score in (("red", 0.5), ("green", 0.9), ("blue", 0.7), ("gray", 0.9)):
        still.offer(picture(color), score)
    still.close()
    assert (cv2.imread("best.png") == picture("green")).all()


def test_still_is_a_copy_of_the_frame(picture) -> None:
    still = Still(Path("best.png"))
    frame = picture("green")
    still.offer(frame, 1.0)
    frame[:] = 0
    still.close()
    assert (cv2.imread("best.png") == picture("green")).all()


def test_video_the_disk_had_no_room_for_is_no_success(picture) -> None:
    """OpenCV's writer says nothing of it."""
    video = VideoFile(Path("out.mp4"), 10.0)
    video.write(picture("red", 64, 64), 0.0)
    Path("out.part.mp4").unlink()
    Path("out.part.mp4").write_bytes(b"a beginning")
    with pytest.raises(OutputError, match=r"^out\.part\.mp4: is not whole; is the disk full\?$"):
        video.close()
    assert not Path("out.mp4").exists()


def test_recording_of_an_earlier_time_stays_until_the_new_one_is_whole(picture, read_clip) -> None:
    Path("out.mp4").write_bytes(b"of yesterday")
    video = VideoFile(Path("out.mp4"), 10.0)
    video.write(picture("red", 64, 64), 0.0)
    assert Path("out.mp4").read_bytes() == b"of yesterday"
    video.close()
    assert len(read_clip(Path("out.mp4"))) == 1
    assert [path.name for path in Path().iterdir()] == ["out.mp4"]


def test_encoder_that_cannot_be_opened_is_said_and_nothing_else(picture, monkeypatch) -> None:
    closed = type("Closed", (), {"fourcc": cv2.VideoWriter.fourcc, "isOpened": lambda self: False})
    monkeypatch.setattr(cv2, "VideoWriter", lambda *given: closed())
    monkeypatch.setattr(cv2.VideoWriter, "fourcc", closed.fourcc, raising=False)
    video = VideoFile(Path("out.mp4"), 10.0)
    with pytest.raises(OutputError, match=r"^out\.mp4: OpenCV cannot write an mp4 there$"):
        video.write(picture("red", 64, 64), 0.0)
    video.close()
    assert video.written is None


def test_still_appears_under_its_name_only_whole(picture, monkeypatch) -> None:
    Path("best.jpg").write_bytes(b"of yesterday")
    renamed = []
    replace = files.os.replace

    def spy(part, path):
        renamed.append((str(part), str(path)))
        assert Path("best.jpg").read_bytes() == b"of yesterday"
        assert cv2.imdecode(np.fromfile(part, np.uint8), cv2.IMREAD_COLOR).shape == (32, 32, 3)
        replace(part, path)

    monkeypatch.setattr(files.os, "replace", spy)
    still = Still(Path("best.jpg"))
    still.offer(picture("red"), 1.0)
    still.close()
    whole = Path("best.jpg").resolve()
    assert renamed == [(f"{whole}.part", str(whole))]
    assert [path.name for path in Path().iterdir()] == ["best.jpg"]
    assert cv2.imread("best.jpg").shape == (32, 32, 3)


def test_still_that_cannot_be_written_leaves_the_old_one(picture, monkeypatch) -> None:
    def fill_up(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("best.jpg").write_bytes(b"of yesterday")
    monkeypatch.setattr(files.os, "replace", fill_up)
    still = Still(Path("best.jpg"))
    still.offer(picture("red"), 1.0)
    with pytest.raises(OutputError) as caught:
        still.close()
    assert str(caught.value) == "best.jpg: cannot be written (No space left on device)"
    assert Path("best.jpg").read_bytes() == b"of yesterday"
    assert [path.name for path in Path().iterdir()] == ["best.jpg"]


def test_still_that_cannot_be_encoded_leaves_the_old_one(picture, monkeypatch) -> None:
    Path("best.jpg").write_bytes(b"of yesterday")
    monkeypatch.setattr(sinks.cv2, "imencode", lambda *_: (False, ()))
    still = Still(Path("best.jpg"))
    still.offer(picture("red"), 1.0)
    with pytest.raises(OutputError, match=r"^best\.jpg: cannot be written"):
        still.close()
    assert Path("best.jpg").read_bytes() == b"of yesterday"


def test_still_without_a_frame_leaves_no_file() -> None:
    Still(Path("best.png")).close()
    assert not Path("best.png").exists()


@pytest.mark.parametrize("name", ["best.txt", "best"])
def test_still_of_a_kind_opencv_cannot_write_is_refused(name: str) -> None:
    with pytest.raises(OutputError, match=f"^{name}: OpenCV writes no such pictures"):
        Still(Path(name))


# Places


@pytest.mark.parametrize("kind", [lambda p: VideoFile(p, 10.0), EventLines, Still])
@pytest.mark.parametrize(
    ("place", "says"),
    [
        pytest.param("gone/x.png", "there is no folder gone; make it first", id="missing folder"),
        pytest.param("file/x.png", "there is no folder file; make it first", id="file for folder"),
        pytest.param("folder.png", "is a folder; name a file in it", id="folder for file"),
    ],
)
def test_unwritable_place_is_refused_before_any_work(kind, place: str, says: str) -> None:
    Path("file").touch()
    Path("folder.png").mkdir()
    with pytest.raises(OutputError) as caught:
        kind(Path(place))
    assert str(caught.value) == f"{place}: cannot be written ({says})"


# The window


class FakeWindows:
    """Stands in for OpenCV's windows."""

    def __init__(self, monkeypatch, keys=(), visible: float = 1.0) -> None:
        self.open: list[str] = []
        self.shown: list[np.ndarray] = []
        self.sizes: list[tuple[int, int]] = []
        self.keys = iter(keys)
        monkeypatch.setenv("DISPLAY", ":9")
        monkeypatch.setattr(sinks.cv2, "namedWindow", lambda title, _: self.open.append(title))
        monkeypatch.setattr(
            sinks.cv2, "resizeWindow", lambda _, width, height: self.sizes.append((width, height))
        )
        monkeypatch.setattr(sinks.cv2, "imshow", lambda _, image: self.shown.append(image))
        monkeypatch.setattr(sinks.cv2, "waitKey", lambda _: next(self.keys, -1))
        monkeypatch.setattr(sinks.cv2, "getWindowProperty", lambda *_: visible)
        monkeypatch.setattr(sinks.cv2, "destroyWindow", self.open.remove)


@pytest.mark.parametrize(
    ("key", "goes_on"),
    [(-1, True), (ord("x"), True), (ord("q"), False), (27, False), (ord("q") | 1 << 20, False)],
    ids=["none", "x", "q", "Escape", "q with a lock key"],
)
def test_q_and_escape_end_the_window(monkeypatch, picture, key: int, goes_on: bool) -> None:
    fake = FakeWindows(monkeypatch, [key])
    window = Window("edge-run")
    assert window.show(picture("red")) is goes_on
    assert len(fake.shown) == 1
    window.close()
    assert fake.open == []


def test_window_takes_the_first_frames_size_and_may_be_resized_then(monkeypatch, picture) -> None:
    fake = FakeWindows(monkeypatch)
    window = Window("edge-run")
    window.show(picture("red", 48, 64))
    window.show(picture("red", 48, 64))
    assert fake.sizes == [(64, 48)]


def test_closing_the_window_ends_it(monkeypatch, picture) -> None:
    FakeWindows(monkeypatch, visible=0.0)
    assert Window("edge-run").show(picture("red")) is False


def test_opencv_without_windows_says_which_flavor_has_them(monkeypatch) -> None:
    FakeWindows(monkeypatch)

    def refuse(*_: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(sinks.cv2, "namedWindow", refuse)
    with pytest.raises(OutputError, match=r"no windows .* add --no-window"):
        Window("edge-run")
