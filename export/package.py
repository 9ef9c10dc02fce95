"""Graph and card into one file that can prove it is unaltered."""

from __future__ import annotations

import copy
import hashlib

import onnx

from edge_runtime.model.card import CARD_KEY, UNHASHED, ModelCard
from export.graph import share_constants
from export.names import shorten_names
from export.pixels import read_bytes

__all__ = ["pack"]


def pack(proto: onnx.ModelProto, card: ModelCard) -> bytes:
    """Return the bytes of a model file: the graph with its card, hash filled in."""
    proto = copy.deepcopy(proto)
    read_bytes(proto)
    share_constants(proto)
    shorten_names(proto)
    del proto.metadata_props[:]
    proto.producer_name, proto.doc_string = "edge-run", ""
    entry = proto.metadata_props.add()
    entry.key, entry.value = CARD_KEY, card.to_json()
    data: bytes = proto.SerializeToString(deterministic=True)
    field = f'"sha256": "{UNHASHED}"'.encode()
    if data.count(field) != 1:
        raise ValueError("the card must be packed with its sha256 zeroed")
    digest = hashlib.sha256(data).hexdigest()
    return data.replace(field, field.replace(UNHASHED.encode(), digest.encode()))
