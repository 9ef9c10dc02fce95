"""Measure how FER2013 frames a face, in the terms of our detector: the margin and the offset.

    python scripts/fer_framing.py detector.onnx fer2013/training

Each crop is put into a gray frame, the detector looks, and the crop's side is compared with the
longer side of the box. The median margin is the recipe's FACE_MARGIN.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import cv2
import numpy as np

from edge_runtime.faces.detector import OnnxFaceDetector
from edge_runtime.model.session import SessionOptions, open_session

PHOTOS = 2000
CROP_PX, FRAME_WH = 120, (320, 256)


def main(model: Path, crops: Path) -> None:
    detector = OnnxFaceDetector(open_session(model, SessionOptions("cpu")))
    paths = sorted(crops.rglob("*.jpg"))
    random.Random(0).shuffle(paths)
    margins, shifts = [], []
    left, top = (FRAME_WH[0] - CROP_PX) // 2, (FRAME_WH[1] - CROP_PX) // 2
    for path in paths[:PHOTOS]:
        frame = np.full((FRAME_WH[1], FRAME_WH[0], 3), 127, np.uint8)
        crop = cv2.resize(cv2.imread(str(path)), (CROP_PX, CROP_PX))
        frame[top : top + CROP_PX, left : left + CROP_PX] = crop
        faces = detector.detect(frame, 0.5)
        if len(faces) != 1:
            continue
        box = faces[0].box
        longer = float(max(box[2] - box[0], box[3] - box[1]))
        margins.append((CROP_PX / longer - 1) / 2)
        center = np.array(faces[0].center) - (left + CROP_PX / 2, top + CROP_PX / 2)
        shifts.append(center / longer)
    quarter, median, three = np.percentile(margins, [25, 50, 75])
    print(f"found in {len(margins)} of {min(PHOTOS, len(paths))} crops")
    print(f"margin median {median:.3f}, quartiles {quarter:.3f} to {three:.3f}")
    x, y = np.median(shifts, axis=0)
    print(f"face center off the crop's by {x:+.3f}, {y:+.3f} of the box's longer side (median)")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
