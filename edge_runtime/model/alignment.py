"""Turning a face upright by its five landmarks, for models that were trained on such faces."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.errors import ImageError

__all__ = ["LANDMARKS", "align_face", "similarity"]

Matrix = npt.NDArray[np.float64]

# Where eyes, nose and mouth corners come to lie, as shares of the input's sides. These are the
# places of ArcFace's 112 px input (Deng et al. 2019), on which most face embeddings are trained.
LANDMARKS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366],
     [41.5493, 92.3655], [70.7299, 92.2041]]
) / 112  # fmt: skip


def similarity(points: npt.NDArray[np.floating], targets: npt.NDArray[np.floating]) -> Matrix:
    """Return the turn, scale and shift that bring points closest to targets, float64 (2, 3).

    The least squares solution, by complex numbers: w = a z + b, where a turns and scales.

    Args:
        points: (N, 2), x, y.
        targets: (N, 2).

    Raises:
        ImageError: The points are one point, or not finite.
    """
    if not np.isfinite(points).all() or np.ptp(points, axis=0).max() < 1e-3:
        raise ImageError("the face's landmarks lie on one point")
    z, w = (p.astype(np.float64) @ (1, 1j) for p in (points, targets))
    spread = float((np.abs(z - z.mean()) ** 2).sum())
    a = (np.conj(z - z.mean()) * (w - w.mean())).sum() / spread
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align_face(
    image: npt.NDArray[np.uint8],
    landmarks: npt.NDArray[np.float32],
    width_px: int,
    height_px: int,
    margin: float = 0.0,
) -> npt.NDArray[np.uint8]:
    """Cut a face out so that its landmarks lie where a model expects them.

    Args:
        image: uint8, (H, W, 3).
        landmarks: (5, 2), x, y in pixels of the image, as in `edge_runtime.faces.boxes.FaceBox`.
        width_px: Of the result.
        height_px: Of the result.
        margin: Shown around ArcFace's crop on each side, as a share of its sides.

    Returns:
        uint8, (height_px, width_px, 3); beyond the image's edge its border is repeated.

    Raises:
        ImageError: The landmarks lie on one point.
    """
    size = np.array([width_px, height_px])
    places = ((LANDMARKS - 0.5) / (1 + 2 * margin) + 0.5) * size
    # A landmark at 0 is at the edge of the first pixel; OpenCV counts from that pixel's middle.
    turn = similarity(landmarks - 0.5, places - 0.5)
    scale = float(np.hypot(turn[0, 0], turn[1, 0]))
    shrink = int(1 / scale)
    if shrink >= 2:  # bilinear alone would pick single pixels out of a large face
        image, origin = _surrounding(image, turn, width_px, height_px)
        part = np.array([image.shape[1], image.shape[0]])
        small = np.maximum(1, np.rint(part / shrink)).astype(int)
        resized = cv2.resize(image, small.tolist(), interpolation=cv2.INTER_AREA)
        image = np.asarray(resized, np.uint8)
        points = (landmarks - origin) * small / part - 0.5
        turn = similarity(points, places - 0.5)
    upright = cv2.warpAffine(
        image, turn, (width_px, height_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(upright, np.uint8)


def _surrounding(
    image: npt.NDArray[np.uint8], turn: Matrix, width_px: int, height_px: int
) -> tuple[npt.NDArray[np.uint8], Matrix]:
    """Return the part of an image that a crop comes from, and its top left corner (2,)."""
    corners = np.array([[0, 0], [width_px, 0], [0, height_px], [width_px, height_px]])
    back = (corners - turn[:, 2]) @ np.linalg.inv(turn[:, :2]).T
    height, width = image.shape[:2]
    low = np.clip(np.floor(back.min(0)) - 1, 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(back.max(0)) + 1, low + 1, [width, height]).astype(int)
    return image[low[1] : high[1], low[0] : high[0]], low.astype(np.float64)
