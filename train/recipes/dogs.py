"""A dog or something else, from features that a backbone makes of 64 px photos.

python scripts/dog_photos.py cats_dogs/ imagenette/ dogs/
python -m train features --data dogs/ --size 64 --enlarge 160 --output features.npz
python -m train dogs --data dogs/ --head features.npz --output runs/dogs
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
