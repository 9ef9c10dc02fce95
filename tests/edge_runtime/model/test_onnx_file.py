import hashlib
from pathlib import Path

import pytest

from edge_runtime.errors import CardError, EdgeError, ModelError
from edge_runtime.model.onnx_file import hash_with_zeroed_field, load_model_file, read_metadata


def test_model_file_gives_its_bytes_and_card(color_model) -> None:
    loaded = load_model_file(color_model)
    assert loaded.path == color_model
    assert loaded.data == color_model.read_bytes()
    assert (loaded.card.name, loaded.card.labels) == ("colors", ("red", "green", "blue"))


def test_hash_is_that_of_the_file_with_its_field_zeroed(color_model) -> None:
    loaded = load_model_file(color_model)
    zeroed = loaded.data.replace(loaded.card.sha256.encode(), b"0" * 64)
    assert hashlib.sha256(zeroed).hexdigest() == loaded.card.sha256
    assert hash_with_zeroed_field(loaded.data, loaded.card.sha256) == loaded.card.sha256


def test_hash_of_a_file_without_the_field_is_no_hash(color_model) -> None:
    assert hash_with_zeroed_field(color_model.read_bytes(), "1" * 64) == "no such field"
    assert hash_with_zeroed_field(color_model.read_bytes(), "") == "no such field"


def test_metadata_is_read_without_onnx(color_model) -> None:
    import onnx

    proto = onnx.load_model(color_model)
    found = read_metadata(color_model.read_bytes(), "colors.onnx")
    assert found == {p.key: p.value for p in proto.metadata_props}
    assert list(found) == ["edge"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "the file is empty (0 bytes)", id="empty"),
        pytest.param(b"just some text\n", "not an ONNX file", id="text"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(64), "not an ONNX file", id="png"),
        pytest.param(b"PK\x03\x04" + bytes(64), "not an ONNX file", id="zip"),
        pytest.param(b"\xff\xd8\xff\xe0" + bytes(64), "not an ONNX file", id="jpeg"),
        pytest.param(bytes(4096), "not an ONNX file", id="zeros"),
        pytest.param(b"\xff" * 4096, "not an ONNX file", id="ones"),
        pytest.param(b"\x08\x08", "not an ONNX file", id="no graph"),
    ],
)
def test_what_is_not_onnx_is_refused(data: bytes, says: str) -> None:
    Path("x.onnx").write_bytes(data)
    with pytest.raises(ModelError) as caught:
        load_model_file(Path("x.onnx"))
    assert str(caught.value) == f"x.onnx: {says}"


def test_file_without_card_is_refused(cardless_model) -> None:
    with pytest.raises(CardError, match="no 'edge' metadata; export it again"):
        load_model_file(cardless_model)


def test_missing_file_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        load_model_file(Path("gone.onnx"))
    assert str(caught.value) == "gone.onnx: No such file or directory"


def test_file_truncated_anywhere_is_refused(color_model) -> None:
    data = color_model.read_bytes()
    path = Path("cut.onnx")
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(EdgeError):
            load_model_file(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_file_is_called_cut_short(color_model, share: float) -> None:
    data = color_model.read_bytes()
    Path("cut.onnx").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="the file is cut short or damaged"):
        load_model_file(Path("cut.onnx"))


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_one_byte_altered_anywhere_is_refused(color_model, bit: int) -> None:
    data = bytearray(color_model.read_bytes())
    path = Path("altered.onnx")
    for position in range(len(data)):
        data[position] ^= bit
        path.write_bytes(data)
        with pytest.raises(EdgeError):
            load_model_file(path)
        data[position] ^= bit


def test_bytes_added_at_the_end_are_refused(color_model) -> None:
    Path("longer.onnx").write_bytes(color_model.read_bytes() + b"\x12\x00")
    with pytest.raises(ModelError, match="altered or damaged after export"):
        load_model_file(Path("longer.onnx"))


def test_altered_label_is_refused(color_model) -> None:
    Path("x.onnx").write_bytes(color_model.read_bytes().replace(b'"red"', b'"bed"'))
    with pytest.raises(ModelError, match="altered or damaged after export"):
        load_model_file(Path("x.onnx"))
