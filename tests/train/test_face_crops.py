from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.faces.boxes import FaceBox
from edge_runtime.media.image import read_image
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import preprocess
from train.data.face_crops import cut_faces
from train.data.samples import Problem, Sample

SPEC = InputSpec(24, 24, region="face", face_margin=0.1)
FACES = Path("run/faces")


class FakeDetector:
    """Takes what is red for a face, and counts how often it was asked."""

    sure, faint = 0.5, 0.1

    def __init__(self, score: float = 0.9) -> None:
        self.asked = 0
        self.score = score

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        self.asked += 1
        ys, xs = np.nonzero((image_bgr == (0, 0, 255)).all(2))
        if len(xs) == 0:
            return []
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float32)
        return [f for f in [FaceBox(box, self.score, np.zeros((5, 2)))] if f.score >= min_score]


@pytest.fixture
def person(draw, photo):
    """Write a photo; at `face`, (left, top, width, height), there is one."""

    def write(name: str, scene: int, face=None, split: str = "train", label: str = "anna"):
        image = photo(scene, 96)[:80]
        if face is not None:
            left, top, width, height = face
            image[top : top + height, left : left + width] = (0, 0, 255)
        return Sample(draw(f"people/{label}/{name}.png", image), label, split, f"group of {name}")

    return write


def _cut(samples: list[Sample], detector: FakeDetector | None = None, spec: InputSpec = SPEC):
    steps: list[int] = []
    kept, problems = cut_faces(
        samples, detector or FakeDetector(), spec, FACES, lambda: steps.append(1)
    )
    assert len(steps) == len(samples)
    return kept, problems


@pytest.mark.parametrize(
    "face",
    [(20, 30, 24, 24), (20, 30, 16, 32), (0, 0, 20, 30), (80, 60, 16, 20)],
    ids=["square", "upright", "at the corner", "at the other corner"],
)
def test_crop_is_what_the_runtime_would_cut_out(person, face) -> None:
    sample = person("a", 1, face)
    ((kept,), problems) = _cut([sample])
    assert problems == []
    left, top, width, height = face
    box = np.array([left, top, left + width, top + height], np.float32)
    expected = preprocess(read_image(sample.path).image_bgr, SPEC, box)
    assert (read_image(kept.path).image_bgr[..., ::-1] == expected).all()
    # Training and the exporter read the crop as a whole picture: it stays as it is.
    assert (preprocess(read_image(kept.path).image_bgr, SPEC) == expected).all()


def test_sample_names_the_crop_and_keeps_all_else(person) -> None:
    sample = person("a", 1, (20, 30, 24, 24), split="val")
    ((kept,), _) = _cut([sample])
    assert kept.path.parent == FACES / "anna"
    assert kept.path.name.startswith("a-")
    assert (kept.label, kept.split, kept.group) == ("anna", "val", "group of a")


def test_photos_of_one_name_in_different_places_have_crops_of_their_own(person) -> None:
    samples = [person("a", 1, (20, 30, 24, 24)), person("deep/a", 2, (40, 20, 30, 30))]
    kept, _ = _cut(samples)
    assert len({s.path for s in kept}) == 2
    assert (cv2.imread(str(kept[0].path)) != cv2.imread(str(kept[1].path))).any()


def test_training_photo_without_a_face_is_left_out_and_listed(person) -> None:
    samples = [person("a", 1), person("b", 2, (20, 30, 24, 24))]
    kept, problems = _cut(samples)
    assert [s.path.name[:2] for s in kept] == ["b-"]
    assert problems == [Problem(samples[0].path, "no face", "no face found", "anna")]
    assert len(list(FACES.rglob("*.png"))) == 1


@pytest.mark.parametrize("split", ["val", "test"])
def test_photo_to_score_on_without_a_face_is_taken_whole_and_listed(person, split: str) -> None:
    sample = person("a", 1, split=split)
    ((kept,), problems) = _cut([sample])
    expected = preprocess(read_image(sample.path).image_bgr, SPEC)
    assert (cv2.imread(str(kept.path))[..., ::-1] == expected).all()
    assert problems == [
        Problem(
            sample.path,
            "no face",
            f"no face found; counted in {split} all the same",
            "anna",
            kept=True,
        )
    ]


@pytest.mark.parametrize("split", ["train", "test"])
def test_faint_face_is_taken_and_listed(person, split: str) -> None:
    sample = person("a", 1, (20, 30, 24, 24), split=split)
    for _ in range(2):  # also where it was cut before
        ((kept,), problems) = _cut([sample], FakeDetector(0.34))
        box = np.array([20, 30, 44, 54], np.float32)
        expected = preprocess(read_image(sample.path).image_bgr, SPEC, box)
        assert (cv2.imread(str(kept.path))[..., ::-1] == expected).all()
        detail = "what was taken for the face has a score of 0.34"
        assert problems == [Problem(sample.path, "faint face", detail, "anna", kept=True)]


def test_faces_are_not_looked_for_again(person) -> None:
    samples = [
        person("a", 1), person("b", 2, (20, 30, 24, 24)), person("c", 3, split="test"),
        person("d", 4, (10, 10, 40, 40), split="test"),
    ]  # fmt: skip
    detector = FakeDetector()
    first = _cut(samples, detector)
    asked = detector.asked
    assert asked == 2 + 2 * 2  # where nothing is found, a second time with a border
    written = {path: path.stat().st_mtime_ns for path in FACES.rglob("*.*")}
    assert _cut(samples, detector) == first
    assert detector.asked == asked
    assert {path: path.stat().st_mtime_ns for path in FACES.rglob("*.*")} == written


def test_photo_added_later_is_cut_alone(person) -> None:
    samples = [person("a", 1, (20, 30, 24, 24))]
    _cut(samples)
    detector = FakeDetector()
    kept, _ = _cut([*samples, person("b", 2, (20, 30, 24, 24))], detector)
    assert (len(kept), detector.asked) == (2, 1)


def test_photo_that_changed_under_its_name_is_cut_again(person) -> None:
    ((first,), _) = _cut([replace(person("a", 1, (20, 30, 24, 24)), content="some")])
    sample = replace(person("a", 1, (40, 20, 30, 30)), content="other")
    ((kept,), _) = _cut([sample])
    assert kept.path != first.path
    box = np.array([40, 20, 70, 50], np.float32)
    expected = preprocess(read_image(sample.path).image_bgr, SPEC, box)
    assert (cv2.imread(str(kept.path))[..., ::-1] == expected).all()


def test_face_is_cut_anew_for_another_input(person) -> None:
    sample = person("a", 1, (20, 30, 24, 24))
    _cut([sample])
    for other in (replace(SPEC, height_px=32, width_px=32), replace(SPEC, face_margin=0.4)):
        ((kept,), _) = _cut([sample], spec=other)
        box = np.array([20, 30, 44, 54], np.float32)
        expected = preprocess(read_image(sample.path).image_bgr, other, box)
        assert (cv2.imread(str(kept.path))[..., ::-1] == expected).all()


def test_training_photo_without_a_face_that_becomes_one_to_test_on_is_taken_whole(person) -> None:
    sample = person("a", 1)
    assert _cut([sample])[0] == []
    later = Sample(sample.path, "anna", "test", sample.group)
    ((kept,), (problem,)) = _cut([later])
    assert kept.path.exists()
    assert problem.kept


def test_cut_that_was_interrupted_leaves_no_half_crop(person, monkeypatch) -> None:
    from train.data import face_crops

    class Killed(BaseException):
        pass

    def killed(path: Path, data: bytes) -> None:
        raise Killed

    sample = person("a", 1, (20, 30, 24, 24))
    with monkeypatch.context() as patch:
        patch.setattr(face_crops, "write_whole", killed)
        with pytest.raises(Killed):
            _cut([sample])
    assert list(FACES.rglob("*.png")) == []
    assert len(_cut([sample])[0]) == 1
