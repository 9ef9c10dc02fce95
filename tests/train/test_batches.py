from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_runtime.model.card import InputSpec
from train.data.samples import Sample

pytestmark = pytest.mark.tensorflow
pytest.importorskip("keras")

SPEC = InputSpec(16, 16)
COUNT = 10


@pytest.fixture
def samples(draw, picture) -> list[Sample]:
    """Ten photos of one color each, as many labels; the red of photo i is 10 + 20 i."""
    return [
        Sample(draw(f"{i}.png", picture((200, 5 * i, 10 + 20 * i), 16, 16)), f"{i}")
        for i in range(COUNT)
    ]


@pytest.fixture
def batches(samples):
    """Make batches of four of the photos, told apart by their targets too."""
    from train.data.batches import PhotoBatches

    return lambda **options: PhotoBatches(
        samples, np.eye(COUNT, dtype=np.float32), SPEC, 4, **options
    )


def _shift(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image += rng.integers(0, 20, image.shape, np.uint8)  # in place, which must not add up
    return image


def _order(source) -> list[int]:
    return [int(i) for k in range(len(source)) for i in source[k][1].argmax(1)]


def _same(a, b) -> bool:
    return len(a) == len(b) and all(
        (x == y).all() for k in range(len(a)) for x, y in zip(a[k], b[k], strict=True)
    )


def test_one_hot_is_1_at_the_place_of_the_label() -> None:
    from train.data.batches import one_hot

    samples = [Sample(Path("x"), label) for label in ("b", "a", "b")]
    assert one_hot(samples, ("a", "b", "c")).tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]


def test_without_a_seed_photos_come_in_their_order_as_rgb_the_last_batch_smaller(batches) -> None:
    source = batches()
    assert [len(source[k][0]) for k in range(len(source))] == [4, 4, 2]
    assert _order(source) == list(range(COUNT))
    images, targets = source[1]
    assert (images.dtype, targets.dtype) == (np.uint8, np.float32)
    assert (images == np.array([[[[10 + 20 * i, 5 * i, 200]]] for i in (4, 5, 6, 7)])).all()
    source.start_at(source.epoch + 1)
    assert _order(source) == list(range(COUNT))


def test_each_epoch_has_another_order_of_all_photos_and_targets_go_with_them(batches) -> None:
    source = batches(seed=3)
    orders = []
    for _ in range(4):
        orders.append(tuple(_order(source)))
        for k in range(len(source)):
            images, targets = source[k]
            assert (images[:, 0, 0, 0] == 10 + 20 * targets.argmax(1)).all()
        source.start_at(source.epoch + 1)
    assert all(sorted(order) == list(range(COUNT)) for order in orders)
    assert len(set(orders)) == 4


def test_order_and_augmentation_depend_on_seed_and_epoch_only(batches) -> None:
    a, b = (batches(seed=3, augment=_shift) for _ in range(2))
    b[2], b[0], b[2]  # what was read before, and in which order, does not matter
    assert _same(a, b)
    a.start_at(a.epoch + 1)
    assert not _same(a, b)
    b.start_at(b.epoch + 1)
    assert _same(a, b)
    assert not _same(b, batches(seed=4, augment=_shift))


def test_augmentation_is_another_in_each_epoch_and_for_each_photo(batches) -> None:
    source = batches(augment=_shift)
    plain = batches()
    first = source[0][0] - plain[0][0]
    source.start_at(source.epoch + 1)
    second = source[0][0] - plain[0][0]
    assert len({change.tobytes() for change in (*first, *second)}) == 8
    assert max(first.max(), second.max()) < 20  # of the photo as read, not of what was changed


@pytest.mark.parametrize("seed", [None, 3])
def test_start_at_an_epoch_is_as_if_the_epochs_before_had_run(batches, seed) -> None:
    options = {"seed": seed, "augment": _shift, "mixup": 0.4}
    ran, started = batches(**options), batches(**options)
    for _ in range(3):
        for k in range(len(ran)):
            ran[k]
        ran.start_at(ran.epoch + 1)
    started.start_at(3)
    assert _same(ran, started)
    ran.start_at(ran.epoch + 1)
    started.start_at(started.epoch + 1)
    assert _same(ran, started)


def test_targets_may_depend_on_the_epoch(samples) -> None:
    from train.data.batches import PhotoBatches

    eye = np.eye(COUNT, dtype=np.float32)
    source = PhotoBatches(samples, lambda epoch: eye * (epoch + 1), SPEC, 4)
    assert source[0][1].max() == 1
    source.start_at(source.epoch + 1)
    assert source[0][1].max() == 2
    source.start_at(6)
    assert source[2][1].tolist() == (eye[8:] * 7).tolist()


def test_mixup_blends_photos_as_it_blends_their_targets(batches) -> None:
    source = batches(seed=3, mixup=1.0)
    colors = np.array([[10 + 20 * i, 5 * i, 200] for i in range(COUNT)])
    mixed = 0
    for _ in range(3):
        order = np.random.default_rng([3, source.epoch]).permutation(COUNT)
        for k in range(len(source)):
            images, targets = source[k]
            assert (images.dtype, targets.dtype) == (np.uint8, np.float32)
            assert targets.sum(1) == pytest.approx(np.ones(len(targets)))
            blend = targets @ colors
            assert (np.abs(images - blend[:, None, None]) <= 0.5 + 1e-3).all()
            own = order[4 * k : 4 * k + len(targets)]
            assert (targets[np.arange(len(own)), own] >= 0.5 - 1e-6).all()
            mixed += int((targets.max(1) < 0.99).sum())
        source.start_at(source.epoch + 1)
    assert mixed > COUNT


def test_cutmix_pastes_what_its_targets_say_was_pasted(batches) -> None:
    source = batches(seed=3, cutmix=0.5)
    colors = np.array([[10 + 20 * i, 5 * i, 200] for i in range(COUNT)])
    whole, pasted = 0, 0
    for _ in range(10):
        for k in range(len(source)):
            images, targets = source[k]
            assert (images.dtype, targets.dtype) == (np.uint8, np.float32)
            for image, target in zip(images, targets, strict=True):
                shown = (image.reshape(-1, 1, 3) == colors).all(-1)
                assert shown.any(1).all()  # no pixel is a blend
                assert target == pytest.approx(shown.mean(0))
                parts = int((target > 0).sum())
                whole, pasted = whole + (parts == 1), pasted + (parts == 2)
        source.start_at(source.epoch + 1)
    assert whole + pasted == 10 * COUNT
    # Half of them; of these one in four gets itself, and an area of next to nothing shows none.
    assert 25 <= pasted <= 50


def test_without_mixup_targets_are_those_given(batches) -> None:
    for images, targets in (batches(seed=3)[k] for k in range(3)):
        assert set(targets.flat) == {0.0, 1.0}
        assert (images[:, 0, 0, 0] == 10 + 20 * targets.argmax(1)).all()


def test_weight_of_each_photo_is_the_third_item_and_goes_with_it(batches) -> None:
    source = batches(seed=3, weights=np.arange(COUNT, dtype=np.float32) / 2)
    for k in range(len(source)):
        _, targets, weights = source[k]
        assert (weights == targets.argmax(1) / 2).all()
    assert len(batches(seed=3)[0]) == 2
