"""A model file on disk: its bytes, its card, and whether they are still what was written.

Reads the few protobuf fields it needs itself, so that neither onnx nor onnxruntime is imported
to show a card or to notice a damaged file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.errors import CardError, ModelError
from edge_runtime.model.card import CARD_KEY, UNHASHED, ModelCard
from edge_runtime.model.downloads import KNOWN

if TYPE_CHECKING:  # NumPy is not needed to show a card
    from edge_runtime.model.foreign import ForeignGraph

__all__ = ["ModelFile", "hash_with_zeroed_field", "load_model_file", "read_metadata"]

# Field numbers of onnx.ModelProto and onnx.StringStringEntryProto (onnx.proto3).
_GRAPH, _METADATA_PROPS = 7, 14
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A model file whose card and hash were checked.

    Attributes:
        path: Where it was read from.
        data: The file's bytes.
        card: What it says of itself, or what is said of it (see `edge_runtime.model.foreign`).
        foreign: How its graph wants pictures, where it was not exported by edge-run.
    """

    path: Path
    data: bytes
    card: ModelCard
    foreign: ForeignGraph | None = None


def load_model_file(path: Path) -> ModelFile:
    """Read a model file and check that it is whole and unaltered.

    Raises:
        ModelError: It cannot be read, is not ONNX, is cut short or was altered.
        CardError: It has no card, or one that does not parse.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    text = read_metadata(data, str(path)).get(CARD_KEY)
    if text is None:
        return _load_foreign(path, data)
    card = ModelCard.from_json(text, str(path))
    if hash_with_zeroed_field(data, card.sha256) != card.sha256:
        raise ModelError(
            f"{path}: the file was altered or damaged after export (SHA-256 does not match "
            "its card); copy or export it again"
        )
    return ModelFile(path, data, card)


def _load_foreign(path: Path, data: bytes) -> ModelFile:
    """Take a file of somebody else's by its description."""
    from edge_runtime.model.foreign import describe_foreign, read_description

    sha256 = hashlib.sha256(data).hexdigest()
    known = next((d.description for d in KNOWN.values() if d.sha256 == sha256), None)
    described = known or read_description(path)
    if described is None:
        raise CardError(
            f"{path}: no 'edge' metadata; export it again with 'python -m export', or, if it is "
            f"a face embedding of somebody else's, describe it in {path.with_suffix('.yaml')} "
            "(docs/faces.md)"
        )
    where = path if known else path.with_suffix(".yaml")
    return ModelFile(path, data, *describe_foreign(described, sha256, str(where)))


def hash_with_zeroed_field(data: bytes, sha256: str) -> str:
    """Return the SHA-256 of a file whose own hash field is replaced by 64 zeros.

    Args:
        data: The file.
        sha256: What the field holds now; 64 characters.
    """
    field = sha256.encode()
    if len(field) != len(UNHASHED) or data.count(field) != 1:
        return "no such field"
    return hashlib.sha256(data.replace(field, UNHASHED.encode())).hexdigest()


def read_metadata(data: bytes, where: str) -> dict[str, str]:
    """Return the metadata of the bytes of an ONNX file.

    Raises:
        ModelError: The bytes are empty, not ONNX or cut short.
    """
    if not data:
        raise ModelError(f"{where}: the file is empty (0 bytes)")
    found: dict[str, str] = {}
    has_graph = False
    try:
        for number, value in _fields(data):
            if number == _METADATA_PROPS:
                entry = dict(_fields(value))
                found[entry.get(_KEY, b"").decode()] = entry.get(_VALUE, b"").decode()
            has_graph = has_graph or number == _GRAPH
    except _ShortError:
        if has_graph or data[:1] == b"\x08":
            raise ModelError(
                f"{where}: the file is cut short or damaged; copy or export it again"
            ) from None
        raise ModelError(f"{where}: not an ONNX file") from None
    except (ValueError, UnicodeDecodeError):
        raise ModelError(f"{where}: not an ONNX file") from None
    if not has_graph:
        raise ModelError(f"{where}: not an ONNX file")
    return found


class _ShortError(Exception):
    """The bytes end inside a field."""


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk one protobuf message; numbers come as empty bytes, since none is needed."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("field number 0")
        length = 0
        if kind == _VARINT:
            _, position = _varint(data, position)
        elif kind == _BYTES:
            length, position = _varint(data, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        if position + length > len(data):
            raise _ShortError
        yield number, data[position : position + length] if kind == _BYTES else b""
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _ShortError
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("varint too long")
