"""Face detectors that come with OpenCV or from its model zoo, behind our interface."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np

from edge_runtime.errors import InstallError, ModelError
from edge_runtime.faces.boxes import FaceBox
from edge_runtime.libraries import in_one_line
from edge_runtime.model.preprocess import Image

__all__ = ["HaarDetector", "YuNetDetector"]

_LARGEST_PX = 1280
_HAAR_FILE = "haarcascade_frontalface_alt2.xml"  # of OpenCV's four the one with fewest false faces
# Where landmarks lie in a face's box on average, as shares of its sides (YuNet's on LFW): for
# detectors that find none.
_USUAL_PLACES = np.array([[0.31, 0.38], [0.69, 0.38], [0.5, 0.58], [0.34, 0.77], [0.66, 0.77]])


class YuNetDetector:
    """YuNet (Wu et al. 2023) through `cv2.FaceDetectorYN`, at the picture's own size.

    Larger pictures are brought to 1,280 px first: faces of more than some hundred pixels, as a
    portrait of 12 megapixels has, are beyond what it finds.

    Attributes:
        sure: Score from which on a face is reported; what OpenCV's own samples use.
        faint: Score from which on a face seen before is still taken for one.
    """

    sure = 0.8
    faint = 0.5

    def __init__(self, path: Path) -> None:
        """Load YuNet's ONNX file.

        Raises:
            InstallError: This OpenCV lacks `FaceDetectorYN`.
            ModelError: The file is not YuNet.
        """
        if not hasattr(cv2, "FaceDetectorYN"):
            raise InstallError(
                f"--detector {path}: OpenCV {cv2.__version__} has no FaceDetectorYN; take 4.5.4 or "
                "newer"
            )
        self._alone = Lock()  # folders are looked through by several threads
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320))
            self._net.detect(np.zeros((320, 320, 3), np.uint8))
        except cv2.error as error:
            raise ModelError(
                f"{path}: OpenCV cannot run it as YuNet ({in_one_line(error)})"
            ) from None

    def detect(self, image_bgr: Image, min_score: float) -> list[FaceBox]:
        """Return the faces in a picture (uint8, (H, W, 3), BGR), best first."""
        height, width = image_bgr.shape[:2]
        scale = min(1.0, _LARGEST_PX / max(height, width))
        seen = image_bgr
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            seen = np.asarray(cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
        with self._alone:
            self._net.setInputSize((seen.shape[1], seen.shape[0]))
            self._net.setScoreThreshold(min_score)
            _, rows = self._net.detect(seen)
        faces = []
        # A row: x, y, width, height, five landmarks, score.
        for row in sorted(rows if rows is not None else (), key=lambda r: -r[14]):
            landmarks = np.asarray(row[4:14].reshape(5, 2) / scale, np.float32)
            box = np.array([row[0], row[1], row[0] + row[2], row[1] + row[3]], np.float32) / scale
            box = np.clip(box, 0, np.array([width, height, width, height], np.float32))
            if box[2] - box[0] >= 1 and box[3] - box[1] >= 1:
                faces.append(FaceBox(box, float(row[14]), landmarks))
        return faces


class HaarDetector:
    """OpenCV's cascade of 2001 (Viola and Jones), for comparison; finds no landmarks.

    Attributes:
        sure: A cascade says yes or no, so every face has the score 1.
        faint: The same.
    """

    sure = 0.5
    faint = 0.5

    def __init__(self) -> None:
        """Load the cascade that came with OpenCV.

        Raises:
            InstallError: This OpenCV has none (5.0 and later).
        """
        folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
        file = Path(folder or "nowhere") / _HAAR_FILE
        if not hasattr(cv2, "CascadeClassifier") or folder is None or not file.is_file():
            raise InstallError(
                f"--detector haar: OpenCV {cv2.__version__} came without cascades (4.x has them); "
                "take --detector detector, which is better and faster"
            )
        self._alone = Lock()
        self._cascade: Any = cv2.CascadeClassifier(str(file))

    def detect(self, image_bgr: Image, min_score: float) -> list[FaceBox]:
        """Return the faces in a picture (uint8, (H, W, 3), BGR), largest first."""
        gray = cv2.equalizeHist(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY))
        with self._alone:
            rows = self._cascade.detectMultiScale(gray, 1.1, 5, minSize=(24, 24))
        faces = []
        for x, y, width, height in sorted(rows, key=lambda r: -int(r[2])):
            box = np.array([x, y, x + width, y + height], np.float32)
            places = np.array([x, y]) + _USUAL_PLACES * np.array([width, height])
            faces.append(FaceBox(box, 1.0, places.astype(np.float32)))
        return faces
