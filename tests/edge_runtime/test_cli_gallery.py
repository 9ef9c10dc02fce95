"""The commands that show and change who is in a gallery."""

from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from edge_runtime import cli_faces
from edge_runtime.faces.gallery import Gallery
from tests.command_line import failure, json_rows

X, Y, Z = np.eye(3, dtype=np.float32)
PEOPLE = Path("people.npz")


def _people() -> dict[str, int]:
    return {name: len(rows) for name, rows in Gallery.load(PEOPLE).people.items()}


@pytest.fixture
def gallery() -> Path:
    """Ana, who is red, with two photos, and Zoë, who is green."""
    people = {"Ana": np.stack([X, Z]), "Zoë": Y[None]}
    Gallery("who", "a" * 64, MappingProxyType(people)).save(PEOPLE)
    return PEOPLE


@pytest.fixture
def terminal(monkeypatch) -> None:
    """Have the commands take their output for a terminal."""
    stdout = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(cli_faces, "sys", SimpleNamespace(stdout=stdout))


def test_gallery_list_prints_a_line_a_person(cli, gallery) -> None:
    result = cli("gallery", "list", gallery)
    assert json_rows(result.stdout) == [{"name": "Ana", "photos": 2}, {"name": "Zoë", "photos": 1}]
    assert result.stderr == "2 people, embeddings of model who\n"
    assert "Zoë" in result.stdout


def test_gallery_list_is_a_table_on_a_terminal(cli, gallery, terminal) -> None:
    assert [line.split() for line in cli("gallery", "list", gallery).stdout.splitlines()] == [
        ["Ana", "2", "photo(s)"], ["Zoë", "1", "photo(s)"]
    ]  # fmt: skip


def test_gallery_rename_and_forget_change_the_file(cli, gallery) -> None:
    result = cli("gallery", "rename", gallery, "Ana", "Ana Souza")
    assert (result.exit_code, result.stdout) == (0, "Ana is Ana Souza now, in people.npz\n")
    assert _people() == {"Ana Souza": 2, "Zoë": 1}
    result = cli("gallery", "forget", gallery, "Ana Souza")
    assert (result.exit_code, result.stdout) == (0, "Ana Souza is forgotten, in people.npz\n")
    assert _people() == {"Zoë": 1}


@pytest.mark.parametrize("command", [["rename", PEOPLE, "Ann", "Eve"], ["forget", PEOPLE, "Ann"]])
def test_gallery_refuses_who_is_not_there_and_leaves_the_file(cli, gallery, command) -> None:
    before = gallery.read_bytes()
    message = failure(cli("gallery", *command))
    assert message == "Ann: nobody of that name among the 2 in the gallery; did you mean Ana?"
    assert gallery.read_bytes() == before


def test_gallery_knows_who_is_meant_whatever_the_case(cli, gallery) -> None:
    message = failure(cli("gallery", "forget", gallery, "aNN"))
    assert message.endswith("; did you mean Ana?")


def test_gallery_refuses_a_name_that_is_taken(cli, gallery) -> None:
    message = failure(cli("gallery", "rename", gallery, "Ana", "zoë"))
    assert message.startswith("zoë: Zoë is there already")
