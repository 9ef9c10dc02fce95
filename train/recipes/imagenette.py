"""Ten kinds of photos out of ImageNet, streamed from disk.

    python -m train imagenette --data imagenette/ --output runs/imagenette

Data: 2,000 photos of Imagenette at 128 px to train on (a sixth of them val) and 600 to test, a
subset; photos of ImageNet are for research. Or any folder with a folder a class. The backbone's
ImageNet weights have seen all of these kinds, with thousands of photos each.

Takes 6 minutes on 2 cores (the head alone, then 10 epochs, TensorFlow, float32). Int8 on test,
seed 0: 96.2% (n = 600); n = 1 run. From nothing (`--architecture basic`, 50 epochs, 20 to 40
minutes): 72.7%.
"""

from __future__ import annotations

from train.data.augment import photo
from train.networks.basic import basic_network
from train.networks.seed import seed_expression
from train.recipe import Plan, Recipe, notebook_plan, transfer_plan

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="imagenette",
    plans={
        "transfer": transfer_plan(size_px=192, epochs=10),
        "basic": Plan(
            basic_network,
            size_px=128,
            epochs=50,
            batch=64,
            learning_rate=2e-3,
            weight_decay=5e-2,
            label_smoothing=0.1,
            cutmix=0.3,
            augment=photo,
        ),
        "seed": notebook_plan(seed_expression, size_px=128, epochs=20, batch=32),
    },
)
