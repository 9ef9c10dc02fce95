"""Fetching models by the command line."""

import hashlib
from pathlib import Path

import pytest

from edge_runtime.model import downloads
from edge_runtime.model.downloads import Download
from tests.command_line import failure


@pytest.fixture
def known(file_server, monkeypatch) -> None:
    """Take the file server's body for the one model that can be fetched, `mini`."""
    sha256 = hashlib.sha256(file_server.body).hexdigest()
    mini = Download(file_server.url, sha256, "mini.onnx", "MIT")
    monkeypatch.setattr(downloads, "KNOWN", {"mini": mini})


def test_models_get_fetches_once_and_prints_where_it_is(cli, known, file_server) -> None:
    for _ in range(2):
        result = cli("models", "get", "mini")
        assert (result.exit_code, result.stdout) == (0, f"{Path('cache', 'mini.onnx')}\n")
    assert Path("cache/mini.onnx").read_bytes() == file_server.body
    assert len(file_server.asked) == 1


def test_models_lists_what_can_be_fetched(cli, known) -> None:
    assert "mini: MIT, edge-run models get mini fetches it\n" in cli("models").stderr
    cli("models", "get", "mini")
    assert "mini: MIT, is here\n" in cli("models").stderr


def test_models_get_of_another_file_fails_and_keeps_nothing(cli, known, file_server) -> None:
    file_server.body = b"another"
    assert "is not the file it should be" in failure(cli("models", "get", "mini"))
    assert list(Path("cache").iterdir()) == []


def test_models_get_of_an_unknown_name_says_which_there_are(cli) -> None:
    message = failure(cli("models", "get", "arcface"), 2)
    assert message == "arcface: not known; expected sface or yunet"
