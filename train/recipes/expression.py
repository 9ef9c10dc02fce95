"""Seven facial expressions from 48 px face crops.

    python scripts/fer_votes.py fer2013.npz votes.csv
    python -m train expression --data fer2013/ --votes votes.csv --output runs/expression

Data: FER2013 as folders (28,709 train / 3,589 val / 3,589 test, gray, 48 px; no license is
stated by its publishers), or any folder with a folder a class. Photos whose pixels appear again
are kept in one split only. The FER+ votes (MIT) are ten people's opinions on the same photos:
training begins with them and gives way to FER2013's labels, by which answers are measured (voters
say "neutral" more often: with the votes all through, val is worse).

Takes about 60 minutes on 2 cores (60 epochs, TensorFlow, bfloat16). The shipped int8 file,
seed 0, on the test split without repeated photos: 68.6% of seven labels (n = 3,268), 95.5% happy
against sad (n = 1,418), 98.5% where most FER+ voters share the label (n = 999); n = 1 run. The
notebook's three convolutions (`--architecture seed`): 50.2% and 84.9%.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from train.data.augment import face_crop
from train.networks.pooled_residual import pooled_residual, pooled_residual_deployed
from train.networks.seed import seed_expression
from train.recipe import Plan, Recipe, notebook_plan

__all__ = ["RECIPE"]

# Added to each side of our detector's face box so that its crop frames a face as FER2013 does.
# scripts/fer_framing.py: median 0.00 (quartiles -0.03 to 0.04) over the 1,849 of 2,000 training
# crops in which the detector finds the face; centers agree within 0.01.
FACE_MARGIN = 0.0

_NETWORK: dict[str, Any] = {"widths": (48, 96, 160, 192), "gray": True, "dropout": 0.4}

RECIPE = Recipe(
    name="expression",
    region="face",
    face_margin=FACE_MARGIN,
    label_order=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    plans={
        "residual": Plan(
            partial(pooled_residual, **_NETWORK),
            deployed=partial(pooled_residual_deployed, **_NETWORK, views=1),
            size_px=48,
            epochs=60,
            batch=128,
            learning_rate=2e-3,
            weight_decay=0.1,
            label_smoothing=0.05,
            mixup=0.2,
            augment=face_crop,
        ),
        "seed": notebook_plan(seed_expression, size_px=48, epochs=15, batch=64),
    },
)
