from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import pytest

from edge_runtime.apps.recognizer import Recognizer, Seen
from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.cadence import Cadence
from edge_runtime.faces.gallery import Gallery
from edge_runtime.faces.identifier import Identifier
from edge_runtime.media.sources import Frame
from edge_runtime.model.card import Reject
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.session import SessionOptions, open_session

RED, GREEN, FAINT = (0, 0, 255), (0, 255, 0), (0, 0, 225)  # a faint one scores 0.41


@pytest.fixture
def ana(identity_session) -> Identifier:
    """Knows Ana, who is red; all others are unknown."""
    people = {"Ana": np.array([[1, 0, 0]], np.float32)}
    return Identifier(identity_session, Gallery("who", "a" * 64, MappingProxyType(people)))


@pytest.fixture
def look(detector) -> Callable[..., list[Seen]]:
    """Look at frames, ten a second unless told otherwise."""

    def _look(frames, answerers, *, every: int = 1, hide="none", fps: float = 10) -> list[Seen]:
        recognizer = Recognizer(detector, answerers, Cadence(0.0, every), hide)
        return [recognizer.look(Frame(i, i / fps, 0.0, image)) for i, image in enumerate(frames)]

    return _look


def _boxes(seen: Seen) -> dict[int, list[float]]:
    return {t.track: t.face.box.tolist() for t, _ in seen.faces}


def _hidden(seen: Seen) -> list[list[float]]:
    return sorted(box.tolist() for box in seen.hidden)


def _square(x: float, y: float) -> list[float]:
    return [x, y, x + 32, y + 32]


# What is seen


def test_faces_have_the_answers_of_all_who_look_at_faces(look, mood, ana, scene) -> None:
    (seen,) = look([scene((0, 0), (64, 64, GREEN))], [mood, ana])
    said = {t.track: {n: p.label for n, p in answers.items()} for t, answers in seen.faces}
    by_place = {tuple(t.face.box[:2].tolist()): said[t.track] for t, _ in seen.faces}
    assert by_place == {
        (0, 0): {"mood": "red", "who": "Ana"},
        (64, 64): {"mood": "green", "who": "unknown"},
    }
    assert (seen.whole, seen.hidden) == ({}, [])


def test_whole_frame_is_answered_for_by_those_who_look_at_it(look, mood, colors, scene) -> None:
    (seen,) = look([scene((0, 0))], [mood, colors])
    assert {name: p.label for name, p in seen.whole.items()} == {"colors": "blue"}
    assert [list(answers) for _, answers in seen.faces] == [["mood"]]


def test_without_a_detector_only_the_frame_is_answered_for(colors, scene) -> None:
    recognizer = Recognizer(None, [colors], Cadence())
    seen = recognizer.look(Frame(0, 0.0, 0.0, scene((0, 0))))
    assert (seen.faces, list(seen.whole)) == ([], ["colors"])


def test_faint_face_goes_on_and_does_not_begin(look, mood, scene) -> None:
    seen = look([scene((0, 0, FAINT)), scene((0, 0)), scene((0, 0, FAINT))], [mood])
    assert [list(_boxes(s)) for s in seen] == [[], [1], [1]]


def test_answer_given_last_is_held_over_a_frame(look, ana, scene) -> None:
    # Its color alone has a cosine of 0.875, less than the 0.9 that Ana needs.
    other = (0, 140, 252)
    seen = look([scene((0, 0)), scene((0, 0, other))], [ana])
    assert [answers["who"].label for s in seen for _, answers in s.faces] == ["Ana", "Ana"]
    (alone,) = look([scene((0, 0, other))], [ana])
    assert alone.faces[0][1]["who"].label == "unknown"


# Frames nobody looks for faces in


def test_face_goes_on_at_its_speed_between_two_looks(look, mood, scene) -> None:
    # It moves by 8 px a frame; it can only be seen in each third one.
    frames = [scene((8 + 8 * i, 48)) if i % 3 == 0 else scene() for i in range(9)]
    seen = look(frames, [mood], every=3)
    assert [list(_boxes(s)) for s in seen] == [[1]] * 9
    still, moving = [8, 8, 8], [32, 40, 48, 56, 64, 72]  # its speed is known from the second look
    assert [_boxes(s)[1] for s in seen] == [
        pytest.approx(_square(x, 48), abs=1e-3) for x in still + moving
    ]


def test_landmarks_go_along_with_the_box(look, mood, scene) -> None:
    frames = [scene((8 + 8 * i, 48)) if i % 3 == 0 else scene() for i in range(5)]
    (first, _), (later, _) = (s.faces[0] for s in look(frames, [mood], every=3)[3:])
    assert later.face.landmarks - first.face.landmarks == pytest.approx(np.tile([8, 0], (5, 1)))


def test_face_is_asked_about_where_it_should_be(look, mood, scene) -> None:
    frames = [scene((8 + 8 * i, 48)) for i in range(5)]
    frames[4] = scene((40, 48, GREEN))
    seen = look(frames, [mood], every=3, fps=1 / 3)  # slow, so that no average is left
    ((_, answers),) = seen[4].faces
    assert answers["mood"].label == "green"


def test_two_faces_keep_their_ids_between_looks(look, mood, scene) -> None:
    frames = [scene((8, 16 + 4 * i), (88, 80 - 4 * i, GREEN)) for i in range(9)]
    seen = look(frames, [mood], every=2)
    labels = [{t.track: answers["mood"].label for t, answers in s.faces} for s in seen]
    assert labels == [labels[0]] * 9
    assert sorted(labels[0]) == [1, 2]


def test_new_face_waits_for_the_next_look_and_a_lost_one_ends_there(look, mood, scene) -> None:
    frames = [scene(), scene((8, 48)), scene((8, 48)), scene((8, 48)), scene(), scene(), scene()]
    assert [list(_boxes(s)) for s in look(frames, [mood], every=3)] == [
        [], [], [], [1], [1], [1], []
    ]  # fmt: skip


class Script:
    """A detector that finds one box a look, as told."""

    sure, faint = 0.5, 0.3

    def __init__(self, *boxes: tuple[float, ...]) -> None:
        self._boxes = iter(boxes)

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        box = np.array(next(self._boxes), np.float32)
        return [FaceBox(box, 0.9, np.zeros((5, 2), np.float32))]


def test_face_that_leaves_the_picture_between_two_looks_does_no_harm(mood, scene) -> None:
    # Seen last when cut by the edge, and so quick that it should be outside two frames later.
    script = Script((30.5, 48, 62.5, 80), (56, 48, 88, 80), (118, 48, 128, 80))
    recognizer = Recognizer(script, [mood], Cadence(every=3), "all")
    seen = [recognizer.look(Frame(i, i / 10, 0.0, scene())) for i in range(9)]
    assert [list(_boxes(s)) for s in seen[:7]] == [[1]] * 7


class Crowd(Script):
    """A detector that finds the same boxes, each with its score, in every look."""

    def __init__(self, *faces: tuple[tuple[float, ...], float]) -> None:
        self._faces = faces

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        return [
            FaceBox(np.array(box, np.float32), score, np.zeros((5, 2), np.float32))
            for box, score in self._faces
        ]


# Hiding


@pytest.mark.parametrize("score", [0.4, 0.8], ids=["faint", "clear"])
def test_face_half_behind_somebody_known_is_hidden(ana, scene, score: float) -> None:
    """Its middle lies in Ana's box, as of a second box of her own face."""
    near, behind = (8, 8, 72, 72), (56, 56, 84, 84)
    recognizer = Recognizer(Crowd((near, 0.9), (behind, score)), [ana], Cadence(), "unknown")
    red = np.full((128, 128, 3), RED, np.uint8)
    seen = recognizer.look(Frame(0, 0.0, 0.0, red))
    assert [answers["who"].label for _, answers in seen.faces] == ["Ana"]
    assert _hidden(seen) == [list(behind)]


def test_nothing_is_hidden_unasked(look, ana, scene) -> None:
    (seen,) = look([scene((0, 0), (64, 64, FAINT))], [ana])
    assert seen.hidden == []


def test_all_faces_are_hidden_known_unknown_and_faint(look, ana, scene) -> None:
    (seen,) = look([scene((0, 0), (64, 64, GREEN), (0, 88, FAINT))], [ana], hide="all")
    assert _hidden(seen) == [_square(0, 0), _square(0, 88), _square(64, 64)]
    assert len(seen.faces) == 2


def test_unknown_hides_all_but_the_people_enrolled(look, ana, scene) -> None:
    (seen,) = look([scene((0, 0), (64, 64, GREEN), (0, 88, FAINT))], [ana], hide="unknown")
    assert _hidden(seen) == [_square(0, 88), _square(64, 64)]


def test_stranger_in_a_known_face_s_place_is_hidden_at_once(look, ana, scene) -> None:
    seen = look([scene((0, 0))] * 3 + [scene((0, 0, GREEN))], [ana], hide="unknown", fps=30)
    assert seen[-1].faces[0][1]["who"].label == "Ana"  # which is still said for a moment
    assert [_hidden(s) for s in seen] == [[], [], [], [_square(0, 0)]]


def test_without_anybody_who_names_people_all_are_unknown(look, mood, scene) -> None:
    (seen,) = look([scene((0, 0))], [mood], hide="unknown")
    assert _hidden(seen) == [_square(0, 0)]
    (seen,) = look([scene((0, 0))], [], hide="unknown")
    assert _hidden(seen) == [_square(0, 0)]


def test_uncertain_answer_is_no_name(look, write_colors, identity_proto, scene) -> None:
    path = write_colors(
        proto=identity_proto, name="staff", task="identity", region="face",
        labels=("Ada", "Bo", "Cy"), reject=Reject("probability", 0.99),
    )  # fmt: skip
    staff = Classifier(open_session(path, SessionOptions("cpu", 1)))
    (seen,) = look([scene((0, 0))], [staff], hide="unknown")
    assert seen.faces[0][1]["staff"].label == "uncertain"
    assert _hidden(seen) == [_square(0, 0)]


@pytest.mark.parametrize("hide", ["all", "unknown"])
def test_face_lost_a_moment_ago_stays_hidden_where_it_should_be(look, ana, scene, hide) -> None:
    frames = [scene((8, 48, GREEN)), scene((16, 48, GREEN)), *[scene()] * 6]
    seen = look(frames, [ana], hide=hide)
    assert [len(s.faces) for s in seen] == [1, 1, 0, 0, 0, 0, 0, 0]
    assert _hidden(seen[2]) == [pytest.approx(_square(24, 48), abs=1e-3)]
    assert [len(s.hidden) for s in seen] == [1, 1, 1, 1, 1, 1, 1, 0]  # 0.5 s


def test_known_face_that_is_lost_is_hidden_too(look, ana, scene) -> None:
    first, second = look([scene((8, 48)), scene()], [ana], hide="unknown")
    assert (first.hidden, _hidden(second)) == ([], [_square(8, 48)])


@pytest.mark.parametrize("hide", ["all", "unknown"])
def test_faces_stay_hidden_between_looks_also_faint_ones(look, ana, scene, hide) -> None:
    frames = [scene((8, 48, GREEN), (80, 80, FAINT))] * 5
    for seen in look(frames, [ana], every=2, hide=hide):
        assert _hidden(seen) == [_square(8, 48), _square(80, 80)]


@pytest.mark.parametrize("hide", ["all", "unknown"])
def test_faces_stay_hidden_however_seldom_is_looked(look, ana, scene, hide) -> None:
    for seen in look([scene((8, 48, GREEN))] * 21, [ana], every=10, hide=hide):
        assert len(seen.faces) == 1
        assert _hidden(seen) == [_square(8, 48)]
