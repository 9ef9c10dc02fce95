"""Graph and card into one file that can prove it is unaltered."""

from __future__ import annotations

import copy
import hashlib
import os
from pathlib import Path

import onnx

from edge_runtime.errors import OutputError
from edge_runtime.model.card import CARD_KEY, ModelCard

__all__ = ["pack", "write_atomically"]

_ZEROS = "0" * 64


def pack(proto: onnx.ModelProto, card: ModelCard) -> bytes:
    """Return the bytes of a model file: the graph with its card, hash filled in."""
    proto = copy.deepcopy(proto)
    del proto.metadata_props[:]
    proto.producer_name, proto.doc_string = "edge-run", ""
    entry = proto.metadata_props.add()
    entry.key, entry.value = CARD_KEY, card.to_json()
    data: bytes = proto.SerializeToString(deterministic=True)
    field = f'"sha256": "{_ZEROS}"'.encode()
    if data.count(field) != 1:
        raise ValueError("the card must be packed with its sha256 zeroed")
    digest = hashlib.sha256(data).hexdigest()
    return data.replace(field, field.replace(_ZEROS.encode(), digest.encode()))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under another name and rename it.

    Raises:
        OutputError: It cannot be written there.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
