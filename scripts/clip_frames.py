"""Frames of the first half of a clip, as pictures: the second half stays for measuring.

    python scripts/clip_frames.py CLIP TARGET

Writes 60 frames, evenly spread, to TARGET.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

COUNT = 60


def main(clip: Path, target: Path) -> None:
    if target.exists():
        sys.exit(f"error: {target} is there already; remove it or name another folder")
    capture = cv2.VideoCapture(str(clip))
    frames = []
    while (frame := capture.read()[1]) is not None:
        frames.append(frame)
    capture.release()
    if not frames:
        sys.exit(f"error: {clip}: no frame can be read")
    target.mkdir(parents=True)
    for place in np.linspace(0, len(frames) // 2 - 1, COUNT).round().astype(int):
        cv2.imwrite(str(target / f"{place:05d}.png"), frames[place])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
