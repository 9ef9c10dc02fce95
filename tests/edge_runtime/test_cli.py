"""The command line as a user meets it: rows and events on success, one line on failure."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge_runtime
from edge_runtime.errors import SourceError
from edge_runtime.media import sources
from edge_runtime.model.card import Reject
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.onnx_file import load_model_file
from tests.command_line import failure, json_rows

ROW_FIELDS = ["path", "model", "label", "score", "top", "width_px", "height_px", "error"]
COMMANDS = ["webcam", "classify", "bench", "check", "info", "models", "doctor", "detect", "enroll",
            "identify", "verify"]  # fmt: skip
FACE_FIELDS = ["face_index", "box", "face_score"]


@pytest.fixture
def photos(picture) -> Path:
    """A folder of three good pictures, one of them a folder deeper."""
    folder = Path("photos")
    (folder / "more").mkdir(parents=True)
    cv2.imwrite(str(folder / "a.png"), picture("red", 20, 30))
    cv2.imwrite(str(folder / "b.jpg"), picture("green", 40, 40))
    cv2.imwrite(str(folder / "more" / "c.bmp"), picture("blue", 16, 16))
    return folder


# The front door


def test_version_is_the_packages(cli) -> None:
    result = cli("--version")
    assert (result.exit_code, result.stdout) == (0, f"edge-run {edge_runtime.__version__}\n")


def test_help_names_every_command(cli) -> None:
    text = cli("--help").stdout
    for command in (*COMMANDS, "gallery"):
        assert f"  {command} " in text


@pytest.mark.parametrize(
    "command", [*COMMANDS, "gallery list", "gallery rename", "gallery forget", "models get"]
)
def test_help_of_a_command_shows_an_example(cli, command: str) -> None:
    result = cli(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"Example: edge-run {command}" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["paint"], id="unknown command"),
        pytest.param(["classify", "a.png"], id="no model"),
        pytest.param(["webcam"], id="webcam without model"),
        pytest.param(["classify", "--model", "m.onnx"], id="no picture"),
        pytest.param(["info"], id="info without model"),
        pytest.param(["classify", "a.png", "--model", "m", "--top", "0"], id="top 0"),
        pytest.param(["classify", "a.png", "--model", "m", "--batch", "x"], id="batch x"),
        pytest.param(["webcam", "--model", "m", "--max-frames", "-1"], id="max-frames -1"),
        pytest.param(["classify", "a.png", "--model", "m", "--colour"], id="unknown option"),
    ],
)
def test_wrong_usage_exits_2(cli, arguments: list[str]) -> None:
    assert cli(*arguments).exit_code == 2


def test_without_libraries_the_commands_that_install_them_are_named(cli, monkeypatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("edge_runtime.libraries.import_module", missing)
    monkeypatch.setattr("edge_runtime.libraries.util.find_spec", lambda name: None)
    message = failure(cli("classify", "a.png", "--model", "m.onnx"))
    assert message == (
        "onnxruntime is not installed; pip install onnxruntime, or onnxruntime-gpu for an NVIDIA "
        "GPU"
    )


def test_library_that_cannot_be_loaded_is_said_with_its_reason(cli, monkeypatch) -> None:
    def broken(name: str) -> None:
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr("edge_runtime.libraries.import_module", broken)
    message = failure(cli("classify", "a.png", "--model", "m.onnx"))
    assert message.startswith("cv2 is installed but cannot be loaded (libGL.so.1: ")
    assert "opencv-python-headless" in message


# Models that are no good


@pytest.fixture
def bad_model(request, color_model, unfit_model, cardless_model) -> str:
    good = color_model.read_bytes()
    weights = good.index(np.full(1, 4 / 255, np.float32).tobytes())
    content = {
        "not-onnx": b"just some text, no graph in it\n",
        "empty": b"",
        "truncated": good[: len(good) // 2],
        "altered": good[:weights] + bytes([good[weights] ^ 1]) + good[weights + 1 :],
        "no-card": cardless_model.read_bytes(),
        "labels-do-not-fit": unfit_model.read_bytes(),
    }
    path = Path(f"{request.param}.onnx")
    path.write_bytes(content[request.param])
    return str(path)


BAD_MODELS = [
    ("not-onnx", "not an ONNX file"),
    ("empty", "the file is empty (0 bytes)"),
    ("truncated", "the file is cut short or damaged"),
    ("altered", "the file was altered or damaged after export"),
    ("no-card", "no 'edge' metadata; export it again"),
    ("labels-do-not-fit", "the card names 2 labels, the graph answers with 3 scores"),
]


@pytest.mark.parametrize(
    ("bad_model", "says"), BAD_MODELS, indirect=["bad_model"], ids=[m for m, _ in BAD_MODELS]
)
@pytest.mark.parametrize("command", ["classify", "webcam", "bench", "check"])
def test_bad_model_is_refused_in_one_line(cli, photos, command, bad_model, says) -> None:
    before = {"classify": [photos], "webcam": ["--source", photos, "--no-window"]}
    message = failure(cli(command, *before.get(command, []), "--model", bad_model))
    assert message.startswith(f"{bad_model}: {says}")


@pytest.mark.parametrize(
    ("bad_model", "says"),
    BAD_MODELS[:5],
    indirect=["bad_model"],
    ids=[m for m, _ in BAD_MODELS[:5]],
)
def test_info_refuses_what_is_no_model_file(cli, bad_model, says) -> None:
    assert failure(cli("info", bad_model)).startswith(f"{bad_model}: {says}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("nowhere.onnx", "no such file, and no shipped model of that name", id="none"),
        pytest.param(".", "is a folder, not a model file", id="folder"),
        pytest.param("https://host/m.onnx", "its address ends in #sha256=", id="address"),
    ],
)
def test_model_that_is_not_there_is_said(cli, name: str, says: str) -> None:
    assert says in failure(cli("info", name))


def test_detector_in_place_of_a_classifier_is_refused(cli, photos, detector_model) -> None:
    message = failure(cli("classify", photos, "--model", detector_model), 2)
    assert message == "model squares finds faces and names none; choose another"


def test_classifier_in_place_of_a_detector_is_refused(cli, photos, face_model) -> None:
    message = failure(
        cli("classify", photos, "--model", face_model, "--faces", "--detector", face_model), 2
    )
    assert message == "--detector: model mood is no face detector"


@pytest.mark.parametrize(
    ("provider", "exit_code", "says"),
    [
        pytest.param("abacus", 2, "provider abacus: not known; expected auto, ", id="unknown"),
        pytest.param("coreml", 1, "provider coreml: this onnxruntime has only ", id="not here"),
    ],
)
def test_named_provider_is_strict(
    cli, photos, color_model, provider: str, exit_code: int, says: str
) -> None:
    result = cli("classify", photos, "--model", color_model, "--provider", provider)
    message = failure(result, exit_code)
    assert message.startswith(says)


def test_auto_provider_says_once_what_it_took_and_why(
    cli, scene, face_model, detector_model
) -> None:
    cv2.imwrite("face.png", scene((8, 16)))
    result = cli(
        "classify", "face.png", "--model", face_model, "--faces", "--detector", detector_model
    )
    assert result.stderr.count("provider: asked auto, got cpu, because ") == 1


def test_named_provider_that_is_used_needs_no_word(cli, photos, color_model) -> None:
    assert cli("classify", photos, "--model", color_model, "--provider", "cpu").stderr == ""


# classify


def test_classify_prints_a_row_a_picture_by_the_contract(cli, photos, color_model) -> None:
    result = cli("classify", photos, "--model", color_model)
    assert result.exit_code == 0
    rows = json_rows(result.stdout)
    assert [list(row) for row in rows] == [ROW_FIELDS] * 3
    assert [row["label"] for row in rows] == ["red", "green", "blue"]
    assert rows[0] == {
        "path": "photos/a.png",
        "model": "colors",
        "label": "red",
        "score": 0.9647,
        "top": [["red", 0.9647], ["green", 0.0177], ["blue", 0.0177]],
        "width_px": 30,
        "height_px": 20,
        "error": None,
    }
    assert all(Path(row["path"]).is_file() for row in rows)


def test_classify_writes_csv_whose_top_is_json(cli, photos, color_model) -> None:
    result = cli("classify", photos, "--model", color_model, "--output", "out.csv", "--top", 99)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "wrote out.csv" in result.stderr
    with Path("out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ROW_FIELDS
    assert [row["label"] for row in rows] == ["red", "green", "blue"]
    top = json.loads(rows[1]["top"])
    assert sorted(label for label, _ in top) == ["blue", "green", "red"]
    assert top[0][0] == "green"
    assert top[0][1] == pytest.approx(0.9647, abs=0.002)  # a JPEG's green is not quite 255
    assert not Path("out.csv.part").exists()


def test_classify_answers_only_with_the_labels_asked_for(cli, photos, color_model) -> None:
    result = cli("classify", "photos/a.png", "--model", color_model, "--labels", " green, blue ")
    (row,) = json_rows(result.stdout)
    assert row["top"] == [["green", 0.5], ["blue", 0.5]]


def test_classify_refuses_a_label_the_model_does_not_know(cli, photos, color_model) -> None:
    message = failure(cli("classify", photos, "--model", color_model, "--labels", "red,mauve"), 2)
    assert message == "--labels: model colors does not know mauve; it knows red, green, blue"


def test_classify_says_uncertain_under_the_cards_threshold(cli, write_colors, picture) -> None:
    model = write_colors(reject=Reject("probability", 0.5))
    cv2.imwrite("gray.png", picture("gray"))
    (row,) = json_rows(cli("classify", "gray.png", "--model", model).stdout)
    assert (row["label"], row["score"], row["top"][0]) == ("uncertain", 0.3333, ["red", 0.3333])


def test_classify_faces_gives_a_row_a_face(cli, scene, face_model, detector_model) -> None:
    cv2.imwrite("two.png", scene((8, 16), (64, 80, (0, 255, 0))))
    result = cli(
        "classify", "two.png", "--model", face_model, "--faces", "--detector", detector_model
    )
    assert result.exit_code == 0
    rows = sorted(json_rows(result.stdout), key=lambda row: row["box"])
    assert [list(row) for row in rows] == [ROW_FIELDS + FACE_FIELDS] * 2
    assert [row["label"] for row in rows] == ["red", "green"]
    assert [row["box"] for row in rows] == [[8, 16, 40, 48], [64, 80, 96, 112]]
    assert sorted(row["face_index"] for row in rows) == [0, 1]
    assert [row["face_score"] for row in rows] == [1.0, 1.0]


def test_picture_without_faces_is_a_row_with_an_error(
    cli, scene, face_model, detector_model
) -> None:
    cv2.imwrite("none.png", scene())
    result = cli(
        "classify", "none.png", "--model", face_model, "--faces", "--detector", detector_model
    )
    (row,) = json_rows(result.stdout)
    assert (row["error"], row["label"], row["box"]) == ("no face found", None, None)
    assert failure(result) == "1 of 1 pictures failed; see the error column"


@pytest.fixture
def bad_picture(request, picture) -> str:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    png = cv2.imencode(".png", noise)[1].tobytes()
    content = {
        "empty.jpg": b"",
        "text.jpg": b"I am no picture\n",
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut.png": png[: len(png) // 2],
        "corrupt.png": png[:1000] + bytes(100) + png[1100:],
        "header.jpg": jpeg[:2],
    }
    Path(request.param).write_bytes(content[request.param])
    return request.param


BAD_PICTURES = [
    ("empty.jpg", "the file is empty (0 bytes)"),
    ("text.jpg", "not a picture OpenCV can decode"),
    ("cut.jpg", "the JPEG is cut short or damaged"),
    ("cut.png", "the PNG is cut short or damaged"),
    ("corrupt.png", "the PNG is cut short or damaged"),
    ("header.jpg", "the JPEG is cut short or damaged"),
]


@pytest.mark.parametrize(
    ("bad_picture", "says"),
    BAD_PICTURES,
    indirect=["bad_picture"],
    ids=[n for n, _ in BAD_PICTURES],
)
def test_bad_picture_is_a_row_and_the_rest_is_done(
    cli, photos, color_model, bad_picture, says
) -> None:
    result = cli("classify", bad_picture, photos, "--model", color_model)
    first, *others = json_rows(result.stdout)
    assert (first["path"], first["error"]) == (bad_picture, says)
    assert (first["label"], first["score"], first["top"]) == (None, None, [])
    assert [row["label"] for row in others] == ["red", "green", "blue"]
    assert failure(result) == "1 of 4 pictures failed; see the error column"


@pytest.fixture
def odd_picture(request, picture, rotated_jpeg) -> str:
    red = picture("red", 48, 64)
    sixteen_bit = np.zeros((48, 64, 3), np.uint16)
    sixteen_bit[..., 2] = 65535
    images = {
        "1x1.png": picture("red", 1, 1),
        "gray.png": np.full((48, 64), 128, np.uint8),
        "alpha.png": np.dstack([red, np.full((48, 64), 9, np.uint8)]),
        "16-bit.png": sixteen_bit,
        "übung 東京.png": red,
    }
    name = request.param
    if name == "rotated.jpg":
        Path(name).write_bytes(rotated_jpeg((64, 48)))
    else:
        Path(name).write_bytes(cv2.imencode(".png", images[name])[1].tobytes())
    return name


@pytest.mark.parametrize(
    ("odd_picture", "width", "height", "top"),
    [
        ("1x1.png", 1, 1, ["red", 0.9647]),
        ("gray.png", 64, 48, ["red", 0.3333]),
        ("alpha.png", 64, 48, ["red", 0.9647]),
        ("16-bit.png", 64, 48, ["red", 0.9647]),
        ("übung 東京.png", 64, 48, ["red", 0.9647]),
        ("rotated.jpg", 48, 64, None),
    ],
    ids=["1x1", "gray", "alpha", "16-bit", "non-ascii name", "EXIF-rotated"],
    indirect=["odd_picture"],
)
def test_odd_picture_is_answered_with_its_shown_size(
    cli, color_model, odd_picture, width, height, top
) -> None:
    result = cli("classify", odd_picture, "--model", color_model)
    assert result.exit_code == 0
    (row,) = json_rows(result.stdout)
    assert (row["path"], row["width_px"], row["height_px"]) == (odd_picture, width, height)
    assert top is None or row["top"][0] == top


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("output", [None, "out.csv", "out.jsonl"])
def test_file_name_that_is_not_utf8_is_answered(cli, color_model, picture, output) -> None:
    name = os.fsencode("caf") + b"\xe9.png"
    Path(os.fsdecode(name)).write_bytes(cv2.imencode(".png", picture("red"))[1].tobytes())
    options = ["--output", output] if output else []
    result = cli("classify", ".", "--model", color_model, *options)
    assert result.exit_code == 0
    text = Path(output).read_bytes() if output else result.stdout_bytes
    assert b"red" in text


def test_empty_folder_is_said(cli, color_model) -> None:
    Path("nothing").mkdir()
    message = failure(cli("classify", "nothing", "--model", color_model))
    assert message.startswith("no pictures found; looked for .bmp, .jpeg, .jpg, .png")


def test_missing_picture_is_said(cli, color_model) -> None:
    message = failure(cli("classify", "gone.jpg", "--model", color_model))
    assert message == "gone.jpg: no such file or folder"


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
@pytest.mark.parametrize(
    "place", ["gone/{}", "photos/a.png/{}"], ids=["missing folder", "file in the folder's place"]
)
def test_classify_refuses_an_unwritable_output(cli, photos, color_model, place, name) -> None:
    output = place.format(name)
    message = failure(cli("classify", photos, "--model", color_model, "--output", output))
    assert message.startswith(f"{output}: cannot be written (")


def test_classify_refuses_an_output_that_is_a_folder(cli, photos, color_model) -> None:
    Path("out.csv").mkdir()
    message = failure(cli("classify", photos, "--model", color_model, "--output", "out.csv"))
    assert message.startswith("out.csv: ")


def test_classify_refuses_an_output_of_unknown_kind(cli, photos, color_model) -> None:
    message = failure(cli("classify", photos, "--model", color_model, "--output", "out.xls"), 2)
    assert message == "--output out.xls: expected a name ending in .csv or .jsonl"


def test_interrupted_classify_leaves_only_the_part(cli, photos, color_model, monkeypatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "decide", interrupt)
    result = cli("classify", photos, "--model", color_model, "--output", "out.csv")
    assert failure(result) == "interrupted; the rows until then are in out.csv.part"
    assert not Path("out.csv").exists()
    assert Path("out.csv.part").exists()


# webcam


def _webcam(cli, source, models, detector, *more):
    named = [x for model in models for x in ("--model", model)]
    return cli("webcam", *named, "--detector", detector, "--source", source, "--no-window", *more)


def test_webcam_writes_an_event_a_frame_by_the_contract(
    cli, face_clip, face_model, color_model, detector_model
) -> None:
    result = _webcam(
        cli, face_clip, [face_model, color_model], detector_model, "--every-frame",
        "--events", "events.jsonl",
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "")
    events = json_rows(Path("events.jsonl").read_text(encoding="utf-8"))
    assert [event["frame"] for event in events] == list(range(12))
    first = events[0]
    assert list(first) == [
        "frame", "time_s", "utc", "source", "age_ms", "faces", "frame_predictions",
    ]  # fmt: skip
    assert first["source"] == str(face_clip)
    assert first["frame_predictions"]["colors"]["label"] == "blue"
    assert {face["track"] for event in events for face in event["faces"]} == {1}
    assert {face["predictions"]["mood"]["label"] for e in events for face in e["faces"]} == {"red"}
    assert "12 frames at " in result.stderr
    assert "a face in 12, 1 track(s)" in result.stderr
    assert "wrote events.jsonl" in result.stderr


def test_webcam_prints_events_into_a_pipe(cli, face_clip, face_model, detector_model) -> None:
    result = _webcam(
        cli, face_clip, [face_model], detector_model, "--every-frame", "--max-frames", 3
    )
    assert [event["frame"] for event in json_rows(result.stdout)] == [0, 1, 2]


def test_webcam_records_and_keeps_a_still(
    cli, face_clip, face_model, detector_model, read_clip
) -> None:
    result = _webcam(
        cli, face_clip, [face_model], detector_model, "--every-frame", "--events", "e.jsonl",
        "--record", "out.mp4", "--still", "best.png",
    )  # fmt: skip
    assert result.exit_code == 0
    assert len(read_clip(Path("out.mp4"))) == 12
    assert cv2.imread("best.png").shape == (128, 128, 3)


def test_webcam_gives_the_labels_to_the_model_that_knows_them(
    cli, face_clip, face_model, write_colors, detector_model
) -> None:
    other = write_colors(name="letters", labels=("x", "y", "z"))
    result = _webcam(
        cli, face_clip, [face_model, other], detector_model, "--every-frame", "--max-frames", 1,
        "--labels", "green,blue",
    )  # fmt: skip
    (event,) = json_rows(result.stdout)
    assert event["faces"][0]["predictions"]["mood"]["score"] == 0.5
    assert event["frame_predictions"]["letters"]["label"] == "z"


def test_webcam_runs_expression_beside_a_model_that_tells_who_it_is(
    cli, face_clip, write_colors, detector_model
) -> None:
    people = write_colors(name="family", task="identity", region="face")
    result = _webcam(cli, face_clip, [people], detector_model, "--every-frame", "--max-frames", 1)
    (event,) = json_rows(result.stdout)
    assert list(event["faces"][0]["predictions"]) == ["family", "expression"]


def test_webcam_runs_nothing_beside_two_models_or_one_that_knows_nobody(
    cli, face_clip, face_model, write_colors, detector_model
) -> None:
    people = write_colors(name="family", task="identity", region="face")
    for models, names in (([face_model], ["mood"]), ([people, face_model], ["family", "mood"])):
        result = _webcam(cli, face_clip, models, detector_model, "--every-frame", "--max-frames", 1)
        (event,) = json_rows(result.stdout)
        assert list(event["faces"][0]["predictions"]) == names


@pytest.fixture
def two_people(cli, portrait, scene, identity_model, detector_model) -> Path:
    """A folder of frames: red beside green; red is enrolled as Ana in people.npz."""
    Path("ana").mkdir()
    for tone in (60, 100):
        cv2.imwrite(f"ana/{tone}.png", portrait("red", tone))
    models = ["--model", identity_model, "--detector", detector_model]
    assert cli("enroll", "Ana", "ana", "--gallery", "people.npz", *models).exit_code == 0
    both = scene(side=256)
    for person, x in (("red", 16), ("green", 176)):
        both[96:160, x : x + 64] = portrait(person, 80)[96:160, 96:160]
    Path("frames").mkdir()
    for i in range(3):
        cv2.imwrite(f"frames/{i}.png", both)
    return Path("frames")


def test_webcam_names_who_is_enrolled_and_nobody_else(
    cli, two_people, identity_model, face_model, detector_model
) -> None:
    models = [identity_model, face_model]
    result = _webcam(
        cli, two_people, models, detector_model, "--gallery", "people.npz", "--events", "e.jsonl"
    )
    assert result.exit_code == 0, result.stderr
    for line in Path("e.jsonl").read_text().splitlines():
        left, right = sorted(json.loads(line)["faces"], key=lambda face: face["box"][0])
        assert (left["predictions"]["who"]["label"], left["predictions"]["mood"]["label"]) == (
            "Ana", "red"
        )  # fmt: skip
        assert left["predictions"]["who"]["score"] > 0.99
        assert right["predictions"]["who"]["label"] == "unknown"
        assert right["predictions"]["mood"]["label"] == "green"


@pytest.mark.parametrize(
    ("blur", "colors"),
    [("none", (True, True)), ("unknown", (True, False)), ("all", (False, False))],
)
def test_webcam_hides_the_faces_it_is_told_to(
    cli, two_people, identity_model, detector_model, blur: str, colors: tuple[bool, bool]
) -> None:
    """A face that is to be seen keeps its squares; in the middle of a hidden one all are alike."""
    result = _webcam(
        cli, two_people, [identity_model], detector_model, "--gallery", "people.npz",
        "--blur", blur, "--still", "s.png", "--record", "r.mp4",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    frame = cv2.VideoCapture("r.mp4").read()[1]
    for image in (cv2.imread("s.png"), frame):
        squares = [image[110:146, x + 14 : x + 50].astype(float) for x in (16, 176)]
        seen = tuple(bool(np.abs(np.diff(face, axis=1)).mean() > 1.5) for face in squares)
        assert seen == colors


@pytest.mark.parametrize(
    ("more", "says"),
    [
        pytest.param(["--blur", "some"], "--blur some: expected none, unknown, all", id="blur"),
        pytest.param(["--threshold", "0.5"], "--threshold: is for people enrolled", id="threshold"),
    ],
)
def test_webcam_refuses_what_makes_no_sense(
    cli, photos, face_model, detector_model, more: list[str], says: str
) -> None:
    assert says in failure(_webcam(cli, photos, [face_model], detector_model, *more), 2)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        pytest.param(
            ["--blur", "unknown"],
            "--blur unknown: no model here tells strangers from people it knows; add --gallery, "
            "or take --blur all",
            id="nobody is known",
        ),
        pytest.param(
            ["--blur", "all", "--detect-every", 2],
            "--blur: looks for faces in every frame; leave out --detect-every",
            id="seldom",
        ),
    ],
)
def test_webcam_hides_surely_or_not_at_all(
    cli, photos, face_model, detector_model, more: list, says: str
) -> None:
    assert failure(_webcam(cli, photos, [face_model], detector_model, *more), 2) == says


def test_webcam_writes_nothing_over_what_it_reads(
    cli, two_people, face_clip, identity_model, detector_model
) -> None:
    shutil.copy(face_clip, "clip.mp4")
    frame = two_people / "0.png"
    for source, more in (
        ("clip.mp4", ["--record", "clip.mp4"]),
        ("clip.mp4", ["--gallery", "people.npz", "--events", "people.npz"]),
        (two_people, ["--still", frame]),
    ):
        read = Path(more[-1]).read_bytes()
        message = failure(_webcam(cli, source, [identity_model], detector_model, *more), 2)
        assert message.endswith("would be written over, and it is read; choose another name")
        assert Path(more[-1]).read_bytes() == read


def test_webcam_gives_labels_to_the_models_beside_the_gallery(
    cli, two_people, identity_model, face_model, detector_model
) -> None:
    models, more = [identity_model, face_model], ["--gallery", "people.npz", "--labels", "green"]
    result = _webcam(cli, two_people, models, detector_model, *more, "--max-frames", 1)
    faces = json.loads(result.stdout)["faces"]
    assert {face["predictions"]["mood"]["label"] for face in faces} == {"green"}
    assert {face["predictions"]["who"]["label"] for face in faces} == {"Ana", "unknown"}


@pytest.mark.parametrize("label", ["Ana", "builtin"])
def test_webcam_names_from_the_gallery_and_not_by_labels(
    cli, two_people, identity_model, detector_model, label: str
) -> None:
    more = ["--gallery", "people.npz", "--labels", label]
    message = failure(_webcam(cli, two_people, [identity_model], detector_model, *more), 2)
    assert message.startswith(f"--labels {label}: with --gallery faces are named from it; ")


def test_webcam_refuses_a_gallery_without_a_model_that_compares_faces(
    cli, two_people, face_model, detector_model
) -> None:
    result = _webcam(cli, two_people, [face_model], detector_model, "--gallery", "people.npz")
    assert failure(result, 2) == ("--gallery: none of the models compares faces; add --model faces")


def test_webcam_on_a_folder_takes_each_picture(cli, photos, color_model, detector_model) -> None:
    result = _webcam(cli, photos, [color_model], detector_model)
    labels = [e["frame_predictions"]["colors"]["label"] for e in json_rows(result.stdout)]
    assert labels == ["red", "green"]


def test_webcam_without_a_screen_says_to_add_no_window(
    cli, photos, color_model, monkeypatch
) -> None:
    monkeypatch.setattr("edge_runtime.media.sinks.sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    message = failure(cli("webcam", "--model", color_model, "--source", photos))
    assert message.startswith("there is no screen here to open a window on; add --no-window")


def test_missing_camera_is_one_line(cli, color_model, monkeypatch) -> None:
    class NoCamera:
        def __init__(self, index: int) -> None:
            assert index == 7

        def isOpened(self) -> bool:  # noqa: N802
            return False

        def release(self) -> None:
            pass

    monkeypatch.setattr(sources.cv2, "VideoCapture", NoCamera)
    message = failure(cli("webcam", "--model", color_model, "--source", "7", "--no-window"))
    assert message.startswith("camera 7: cannot be opened; list cameras with ")
    assert message.endswith("or pass --source")


@pytest.fixture
def bad_source(request, face_clip, photos) -> str:
    name = request.param
    if name == "empty-folder":
        Path(name).mkdir()
    elif name == "text.mp4":
        Path(name).write_text("I am no video\n")
    elif name == "empty.mp4":
        Path(name).touch()
    elif name == "cut.mp4":
        Path(name).write_bytes(face_clip.read_bytes()[:-600])
    return name


@pytest.mark.parametrize(
    ("bad_source", "says"),
    [
        ("gone.mp4", "no such file or folder; --source takes demo, 0, a clip or a folder"),
        ("empty.mp4", "the file is empty (0 bytes)"),
        ("text.mp4", "cannot be read as a video"),
        ("cut.mp4", "cannot be read as a video"),
        ("empty-folder", "no pictures in this folder"),
        ("rtsp://host/stream", "streams are not supported yet"),
    ],
    indirect=["bad_source"],
    ids=["missing", "empty", "text", "cut mp4", "empty folder", "stream"],
)
def test_bad_source_is_refused_in_one_line(cli, color_model, bad_source, says) -> None:
    message = failure(cli("webcam", "--model", color_model, "--source", bad_source, "--no-window"))
    assert message.startswith(f"{bad_source}: {says}")


def test_clip_cut_short_is_used_as_far_as_it_goes_then_said(
    cli, color_model, detector_model, write_clip, scene
) -> None:
    whole = write_clip(Path("whole.avi"), [scene() for _ in range(40)]).read_bytes()
    Path("cut.avi").write_bytes(whole[: len(whole) // 2])
    result = _webcam(cli, "cut.avi", [color_model], detector_model, "--every-frame")
    events = json_rows(result.stdout)
    assert 5 < len(events) < 30
    message = failure(result)
    assert message.startswith("cut.avi: the file is cut short or damaged, ")
    assert f"{len(events)} of 40 frames" in message


def test_bad_picture_in_a_folder_source_is_said_at_the_end(
    cli, photos, color_model, detector_model
) -> None:
    (photos / "aa.jpg").write_bytes(b"no picture")
    result = _webcam(cli, photos, [color_model], detector_model)
    assert len(json_rows(result.stdout)) == 2
    assert failure(result) == "photos/aa.jpg: not a picture OpenCV can decode"


@pytest.mark.parametrize("option", ["--record", "--events", "--still"])
@pytest.mark.parametrize(
    "folder", ["gone", "photos/a.png"], ids=["missing folder", "file in the folder's place"]
)
def test_webcam_refuses_an_unwritable_place_before_any_work(
    cli, photos, color_model, detector_model, option, folder
) -> None:
    suffix = {"--record": ".mp4", "--events": ".jsonl", "--still": ".png"}[option]
    name = f"{folder}/out{suffix}"
    result = _webcam(cli, photos, [color_model], detector_model, option, name)
    assert failure(result) == (
        f"{name}: cannot be written (there is no folder {folder}; make it first)"
    )
    assert result.stdout == ""


def test_webcam_that_cannot_start_keeps_the_events_there_were(
    cli, photos, color_model, detector_model
) -> None:
    Path("e.jsonl").write_text("of yesterday\n")
    result = _webcam(
        cli, photos, [color_model], detector_model, "--events", "e.jsonl", "--still", "gone/s.png"
    )
    assert failure(result) == (
        "gone/s.png: cannot be written (there is no folder gone; make it first)"
    )
    assert Path("e.jsonl").read_text() == "of yesterday\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_full_disk_is_said_in_one_line(cli, photos, color_model, detector_model) -> None:
    result = _webcam(cli, photos, [color_model], detector_model, "--events", "/dev/full")
    assert "No space left" in failure(result)


def test_camera_that_is_unplugged_ends_with_1_and_valid_events(
    cli, color_model, monkeypatch, scene
) -> None:
    class Source:
        name, fps, live = "camera 0", 30.0, True

        def __init__(self) -> None:
            self.problems: list[str] = []
            self.closed = False

        def read(self):
            if self.problems:
                raise SourceError("read after the end")
            self.problems = ["camera 0: stopped after 0 frames (unplugged?)"]

        def close(self) -> None:
            self.closed = True

    source = Source()
    monkeypatch.setattr(sources, "open_source", lambda text: source)
    result = cli("webcam", "--model", color_model, "--no-window", "--events", "e.jsonl")
    assert failure(result) == "camera 0: stopped after 0 frames (unplugged?)"
    assert source.closed
    assert Path("e.jsonl").read_text() == ""
    assert "no frame was read" in result.stderr


# bench, check, info, models, doctor


def test_bench_prints_bench_json_into_a_pipe(cli, color_model) -> None:
    result = cli("bench", "--model", color_model, "--duration", 0.1, "--provider", "cpu")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["model"]["name"] == "colors"
    assert report["runs"][0]["batch"] == 1
    assert "cpu, 1 threads, batch 1: p50 " in result.stderr


def test_bench_writes_each_combination(cli, color_model) -> None:
    result = cli(
        "bench", "--model", color_model, "--duration", 0.1, "--threads", "1,2", "--batch", "1,4",
        "--output", "bench.json",
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "")
    runs = json.loads(Path("bench.json").read_text())["runs"]
    assert [(run["threads"], run["batch"]) for run in runs] == [(1, 1), (1, 4), (2, 1), (2, 4)]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--threads", "1,x"), ("--threads", "-1"), ("--batch", "0"), ("--scenario", "poem")],
)
def test_bench_refuses_what_it_does_not_know(cli, color_model, option, value) -> None:
    assert failure(cli("bench", "--model", color_model, option, value), 2).startswith(
        f"{option} {value}: "
    )


def test_bench_refuses_an_unwritable_output(cli, color_model) -> None:
    result = cli("bench", "--model", color_model, "--duration", 0.1, "--output", "gone/bench.json")
    assert failure(result).startswith("gone/bench.json: cannot be written (")


def test_check_passes_on_the_machine_that_made_the_sample(cli, color_model) -> None:
    result = cli("check", "--model", color_model)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"ok: {color_model}: golden sample differs by 0.0000")


def test_check_says_that_there_is_no_golden_sample(cli, write_colors) -> None:
    message = failure(cli("check", "--model", write_colors(name="plain")))
    assert message == "model plain: holds no golden sample; export it again"


def test_check_fails_where_the_answer_differs(cli, color_model, write_colors) -> None:
    golden = load_model_file(color_model).card.golden
    wrong = dataclasses.replace(golden, expected=golden.expected[::-1])
    message = failure(cli("check", "--model", write_colors(name="wrong", golden=wrong)))
    assert "golden sample differs by 0." in message
    assert message.endswith("export the model on this kind of machine, or report it")


def test_info_prints_the_card_as_json_into_a_pipe(cli, color_model) -> None:
    card = json.loads(cli("info", color_model).stdout)
    assert (card["schema"], card["name"], card["labels"]) == (1, "colors", ["red", "green", "blue"])
    assert (card["input"]["height_px"], card["input"]["region"]) == (16, "frame")
    assert len(card["sha256"]) == 64


@pytest.fixture
def shipped(monkeypatch, color_model, detector_model, face_clip) -> Path:
    """Stands in for the folder of models inside the package."""
    folder = Path("shipped").absolute()
    folder.mkdir()
    (folder / "colors.onnx").write_bytes(color_model.read_bytes())
    (folder / "detector.onnx").write_bytes(detector_model.read_bytes())
    (folder / "demo.mp4").write_bytes(face_clip.read_bytes())
    for module in ("model.catalog", "media.sources", "apps.doctor"):
        monkeypatch.setattr(f"edge_runtime.{module}.shipped_folder", lambda: folder)
    return folder


def test_models_lists_the_shipped_ones(cli, shipped) -> None:
    rows = json_rows(cli("models").stdout)
    assert [(row["name"], row["task"]) for row in rows] == [
        ("colors", "classification"),
        ("detector", "detection"),
    ]
    assert rows[0]["bytes"] == (shipped / "colors.onnx").stat().st_size
    assert rows[0]["labels"] == ["red", "green", "blue"]


@pytest.mark.parametrize("name", ["colors", "colors.onnx"])
def test_shipped_model_is_found_by_name(cli, shipped, name: str) -> None:
    assert json.loads(cli("info", name).stdout)["name"] == "colors"


def test_demo_source_plays_the_shipped_clip(cli, shipped) -> None:
    result = cli("webcam", "--model", "colors", "--source", "demo", "--no-window", "--every-frame")
    events = json_rows(result.stdout)
    assert (len(events), events[0]["source"]) == (12, "demo")


def test_doctor_says_what_is_bad_and_exits_1(cli, shipped) -> None:
    (shipped / "demo.mp4").unlink()
    result = cli("doctor")
    assert "BAD  demo clip: missing from the package; install it again" in result.stdout
    assert "ok   model colors: golden sample differs by 0.0000" in result.stdout
    assert "ok   edge-run: " in result.stdout
    assert "thing(s) to mend, see above" in failure(result)


# In a process of its own


def _start(env, *arguments, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "edge_runtime", *map(str, arguments)],
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_sigterm_ends_webcam_with_valid_files(
    checkout_env, face_model, detector_model, write_clip, scene, read_clip
) -> None:
    frames = [scene((8 * (i % 12), 48)) for i in range(3000)]
    write_clip(Path("long.avi"), frames)
    process = _start(
        checkout_env, "webcam", "--model", face_model, "--detector", detector_model, "--source",
        "long.avi", "--no-window", "--every-frame", "--events", "e.jsonl", "--record", "out.mp4",
        "--still", "best.jpg",
    )  # fmt: skip
    events = Path("e.jsonl")
    until = time.monotonic() + 30
    while not events.exists() or events.stat().st_size < 5000:
        assert time.monotonic() < until
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    text = events.read_text(encoding="utf-8")
    assert text.endswith("\n")
    seen = len(json_rows(text))
    assert 10 < seen < 3000
    assert abs(len(read_clip(Path("out.mp4"))) - seen) <= 1
    assert cv2.imread("best.jpg").shape == (128, 128, 3)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end differently there")
def test_reader_that_goes_away_is_no_traceback(checkout_env, color_model, picture) -> None:
    Path("many").mkdir()
    png = cv2.imencode(".png", picture("red"))[1].tobytes()
    for i in range(40):
        Path(f"many/{i}.png").write_bytes(png)
    process = _start(
        checkout_env, "classify", "many", "--model", color_model, stdout=subprocess.PIPE
    )
    process.stdout.close()
    stderr = process.stderr.read()
    process.wait(30)
    process.stderr.close()
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("command", ["classify", "info"])
def test_output_on_a_full_disk_is_one_line(checkout_env, color_model, picture, command) -> None:
    Path("red.png").write_bytes(cv2.imencode(".png", picture("red"))[1].tobytes())
    what = (
        ["classify", "red.png", "--provider", "cpu", "--model"] if command != "info" else ["info"]
    )
    with Path("/dev/full").open("w") as full:
        process = _start(checkout_env, *what, color_model, stdout=full)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert stderr == "error: standard output: No space left on device\n"


@pytest.mark.parametrize("source", ["text.mp4", "cut.png"])
def test_libraries_add_no_noise_to_the_one_line(
    checkout_env, color_model, picture, source: str
) -> None:
    Path("text.mp4").write_text("I am no video\n" * 100)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    png = cv2.imencode(".png", noise)[1].tobytes()
    Path("cut.png").write_bytes(png[:5000] + bytes(10) + png[5010:])
    what = {
        "text.mp4": ["webcam", "--no-window", "--source", "text.mp4"],
        "cut.png": ["classify", "cut.png", "--output", "out.csv"],
    }
    process = _start(checkout_env, *what[source], "--model", color_model, "--provider", "cpu")
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    lines = [line for line in stderr.splitlines() if not line.startswith("wrote ")]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("error: ")


# What does not go together


def test_faces_are_not_asked_of_a_model_of_whole_pictures(cli, photos, color_model) -> None:
    message = failure(cli("classify", photos, "--model", color_model, "--faces"), 2)
    assert message == "--faces: model colors looks at whole pictures"


def test_two_models_of_one_name_are_refused(cli, color_model) -> None:
    options = ["--model", color_model, "--model", color_model, "--source", "demo", "--no-window"]
    message = failure(cli("webcam", *options), 2)
    assert message.startswith("--model: two of the models are named alike (colors, colors)")


def test_model_named_as_the_one_that_names_from_the_gallery_is_refused(
    cli, two_people, identity_model, detector_model
) -> None:
    models, more = [identity_model] * 2, ["--gallery", "people.npz"]
    message = failure(_webcam(cli, two_people, models, detector_model, *more), 2)
    assert message.startswith("--model: two of the models are named alike (who, who)")


def test_pictures_of_a_folder_are_all_looked_at_for_faces(
    cli, photos, face_model, detector_model
) -> None:
    message = failure(_webcam(cli, photos, [face_model], detector_model, "--detect-every", 3), 2)
    assert message.startswith("--detect-every: pictures of a folder have nothing to do with each")


def test_two_outputs_in_one_file_are_refused(cli, color_model) -> None:
    options = ["--model", color_model, "--source", "demo", "--no-window"]
    message = failure(cli("webcam", *options, "--events", "x.mp4", "--record", "./x.mp4"), 2)
    assert message == "--record, --events and --still: the same file is named twice"
    assert not Path("x.mp4").exists()


def test_labels_that_name_none_are_refused(cli, photos, color_model) -> None:
    message = failure(cli("classify", photos, "--model", color_model, "--labels", ","), 2)
    assert message == "--labels ,: names no label"


def test_bench_refuses_an_unwritable_place_before_it_measures(cli, color_model) -> None:
    options = ["--duration", "600", "--output", "gone/bench.json"]
    message = failure(cli("bench", "--model", color_model, *options))
    assert message.startswith("gone/bench.json: cannot be written (")
