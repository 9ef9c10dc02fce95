"""Nothing half-written keeps its final name."""

from pathlib import Path

import pytest

from edge_runtime.errors import OutputError
from edge_runtime.files import write_whole


def test_file_appears_under_its_name_only_whole() -> None:
    Path("m.onnx").write_bytes(b"old")
    write_whole(Path("m.onnx"), b"new")
    assert Path("m.onnx").read_bytes() == b"new"
    assert [path.name for path in Path().iterdir()] == ["m.onnx"]


@pytest.mark.parametrize("place", ["gone/m.onnx", "folder.onnx"])
def test_unwritable_place_is_said_and_leaves_nothing(place: str) -> None:
    Path("folder.onnx").mkdir()
    with pytest.raises(OutputError) as caught:
        write_whole(Path(place), b"new")
    assert str(caught.value).startswith(f"{place}: cannot be written (")
    assert [path.name for path in Path().iterdir()] == ["folder.onnx"]


def test_file_in_the_folders_place_is_said() -> None:
    Path("file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_whole(Path("file/m.onnx"), b"new")
