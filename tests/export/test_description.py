"""What options and a YAML file say of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.errors import CardError, OptionError
from export import description
from export.description import Description, described_by_options, described_in_yaml

MODEL = Path("fer.hdf5")


def test_options_become_values_and_what_was_not_said_stays_unknown() -> None:
    said = described_by_options(
        {
            "labels": "cat, dog",
            "color": "bgr",
            "mean": "103.939,116.779,123.68",
            "scale": "1",
            "resize": "",
            "region": "face",
            "face_margin": 0.0,
            "size": "240x320",
            "softmax": None,
            "name": "pets",
        }
    )
    assert said == Description(
        labels=("cat", "dog"),
        color="bgr",
        mean=(103.939, 116.779, 123.68),
        scale=(1.0,),
        region="face",
        face_margin=0.0,
        size=(240, 320),
        name="pets",
    )
    assert described_by_options({"color": "", "softmax": None}) == Description()


def test_one_side_is_a_square() -> None:
    assert described_by_options({"size": "224"}).size == (224, 224)


def test_labels_come_from_a_file_one_a_line() -> None:
    Path("labels.txt").write_text("Katze\n\n  großer Hund \n   \nMaus, grau\n", "utf-8")
    said = described_by_options({"labels": "labels.txt"})
    assert said.labels == ("Katze", "großer Hund", "Maus, grau")


def test_file_of_labels_may_begin_with_a_byte_order_mark() -> None:
    Path("labels.txt").write_text("cat\ndog\n", "utf-8-sig")
    assert described_by_options({"labels": "labels.txt"}).labels == ("cat", "dog")


def test_file_of_labels_that_is_not_there_is_said() -> None:
    with pytest.raises(OptionError, match=r"^--labels labels\.txt: no such file$"):
        described_by_options({"labels": "labels.txt"})


def test_labels_longer_than_any_file_name_are_labels() -> None:
    names = [f"breed {i:03}" for i in range(120)]
    assert described_by_options({"labels": ",".join(names)}).labels == tuple(names)


def test_file_of_labels_that_is_no_text_is_refused() -> None:
    Path("labels.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(OptionError, match=r"--labels labels\.txt: cannot be read"):
        described_by_options({"labels": "labels.txt"})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("labels", "a,b,a", "--labels ['a', 'b', 'a']: expected class names, none empty, none tw"),
        ("labels", "a,,b", "--labels ['a', '', 'b']: expected class names, none empty, none twice"),
        ("color", "RGB", "--color 'RGB': expected rgb or bgr or gray"),
        ("resize", "crop", "--resize 'crop': expected stretch or center-crop or letterbox"),
        ("region", "faces", "--region 'faces': expected frame or face"),
        ("mean", "1,2", "--mean [1.0, 2.0]: expected a number, or one for each of three channels"),
        ("mean", "gray", "--mean ['gray']: expected a number"),
        ("mean", "nan", "--mean [nan]: expected a number"),
        ("scale", "1,0,1", "--scale [1.0, 0.0, 1.0]: expected no 0, pixels are divided by it"),
        ("size", "224x", "--size [224.0, '']: expected one side in pixels, or height and width"),
        ("size", "0x8", "--size [0.0, 8.0]: expected one side in pixels"),
        ("size", "8.5", "--size [8.5]: expected one side in pixels"),
        ("size", "1x2x3", "--size [1.0, 2.0, 3.0]: expected one side in pixels"),
        ("face_margin", 3.0, "--face-margin 3.0: expected a share of the face, -0.4 to 2"),
        ("face_margin", float("nan"), "--face-margin nan: expected a share of the face"),
        ("name", " ", "--name ' ': expected a word"),
    ],
)
def test_option_that_makes_no_sense_is_refused_by_its_name(name: str, value, says: str) -> None:
    with pytest.raises(OptionError) as refused:
        described_by_options({name: value})
    assert str(refused.value).startswith(says)


def test_what_was_said_first_counts_also_where_it_is_nothing() -> None:
    first = Description(mean=(0.0,), softmax=False)
    second = Description(mean=(127.5,), softmax=True, color="bgr")
    assert first.or_else(second) == Description(mean=(0.0,), softmax=False, color="bgr")


# YAML


def test_example_of_the_documentation_is_read_as_it_says() -> None:
    pytest.importorskip("yaml")
    example = str(description.__doc__).split("\n\n", 2)[2]
    Path("fer.yaml").write_text(example)
    assert described_in_yaml(MODEL) == Description(
        labels=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
        color="gray",
        mean=(127.5,),
        scale=(127.5,),
        resize="stretch",
        region="face",
        face_margin=0.1,
        size=(64, 64),
        softmax=False,
        name="fer",
    )


def test_without_a_yaml_file_nothing_is_said() -> None:
    assert described_in_yaml(MODEL) == Description()


def test_yaml_may_give_one_side_and_a_mean_for_each_channel() -> None:
    pytest.importorskip("yaml")
    Path("fer.yaml").write_text("size: 48\nmean: [1, 2.5, 3]\nlabels: [0, 1, 10]\n")
    said = described_in_yaml(MODEL)
    assert (said.size, said.mean) == ((48, 48), (1.0, 2.5, 3.0))
    assert said.labels == ("0", "1", "10")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        pytest.param(
            "colour: rgb\nmeans: 0\n",
            OptionError,
            "fer.yaml: unknown colour, means; it may have labels, color, mean, scale, ",
            id="unknown names",
        ),
        pytest.param(
            "color: grey\n", OptionError, "fer.yaml: color 'grey': expected rgb or", id="color"
        ),
        pytest.param("labels: a\n", OptionError, "fer.yaml: labels 'a': expected", id="no list"),
        pytest.param(
            "labels: [no, yes]\n",
            OptionError,
            "fer.yaml: labels [False, True]: expected words; YAML takes no and yes for false",
            id="no and yes",
        ),
        pytest.param("labels: [a, a]\n", OptionError, "fer.yaml: labels ['a', 'a']:", id="twice"),
        pytest.param("softmax: 1\n", OptionError, "fer.yaml: softmax 1: expected true", id="1"),
        pytest.param("mean: true\n", OptionError, "fer.yaml: mean True: expected a n", id="true"),
        pytest.param("scale: 0\n", OptionError, "fer.yaml: scale 0: expected no 0", id="zero"),
        pytest.param("name: 5\n", OptionError, "fer.yaml: name 5: expected a word", id="name"),
        pytest.param("- rgb\n", CardError, "fer.yaml: expected lines like 'name: ", id="a list"),
        pytest.param("color: [\n", CardError, "fer.yaml: cannot be read (", id="no YAML"),
    ],
)
def test_yaml_that_makes_no_sense_is_refused_by_file_and_name(
    text: str, error: type[Exception], says: str
) -> None:
    pytest.importorskip("yaml")
    Path("fer.yaml").write_text(text)
    with pytest.raises(error) as refused:
        described_in_yaml(MODEL)
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)
