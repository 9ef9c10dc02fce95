import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.errors import SourceError
from edge_runtime.media import sources
from edge_runtime.media.sources import CameraSource, ClipSource, FolderSource, open_source


class FakeCapture:
    """Stands in for cv2.VideoCapture: gives some frames, then fails."""

    def __init__(self, frames: int = 3, fps: float = 25.0, opens: bool = True) -> None:
        self.left, self.fps, self.opens = frames, fps, opens
        self.released = 0

    def isOpened(self) -> bool:  # noqa: N802
        return self.opens

    def get(self, what: int) -> float:
        return self.fps if what == cv2.CAP_PROP_FPS else 0.0

    def read(self):
        if not self.left:
            return False, None
        self.left -= 1
        return True, np.full((4, 6, 3), self.left, np.uint8)

    def release(self) -> None:
        self.released += 1


def _all(source) -> list:
    return list(iter(source.read, None))


# Cameras


def test_camera_counts_its_frames_and_their_time() -> None:
    source = CameraSource(3, FakeCapture())
    frames = _all(source)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.image_bgr[0, 0, 0] for frame in frames] == [2, 1, 0]
    assert all(0 <= a.time_s <= b.time_s for a, b in itertools.pairwise(frames))
    assert (source.name, source.fps, source.live) == ("camera 3", 25.0, True)


def test_camera_that_stops_says_after_how_many_frames() -> None:
    source = CameraSource(0, FakeCapture(frames=2))
    assert source.problems == []
    _all(source)
    assert source.problems == ["camera 0: stopped after 2 frames (unplugged?)"]


def test_camera_without_a_frame_rate_counts_as_30() -> None:
    assert CameraSource(0, FakeCapture(fps=0.0)).fps == 30.0


@pytest.mark.parametrize("claimed", [0.0, -1.0, 1000.5, 90000.0, float("inf"), float("nan")])
def test_camera_that_claims_an_impossible_rate_counts_as_30(claimed: float) -> None:
    assert CameraSource(0, FakeCapture(fps=claimed)).fps == 30.0


@pytest.mark.parametrize("claimed", [0.5, 7.5, 240.0, 999.0])
def test_cameras_rate_is_taken_where_it_can_be_true(claimed: float) -> None:
    assert CameraSource(0, FakeCapture(fps=claimed)).fps == claimed


def test_camera_is_released_on_close() -> None:
    capture = FakeCapture()
    CameraSource(0, capture).close()
    assert capture.released == 1


def test_missing_camera_says_how_to_list_cameras(monkeypatch) -> None:
    monkeypatch.setattr(sources.sys, "platform", "linux")
    capture = FakeCapture(opens=False)
    with pytest.raises(SourceError) as caught:
        CameraSource(5, capture)
    assert str(caught.value) == (
        "camera 5: cannot be opened; list cameras with 'ls /dev/video*', close other programs "
        "that use it, or pass --source"
    )
    assert capture.released == 1


def test_number_opens_the_camera_of_that_number(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(sources.cv2, "VideoCapture", lambda i: asked.append(i) or FakeCapture())
    assert open_source("2").name == "camera 2"
    assert asked == [2]


# Clips


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_clip_gives_every_frame_in_order_at_its_rate(write_clip, picture, suffix: str) -> None:
    colors = ["red", "green", "blue", "black", "gray"]
    path = write_clip(Path("clip" + suffix), [picture(c, 64, 64) for c in colors], fps=5.0)
    source = ClipSource(path)
    frames = _all(source)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    for frame, color in zip(frames, colors, strict=True):
        assert frame.image_bgr[32, 32] == pytest.approx(picture(color)[0, 0], abs=12)
    assert (source.fps, source.live, source.problems) == (5.0, False, [])
    assert source.name == str(path)
    assert source.read() is None
    source.close()


def test_clip_cut_short_gives_what_is_there_and_says_so(write_clip, picture) -> None:
    whole = write_clip(Path("whole.avi"), [picture("red", 64, 64)] * 40).read_bytes()
    Path("cut.avi").write_bytes(whole[: len(whole) // 2])
    source = ClipSource(Path("cut.avi"))
    count = len(_all(source))
    source.close()
    assert 5 < count < 30
    assert source.problems == [
        f"cut.avi: the file is cut short or damaged, {count} of 40 frames could be read"
    ]


def test_clip_stopped_early_is_no_problem(write_clip, picture) -> None:
    source = ClipSource(write_clip(Path("clip.avi"), [picture("red", 64, 64)] * 20))
    source.read()
    source.close()
    assert source.problems == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "the file is empty (0 bytes)", id="empty"),
        pytest.param(b"I am no video\n", "cannot be read as a video", id="text"),
        pytest.param(bytes(5000), "cannot be read as a video", id="zeros"),
    ],
)
def test_file_that_is_no_clip_is_refused(content: bytes, says: str) -> None:
    Path("x.mp4").write_bytes(content)
    with pytest.raises(SourceError, match=r"^x\.mp4: ") as caught:
        open_source("x.mp4")
    assert says in str(caught.value)


def test_mp4_that_lost_its_index_is_refused(face_clip) -> None:
    Path("cut.mp4").write_bytes(face_clip.read_bytes()[:-600])
    with pytest.raises(SourceError, match="cannot be read as a video; the file is damaged"):
        ClipSource(Path("cut.mp4"))


def test_missing_demo_clip_is_said(monkeypatch) -> None:
    monkeypatch.setattr(sources, "shipped_folder", lambda: Path("gone"))
    with pytest.raises(SourceError, match=r"demo\.mp4: no such file"):
        open_source("demo")


def test_demo_is_named_demo(monkeypatch, face_clip) -> None:
    Path("demo.mp4").write_bytes(face_clip.read_bytes())
    monkeypatch.setattr(sources, "shipped_folder", Path)
    source = open_source("demo")
    source.close()
    assert source.name == "demo"


# Folders


@pytest.fixture
def folder(picture) -> Path:
    path = Path("folder")
    path.mkdir()
    for name, color in (("b.png", "green"), ("a.PNG", "red"), ("c.bmp", "blue")):
        (path / name).write_bytes(cv2.imencode(".png", picture(color))[1].tobytes())
    (path / "notes.txt").write_text("not a picture")
    return path


def test_folder_gives_its_pictures_by_name(folder, picture) -> None:
    source = open_source("folder")
    frames = _all(source)
    assert [frame.index for frame in frames] == [0, 1, 2]
    for frame, color in zip(frames, ("red", "green", "blue"), strict=True):
        assert (frame.image_bgr == picture(color)).all()
    assert (source.fps, source.live, source.problems) == (0.0, False, [])


def test_bad_picture_in_a_folder_is_passed_over_and_said(folder) -> None:
    (folder / "b.png").write_bytes(b"")
    (folder / "bb.jpg").write_bytes(b"text")
    source = FolderSource(folder)
    assert [frame.index for frame in _all(source)] == [0, 3]
    assert source.problems == [
        "folder/b.png: the file is empty (0 bytes)",
        "folder/bb.jpg: not a picture OpenCV can decode",
    ]


def test_empty_folder_is_refused() -> None:
    Path("nothing").mkdir()
    with pytest.raises(SourceError) as caught:
        open_source("nothing")
    assert str(caught.value) == "nothing: no pictures in this folder"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gone.mp4", "gone.mp4: no such file or folder; --source takes demo, 0, a clip or"),
        ("rtsp://host/x", "rtsp://host/x: streams are not supported yet"),
        ("-1", "-1: no such file or folder"),
    ],
)
def test_what_is_no_source_is_refused(text: str, says: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(text)
    assert str(caught.value).startswith(says)
