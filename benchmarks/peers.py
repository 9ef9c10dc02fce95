"""Other people's face networks, to be measured beside ours; their files are never shipped."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from edge_runtime.faces.boxes import FaceBox, non_maximum_suppression
from edge_runtime.faces.opencv_detectors import YuNetDetector
from edge_runtime.model.foreign import describe_foreign
from edge_runtime.model.onnx_file import ModelFile
from edge_runtime.model.preprocess import Image
from edge_runtime.model.session import Session, SessionOptions

__all__ = ["SmallYuNet", "UltraFace", "mobile_face_net"]

# It takes RGB in gray levels and scales inside.
_MOBILE_FACE_NET = {
    "name": "mobilefacenet", "size": [112, 112], "layout": "NCHW", "color": "RGB", "mean": 0,
    "scale": 1, "alignment": "none",
}  # fmt: skip


class SmallYuNet(YuNetDetector):
    """YuNet on a picture whose longer side is brought to 320 px."""

    _SIDE_PX = 320

    def detect(self, image_bgr: Image, min_score: float) -> list[FaceBox]:
        """Return the faces in a picture (uint8, (H, W, 3), BGR), best first."""
        height, width = image_bgr.shape[:2]
        scale = self._SIDE_PX / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(image_bgr, size, interpolation=way), np.uint8)
        return [
            FaceBox(face.box / scale, face.score, face.landmarks / scale)
            for face in super().detect(small, min_score)
        ]


class UltraFace:
    """UltraFace RFB-320 (Linzaer, MIT) through onnxruntime, prepared as its own demo does.

    Attributes:
        sure: The demo's threshold.
        faint: The same.
    """

    sure = 0.7
    faint = 0.7

    def __init__(self, path: Path) -> None:
        """Load the ONNX file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def detect(self, image_bgr: Image, min_score: float) -> list[FaceBox]:
        """Return the faces in a picture (uint8, (H, W, 3), BGR), best first."""
        height, width = image_bgr.shape[:2]
        small = cv2.cvtColor(cv2.resize(image_bgr, (320, 240)), cv2.COLOR_BGR2RGB)
        planes = ((small.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        both, corners = self._session.run(None, {self._input: np.ascontiguousarray(planes)})
        scores = both[0][:, 1]
        sure = scores >= min_score
        boxes = corners[0][sure] * np.array([width, height, width, height], np.float32)
        scores = scores[sure]
        none = np.zeros((5, 2), np.float32)
        return [
            FaceBox(boxes[i], float(scores[i]), none)
            for i in non_maximum_suppression(boxes, scores, 0.3)
        ]


def mobile_face_net(path: Path) -> Session:
    """Open MobileFaceNet as the foreign embedding it is."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    card, graph = describe_foreign(_MOBILE_FACE_NET, digest, str(path))
    return Session(ModelFile(path, data, card, graph), SessionOptions("cpu", 1))
