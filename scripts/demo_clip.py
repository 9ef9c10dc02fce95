"""Make the demo clip in the package: a real face that moves, grows and turns.

    python scripts/demo_clip.py edge_runtime/shipped/demo.mp4

The portrait is NASA's of Eileen Collins, public domain, as scikit-image packs it
(`skimage.data.astronaut`). Head and shoulders are cut out and moved over a blurred part of the
same photo. The same input gives the same frames.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import skimage.data

WIDTH, HEIGHT, FPS, SECONDS = 640, 480, 30, 4

# Outline of head and shoulders in the 512 px portrait.
OUTLINE = [
    (150, 90), (160, 45), (195, 18), (235, 12), (275, 25), (300, 65), (303, 100), (285, 135),
    (268, 150), (300, 205), (308, 245), (345, 290), (362, 360), (330, 380), (300, 420), (285, 470),
    (290, 512), (15, 512), (35, 440), (20, 380), (45, 300), (75, 260), (112, 235), (115, 190),
    (150, 160), (180, 150), (158, 120),
]  # fmt: skip
FACE = (227, 118)  # middle of the face: what moves, grows and turns


def frames(portrait: np.ndarray) -> list[np.ndarray]:
    mask = np.zeros(portrait.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.array(OUTLINE, np.int32)], 255)
    mask = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3), np.uint8)), (7, 7), 0)
    wall = cv2.resize(portrait[10:130, 300:400], (WIDTH, HEIGHT))
    wall = cv2.GaussianBlur(wall, (0, 0), 25)
    out = []
    for i in range(FPS * SECONDS):
        t = i / (FPS * SECONDS) * 2 * np.pi
        scale = 1.15 + 0.45 * np.sin(t - np.pi / 2)
        turn = 14 * np.sin(2 * t)
        x = WIDTH * (0.5 + 0.2 * np.sin(t))
        y = HEIGHT * (0.4 + 0.05 * np.sin(3 * t))
        matrix = cv2.getRotationMatrix2D(FACE, turn, scale)
        matrix[:, 2] += (x - FACE[0], y - FACE[1])
        person = cv2.warpAffine(portrait, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
        alpha = cv2.warpAffine(mask, matrix, (WIDTH, HEIGHT))[..., None] / 255.0
        out.append((wall * (1 - alpha) + person * alpha).astype(np.uint8))
    return out


def main(target: Path) -> None:
    portrait = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        sys.exit(f"{target}: cannot be written")
    for frame in frames(portrait):
        writer.write(frame)
    writer.release()
    print(f"wrote {target} ({target.stat().st_size:,} bytes)", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
