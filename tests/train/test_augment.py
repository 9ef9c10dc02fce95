import cv2
import numpy as np
import pytest

from train.data.augment import face_crop, found_face, handwriting, photo, small_picture


def _varied(image: np.ndarray, count: int = 80) -> list[np.ndarray]:
    return [face_crop(image, np.random.default_rng(seed)) for seed in range(count)]


@pytest.fixture(scope="module")
def dot() -> np.ndarray:
    """A white disk in the middle of a black crop."""
    return cv2.circle(np.zeros((48, 48, 3), np.uint8), (24, 24), 8, (255, 255, 255), -1)


@pytest.mark.parametrize(("height", "width"), [(48, 48), (64, 40), (8, 8)])
def test_crop_keeps_its_shape_and_type(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    for out in _varied(image, 40):
        assert (out.shape, out.dtype) == (image.shape, np.uint8)


def test_crop_given_is_not_changed(dot) -> None:
    before = dot.copy()
    _varied(dot)
    assert (dot == before).all()


def test_change_is_decided_by_the_seed(dot) -> None:
    a, b = (face_crop(dot, np.random.default_rng(5)) for _ in range(2))
    assert (a == b).all()
    assert len({out.tobytes() for out in _varied(dot, 20)}) == 20


def test_face_stays_near_the_middle(dot) -> None:
    for out in _varied(dot):
        # Where a covered patch is not brighter than the disk, its center is that of the disk.
        bright = out.mean(2) > out.mean(2).max() * 0.8
        if not 80 < bright.sum() < 300:
            continue
        y, x = np.argwhere(bright).mean(0)
        assert abs(x - 24) < 10
        assert abs(y - 24) < 10


def test_half_of_the_crops_are_mirrored() -> None:
    image = np.zeros((48, 48, 3), np.uint8)
    image[:, :24] = 200
    outs = _varied(image, 200)
    mirrored = sum(out[:, 30:].mean() > out[:, :18].mean() for out in outs)
    assert 70 < mirrored < 130


def test_crop_is_never_turned_upside_down() -> None:
    image = np.zeros((48, 48, 3), np.uint8)
    image[:24] = 200
    upright = sum(out[:18].mean() > out[30:].mean() for out in _varied(image))
    assert upright == 80


def test_border_is_repeated_and_no_black_corner_appears() -> None:
    light = np.full((48, 48, 3), 180, np.uint8)
    for out in _varied(light):
        if len(np.unique(out)) == 1:  # neither noise nor a covered patch
            assert 180 * 0.7 - 36 <= out[0, 0, 0] <= 255
    plain = [out for out in _varied(light) if len(np.unique(out)) == 1]
    assert len(plain) > 20


def test_found_face_moves_turns_and_lights_but_covers_nothing(dot) -> None:
    outs = [found_face(dot, np.random.default_rng(seed)) for seed in range(60)]
    centers, sizes = [], []
    for out in outs:
        assert (out.shape, out.dtype) == (dot.shape, np.uint8)
        bright = out.mean(2) > out.mean(2).max() * 0.6
        centers.append(np.argwhere(bright).mean(0) - 23.5)
        sizes.append(bright.sum() / np.count_nonzero(dot[:, :, 0]))
    moved = np.abs(centers).max()
    assert 1.0 < moved < 2.2  # 3% of 48 px, and the disk's own half pixel
    assert 0.83 < min(sizes) < 0.94 < 1.06 < max(sizes) < 1.19  # 0.88 to 1.12, never covered
    assert (dot.max(), len({out.tobytes() for out in outs})) == (255, 60)


def test_small_picture_is_mirrored_shifted_by_an_eighth_and_covered_in_one_patch() -> None:
    image = np.random.default_rng(0).integers(0, 100, (32, 32, 3), np.uint8)  # 125 covers
    seen: set[tuple[int, int, bool]] = set()
    for seed in range(400):
        out = small_picture(image, np.random.default_rng(seed))
        covered = (out == 125).all(2)
        high, wide = (np.ptp(np.argwhere(covered), axis=0) + 1).tolist()
        assert covered.sum() == high * wide <= 8 * 8
        found = []
        for flipped in (False, True):
            bordered = np.pad(
                image[:, ::-1] if flipped else image, ((4, 4), (4, 4), (0, 0)), "edge"
            )
            for y in range(9):
                for x in range(9):
                    if (out == bordered[y : y + 32, x : x + 32])[~covered].all():
                        found.append((y, x, flipped))
        assert len(found) == 1
        seen.add(found[0])
    assert {s[0] for s in seen} == {s[1] for s in seen} == set(range(9))
    assert {s[2] for s in seen} == {False, True}


def test_photo_is_enlarged_more_than_made_smaller_and_keeps_its_shape(dot) -> None:
    outs = [photo(dot, np.random.default_rng(seed)) for seed in range(80)]
    assert all(out.shape == dot.shape and out.dtype == np.uint8 for out in outs)
    sizes = [
        np.count_nonzero(out.mean(2) > out.mean(2).max() * 0.6) / np.count_nonzero(dot[..., 0])
        for out in outs
    ]
    assert 0.75 < min(sizes) < 0.95  # 0.9 a side
    assert 1.7 < max(sizes) < 2.5  # 1.5 a side
    assert np.median(sizes) > 1.2
    assert len({out.tobytes() for out in outs}) == 80


def test_handwriting_moves_a_little_and_is_never_mirrored() -> None:
    image = np.zeros((28, 28, 3), np.uint8)
    image[6:22, 8:12] = 255  # a stroke left of the middle, with a foot to the right
    image[18:22, 8:20] = 255
    for seed in range(60):
        out = handwriting(image, np.random.default_rng(seed))
        assert (out.shape, out.dtype) == (image.shape, np.uint8)
        ys, xs = np.nonzero(out[..., 0] > 127)
        assert abs(ys.mean() - 15.1) < 4
        assert abs(xs.mean() - 11.7) < 4
        assert (out & image).mean() > 1.2 * (out & image[:, ::-1]).mean()
        assert out[0].max() == out[-1].max() == 0
    assert len({handwriting(image, np.random.default_rng(s)).tobytes() for s in range(20)}) == 20
