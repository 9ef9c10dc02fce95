"""Drawn photos, smooth as real ones are: saved again they change as little.

People in them are the demo clip's face, as it is and in disguises the embedding parts well.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.apps.opening import open_detector
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.faces.portrait import portrait_face
from edge_runtime.media.sources import open_source
from edge_runtime.model.session import SessionOptions

DISGUISES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "anna": lambda face: face,
    "ben": lambda face: cv2.resize(
        cv2.addWeighted(face, 0.5, face[..., ::-1].copy(), 0.5, 0), None, fx=1.35, fy=0.9
    ),
    "dora": lambda face: cv2.resize(face[:, ::-1, [1, 0, 2]], None, fx=0.95, fy=1.2),
    "cleo": lambda face: cv2.GaussianBlur(255 - cv2.resize(face, None, fx=0.8, fy=1.1), (5, 5), 0),
}


@pytest.fixture(scope="session")
def photo() -> Callable[..., np.ndarray]:
    """Make the picture of a scene, BGR: another number is another scene."""

    def make(number: int, side: int = 48) -> np.ndarray:
        cells = np.random.default_rng(number).integers(40, 216, (8, 8, 3)).astype(np.uint8)
        return cv2.resize(cells, (side, side), interpolation=cv2.INTER_LINEAR)

    return make


@pytest.fixture(scope="session")
def draw(photo: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """Write a scene, or the picture given, as the suffix says."""

    def write(path: Path | str, scene: int | np.ndarray) -> Path:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), photo(scene) if isinstance(scene, int) else scene)
        return path

    return write


@pytest.fixture(scope="session")
def shipped_detector() -> FaceDetector:
    return open_detector("detector", SessionOptions("cpu", 1))


@pytest.fixture(scope="session")
def portrait(shipped_detector: FaceDetector) -> np.ndarray:
    """The demo clip's face with half its size around it."""
    frame = open_source("demo").read().image_bgr
    left, top, right, bottom = portrait_face(shipped_detector, frame).box.astype(int)
    border = (right - left) // 2
    return frame[max(0, top - border) : bottom + border, left - border : right + border]


@pytest.fixture
def album(tmp_path: Path, portrait: np.ndarray, photo) -> Callable[..., Path]:
    """Write photos of some people, each with its own background, place, size and light."""

    def write(folder: str, people: tuple[str, ...], photos: int) -> Path:
        rng = np.random.default_rng(len(folder))
        for name in people:
            (tmp_path / folder / name).mkdir(parents=True)
            for i in range(photos):
                scene = photo(int(rng.integers(1_000_000)), 320)
                face = DISGUISES[name](portrait)
                scale = rng.uniform(0.9, 1.2) * 180 / face.shape[0]
                face = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                face = cv2.convertScaleAbs(face, alpha=rng.uniform(0.85, 1.1))
                height, width = face.shape[:2]
                y, x = (int(rng.integers(0, 320 - side)) for side in (height, width))
                scene[y : y + height, x : x + width] = face
                cv2.imwrite(str(tmp_path / folder / name / f"{i:02}.png"), scene)
        return tmp_path / folder

    return write
