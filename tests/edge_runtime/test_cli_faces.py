"""The commands about people as a user meets them: enroll, identify, verify."""

import csv
import json
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import cv2
import numpy as np
import pytest

from edge_runtime import cli_faces
from edge_runtime.faces.gallery import Gallery
from tests.command_line import failure, json_rows

X, Y, Z = np.eye(3, dtype=np.float32)
PEOPLE = Path("people.npz")
ROW_FIELDS = ["path", "model", "label", "score", "top", "width_px", "height_px", "error"]
FACE_FIELDS = ["face_index", "box", "face_score"]


def _people() -> dict[str, int]:
    return {name: len(rows) for name, rows in Gallery.load(PEOPLE).people.items()}


@pytest.fixture
def run(cli, identity_model, detector_model):
    """Run enroll, identify or verify with the tiny models."""

    def _run(*arguments, model=identity_model, detector=detector_model):
        return cli(*arguments, "--model", model, "--detector", detector, "--provider", "cpu")

    return _run


@pytest.fixture
def photos(portrait) -> Path:
    """A folder for each person, red, green and pale, with two photos."""
    for person in ("red", "green", "pale"):
        Path("photos", person).mkdir(parents=True)
        for tone in (80, 120):
            cv2.imwrite(f"photos/{person}/{tone}.png", portrait(person, tone))
    return Path("photos")


@pytest.fixture
def gallery() -> Path:
    """Ana, who is red, with two photos, and Zoë, who is green."""
    ana = np.array([[0.8, 0, 0.6], [0.8, 0, -0.6]], np.float32)  # red on average
    people = {"Ana": ana, "Zoë": Y[None]}
    Gallery("who", "a" * 64, MappingProxyType(people)).save(PEOPLE)
    return PEOPLE


@pytest.fixture
def terminal(monkeypatch) -> None:
    """Have the commands take their output for a terminal."""
    stdout = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(cli_faces, "sys", SimpleNamespace(stdout=stdout))


# The front door


@pytest.mark.parametrize(
    "command",
    ["enroll", "identify", "verify", "gallery list", "gallery rename", "gallery forget",
     "models get"],
)  # fmt: skip
def test_help_of_a_command_shows_an_example(cli, command: str) -> None:
    result = cli(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"Example: edge-run {command} " in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["enroll", "Ana", "a.png"], id="enroll without a gallery"),
        pytest.param(["enroll", "Ana", "--gallery", "p.npz"], id="enroll without photos"),
        pytest.param(["identify", "a.png"], id="identify without a gallery"),
        pytest.param(["identify", "a.png", "--gallery", "p", "--top", "0"], id="top 0"),
        pytest.param(["verify", "a.png"], id="verify one photo"),
        pytest.param(["verify", "a", "b", "--threshold", "1.5"], id="threshold 1.5"),
        pytest.param(["verify", "a", "b", "--threshold", "-2"], id="threshold -2"),
        pytest.param(["gallery", "rename", "p.npz", "Ana"], id="rename to nothing"),
        pytest.param(["models", "get"], id="get nothing"),
    ],
)
def test_wrong_usage_exits_with_2(cli, arguments: list[str]) -> None:
    assert cli(*arguments).exit_code == 2


@pytest.mark.parametrize("command", [["enroll", "Ana"], ["identify"], ["verify"]])
def test_model_that_compares_no_faces_is_refused(
    run, photos, gallery, color_model, command
) -> None:
    paths = ["photos/red/80.png", "photos/red/120.png"]
    more = [] if command == ["verify"] else ["--gallery", gallery]
    message = failure(run(*command, *paths, *more, model=color_model), 2)
    assert message.startswith("--model: colors has no embedding to compare faces by")


# enroll


def test_enroll_makes_a_gallery_and_says_what_it_is_no_protection_from(run, photos) -> None:
    result = run("enroll", "Ana", photos / "red", "--gallery", PEOPLE)
    assert result.exit_code == 0
    assert result.stdout == "Ana: 2 photo(s) taken, 2 in all; 1 people in people.npz\n"
    assert result.stderr.startswith("note: a photo of somebody passes for them")
    assert _people() == {"Ana": 2}


def test_enroll_adds_and_says_what_was_left_out_or_looks_odd(
    run, photos, gallery, identity_model, detector_model
) -> None:
    Path("cut.png").touch()
    result = run(
        "enroll", "Zoë", "photos/red/80.png", "cut.png", "photos/green", "--gallery", gallery
    )
    assert result.exit_code == 0
    assert result.stdout == "Zoë: 3 photo(s) taken, 4 in all; 2 people in people.npz\n"
    assert result.stderr.splitlines() == [
        "left out: cut.png: the file is empty (0 bytes)",
        "look at this: photos/red/80.png: looks more like Ana (0.99) than like Zoë; if "
        f"that is so: edge-run gallery forget --model {identity_model} --detector "
        f"{detector_model} people.npz 'Zoë' photos/red/80.png",
    ]
    assert _people() == {"Ana": 2, "Zoë": 4}


def test_photo_unlike_the_persons_others_is_pointed_at(run, photos) -> None:
    result = run("enroll", "Ana", "photos/red", "photos/green/80.png", "--gallery", PEOPLE)
    assert "look at this: photos/green/80.png: looks unlike the other photos of Ana (cosine " in (
        result.stderr
    )
    assert "; two faces are taken for one person's from 0.90 on)" in result.stderr


def test_one_photo_is_forgotten_as_the_warning_says(run, photos, gallery) -> None:
    run("enroll", "Zoë", "photos/red/80.png", "photos/green", "--gallery", gallery)
    result = run("gallery", "forget", gallery, "Zoë", "photos/red/80.png")
    assert (result.exit_code, result.stdout) == (
        0, "1 photo(s) of Zoë forgotten, 3 left, in people.npz\n"
    )  # fmt: skip
    assert _people() == {"Ana": 2, "Zoë": 3}


def test_enroll_without_a_good_photo_fails_and_writes_nothing(run) -> None:
    Path("cut.png").touch()
    message = failure(run("enroll", "Ana", "cut.png", "--gallery", PEOPLE))
    assert (
        message
        == "Ana: none of 1 photo(s) can be used; the first, cut.png: the file is empty (0 bytes)"
    )
    assert not PEOPLE.exists()


def test_enroll_refuses_a_reserved_name(run, photos) -> None:
    message = failure(run("enroll", "Unknown", photos / "red", "--gallery", PEOPLE))
    assert message.startswith("Unknown: means something else in answers")


# identify


def test_identify_prints_a_row_a_face_by_the_contract(run, photos, gallery) -> None:
    result = run("identify", "photos/red/80.png", "photos/pale/80.png", "--gallery", gallery)
    assert (result.exit_code, result.stderr) == (
        0, "people are named from a cosine of 0.90 on\n"
    )  # fmt: skip
    known, unknown = json_rows(result.stdout)
    assert list(known) == ROW_FIELDS + FACE_FIELDS
    assert known == {
        "path": "photos/red/80.png",
        "model": "who",
        "label": "Ana",
        "score": pytest.approx(0.9879, abs=1e-3),
        "top": [["Ana", known["score"]], ["Zoë", pytest.approx(0.155, abs=1e-2)]],
        "width_px": 256,
        "height_px": 256,
        "error": None,
        "face_index": 0,
        "box": [96.0, 96.0, 160.0, 160.0],
        "face_score": 1.0,
    }
    assert (unknown["label"], unknown["top"][0]) == ("unknown", ["Ana", unknown["score"]])
    assert unknown["score"] == pytest.approx(0.697, abs=1e-2)


def test_identify_takes_the_threshold_and_the_length_of_the_ranking(run, photos, gallery) -> None:
    options = ["--gallery", gallery, "--threshold", "0.6", "--top", "1"]
    (row,) = json_rows(run("identify", "photos/pale/80.png", *options).stdout)
    assert (row["label"], len(row["top"])) == ("Ana", 1)


def test_identify_gives_each_face_of_a_picture_its_row(run, gallery, scene) -> None:
    cv2.imwrite("two.png", scene((0, 0), (64, 64, (0, 255, 0))))
    rows = json_rows(run("identify", "two.png", "--gallery", gallery).stdout)
    assert {tuple(row["box"][:2]): row["label"] for row in rows} == {(0, 0): "Ana", (64, 64): "Zoë"}
    assert sorted(row["face_index"] for row in rows) == [0, 1]


def test_identify_writes_csv_and_goes_on_after_what_shows_nobody(run, photos, gallery, scene):
    cv2.imwrite("photos/a.png", scene())
    Path("photos/b.png").touch()
    result = run("identify", photos, "--gallery", gallery, "--output", "who.csv")
    assert failure(result) == "2 of 8 pictures failed; see the error column"
    assert "wrote who.csv" in result.stderr
    with Path("who.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["path"], row["label"], row["error"]) for row in csv.DictReader(file)]
    assert [row[1:] for row in rows] == [
        ("", "no face found"), ("", "the file is empty (0 bytes)"), ("Zoë", ""), ("Zoë", ""),
        ("unknown", ""), ("unknown", ""), ("Ana", ""), ("Ana", ""),
    ]  # fmt: skip


def test_identify_without_its_gallery_says_how_to_make_one(run, photos) -> None:
    message = failure(run("identify", photos, "--gallery", "gone.npz"))
    assert message.startswith("gone.npz: no such gallery; make it with edge-run enroll NAME PHOTO")


def test_identify_with_another_models_gallery_names_it(run, photos) -> None:
    Gallery("other", "b" * 64, MappingProxyType({"Ana": X[None]})).save(PEOPLE)
    message = failure(run("identify", photos, "--gallery", PEOPLE))
    assert message.startswith("people.npz: was made with another model (other bbbbbbbb, not who")


# verify


@pytest.mark.parametrize(
    ("other", "same", "score"), [("red/120", True, 0.9972), ("green/80", False, 0.3062)]
)
def test_verify_prints_its_verdict_as_json_and_exits_with_0(run, photos, other, same, score):
    result = run("verify", "photos/red/80.png", f"photos/{other}.png")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {
        "same": same,
        "score": pytest.approx(score, abs=1e-3),
        "threshold": 0.9,
        "model": "who",
    }


def test_verify_speaks_to_a_terminal_in_words(run, photos, terminal) -> None:
    result = run("verify", "photos/red/80.png", "photos/red/120.png", "--threshold", "0.5")
    assert result.stdout == "the same person: cosine 0.997, threshold 0.500\n"
    assert "there is no check whether a face is alive" in result.stderr
    result = run("verify", "photos/red/80.png", "photos/green/80.png")
    assert result.stdout.startswith("two people: cosine 0.306, threshold 0.900")


def test_verify_names_the_photo_without_a_face(run, photos, picture) -> None:
    cv2.imwrite("nobody.png", picture("blue", 128, 128))
    message = failure(run("verify", "photos/red/80.png", "nobody.png"))
    assert message.startswith("nobody.png: no face found")
