import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.onnx_file import load_model_file, read_metadata
from edge_runtime.model.session import SessionOptions, open_session
from export.package import pack


@pytest.fixture
def packed(classifier_proto, color_card) -> bytes:
    return pack(classifier_proto(), color_card)


def test_packed_file_loads_and_answers(packed) -> None:
    Path("m.onnx").write_bytes(packed)
    session = open_session(Path("m.onnx"), SessionOptions("cpu", 1))
    red = np.zeros((1, 16, 16, 3), np.uint8)
    red[..., 0] = 255
    assert session.run(red)["scores"][0].argmax() == 0


def test_packed_file_holds_the_card_and_its_hash(packed, color_card) -> None:
    Path("m.onnx").write_bytes(packed)
    card = load_model_file(Path("m.onnx")).card
    assert dataclasses.replace(card, sha256="0" * 64) == color_card
    assert packed.count(card.sha256.encode()) == 1
    zeroed = packed.replace(card.sha256.encode(), b"0" * 64)
    assert hashlib.sha256(zeroed).hexdigest() == card.sha256


def test_packed_file_is_a_valid_onnx_model_with_one_note(packed) -> None:
    proto = onnx.load_model_from_string(packed)
    onnx.checker.check_model(proto)
    assert [entry.key for entry in proto.metadata_props] == ["edge"]
    assert (proto.producer_name, proto.doc_string) == ("edge-run", "")


def test_notes_of_the_tools_before_are_left_out(classifier_proto, color_card) -> None:
    proto = classifier_proto()
    entry = proto.metadata_props.add()
    entry.key, entry.value = "onnx.quant.pre_process", "onnxruntime.quant"
    assert list(read_metadata(pack(proto, color_card), "m.onnx")) == ["edge"]


def test_graph_given_is_not_changed(classifier_proto, color_card) -> None:
    proto = classifier_proto()
    before = proto.SerializeToString()
    pack(proto, color_card)
    assert proto.SerializeToString() == before


def test_packing_twice_gives_the_same_bytes(classifier_proto, color_card, packed) -> None:
    assert pack(classifier_proto(), color_card) == packed


def test_card_with_other_letters_survives(classifier_proto) -> None:
    card = ModelCard("顔", "classification", ("glücklich", "悲しい", "ok"), InputSpec(16, 16))
    Path("m.onnx").write_bytes(pack(classifier_proto(), card))
    assert load_model_file(Path("m.onnx")).card.labels == ("glücklich", "悲しい", "ok")


def test_card_with_a_hash_already_is_refused(classifier_proto, color_card) -> None:
    with pytest.raises(ValueError, match="must be packed with its sha256 zeroed"):
        pack(classifier_proto(), dataclasses.replace(color_card, sha256="a" * 64))


def test_altered_weight_is_refused(packed) -> None:
    weight = np.full(1, 4 / 255, np.float32).tobytes()
    assert packed.count(weight) == 3
    altered = packed.replace(weight, np.full(1, 3 / 255, np.float32).tobytes(), 1)
    Path("m.onnx").write_bytes(altered)
    with pytest.raises(ModelError, match="altered or damaged after export"):
        load_model_file(Path("m.onnx"))
