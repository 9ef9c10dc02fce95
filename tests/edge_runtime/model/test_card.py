import json

import pytest

from edge_runtime.errors import CardError
from edge_runtime.model.card import Golden, InputSpec, ModelCard, Reject

FULL = ModelCard(
    name="mood",
    task="classification",
    labels=("happy", "sad", "überrascht"),
    input=InputSpec(64, 48, "face", 0.15, "none", "letterbox", "linear"),
    reject=Reject("probability", 0.4, 0.01),
    precision="int8",
    quantization={"recipe": "minmax"},
    metrics={"int8": {"n": 100, "accuracy": 0.9}},
    provenance={"commit": "abc"},
    golden=Golden("aGk=", (0.25, 0.5, 0.25), 0.01, 0.1, "x86_64-plain"),
    sha256="f" * 64,
)


def _altered(**changes) -> str:
    """Return the full card's JSON with fields replaced; `input.x` reaches into `input`."""
    raw = json.loads(FULL.to_json())
    for name, value in changes.items():
        *outer, last = name.split("__")
        place = raw
        for key in outer:
            place = place[key]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return json.dumps(raw)


def test_card_survives_the_round_trip() -> None:
    assert ModelCard.from_json(FULL.to_json(), "mood.onnx") == FULL


def test_card_with_the_required_fields_alone_gets_the_defaults() -> None:
    text = json.dumps(
        {
            "schema": 1,
            "name": "pets",
            "task": "classification",
            "labels": ["cat", "dog"],
            "input": {"height_px": 8, "width_px": 9},
        }
    )
    card = ModelCard.from_json(text, "pets.onnx")
    assert card == ModelCard("pets", "classification", ("cat", "dog"), InputSpec(8, 9))


def test_json_is_one_line_and_begins_with_the_schema() -> None:
    text = FULL.to_json()
    assert text.startswith('{"schema": 1, "name": "mood"')
    assert "\n" not in text
    assert "überrascht" in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("{'name': 1}", "the card is not JSON", id="python literal"),
        pytest.param("", "the card is not JSON", id="nothing"),
        pytest.param("[1]", "the card is not a JSON object", id="list"),
        pytest.param("[" * 100_000, "the card", id="nested too deep"),
        pytest.param(_altered(schema=2), "the card's schema is not 1", id="newer schema"),
        pytest.param(_altered(schema=...), "the card's schema is not 1", id="no schema"),
        pytest.param(_altered(name=...), "field card lacks 'name'", id="no name"),
        pytest.param(_altered(task=...), "field card lacks 'task'", id="no task"),
        pytest.param(_altered(input=...), "field input is missing", id="no input"),
        pytest.param(_altered(input=[64, 64]), "field input is missing or", id="input list"),
        pytest.param(_altered(input__width_px=...), "field input lacks 'width_px'", id="no width"),
        pytest.param(_altered(labels=...), "field labels must be a list", id="no labels"),
        pytest.param(_altered(labels=[]), "field labels must be a list", id="empty labels"),
        pytest.param(_altered(labels="cat"), "field labels must be a list", id="labels text"),
        pytest.param(_altered(labels=["a", 1]), "field labels must be a list", id="label number"),
        pytest.param(_altered(labels=["a", "a"]), "names a label twice", id="label twice"),
        pytest.param(_altered(mean=[0.5]), "field card has unknown mean", id="unknown field"),
        pytest.param(
            _altered(input__mean=1), "field input has unknown mean", id="unknown in input"
        ),
        pytest.param(_altered(task="segmentation"), "field task is 'segmentation'", id="task"),
        pytest.param(_altered(task=["detection"]), "field task is ['detection']", id="task list"),
        pytest.param(_altered(precision="int4"), "field precision is 'int4'", id="precision"),
        pytest.param(_altered(input__region="hand"), "input.region is 'hand'", id="region"),
        pytest.param(_altered(input__resize="zoom"), "input.resize is 'zoom'", id="resize"),
        pytest.param(
            _altered(input__interpolation="cubic"), "interpolation is 'cubic'", id="interpolation"
        ),
        pytest.param(_altered(input__height_px=0), "height_px is 0, expected 1..8192", id="side 0"),
        pytest.param(_altered(input__height_px=9000), "height_px is 9000", id="side too large"),
        pytest.param(_altered(input__width_px="64"), "width_px is '64'", id="side text"),
        pytest.param(_altered(input__width_px=64.5), "width_px is 64.5", id="side fraction"),
        pytest.param(_altered(input__face_margin=9), "face_margin is 9", id="margin"),
        pytest.param(_altered(input__face_margin="0"), "face_margin is '0'", id="margin text"),
        pytest.param(_altered(reject="none"), "field reject is missing or not", id="reject text"),
        pytest.param(_altered(reject__below=...), "field reject lacks 'below'", id="no threshold"),
        pytest.param(_altered(golden=1), "field golden lacks", id="golden number"),
        pytest.param(_altered(golden__cpu=...), "field golden lacks 'cpu'", id="golden lacks cpu"),
    ],
)
def test_malformed_card_is_refused_with_its_field(text: str, says: str) -> None:
    with pytest.raises(CardError) as caught:
        ModelCard.from_json(text, "bad.onnx")
    assert str(caught.value).startswith("bad.onnx: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_altered(name=5), id="name number"),
        pytest.param(_altered(name=""), id="name empty"),
        pytest.param(_altered(sha256=None), id="sha256 null"),
        pytest.param(_altered(reject__on="entropy"), id="reject on what nothing does"),
        pytest.param(_altered(reject__below="0.5"), id="reject threshold text"),
        pytest.param(_altered(golden__expected=0.5), id="golden expects one number"),
        pytest.param(_altered(golden__expected=["a"]), id="golden expects text"),
        pytest.param(_altered(golden__tolerance="0.1"), id="golden tolerance text"),
        pytest.param(_altered(golden__image_png=1), id="golden picture number"),
    ],
)
def test_value_of_the_wrong_type_is_refused_when_the_card_is_read(text: str) -> None:
    with pytest.raises(CardError):
        ModelCard.from_json(text, "bad.onnx")
