"""Where fetched models are kept, and what an address must say."""

import hashlib
from pathlib import Path

import pytest

from edge_runtime.errors import ModelError
from edge_runtime.model import downloads
from edge_runtime.model.downloads import KNOWN, Download, cached, fetch, from_address

BODY = bytes(range(256)) * 1000  # what the server has
SHA = hashlib.sha256(BODY).hexdigest()


def _download(server, sha256: str = SHA) -> Download:
    return Download(server.url, sha256, "x.onnx")


def _nothing(done: int, total: int) -> None:
    """Show no progress."""


# The cache


def test_altered_file_is_not_used_and_replaced_when_it_is_fetched_again(file_server) -> None:
    path = fetch(_download(file_server), _nothing)
    path.write_bytes(BODY[:-1] + b"x")
    with pytest.raises(ModelError, match=r"x\.onnx: was altered since it was fetched; remove"):
        cached(_download(file_server))
    assert fetch(_download(file_server), _nothing).read_bytes() == BODY
    assert file_server.asked == [None, None]


def test_cache_is_where_the_environment_says(file_server, monkeypatch) -> None:
    fetch(_download(file_server), _nothing)
    monkeypatch.setenv("EDGE_RUN_MODELS", "elsewhere/models")
    assert cached(_download(file_server)) is None
    assert fetch(_download(file_server), _nothing) == Path("elsewhere/models/x.onnx")


@pytest.mark.parametrize(
    ("system", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "there/edge-run/models"),
        ("win32", "LOCALAPPDATA", "there/edge-run/models"),
        ("linux", "HOME", "there/.cache/edge-run/models"),
        ("darwin", "HOME", "there/Library/Caches/edge-run/models"),
    ],
)
def test_without_it_the_users_cache_is_taken(monkeypatch, system, variable, expected) -> None:
    for name in ("EDGE_RUN_MODELS", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads.sys, "platform", system)
    monkeypatch.setenv(variable, "there")
    if variable == "HOME":
        monkeypatch.setattr(downloads.Path, "home", lambda: Path("there"))
    folder = Path(expected)
    folder.mkdir(parents=True)
    (folder / "x.onnx").write_bytes(BODY)
    assert cached(Download("", SHA, "x.onnx")) == folder / "x.onnx"


# Addresses


def test_address_with_a_hash_is_taken() -> None:
    download = from_address(f"https://host/a/m.onnx?x=1#sha256={SHA.upper()}")
    assert download == Download("https://host/a/m.onnx?x=1", SHA, f"{SHA[:16]}.onnx")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("https://host/m.onnx", id="no hash"),
        pytest.param(f"http://host/m.onnx#sha256={SHA}", id="http"),
        pytest.param(f"file:///etc/passwd#sha256={SHA}", id="file"),
        pytest.param(f"https://host/m.onnx#sha256={SHA[:-1]}", id="hash too short"),
        pytest.param(f"https://host/m.onnx#sha256={SHA}0", id="hash too long"),
        pytest.param(f"https://host/m.onnx#sha256={SHA[:-1]}g", id="no digits"),
        pytest.param(f"https://host/m.onnx#{SHA}", id="hash of what kind"),
        pytest.param(f"https://host/m.onnx#sha512={SHA}", id="another hash"),
        pytest.param(f"https://[host/m.onnx#sha256={SHA}", id="bracket"),
        pytest.param("", id="nothing"),
    ],
)
def test_other_address_is_refused_with_what_it_should_be(text: str) -> None:
    with pytest.raises(ModelError, match="fetched from https alone, and its address ends in #sha"):
        from_address(text)


def test_known_files_come_over_https_with_a_whole_hash_and_a_license() -> None:
    assert set(KNOWN) == {"sface", "yunet"}
    for name, download in KNOWN.items():
        assert from_address(f"{download.url}#sha256={download.sha256}").sha256 == download.sha256
        assert (download.file, bool(download.license)) == (f"{name}.onnx", True)
