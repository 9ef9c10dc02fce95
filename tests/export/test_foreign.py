"""Models of somebody else's behind our input: what they answer to a picture of one color."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import EdgeError, OptionError
from edge_runtime.model.card import InputSpec
from export.description import Description
from export.errors import KerasError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

FILE = Path("colors.keras")
LABELS = ("red", "green", "blue")
SAID = Description(labels=LABELS, color="rgb", mean=(0.0,), scale=(1.0,), resize="stretch")
GRAY = replace(SAID, labels=LABELS[:2], color="gray")
RED = (200, 100, 50)


def describe(model: Any, said: Description = SAID) -> tuple[Any, Any, list[str]]:
    """Return the model behind our input, its card, and the lines that were said."""
    from export.foreign import described_model

    lines: list[str] = []
    return (*described_model(model, FILE, said, lines.append), lines)


def refusal(model: Any, said: Description = SAID, error: type[EdgeError] = OptionError) -> str:
    """Return why a model is not taken."""
    with pytest.raises(error) as refused:
        describe(model, said)
    assert type(refused.value) is error
    assert "\n" not in str(refused.value)
    return str(refused.value)


def answer(model: Any, color: tuple[int, int, int] = RED) -> np.ndarray:
    """Return what a described model answers to a picture of one color, RGB."""
    picture = np.empty((1, *model.input_shape[1:]), np.uint8)
    picture[:] = color
    return np.asarray(model(picture))[0]


def shares(logits: Any) -> np.ndarray:
    powers = np.exp(np.asarray(logits, np.float64))
    return powers / powers.sum()


# What the model is shown


@pytest.mark.parametrize(
    ("color", "mean", "scale", "seen"),
    [
        pytest.param("rgb", (0.0,), (1.0,), (200, 100, 50), id="rgb"),
        pytest.param("bgr", (0.0,), (1.0,), (50, 100, 200), id="bgr"),
        pytest.param("rgb", (100.0,), (1.0,), (100, 0, -50), id="mean"),
        pytest.param("rgb", (0.0,), (50.0,), (4, 2, 1), id="scale"),
        pytest.param("rgb", (100.0,), (50.0,), (2, 0, -1), id="mean and scale"),
        pytest.param("rgb", (0, 50, 40), (100, 50, 2), (2, 1, 5), id="three of each"),
        pytest.param("bgr", (40, 50, 0), (2, 50, 100), (5, 1, 2), id="three in the order of bgr"),
    ],
)
def test_pixels_reach_the_model_as_it_was_said(
    means_model, color: Any, mean: tuple[float, ...], scale: tuple[float, ...], seen: Any
) -> None:
    said = replace(SAID, color=color, mean=mean, scale=scale)
    model, _, _ = describe(means_model(weight=0.02), said)
    expected = shares(0.02 * np.array(seen))
    np.testing.assert_allclose(answer(model), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("mean", "scale", "seen"),
    [((0.0,), (1.0,), 124.2), ((24.2,), (20.0,), 5.0)],
    ids=["as it is", "mean and scale"],
)
def test_gray_is_weighed_as_eyes_do(means_model, mean: Any, scale: Any, seen: float) -> None:
    """0.299 of 200, 0.587 of 100 and 0.114 of 50 are 124.2."""
    gray = means_model(channels=1, classes=2, weight=0.02)
    model, _, _ = describe(gray, replace(GRAY, mean=mean, scale=scale))
    np.testing.assert_allclose(answer(model), shares([0.02 * seen, 0]), atol=1e-6)


def test_input_and_output_are_those_every_model_file_has(means_model) -> None:
    model, _, lines = describe(means_model(side=8))
    (image,), (scores,) = model.inputs, model.outputs
    assert (image.name, image.dtype, tuple(image.shape)) == ("image", "uint8", (None, 8, 8, 3))
    assert (scores.dtype, tuple(scores.shape)) == ("float32", (None, 3))
    assert lines == []


def test_margin_around_no_face_is_refused(means_model) -> None:
    said = replace(SAID, face_margin=0.1)
    with pytest.raises(OptionError, match=r"^--face-margin: goes around a face; add --region face"):
        describe(means_model(), said)


def test_card_holds_what_was_said(means_model) -> None:
    said = Description(
        labels=LABELS, color="bgr", mean=(1.0, 2.0, 3.0), scale=(4.0,), resize="letterbox",
        region="face", face_margin=0.1, name="moods",
    )  # fmt: skip
    _, card, _ = describe(means_model(), said)
    assert (card.name, card.task, card.labels) == ("moods", "classification", LABELS)
    assert card.input == InputSpec(8, 8, region="face", face_margin=0.1, resize="letterbox")
    assert card.provenance == {
        "source": "colors.keras",
        "input": {"color": "bgr", "mean": [1.0, 2.0, 3.0], "scale": [4.0]},
    }


def test_card_of_a_model_with_no_name_has_the_files(means_model) -> None:
    _, card, _ = describe(means_model())
    assert card.name == "colors"
    assert card.input == InputSpec(8, 8, region="frame", face_margin=0.0, resize="stretch")


# What it answers


def test_logits_get_a_softmax_where_it_was_asked_for(means_model) -> None:
    logits = means_model(activation=None, weight=0.02)
    model, _, _ = describe(logits, replace(SAID, softmax=True))
    np.testing.assert_allclose(answer(model), shares([4, 2, 1]), atol=1e-6)


def test_single_sigmoid_becomes_no_and_yes(means_model) -> None:
    yes = means_model(classes=1, activation="sigmoid", weight=0.01)
    model, _, _ = describe(yes, replace(SAID, labels=("no", "yes")))
    one = 1 / (1 + np.exp(-2))
    np.testing.assert_allclose(answer(model), [1 - one, one], atol=1e-6)


@pytest.mark.parametrize(
    ("made", "said", "error", "says"),
    [
        pytest.param(
            {"activation": None},
            {},
            OptionError,
            r"^--softmax: colors.keras gives \S+ to \S+, no probabilities; add --softmax if ",
            id="logits",
        ),
        pytest.param(
            {},
            {"softmax": True},
            OptionError,
            r"^--softmax: colors.keras ends in one already$",
            id="softmax twice",
        ),
        pytest.param(
            {"activation": "sigmoid"},
            {},
            KerasError,
            r"^colors.keras: its outputs are between 0 and 1 and do not add up to 1: several lab",
            id="several sigmoids",
        ),
        pytest.param(
            {"classes": 1, "activation": None},
            {"labels": ("no", "yes")},
            KerasError,
            r"^colors.keras: has one output \(\S+ to \S+\), which must be a probability; en",
            id="one logit",
        ),
        pytest.param(
            {"classes": 1, "activation": "sigmoid"},
            {"labels": ("no", "yes"), "softmax": True},
            KerasError,
            r"^colors.keras: has one output \(\S+ to \S+\), which must be a probability; en",
            id="softmax of one",
        ),
        pytest.param(
            {"activation": "sigmoid", "weight": 1e4},
            {},
            KerasError,
            r"^colors.keras: its outputs are between 0 and 1 and do not add up to 1: several lab",
            id="several sigmoids, all at their end",
        ),
        pytest.param(
            {"activation": None, "weight": 1e-3},
            {},
            OptionError,
            r"^--softmax: colors.keras gives \S+ to \S+, no probabilities; add --softmax if ",
            id="logits that look like probabilities",
        ),
        pytest.param(
            {"weight": np.nan},
            {},
            KerasError,
            r"^colors.keras: answers with what is no number; its weights are damaged$",
            id="no numbers",
        ),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(
    means_model, made: dict, said: dict, error: type[EdgeError], says: str
) -> None:
    text = refusal(means_model(**made), replace(SAID, **said), error)
    assert re.search(says, text), text


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (LABELS[:2], "--labels: 2 names, from red to green, and colors.keras has 3 outputs; names"),
        ((*LABELS, "x"), "--labels: 4 names, from red to x, and colors.keras has 3 outputs; names"),
        (None, "--labels: colors.keras does not say; add them, or write them in colors.yaml"),
    ],
    ids=["too few", "too many", "none"],
)
def test_labels_that_are_not_as_many_as_outputs_are_refused(means_model, labels, says) -> None:
    assert refusal(means_model(), replace(SAID, labels=labels)).startswith(says)


# What it takes


def test_model_of_any_size_takes_the_one_it_is_told(means_model) -> None:
    model, card, _ = describe(means_model(side=None), replace(SAID, size=(6, 10)))
    assert model.input_shape == (None, 6, 10, 3)
    assert (card.input.height_px, card.input.width_px) == (6, 10)
    np.testing.assert_allclose(answer(model), shares([4, 2, 1]), atol=1e-6)


@pytest.mark.parametrize(
    ("side", "size", "says"),
    [
        (None, None, "--size: colors.keras takes pictures of any size; say which, as in --size 22"),
        (8, (9, 9), "--size: colors.keras takes 8x8, height by width, and no other"),
    ],
    ids=["of any size", "of one"],
)
def test_size_that_is_missing_or_another_is_refused(means_model, side, size, says: str) -> None:
    assert refusal(means_model(side=side), replace(SAID, size=size)).startswith(says)


def test_size_too_small_for_a_model_is_said() -> None:
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 5),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    text = refusal(model, replace(SAID, size=(2, 2)))
    assert text.startswith("--size 2x2: colors.keras cannot look at pictures of it (")


def test_size_that_is_the_models_own_may_be_said(means_model) -> None:
    model, _, _ = describe(means_model(side=8), replace(SAID, size=(8, 8)))
    assert model.input_shape == (None, 8, 8, 3)


@pytest.mark.parametrize(
    ("channels", "said", "says"),
    [
        (3, {"color": "gray"}, "--color gray: colors.keras takes 3 channel(s)"),
        (1, {"color": "rgb"}, "--color rgb: colors.keras takes 1 channel(s)"),
        (1, {"color": "gray", "mean": (1, 2, 3)}, "--mean: 3 numbers for 1 channel(s)"),
        (1, {"color": "gray", "scale": (1, 2, 3)}, "--scale: 3 numbers for 1 channel(s)"),
    ],
)
def test_colors_that_do_not_fit_its_channels_are_refused(
    means_model, channels: int, said: dict, says: str
) -> None:
    assert refusal(means_model(channels=channels), replace(SAID, **said)) == says


def pooled(*inputs: Any) -> Any:
    return keras.layers.GlobalAveragePooling2D()(sum(inputs[1:], inputs[0]))


@pytest.mark.parametrize(
    ("build", "says"),
    [
        pytest.param(
            lambda a, b: keras.Model([a, b], pooled(a, b)),
            "colors.keras: has 2 inputs and 1 outputs; a classifier of pictures has one of each",
            id="two inputs",
        ),
        pytest.param(
            lambda a, b: keras.Model(a, [pooled(a), keras.layers.GlobalMaxPooling2D()(a)]),
            "colors.keras: has 1 inputs and 2 outputs; a classifier of pictures has one of each",
            id="two outputs",
        ),
        pytest.param(
            lambda a, b: keras.Model(a, keras.layers.Conv2D(2, 3)(a)),
            "colors.keras: gives (None, 6, 6, 2); expected (N, classes)",
            id="a map",
        ),
        pytest.param(
            lambda a, b: keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Flatten()]),
            "colors.keras: takes (None, 8, 8, 2); expected (N, height, width, 1 or 3)",
            id="two channels",
        ),
        pytest.param(
            lambda a, b: keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)]),
            "colors.keras: takes (None, 8); expected (N, height, width, 1 or 3)",
            id="no picture",
        ),
    ],
)
def test_what_is_no_classifier_of_pictures_is_refused(build, says: str) -> None:
    model = build(keras.Input((8, 8, 3)), keras.Input((8, 8, 3)))
    assert refusal(model, error=KerasError) == says


def test_models_in_a_row_and_with_lists_are_asked_as_they_were_built(means_model) -> None:
    inner = means_model()
    image = keras.Input((8, 8, 3))
    row = keras.Sequential([keras.Input((8, 8, 3)), inner])
    lists = keras.Model([image], [inner(image)])
    names = keras.Model(image, {"p": inner(image)})
    for model in (row, lists, names):
        described, _, _ = describe(model)
        np.testing.assert_allclose(answer(described), shares([4, 2, 1]), atol=1e-6)


def test_model_that_takes_and_scales_bytes_itself_is_given_them() -> None:
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 50)(image)
    scores = keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(x))
    model, _, _ = describe(keras.Model(image, scores))
    np.testing.assert_allclose(answer(model), shares([4, 2, 1]), atol=1e-6)


# Known families


def test_what_a_known_network_takes_is_assumed_and_said(means_model) -> None:
    model, card, lines = describe(means_model(name="resnet50"), Description(labels=LABELS))
    assert lines == [
        "resnet50 is a ResNet; assumed --color bgr --mean 103.939,116.779,123.68 --scale 1 "
        "--resize stretch"
    ]
    logits = 0.02 * np.array([50 - 103.939, 100 - 116.779, 200 - 123.68])
    np.testing.assert_allclose(answer(model), shares(logits), atol=1e-6)
    assert card.provenance["input"]["color"] == "bgr"


def test_what_the_user_says_of_a_known_network_counts(means_model) -> None:
    said = Description(labels=LABELS, color="rgb", mean=(0.0,), resize="center-crop")
    model, card, lines = describe(means_model(name="mobilenet_1.00_224"), said)
    assert lines == ["mobilenet_1.00_224 is a MobileNet v1; assumed --scale 127.5"]
    np.testing.assert_allclose(answer(model), shares(0.02 / 127.5 * np.array(RED)), atol=1e-6)
    assert card.input.resize == "center-crop"


def test_known_network_of_which_all_is_said_needs_no_words(means_model) -> None:
    _, _, lines = describe(means_model(name="resnet50"))
    assert lines == []


def test_name_of_a_gray_network_says_nothing(means_model) -> None:
    gray = means_model(channels=1, classes=2, name="xception")
    text = refusal(gray, Description(labels=LABELS[:2]))
    assert text.startswith("--mean, --scale, --resize: colors.keras does not say")


def test_one_channel_is_gray_without_a_word(means_model) -> None:
    said = replace(SAID, labels=LABELS[:2], color=None)
    _, card, _ = describe(means_model(channels=1, classes=2), said)
    assert card.provenance["input"]["color"] == "gray"


def test_network_that_takes_whole_numbers_must_scale_them_itself() -> None:
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1.0)(image))
    whole = keras.Model(image, keras.layers.Softmax()(x))
    assert refusal(whole, replace(SAID, scale=(50.0,))) == (
        "--mean, --scale: colors.keras takes whole numbers (uint8), so it scales itself: --mean 0 "
        "--scale 1"
    )
    assert describe(whole)[1].labels == LABELS


def test_backbone_inside_gives_a_hint_and_nothing_is_assumed(means_model) -> None:
    backbone = means_model(activation=None, name="resnet50")
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Softmax()(backbone(image)), name="pets")
    text = refusal(model, Description(labels=LABELS))
    assert text.startswith("--color, --mean, --scale, --resize: colors.keras does not say; add ")
    assert text.endswith(
        "; its backbone is a ResNet, which takes --color bgr --mean 103.939,116.779,123.68 "
        "--scale 1, unless layers before it scale"
    )


def test_all_that_is_missing_is_named_at_once(means_model) -> None:
    text = refusal(means_model(), Description(labels=LABELS, mean=(0.0,)))
    assert text == (
        "--color, --scale, --resize: colors.keras does not say; add them, or write them in "
        "colors.yaml beside it (docs/exporting.md)"
    )
