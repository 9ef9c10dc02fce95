"""Handwritten digits, 28 px.

    python -m train digits --data mnist/ --output runs/digits

Data: MNIST as folders, 60,000 digits to train on (250 of each val) and 10,000 to test (CC BY-SA
3.0). Or other signs, a folder a sign. They are turned, slanted and shifted, and never mirrored.

Takes about 20 minutes on 2 cores (20 epochs, TensorFlow). Int8 on test, seed 0: 99.7% (n = 10,000);
n = 1 run. The notebook's two convolutions (`--architecture seed`): 99.2%.
"""

from __future__ import annotations

from functools import partial

from train.data.augment import handwriting
from train.networks.pooled_residual import pooled_residual, pooled_residual_deployed
from train.networks.seed import seed_digits
from train.recipe import Plan, Recipe, notebook_plan

__all__ = ["RECIPE"]

_WIDTHS = (32, 64, 96)

RECIPE = Recipe(
    name="digits",
    plans={
        "residual": Plan(
            partial(pooled_residual, stem=16, widths=_WIDTHS, gray=True),
            # A mirrored digit is another sign: no views.
            deployed=partial(pooled_residual_deployed, stem=16, widths=_WIDTHS, gray=True, views=1),
            size_px=28,
            epochs=20,
            batch=256,
            optimizer="sgd",
            learning_rate=1.0,
            weight_decay=5e-3,
            label_smoothing=0.1,
            augment=handwriting,
        ),
        "seed": notebook_plan(seed_digits, size_px=28, epochs=10, batch=128),
    },
)
