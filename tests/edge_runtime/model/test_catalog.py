from pathlib import Path

import pytest

import edge_runtime
from edge_runtime.errors import ModelError
from edge_runtime.model import catalog
from edge_runtime.model.catalog import find_model, shipped_folder, shipped_models


@pytest.fixture
def shipped(monkeypatch) -> Path:
    folder = Path("shipped")
    folder.mkdir()
    for name in ("pets.onnx", "expression.onnx", "demo.mp4", "notes.txt"):
        (folder / name).write_bytes(b"shipped")
    monkeypatch.setattr(catalog, "shipped_folder", lambda: folder)
    return folder


def test_path_that_exists_is_taken(shipped) -> None:
    Path("pets.onnx").write_bytes(b"mine")
    assert find_model("pets.onnx") == Path("pets.onnx")


@pytest.mark.parametrize("text", ["pets", "pets.onnx"])
def test_shipped_model_is_found_by_its_name(shipped, text: str) -> None:
    assert find_model(text) == shipped / "pets.onnx"


def test_shipped_models_are_by_name_and_sorted(shipped) -> None:
    assert list(shipped_models()) == ["expression", "pets"]


def test_unknown_name_is_refused_with_those_there_are(shipped) -> None:
    with pytest.raises(ModelError) as caught:
        find_model("birds")
    assert str(caught.value) == (
        "birds: no such file, and no shipped model of that name (there are: expression, pets)"
    )


def test_nothing_shipped_is_said(monkeypatch) -> None:
    monkeypatch.setattr(catalog, "shipped_folder", lambda: Path("gone"))
    with pytest.raises(ModelError, match=r"\(there are: none\)"):
        find_model("birds")


def test_folder_is_no_model() -> None:
    Path("models").mkdir()
    with pytest.raises(ModelError, match=r"^models: is a folder, not a model file$"):
        find_model("models")


@pytest.mark.parametrize("text", ["https://host/m.onnx", "http://host/m.onnx#sha256=" + 64 * "0"])
def test_address_that_proves_nothing_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="fetched from https alone, and its address ends in #sha"):
        find_model(text)


def test_known_model_that_was_not_fetched_is_refused_with_the_command(monkeypatch) -> None:
    monkeypatch.setenv("EDGE_RUN_MODELS", "cache")
    with pytest.raises(ModelError, match=r"^sface: is not here yet; fetch it with edge-run models"):
        find_model("sface")


def test_shipped_folder_is_inside_the_package() -> None:
    assert shipped_folder() == Path(edge_runtime.__file__).parent / "shipped"
