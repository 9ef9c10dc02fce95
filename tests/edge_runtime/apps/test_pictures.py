import sys
from pathlib import Path

import pytest

from edge_runtime.apps.pictures import list_pictures
from edge_runtime.errors import SourceError


@pytest.fixture
def photos() -> Path:
    root = Path("photos")
    for name in ("b.jpg", "a.PNG", "notes.txt", "sub/c.webp", "sub/deep/d.bmp", "also/e.tiff"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_pictures_below_a_folder_are_listed_in_order(photos) -> None:
    assert [str(path) for path in list_pictures([photos])] == [
        "photos/a.PNG",
        "photos/b.jpg",
        "photos/also/e.tiff",
        "photos/sub/c.webp",
        "photos/sub/deep/d.bmp",
    ]


def test_file_named_directly_is_taken_whatever_its_name(photos) -> None:
    paths = [photos / "notes.txt", photos / "b.jpg"]
    assert list_pictures(paths) == paths


def test_paths_are_taken_in_the_order_given(photos) -> None:
    found = list_pictures([photos / "sub", photos / "a.PNG"])
    assert [path.name for path in found] == ["c.webp", "d.bmp", "a.PNG"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_linked_folder_is_followed_and_a_circle_is_not(photos) -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/z.png").write_bytes(b"x")
    (photos / "link").symlink_to(Path("elsewhere").absolute())
    (photos / "sub" / "circle").symlink_to(photos.absolute())
    found = [str(path) for path in list_pictures([photos])]
    assert "photos/link/z.png" in found
    assert len(found) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_folder_linked_twice_is_listed_once() -> None:
    Path("real").mkdir()
    Path("real/z.png").write_bytes(b"x")
    Path("root").mkdir()
    for name in ("one", "two"):
        (Path("root") / name).symlink_to(Path("real").absolute())
    assert [str(path) for path in list_pictures([Path("root")])] == ["root/one/z.png"]


@pytest.mark.parametrize("again", ["photos", "photos/", "./photos", "photos/sub/../../photos"])
def test_folder_named_twice_is_listed_once(photos, again: str) -> None:
    assert list_pictures([photos, Path(again)]) == list_pictures([photos])


def test_folder_below_one_named_too_is_listed_once(photos) -> None:
    once = list_pictures([photos])
    assert list_pictures([photos, photos / "sub" / "deep", photos / "also"]) == once
    found = list_pictures([photos / "sub", photos])
    assert [path.name for path in found] == ["c.webp", "d.bmp", "a.PNG", "b.jpg", "e.tiff"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_folder_named_and_linked_is_listed_once(photos) -> None:
    Path("link").symlink_to(photos.absolute())
    assert list_pictures([photos, Path("link")]) == list_pictures([photos])


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_broken_link_is_listed_so_that_it_is_reported(photos) -> None:
    (photos / "gone.jpg").symlink_to("nowhere.jpg")
    assert photos / "gone.jpg" in list_pictures([photos])


def test_missing_path_is_refused(photos) -> None:
    with pytest.raises(SourceError, match=r"^gone: no such file or folder$"):
        list_pictures([photos, Path("gone")])


def test_folder_without_pictures_is_refused() -> None:
    Path("nothing").mkdir()
    Path("nothing/notes.txt").touch()
    with pytest.raises(SourceError, match=r"^no pictures found; looked for \.bmp, \.jpeg, \.jpg"):
        list_pictures([Path("nothing")])
