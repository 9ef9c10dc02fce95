"""Who is it, among the people of some folders.

python -m train faces --data people/ --output runs/people
"""

from __future__ import annotations

from train.data.augment import found_face
from train.recipe import Plan, Recipe

__all__ = ["RECIPE"]

FACE_MARGIN = 0.1

RECIPE = Recipe(
    name="faces",
    task="identity",
    region="face",
    face_margin=FACE_MARGIN,
    find_faces=True,
    plans={
        "identity": Plan(
            None,
            embedding=True,
            backbone="mobilenet-0.75",
            size_px=128,
            epochs=24,
            batch=64,
            learning_rate=3e-4,
            weight_decay=0.2,
            augment=found_face,
        ),
        "head": Plan(
            None,
            embedding=True,
            frozen=True,
            backbone="mobilenet-0.75",
            weights="faces.onnx",
            size_px=128,
            epochs=1,
            batch=64,
        ),
        "seed": Plan(
            None,
            frozen=True,
            backbone="mobilenet-0.75",
            size_px=160,
            epochs=1,
            batch=32,
        ),
    },
)
