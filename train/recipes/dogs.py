"""A dog or something else, from features that a backbone makes of 64 px photos.

    python scripts/dog_photos.py cats_dogs/ imagenette/ dogs/
    python -m train features --data dogs/ --size 64 --enlarge 160 --output features.npz
    python -m train dogs --data dogs/ --head features.npz --output runs/dogs

Data: photos of cats and dogs (no license stated) and of ten classes of ImageNet (for research),
4,000 to train on (450 of them val) and 1,400 to test. The backbone's ImageNet weights have
seen all of these kinds.

The features take about a minute on 2 cores, the head seconds. Int8 on test, seed 0: 94.9%
(n = 1,400).
"""

from __future__ import annotations

from train.recipe import Plan, Recipe, transfer_plan

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="dogs",
    plans={
        "features": Plan(
            None,
            frozen=True,
            backbone="mobilenet-0.75",
            size_px=64,
            enlarged_px=160,
            epochs=1,
            batch=64,
        ),
        "transfer": transfer_plan(size_px=64, epochs=10, enlarged_px=160),
        "seed": Plan(
            None,
            frozen=True,
            backbone="vgg16",
            hidden=256,
            size_px=64,
            epochs=1,
            batch=64,
        ),
    },
)
