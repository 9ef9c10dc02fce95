"""Photos with annotated face boxes: a folder with `annotations.json` and `images/`."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from train.data.landmarks import Marks, landmarks_in, mark_name
from train.errors import DataError

__all__ = ["AnnotatedPhoto", "read_annotations", "read_people"]


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedPhoto:
    """A photo and the faces annotated in it.

    Attributes:
        path: The picture file.
        boxes: float32, (M, 4), x1, y1, x2, y2 in pixels.
        split: train, val or test.
        learned: False where the boxes only say what is to be ignored.
        landmarks: float32, (M, 5, 2), in pixels, NaN where not known; None where none is.
    """

    path: Path
    boxes: npt.NDArray[np.float32]
    split: str
    learned: bool = True
    landmarks: npt.NDArray[np.float32] | None = None

    @property
    def label(self) -> str:
        """The boxes as `split.csv` holds them: numbers by spaces, boxes by semicolons."""
        return ";".join(" ".join(f"{v:g}" for v in box) for box in self.boxes)


def read_annotations(root: Path, seed: int, marks: Marks | None = None) -> list[AnnotatedPhoto]:
    """Read a folder of annotated photos, split 70 / 10 / 20 by seed.

    `annotations.json` is a list of {"file", "boxes": [{"xyxy_px": [x1, y1, x2, y2]}]}.

    Args:
        root: The folder.
        seed: Of the split.
        marks: Where landmarks are, see `train.data.landmarks`.

    Raises:
        DataError: The file is missing or malformed, or names a picture that is not there.
    """
    read = _read(root)
    random.Random(seed).shuffle(read)
    train_end, val_end = round(len(read) * 0.7), round(len(read) * 0.8)
    return [
        AnnotatedPhoto(
            path,
            boxes,
            "train" if i < train_end else "val" if i < val_end else "test",
            landmarks=landmarks_in(boxes, (marks or {}).get(mark_name(root, path))),
        )
        for i, (path, boxes) in enumerate(read)
    ]


def read_people(root: Path) -> list[AnnotatedPhoto]:
    """Read a folder of photos whose boxes say where faces may be, not how they lie.

    Such photos teach what people are besides their faces: hands, arms, clothes.

    Raises:
        DataError: As `read_annotations`.
    """
    return [AnnotatedPhoto(path, boxes, "train", learned=False) for path, boxes in _read(root)]


def _read(root: Path) -> list[tuple[Path, npt.NDArray[np.float32]]]:
    index = root / "annotations.json"
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
        read = [
            (
                root / "images" / e["file"],
                np.asarray([b["xyxy_px"] for b in e["boxes"]], np.float32).reshape(-1, 4),
            )
            for e in entries
        ]
    except OSError as error:
        raise DataError(f"{index}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{index}: expected a list of file and boxes with xyxy_px ({error})"
        ) from None
    missing = [p for p, _ in read if not p.is_file()]
    if missing:
        raise DataError(f"{missing[0]}: named in {index.name} but not there")
    return sorted(read, key=lambda entry: entry[0].name)
