"""Fetching a model, from a server in this process that can be made to fail."""

import errno
import hashlib
import socket
from pathlib import Path

import pytest

from edge_runtime.errors import ModelError
from edge_runtime.model import downloads
from edge_runtime.model.downloads import Download, cached, fetch

BODY = bytes(range(256)) * 1000  # what the server has
SHA = hashlib.sha256(BODY).hexdigest()
CACHE = Path("cache")


def _download(server, sha256: str = SHA) -> Download:
    return Download(server.url, sha256, "x.onnx")


def _nothing(done: int, total: int) -> None:
    """Show no progress."""


def _files() -> list[str]:
    return sorted(path.name for path in CACHE.iterdir())


# Fetching


def test_file_is_fetched_whole_and_only_once(file_server) -> None:
    path = fetch(_download(file_server), _nothing)
    assert path == CACHE / "x.onnx"
    assert path.read_bytes() == BODY
    assert _files() == ["x.onnx"]
    assert cached(_download(file_server)) == path
    assert fetch(_download(file_server), _nothing) == path
    assert file_server.asked == [None]


def test_progress_counts_the_bytes_up_to_all_of_them(file_server) -> None:
    steps: list[tuple[int, int]] = []
    fetch(_download(file_server), lambda *step: steps.append(step))
    counts = [done for done, _ in steps]
    assert len(counts) > 1
    assert counts == sorted(counts)
    assert (counts[-1], {total for _, total in steps}) == (len(BODY), {len(BODY)})


def test_broken_connection_is_said_and_the_next_try_fetches_the_rest_alone(file_server) -> None:
    file_server.ends_after = 100_000
    with pytest.raises(
        ModelError, match=r"cannot be fetched \(.*\); try again, it goes on"
    ) as caught:
        fetch(_download(file_server), _nothing)
    assert str(caught.value).startswith(file_server.url)
    assert _files() == ["x.onnx.part"]
    assert cached(_download(file_server)) is None
    file_server.ends_after = 10**9
    steps: list[tuple[int, int]] = []
    path = fetch(_download(file_server), lambda *step: steps.append(step))
    assert path.read_bytes() == BODY
    assert file_server.asked == [None, "bytes=100000-"]
    assert steps[0][0] > 100_000
    assert steps[-1] == (len(BODY), len(BODY))


def test_file_that_breaks_off_again_and_again_comes_whole(file_server) -> None:
    file_server.ends_after = 100_000
    for _ in range(2):
        with pytest.raises(ModelError, match="cannot be fetched"):
            fetch(_download(file_server), _nothing)
    assert fetch(_download(file_server), _nothing).read_bytes() == BODY
    assert file_server.asked == [None, "bytes=100000-", "bytes=200000-"]


def test_server_that_knows_no_parts_sends_all_of_it_again(file_server) -> None:
    file_server.ends_after, file_server.knows_parts = 100_000, False
    with pytest.raises(ModelError, match="cannot be fetched"):
        fetch(_download(file_server), _nothing)
    file_server.ends_after = 10**9
    steps: list[tuple[int, int]] = []
    path = fetch(_download(file_server), lambda *step: steps.append(step))
    assert path.read_bytes() == BODY
    assert steps[-1] == (len(BODY), len(BODY))


def test_part_that_already_is_all_of_it_is_taken(file_server) -> None:
    CACHE.mkdir()
    (CACHE / "x.onnx.part").write_bytes(BODY)
    assert fetch(_download(file_server), _nothing).read_bytes() == BODY
    assert _files() == ["x.onnx"]


def test_server_that_tells_no_length_is_read_to_its_end(file_server) -> None:
    file_server.tells_length = False
    CACHE.mkdir()
    totals: set[int] = set()
    assert fetch(_download(file_server), lambda _, total: totals.add(total)).read_bytes() == BODY
    assert totals == {0}


def test_rest_of_unknown_length_is_no_known_total(file_server) -> None:
    file_server.tells_length = False
    CACHE.mkdir()
    (CACHE / "x.onnx.part").write_bytes(BODY[:1000])
    totals: set[int] = set()
    assert fetch(_download(file_server), lambda _, total: totals.add(total)).read_bytes() == BODY
    assert totals == {0}


# What is not the file


@pytest.mark.parametrize("part", [None, b"another file's", BODY + b"more"])
def test_file_with_another_hash_is_not_kept(file_server, part: bytes | None) -> None:
    if part is None:
        file_server.body = b"altered" + BODY
    else:
        CACHE.mkdir()
        (CACHE / "x.onnx.part").write_bytes(part)
    with pytest.raises(ModelError, match=r"is not the file it should be \(SHA-256 ") as caught:
        fetch(_download(file_server), _nothing)
    assert f"expected {SHA[:12]}...); nothing was kept" in str(caught.value)
    assert _files() == []
    file_server.body = BODY
    assert fetch(_download(file_server), _nothing).read_bytes() == BODY


@pytest.mark.parametrize(("status", "says"), [(404, "Not Found"), (503, "Service Unavailable")])
def test_refusal_of_the_server_is_said(file_server, status: int, says: str) -> None:
    file_server.status = status
    with pytest.raises(ModelError) as caught:
        fetch(_download(file_server), _nothing)
    assert str(caught.value) == (
        f"{file_server.url}: cannot be fetched ({says}); try again, it goes on where it stopped"
    )
    assert _files() == []


def test_server_of_another_kind_is_said_in_one_line(file_server) -> None:
    file_server.speaks_http = False
    with pytest.raises(ModelError, match=r"^http\S+/x: cannot be fetched \(.*hello") as caught:
        fetch(_download(file_server), _nothing)
    assert "\n" not in str(caught.value)
    assert _files() == []


def test_address_where_nobody_listens_is_said_in_one_line(file_server) -> None:
    with socket.socket() as closed:  # bound, so that nobody else takes it; listening to none
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x"
        with pytest.raises(ModelError) as caught:
            fetch(Download(url, SHA, "x.onnx"), _nothing)
    assert str(caught.value).startswith(f"{url}: cannot be fetched (")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        pytest.param("/ö ü.onnx", "/%C3%B6%20%C3%BC.onnx", id="letters no request can hold"),
        pytest.param("/%C3%B6.onnx?a=1&b=%2F", "/%C3%B6.onnx?a=1&b=%2F", id="already escaped"),
    ],
)
def test_address_is_asked_for_as_it_was_meant(file_server, path: str, asked: str) -> None:
    url = file_server.url.removesuffix("/x") + path
    assert fetch(Download(url, SHA, "x.onnx"), _nothing).read_bytes() == BODY
    assert file_server.paths == [asked]


def test_cache_that_cannot_be_made_is_said(file_server) -> None:
    CACHE.write_text("a file", "utf-8")
    with pytest.raises(ModelError, match=r"^cache: cannot be made \(.*; set EDGE_RUN_MODELS to"):
        fetch(_download(file_server), _nothing)


def test_file_that_cannot_get_its_name_is_said(file_server, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(downloads.os, "replace", refuse)
    with pytest.raises(ModelError, match="Permission denied"):
        fetch(_download(file_server), _nothing)
