"""Mark where faces may be in photos nobody annotated, for `python -m train detector --people`.

    python scripts/mark_faces.py YUNET.onnx TARGET FOLDER...

Copies the pictures of the folders to TARGET/images and writes TARGET/annotations.json. The marks
come from YuNet (MIT, OpenCV zoo) at a low threshold and are only ever ignored in training: they
keep faces from being learned as background. Photos in which people fill the frame without any
face found are kept too: hands and arms are what they are for.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import cv2

SUFFIXES = {".jpg", ".jpeg", ".png"}
THRESHOLD = 0.3
LONG_SIDE_PX = 640  # small photos are enlarged: YuNet misses faces under about 10 px
GROW = 0.15  # of each side, since a mark need not be tight


def main(yunet: Path, target: Path, folders: list[Path]) -> None:
    images = target / "images"
    images.mkdir(parents=True, exist_ok=True)
    detector = cv2.FaceDetectorYN.create(str(yunet), "", (320, 320), THRESHOLD)
    entries = []
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
            image = cv2.imread(str(path))
            if image is None:
                print(f"left out {path}: cannot be read", file=sys.stderr)
                continue
            scale = LONG_SIDE_PX / max(image.shape[:2])
            large = cv2.resize(image, None, fx=scale, fy=scale)
            detector.setInputSize((large.shape[1], large.shape[0]))
            found = detector.detect(large)[1]
            boxes = []
            for x, y, w, h in [] if found is None else found[:, :4]:
                grown = (x - GROW * w, y - GROW * h, x + (1 + GROW) * w, y + (1 + GROW) * h)
                boxes.append({"xyxy_px": [round(float(v) / scale, 1) for v in grown]})
            name = "_".join((folder.name, *path.relative_to(folder).parts))
            shutil.copyfile(path, images / name)
            entries.append({"file": name, "boxes": boxes})
    (target / "annotations.json").write_text(json.dumps(entries))
    faces = sum(len(e["boxes"]) for e in entries)
    print(f"{len(entries)} pictures, {faces} marks in {target}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(p) for p in sys.argv[3:]])
