"""Small pictures inside a page, so that it is one file that can be sent."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import cv2
import numpy as np

from edge_runtime.errors import ImageError
from edge_runtime.media.image import read_image

__all__ = ["thumb"]

_SIDE_PX = 96
_QUALITY = 80


def thumb(path: Path) -> str:
    """Return an <img> of a photo at 96 px, or its name where it cannot be read."""
    try:
        image = read_image(path, at_least_px=_SIDE_PX).image_bgr
    except ImageError:
        return f'<span class="none">{escape(path.name)}</span>'
    height, width = image.shape[:2]
    scale = _SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = cv2.resize(image, size, interpolation=method)
    done, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise RuntimeError(f"{path}: OpenCV cannot encode a JPEG")
    data = base64.b64encode(np.asarray(jpeg).tobytes()).decode()
    where = escape(str(path), quote=True)
    return f'<img src="data:image/jpeg;base64,{data}" alt="{where}" title="{where}">'
