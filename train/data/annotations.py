"""Photos with annotated face boxes: a folder with `annotations.json` and `images/`."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from train.data.landmarks import Marks, landmarks_in, mark_name
from train.errors import DataError

__all__ = ["ANNOTATIONS", "AnnotatedPhoto", "read_annotations", "read_people"]

ANNOTATIONS = "annotations.json"
# From which score on another detector's face is one. At YuNet's own 0.8 golf balls are among them.
_SURE = 0.85
_GROW = 0.15  # of each side of what is ignored


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedPhoto:
    """A photo and the faces annotated in it.

    Attributes:
        path: The picture file.
        boxes: Of faces: float32, (M, 4), x1, y1, x2, y2 in pixels.
        split: train, val or test.
        landmarks: float32, (M, 5, 2), in pixels, NaN where not known; None where none is.
        ignored: Of what may be a face: float32, (K, 4).
    """

    path: Path
    boxes: npt.NDArray[np.float32]
    split: str
    landmarks: npt.NDArray[np.float32] | None = None
    ignored: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))

    @property
    def label(self) -> str:
        """The boxes as `split.csv` holds them: numbers by spaces, boxes by semicolons."""
        return ";".join(" ".join(f"{v:g}" for v in box) for box in self.boxes)


def read_annotations(root: Path, seed: int, marks: Marks | None = None) -> list[AnnotatedPhoto]:
    """Read a folder of annotated photos, split 70 / 10 / 20 by seed.

    `annotations.json` is a list of {"file", "boxes": [{"xyxy_px": [x1, y1, x2, y2]}]}. A box that
    has "marked" too, a score, is another detector's: annotators passed over it, and it is ignored
    in training. In val and test it does not count.

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
    photos = []
    for i, (path, boxes, marked) in enumerate(read):
        split = "train" if i < train_end else "val" if i < val_end else "test"
        theirs = np.isnan(marked)
        passed_over = _grown(boxes[~theirs]) if split == "train" else boxes[:0]
        points = landmarks_in(boxes[theirs], (marks or {}).get(mark_name(root, path)))
        photos.append(AnnotatedPhoto(path, boxes[theirs], split, points, passed_over))
    return photos


def read_people(root: Path) -> list[AnnotatedPhoto]:
    """Read a folder of photos of people, in which a detector marked faces, all of them for train.

    Such photos teach what people are besides their faces, hands, arms and clothes, and faces that
    look elsewhere. A box of no score is ignored.

    Raises:
        DataError: As `read_annotations`.
    """
    photos = []
    for path, boxes, marked in _read(root):
        sure = marked >= _SURE  # not of NaN
        photos.append(AnnotatedPhoto(path, boxes[sure], "train", ignored=_grown(boxes[~sure])))
    return photos


def _grown(boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the boxes of what is ignored, larger: a mark need not be tight."""
    margin = _GROW * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def _read(root: Path) -> list[tuple[Path, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Return of each picture its file, boxes (M, 4), and marks' scores (M,), else NaN."""
    index = root / ANNOTATIONS
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
        read = [
            (
                root / "images" / e["file"],
                np.asarray([b["xyxy_px"] for b in e["boxes"]], np.float32).reshape(-1, 4),
                np.asarray([b.get("marked", np.nan) for b in e["boxes"]], np.float32),
            )
            for e in entries
        ]
    except OSError as error:
        raise DataError(f"{index}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{index}: expected a list of file and boxes with xyxy_px ({error})"
        ) from None
    missing = [p for p, _, _ in read if not p.is_file()]
    if missing:
        raise DataError(f"{missing[0]}: named in {index.name} but not there")
    return sorted(read, key=lambda entry: entry[0].name)
