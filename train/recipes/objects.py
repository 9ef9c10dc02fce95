"""Ten kinds of objects in 32 px pictures.

    python -m train objects --data cifar10/ --output runs/objects

Data: CIFAR-10 as folders, 50,000 pictures to train on (250 of each kind val) and 10,000 to test,
saved as JPEG, so a little harder than the originals; no license stated. Or any folder with a
folder a class. Training pictures nearly the same as one to test are left out. The backbone's
ImageNet weights have seen most of these kinds.

Takes about 100 minutes on 2 cores (the head alone, then 14 epochs of 7 minutes, TensorFlow,
float32). The shipped int8 file, seed 0, on test: 93.2% (n = 10,000); n = 1 run. It looks at four
views of a picture, which is four times the work. The notebook's two blocks of convolutions, from
nothing (`--architecture seed`): 76.1%.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from train.data.augment import small_picture
from train.networks.pooled_residual import pooled_residual, pooled_residual_deployed
from train.networks.seed import seed_objects
from train.recipe import Plan, Recipe, notebook_plan

__all__ = ["RECIPE"]

# The teaching notebook's network, and what it was on the way.
_SEED = notebook_plan(seed_objects, size_px=32, epochs=15, batch=64)

RECIPE = Recipe(
    name="objects",
    plans={
        "transfer": Plan(
            None,
            backbone="mobilenet-0.75",
            size_px=32,
            enlarged_px=112,
            views=4,
            settled=False,
            epochs=14,
            batch=64,
            learning_rate=7e-4,
            weight_decay=5e-2,
            label_smoothing=0.1,
            cutmix=0.3,
            augment=small_picture,
        ),
        "residual": Plan(
            pooled_residual,
            deployed=pooled_residual_deployed,
            size_px=32,
            epochs=100,
            batch=512,
            optimizer="muon",
            learning_rate=0.5,
            weight_decay=5e-3,
            label_smoothing=0.1,
            cutmix=0.5,
            augment=small_picture,
        ),
        "seed": _SEED,
        "dense": replace(
            _SEED,
            network=partial(seed_objects, convolutions=False, pooling=False, dropout=False),
        ),
        "convolutions": replace(_SEED, network=partial(seed_objects, pooling=False, dropout=False)),
        "pooling": replace(_SEED, network=partial(seed_objects, dropout=False)),
    },
)
