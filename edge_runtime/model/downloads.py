"""Known-good models from elsewhere, fetched once when asked for, checked, kept in a cache.

The one part of edge-run that uses the network, and only for `models get` or a model named by
address.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edge_runtime.errors import ModelError

__all__ = ["KNOWN", "Download", "cached", "fetch", "from_address"]

_TIMEOUT_S = 30
_BLOCK = 1 << 16
_ZOO = "https://github.com/opencv/opencv_zoo/raw"


@dataclass(frozen=True, slots=True)
class Download:
    """A file to fetch.

    Attributes:
        url: Where it is.
        sha256: What it must be.
        file: What it is called in the cache.
        license: Under which its publisher gives it away.
        description: What a card would say, see `edge_runtime.model.foreign`.
    """

    url: str
    sha256: str
    file: str
    license: str = ""
    description: Mapping[str, Any] | None = None


KNOWN = {
    "sface": Download(
        f"{_ZOO}/edef535367a4f8053b5bfb7580935c83772a9639/models/face_recognition_sface/"
        "face_recognition_sface_2021dec.onnx",
        "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        "sface.onnx",
        "Apache-2.0",
        # As cv2.FaceRecognizerSF prepares faces; the threshold is its authors' for cosines.
        {
            "name": "sface",
            "size": [112, 112],
            "layout": "NCHW",
            "color": "RGB",
            "mean": 0,
            "scale": 1,
            "alignment": "five-point",
            "threshold": 0.363,
            "license": "Apache-2.0",
        },
    ),
    "yunet": Download(
        f"{_ZOO}/82b38c8f98e7b52aa171400f3e4c722352d0669f/models/face_detection_yunet/"
        "face_detection_yunet_2023mar.onnx",
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        "yunet.onnx",
        "MIT",
    ),
}


def from_address(text: str) -> Download:
    """Return what an address like https://.../m.onnx#sha256=... means.

    Raises:
        ModelError: It is not https, or says no hash.
    """
    url, _, fragment = text.partition("#")
    digest = fragment.lower()[len("sha256=") :]
    told = fragment.startswith("sha256=") and re.fullmatch("[0-9a-f]{64}", digest)
    if not re.fullmatch(r"https://[\w.-]+(:\d+)?/\S*", url) or not told:
        raise ModelError(
            f"{text}: a model is fetched from https alone, and its address ends in "
            "#sha256= and the 64 digits of its hash"
        )
    return Download(url, digest, f"{digest[:16]}.onnx")


def cached(download: Download) -> Path | None:
    """Return where a file is kept, or None if it was not fetched yet.

    Raises:
        ModelError: What is kept there is another file.
    """
    path = _folder() / download.file
    if not path.is_file():
        return None
    try:
        digest = _hash(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None
    if digest != download.sha256:
        raise ModelError(f"{path}: was altered since it was fetched; remove it and fetch it again")
    return path


def fetch(download: Download, step: Callable[[int, int], None]) -> Path:
    """Fetch a file into the cache, going on where an earlier try ended; whole and right or not.

    Args:
        download: What.
        step: Called with the bytes there are and those there will be (0 if unknown).

    Returns:
        The file.

    Raises:
        ModelError: It cannot be fetched or written, or is not what it should be.
    """
    path = _folder() / download.file
    try:
        if cached(download) is not None:
            return path
    except ModelError:
        pass  # another file is there, and gives way to the right one
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"{path.parent}: cannot be made ({error.strerror}); set EDGE_RUN_MODELS to a folder "
            "for models"
        ) from None
    try:
        _continue(download.url, part, step)
        digest = _hash(part)
        if digest == download.sha256:
            os.replace(part, path)
    except OSError as error:  # of the disk, and urllib's own
        why = getattr(error, "reason", None) or error.strerror or error
        why = " ".join(str(why).split())
        raise ModelError(
            f"{download.url}: cannot be fetched ({why}); try again, it goes on where it stopped"
        ) from None
    if digest != download.sha256:
        part.unlink()
        raise ModelError(
            f"{download.url}: is not the file it should be (SHA-256 {digest[:12]}..., expected "
            f"{download.sha256[:12]}...); nothing was kept"
        )
    return path


def _continue(url: str, part: Path, step: Callable[[int, int], None]) -> None:
    """Append what is missing to a part of a file."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    done = part.stat().st_size if part.exists() else 0
    request = Request(
        quote(url, safe=":/?=&%+,;@~"), headers={"Range": f"bytes={done}-"} if done else {}
    )
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as answer:
            if url.startswith("https:") and not answer.url.startswith("https:"):
                raise OSError("it leads to an address without https")
            if answer.status != 206:  # a server that knows no parts sends all of it
                done = 0
            coming = int(answer.headers.get("Content-Length") or 0)
            total = done + coming if coming else 0
            with part.open("ab" if done else "wb") as file:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    done += len(block)
                    step(done, total)
            if done < total:
                raise OSError(f"the connection ended after {done:,} of {total:,} bytes")
    except HTTPError as error:
        error.close()
        if error.code != 416:  # the part already is all of it, or too much: its hash will tell
            raise
    except HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder() -> Path:
    """Return the user's cache of models; EDGE_RUN_MODELS overrides it."""
    chosen = os.environ.get("EDGE_RUN_MODELS")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "edge-run" / "models"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "edge-run" / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-run" / "models"
