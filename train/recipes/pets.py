"""Cat or dog, from a thousand photos of each.

python -m train pets --data cats_dogs/ --output runs/pets
"""

from __future__ import annotations

from train.data.augment import photo
from train.networks.seed import seed_expression
from train.recipe import Plan, Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="pets",
    aliases={"cats": "cat", "dogs": "dog"},
    plans={
        "transfer": Plan(
            None,
            backbone="mobilenet-0.75",
            size_px=192,
            epochs=15,
            batch=32,
            learning_rate=1e-4,
            weight_decay=1e-2,
            label_smoothing=0.1,
            augment=photo,
        ),
        "seed": Plan(
            seed_expression,
            size_px=128,
            epochs=20,
            batch=32,
            optimizer="adam",
            learning_rate=1e-3,
            schedule="constant",
        ),
    },
)
