"""edge-run: recognize faces, expressions and objects on a small computer, offline."""

import os

__version__ = "0.1.0"

# onnxruntime's wheels from 1.29 on send telemetry unless this is set before they are imported.
# Nothing leaves the machine here; whoever wants it can set the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# OpenCV and its FFmpeg report what we say ourselves, in one line, in a dozen of theirs.
os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
