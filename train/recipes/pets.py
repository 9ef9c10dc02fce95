"""Cat or dog, from a thousand photos of each.

    python -m train pets --data cats_dogs/ --output runs/pets

Data: 1,000 + 1,000 photos of cats and dogs to train on (a sixth of them val) and 400 + 400 to
test, long side 144 px or less; no license stated. Or any folder with a folder a class. The
backbone's ImageNet weights have seen both.

Takes about 9 minutes on 2 cores (the head alone, then 15 epochs, TensorFlow, float32). Int8 on
test, n = 800 each: 97.4% (seed 0, the file that ships), 97.5% (seed 1), 97.4% (seed 2). The
notebook's three convolutions, from nothing (`--architecture seed`): 62.4%.
"""

from __future__ import annotations

from train.networks.seed import seed_expression
from train.recipe import Recipe, notebook_plan, transfer_plan

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="pets",
    aliases={"cats": "cat", "dogs": "dog"},
    plans={
        "transfer": transfer_plan(size_px=192, epochs=15),
        "seed": notebook_plan(seed_expression, size_px=128, epochs=20, batch=32),
    },
)
