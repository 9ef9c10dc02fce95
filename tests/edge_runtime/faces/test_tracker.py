import numpy as np
import pytest

from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.tracker import Tracker

SURE = 0.5
CLEAR, FAINT = 0.8, 0.3


def _face(x: float, y: float = 100, size: float = 40, score: float = CLEAR) -> FaceBox:
    """A face by its center."""
    half = size / 2
    box = np.array([x - half, y - half, x + half, y + half], np.float32)
    return FaceBox(box, score, np.zeros((5, 2), np.float32))


def _run(frames: list[list[FaceBox]], fps: float = 30.0) -> list[dict[int, float]]:
    """Track frames; return each frame's ids with the x of their face."""
    tracker = Tracker(SURE)
    return [
        {seen.track: seen.face.center[0] for seen in tracker.update(faces, i / fps)}
        for i, faces in enumerate(frames)
    ]


def test_face_has_an_id_from_its_first_frame() -> None:
    assert _run([[_face(50)]]) == [{1: 50}]


@pytest.mark.parametrize(
    "step_px", [0, 5, 15, 30], ids=["still", "slow", "fast", "three quarters of its size"]
)
def test_id_stays_with_a_moving_face(step_px: int) -> None:
    seen = _run([[_face(50 + step_px * i)] for i in range(20)])
    assert [list(frame) for frame in seen] == [[1]] * 20


def test_id_stays_with_a_face_that_comes_closer() -> None:
    seen = _run([[_face(200, size=20 * 1.15**i)] for i in range(15)])
    assert [list(frame) for frame in seen] == [[1]] * 15


def test_ids_stay_with_two_faces_side_by_side_in_any_order() -> None:
    frames = [[_face(50 + 3 * i), _face(100 + 3 * i)] for i in range(20)]
    frames[5::2] = [faces[::-1] for faces in frames[5::2]]
    assert _run(frames) == [{1: 50 + 3 * i, 2: 100 + 3 * i} for i in range(20)]


@pytest.mark.parametrize("apart_px", [12, 20, 30])
def test_ids_stay_with_faces_that_cross_at_different_heights(apart_px: int) -> None:
    frames = [[_face(50 + 8 * i, 100), _face(250 - 8 * i, 100 + apart_px)] for i in range(26)]
    assert _run(frames) == [{1: 50 + 8 * i, 2: 250 - 8 * i} for i in range(26)]


@pytest.mark.parametrize("speed_px", [4, 8, 14])
def test_ids_stay_with_faces_that_cross_while_both_are_seen(speed_px: int) -> None:
    count = 200 // speed_px + 1
    frames = [[_face(50 + speed_px * i), _face(253 - speed_px * i)] for i in range(count)]
    assert _run(frames) == [{1: 50 + speed_px * i, 2: 253 - speed_px * i} for i in range(count)]


def test_ids_stay_with_faces_that_cross_one_behind_the_other() -> None:
    # The farther face is hidden while they overlap by more than suppression lets through.
    near, far = [50 + 8 * i for i in range(26)], [250 - 8 * i for i in range(26)]
    frames = [
        [_face(a)] + ([_face(b)] if abs(a - b) > 20 else []) for a, b in zip(near, far, strict=True)
    ]
    last = _run(frames)[-1]
    assert last == {1: near[-1], 2: far[-1]}


def test_faint_face_continues_a_track() -> None:
    frames = [[_face(50)], *[[_face(50 + 2 * i, score=FAINT)] for i in range(1, 9)]]
    assert [list(frame) for frame in _run(frames)] == [[1]] * 9


def test_face_that_stays_faint_is_followed_for_two_seconds_and_no_longer() -> None:
    seen = _run([[_face(50)], *[[_face(50, score=FAINT)]] * 90])
    assert [list(frame) for frame in seen] == [[1]] * 61 + [[]] * 30


def test_face_that_is_clear_now_and_then_is_followed_on() -> None:
    frames = [[_face(50, score=FAINT if i % 50 else CLEAR)] for i in range(300)]
    assert [list(frame) for frame in _run(frames)] == [[1]] * 300


def test_face_missed_for_long_is_known_again_by_a_clear_one_alone() -> None:
    seen = _run([[_face(50)], *[[]] * 15, [_face(50, score=FAINT)], [_face(50)]])
    assert seen[16:] == [{}, {1: 50}]


def test_faint_face_goes_on_where_frames_are_seldom() -> None:
    seen = _run([[_face(50)], [_face(51, score=FAINT)], [_face(52, score=FAINT)]], fps=1)
    assert [list(frame) for frame in seen] == [[1]] * 3


def test_id_survives_half_a_second_behind_something_for_a_face_that_walks_on() -> None:
    frames = [[_face(50 + 8 * i)] if not 10 < i < 28 else [] for i in range(40)]
    assert [list(frame) for frame in _run(frames) if frame] == [[1]] * 23


def test_faint_face_starts_no_track() -> None:
    assert _run([[_face(50, score=FAINT)]] * 5) == [{}] * 5


def test_face_at_the_threshold_starts_a_track() -> None:
    assert _run([[_face(50, score=SURE)]]) == [{1: 50}]


def test_id_survives_missed_frames() -> None:
    seen = _run([[_face(50)], *[[]] * 10, [_face(50)]])
    assert seen[1:] == [{}] * 10 + [{1: 50}]


def test_id_survives_missed_frames_of_a_moving_face() -> None:
    frames = [[_face(50 + 10 * i)] if i not in (8, 9, 10) else [] for i in range(16)]
    seen = _run(frames)
    assert [list(frame) for frame in seen if frame] == [[1]] * 13


def test_face_gone_for_long_comes_back_as_another() -> None:
    tracker = Tracker(SURE)
    assert tracker.update([_face(50)], 0.0)[0].track == 1
    assert tracker.update([], 1.0) == []
    assert tracker.known == {1}
    assert tracker.update([_face(50)], 2.0)[0].track == 2
    assert tracker.known == {2}


def test_new_face_gets_a_new_id_and_leaves_the_others() -> None:
    seen = _run([[_face(50)], [_face(50), _face(200)], [_face(300), _face(50), _face(200)]])
    assert seen == [{1: 50}, {1: 50, 2: 200}, {1: 50, 2: 200, 3: 300}]


def test_id_of_one_who_left_is_not_used_again() -> None:
    frames = [[_face(50)]] + [[]] * 60 + [[_face(200)]] + [[]] * 60 + [[_face(50)]]
    assert [list(frame) for frame in _run(frames) if frame] == [[1], [2], [3]]


def test_face_across_the_frame_is_another() -> None:
    assert [list(frame) for frame in _run([[_face(50)], [_face(400)]])] == [[1], [2]]


def test_face_of_quite_another_size_is_another() -> None:
    seen = _run([[_face(100, size=30)], [_face(100, size=90)]])
    assert [list(frame) for frame in seen] == [[1], [2]]


@pytest.mark.parametrize(
    "double",
    [_face(60), _face(55, 108), _face(50, size=20), _face(52, 110, size=70)],
    ids=["shifted", "diagonal", "a part", "larger"],
)
def test_second_box_on_one_face_starts_no_second_track(double: FaceBox) -> None:
    frames = [[_face(50, score=0.9), double]] * 4
    assert [list(frame) for frame in _run(frames)] == [[1]] * 4


def test_doubles_do_not_take_the_track_from_the_face() -> None:
    seen = _run([[_face(50)], [_face(62, score=0.6), _face(51)], [_face(52)]])
    assert seen == [{1: 50}, {1: 51}, {1: 52}]


def test_no_faces_give_no_tracks() -> None:
    tracker = Tracker(SURE)
    assert tracker.update([], 0.0) == []
    assert tracker.known == set()


def test_two_updates_at_the_same_moment_do_not_fail() -> None:
    tracker = Tracker(SURE)
    tracker.update([_face(50)], 1.0)
    assert tracker.update([_face(52)], 1.0)[0].track == 1
