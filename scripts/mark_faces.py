"""Mark faces in photos that nobody annotated, and those that annotators passed over.

    python scripts/mark_faces.py YUNET.onnx TARGET FOLDER...

Writes TARGET/images and TARGET/annotations.json for `python -m train detector`, as its --people or
--boxes. The marks come from YuNet (MIT, OpenCV zoo), each with its score as "marked". In photos of
people the surest are learned; all others, and all in annotated photos, are ignored in training and
keep faces from being learned as background. A FOLDER with an annotations.json keeps what is in
there, and gets marks of 0.5 or more that touch none of its boxes. Of other folders all pictures are
taken: those in which people fill the frame without any face found too, for hands and arms.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np

from edge_runtime.faces.boxes import iou

Boxes: TypeAlias = list[dict[str, Any]]  # as annotations.json has them
SUFFIXES = {".jpg", ".jpeg", ".png"}
THRESHOLD = 0.3
PASSED_OVER = 0.5  # what annotators passed over and YuNet scores less is rarely a face
LONG_SIDE_PX = 640  # small photos are enlarged: YuNet misses faces under about 10 px


def main(yunet: Path, target: Path, folders: list[Path]) -> None:
    images = target / "images"
    if images.exists():
        sys.exit(f"error: {target} has pictures already; name a new folder")
    images.mkdir(parents=True)
    detector = cv2.FaceDetectorYN.create(str(yunet), "", (320, 320), THRESHOLD)
    entries, marks = [], 0
    for folder in folders:
        for path, name, boxes in pictures(folder):
            if (images / name).exists():
                sys.exit(f"error: two pictures would be called {name} in {target}; mark them apart")
            image = cv2.imread(str(path))
            if image is None and boxes is not None:
                # With one less the annotated photos would be split in another way.
                sys.exit(f"error: {path}: annotated, but cannot be read")
            if image is None:
                print(f"left out {path}: cannot be read", file=sys.stderr)
                continue
            found = marked(detector, image)
            new = found if boxes is None else passed_over(found, boxes)
            (images / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, images / name)
            entries.append({"file": name, "boxes": [*(boxes or []), *new]})
            marks += len(new)
    (target / "annotations.json").write_text(json.dumps(entries))
    print(f"{len(entries)} pictures, {marks} marks in {target}", file=sys.stderr)


def pictures(folder: Path) -> Iterator[tuple[Path, str, Boxes | None]]:
    """Yield of each picture its file, its name in the target, and the boxes annotated, if it is."""
    index = folder / "annotations.json"
    if index.exists():
        for entry in json.loads(index.read_text(encoding="utf-8")):
            yield folder / "images" / entry["file"], entry["file"], entry["boxes"]
        return
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        yield path, "_".join((folder.name, *path.relative_to(folder).parts)), None


def marked(detector: cv2.FaceDetectorYN, image: cv2.typing.MatLike) -> Boxes:
    scale = LONG_SIDE_PX / max(image.shape[:2])
    large = cv2.resize(image, None, fx=scale, fy=scale)
    detector.setInputSize((large.shape[1], large.shape[0]))
    found = detector.detect(large)[1]
    return [
        {
            "xyxy_px": [round(float(v) / scale, 1) for v in (x, y, x + w, y + h)],
            "marked": round(float(rest[-1]), 2),
        }
        for x, y, w, h, *rest in ([] if found is None else found)
    ]


def passed_over(found: Boxes, boxes: Boxes) -> Boxes:
    """Return the marks that touch no annotated box and are likely faces."""
    known = np.asarray([b["xyxy_px"] for b in boxes], np.float32).reshape(-1, 4)
    likely = [mark for mark in found if mark["marked"] >= PASSED_OVER]
    places = np.asarray([mark["xyxy_px"] for mark in likely], np.float32).reshape(-1, 4)
    touched = (iou(places, known) > 0).any(axis=1)
    return [mark for mark, touches in zip(likely, touched, strict=True) if not touches]


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(p) for p in sys.argv[3:]])
