"""Mark eyes, nose and mouth corners, for `python -m train detector --landmarks`.

    python scripts/mark_landmarks.py YUNET.onnx LANDMARKS.json FOLDER...

Writes a JSON object: "FOLDER's name/path in it" to a list of faces, each x1, y1, x2, y2 and five
points in pixels. The marks come from YuNet (MIT, OpenCV zoo); photos in which it is sure of no
face are not named.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2

SUFFIXES = {".jpg", ".jpeg", ".png"}
THRESHOLD = 0.6
BORDER = 0.25  # of the longer side, all around: an aligned portrait fills its picture
LONG_SIDE_PX = 640  # small photos are enlarged, up to four times


def main(yunet: Path, target: Path, folders: list[Path]) -> None:
    detector = cv2.FaceDetectorYN.create(str(yunet), "", (320, 320), THRESHOLD)
    marks = {}
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
            image = cv2.imread(str(path))
            if image is None:
                print(f"left out {path}: cannot be read", file=sys.stderr)
                continue
            edge = round(BORDER * max(image.shape[:2]))
            wider = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
            scale = min(4.0, LONG_SIDE_PX / max(wider.shape[:2]))
            large = cv2.resize(wider, None, fx=scale, fy=scale)
            detector.setInputSize((large.shape[1], large.shape[0]))
            found = detector.detect(large)[1]
            faces = []
            for x, y, w, h, *rest in [] if found is None else found:
                numbers = [x, y, x + w, y + h, *rest[:10]]
                faces.append([round(float(v) / scale - edge, 1) for v in numbers])
            if faces:
                name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
                marks[name] = faces
    target.write_text(json.dumps(marks))
    total = sum(map(len, marks.values()))
    print(f"{total} faces in {len(marks)} pictures, in {target}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(p) for p in sys.argv[3:]])
