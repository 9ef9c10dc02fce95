from pathlib import Path

import cv2
import numpy as np
import pytest

from train.data.inspect import Print, inspect
from train.data.repeats import exact_repeats, near_repeats
from train.data.samples import Sample

FLAT = np.full((16, 16), 100, np.uint8)
CHECKS = np.where(np.indices((16, 16)).sum(0) % 2, 1, -1)


def _print(exact: int, coarse: int = 0, thumb: np.ndarray = FLAT) -> Print:
    return Print(bytes([exact]), coarse, thumb.astype(np.uint8))


def _bits(*places: int) -> int:
    return sum(1 << place for place in places)


def test_same_pixels_make_groups_in_order_of_the_first() -> None:
    prints = [_print(i) for i in (7, 3, 3, 7, 5, 7)]
    assert exact_repeats(prints) == [[0, 3, 5], [1, 2]]


def test_same_pixels_are_not_near_repeats_too() -> None:
    assert near_repeats([_print(1), _print(1), _print(2)]) == [(0, 2), (1, 2)]


@pytest.mark.parametrize(
    ("places", "alike"),
    [
        pytest.param((), True, id="none"),
        pytest.param((0, 1, 2), True, id="three in the last band"),
        pytest.param((61, 62, 63), True, id="three in the first band"),
        pytest.param((0, 16, 32), True, id="only the first band the same"),
        pytest.param((20, 40, 63), True, id="only the last band the same"),
        pytest.param((5, 40, 63), True, id="only the second to last band the same"),
        pytest.param((5, 20, 63), True, id="only the second band the same"),
        pytest.param((0, 1, 2, 3), False, id="four in one band"),
        pytest.param((0, 16, 32, 48), False, id="four, one in each band"),
    ],
)
def test_up_to_three_bits_may_differ(places: tuple[int, ...], alike: bool) -> None:
    base = 0x123456789ABCDEF0
    pairs = near_repeats([_print(1, base), _print(2, base ^ _bits(*places))])
    assert pairs == ([(0, 1)] if alike else [])


@pytest.mark.parametrize(
    ("gap", "alike"),
    [
        pytest.param(15 * CHECKS, True, id="standard deviation 15"),
        pytest.param(16 * CHECKS, False, id="standard deviation 16"),
        pytest.param(np.full((16, 16), 120), True, id="brighter by 120"),
        pytest.param(10 * CHECKS - 50, True, id="darker by 50 and noisy"),
    ],
)
def test_thumbs_may_differ_by_15_gray_levels_and_any_brightness(gap, alike: bool) -> None:
    a, b = _print(1), _print(2, thumb=FLAT + gap)
    assert near_repeats([a, b]) == near_repeats([b, a]) == ([(0, 1)] if alike else [])


def test_every_pair_is_told_once_the_lower_index_first() -> None:
    other = 0xFFFF_FFFF_0000_FFFF
    prints = [_print(1), _print(2, other), _print(3), _print(4, 1), _print(5, other ^ 2)]
    assert near_repeats(prints) == [(0, 2), (0, 3), (1, 4), (2, 3)]


def _crowd(count: int) -> list[Print]:
    """Prints alike in the last band, told apart in the others: more than 3 bits lie between."""
    codes = np.random.default_rng(0).permutation(2**16)[:count]
    return [
        _print(i % 256, int(c) << 16 | int(c) << 32 | int(c) << 48) for i, c in enumerate(codes)
    ]


@pytest.mark.parametrize("count", [200, 201, 1000], ids=["not a crowd yet", "a crowd", "a clip"])
def test_frames_of_a_clip_are_all_joined_though_not_all_are_compared(count: int) -> None:
    prints = [Print(i.to_bytes(4, "big"), 7, FLAT) for i in range(count)]
    pairs = near_repeats(prints)
    neighbors = count if count <= 200 else 40
    assert pairs == sorted(
        (i, j) for i in range(count) for j in range(i + 1, min(count, i + neighbors + 1))
    )
    assert {i for pair in pairs for i in pair} == set(range(count))


def test_near_copy_is_found_among_a_crowd_that_is_not_alike() -> None:
    prints = _crowd(400)
    twin = Print(b"twin", prints[123].coarse ^ _bits(16), FLAT)
    assert (123, 400) in near_repeats([*prints, twin])


def _prints(*paths: Path) -> list[Print]:
    good, problems = inspect([Sample(p, "cat") for p in paths], lambda: None)
    assert not problems
    return [p for _, p in good]


def _again(image: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def _scaled(image: np.ndarray, factor: float) -> np.ndarray:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=way)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: _again(image, 90), id="saved again"),
        pytest.param(lambda image: _again(_again(image, 60), 75), id="saved again twice"),
        pytest.param(lambda image: _scaled(image, 0.5), id="halved"),
        pytest.param(lambda image: _scaled(image, 1.7), id="enlarged"),
        pytest.param(lambda image: cv2.add(image, (35, 35, 35, 0)), id="brighter"),
        pytest.param(lambda image: (image * 0.8).astype(np.uint8), id="less contrast"),
        pytest.param(lambda image: image[1:-1, 1:-1], id="border cut off"),
        pytest.param(
            lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
            id="gray",
        ),
    ],
)
def test_photo_is_found_again_after(photo, draw, change) -> None:
    paths = []
    for i in range(10):
        image = photo(i, 96)
        paths += [draw(f"{i}.png", image), draw(f"{i}-again.png", change(image))]
    assert near_repeats(_prints(*paths)) == [(i, i + 1) for i in range(0, 20, 2)]


def test_other_scenes_are_not_taken_for_repeats(draw) -> None:
    prints = _prints(*(draw(f"{i}.png", i) for i in range(60)))
    assert near_repeats(prints) == []
    assert exact_repeats(prints) == []
