"""Nothing half-written keeps its final name."""

import errno
from pathlib import Path

import pytest

from edge_runtime import files
from edge_runtime.errors import OutputError
from edge_runtime.files import alone_in, check_writable, write_whole

# Places


@pytest.mark.parametrize("use", [check_writable, lambda path: write_whole(path, b"new")])
@pytest.mark.parametrize(
    ("place", "says"),
    [
        pytest.param("gone/x.png", "there is no folder gone; make it first", id="missing folder"),
        pytest.param("file/x.png", "there is no folder file; make it first", id="file for folder"),
        pytest.param("folder.png", "is a folder; name a file in it", id="folder for file"),
    ],
)
def test_unwritable_place_is_refused_before_any_work(use, place: str, says: str) -> None:
    Path("file").touch()
    Path("folder.png").mkdir()
    with pytest.raises(OutputError) as caught:
        use(Path(place))
    assert str(caught.value) == f"{place}: cannot be written ({says})"


def test_read_only_folder_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    Path("locked").mkdir()
    with pytest.raises(OutputError) as caught:
        check_writable(Path("locked/x.mp4"))
    assert str(caught.value) == ("locked/x.mp4: cannot be written (the folder locked is read-only)")


def test_writable_place_is_left_as_it_was() -> None:
    Path("old.png").write_bytes(b"old")
    check_writable(Path("old.png"))
    check_writable(Path("new.png"))
    assert [(path.name, path.read_bytes()) for path in Path().iterdir()] == [("old.png", b"old")]


# Writing


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


@pytest.mark.parametrize("fails_at", ["write_bytes", "replace"])
def test_full_disk_leaves_the_old_file_and_no_part(monkeypatch, fails_at: str) -> None:
    def fill_up(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("m.onnx").write_bytes(b"old")
    with monkeypatch.context() as full:
        full.setattr(files.os if fails_at == "replace" else files.Path, fails_at, fill_up)
        with pytest.raises(OutputError) as caught:
            write_whole(Path("m.onnx"), b"new")
    assert str(caught.value) == "m.onnx: cannot be written (No space left on device)"
    assert [(path.name, path.read_bytes()) for path in Path().iterdir()] == [("m.onnx", b"old")]


def test_file_in_the_folders_place_is_said() -> None:
    Path("file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_whole(Path("file/m.onnx"), b"new")


def test_links_target_is_replaced_and_the_link_stays() -> None:
    Path("target.json").write_bytes(b"old")
    Path("link.json").symlink_to("target.json")
    write_whole(Path("link.json"), b"new")
    assert Path("link.json").is_symlink()
    assert Path("target.json").read_bytes() == b"new"


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no device files on this system")
def test_device_is_written_to_and_never_replaced() -> None:
    write_whole(Path("/dev/null"), b"new")
    assert not Path("/dev/null").is_file()


def test_place_that_cannot_be_locked_is_one_line() -> None:
    with pytest.raises(OutputError, match=r"^gone: cannot be opened \("), alone_in(Path("gone")):
        pass
