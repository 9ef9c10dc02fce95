"""What may stand in the YAML file beside a model of somebody else's."""

import sys
from pathlib import Path

import pytest

from edge_runtime.errors import CardError, InstallError
from edge_runtime.model.foreign import describe_foreign
from edge_runtime.model.onnx_file import load_model_file
from tests.foreign_model import GOOD

MODEL = Path("means.onnx")
TEXT = "\n".join(f"{name}: {value}" for name, value in GOOD.items())
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        *[
            pytest.param({name: ...}, f"lacks {name}; it has name, size", id=f"no {name}")
            for name in GOOD
        ],
        pytest.param({"colour": "RGB"}, "has unknown colour; it has name, size", id="unknown"),
        pytest.param({"name": ""}, "name is ''", id="empty name"),
        pytest.param({"name": 5}, "name is 5", id="name no text"),
        pytest.param({"size": 112}, "size is 112; expected height and width", id="one side"),
        pytest.param({"size": [1, 2, 3]}, "size is [1, 2, 3]", id="three sides"),
        pytest.param({"size": [0, 6]}, "size is [0, 6]", id="no height"),
        pytest.param({"size": [4, "6"]}, "size is [4, '6']", id="width text"),
        pytest.param({"size": [4, True]}, "size is [4, True]", id="width truth"),
        pytest.param({"layout": "HWC"}, "layout is 'HWC'; expected NCHW or NHWC", id="layout"),
        pytest.param({"layout": ["NCHW"]}, "layout is ['NCHW']", id="layout list"),
        pytest.param({"color": "rgb"}, "color is 'rgb'; expected RGB or BGR", id="color"),
        pytest.param({"alignment": "3d"}, "alignment is '3d'; expected none or", id="alignment"),
        pytest.param({"mean": "0"}, "mean is '0'; expected a number, or three", id="mean text"),
        pytest.param({"mean": True}, "mean is True", id="mean truth"),
        pytest.param({"mean": [1, 2]}, "mean is [1, 2]", id="two means"),
        pytest.param({"mean": [1, 2, None]}, "mean is [1, 2, None]", id="mean missing"),
        pytest.param({"mean": NAN}, "mean is nan", id="mean no number"),
        pytest.param({"scale": INF}, "scale is inf", id="scale infinite"),
        pytest.param({"scale": 0}, "scale is 0; pixels are divided by it", id="scale 0"),
        pytest.param({"scale": [1, 0, 1]}, "scale is 0", id="a scale of 0"),
        pytest.param({"margin": 9}, "margin is 9", id="margin"),
        pytest.param({"margin": "0"}, "margin is '0'", id="margin text"),
        pytest.param({"margin": NAN}, "margin is nan", id="margin no number"),
        pytest.param({"threshold": "0.3"}, "is '0.3'", id="threshold text"),
        pytest.param({"threshold": NAN}, "is nan", id="threshold no number"),
        pytest.param({"threshold": 35}, "is 35", id="threshold in percent"),
    ],
)
def test_bad_value_is_refused_with_its_name_in_one_line(values: dict, says: str) -> None:
    described = {k: v for k, v in {**GOOD, **values}.items() if v is not ...}
    with pytest.raises(CardError) as caught:
        describe_foreign(described, "0" * 64, "means.yaml")
    assert str(caught.value).startswith("means.yaml: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def cardless(cardless_model: Path) -> None:
    """A model file without a card in the folder."""
    MODEL.write_bytes(cardless_model.read_bytes())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("name: [1,\n", "cannot be read", id="not closed"),
        pytest.param("name: a\n\tsize: 3", "cannot be read", id="tab"),
        pytest.param("!!python/object/apply:os.getcwd []", "cannot be read", id="code"),
        pytest.param("", "expected lines like", id="empty"),
        pytest.param("- name", "expected lines like", id="list"),
        pytest.param("\x00", "cannot be read", id="no text"),
    ],
)
def test_what_is_no_description_is_refused_in_one_line(cardless, text: str, says: str) -> None:
    MODEL.with_suffix(".yaml").write_text(text, "utf-8")
    with pytest.raises(CardError, match=r"^means\.yaml: ") as caught:
        load_model_file(MODEL)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_value_names_the_file_it_stands_in(cardless) -> None:
    MODEL.with_suffix(".yaml").write_text(TEXT.replace("RGB", "gray"), "utf-8")
    with pytest.raises(CardError, match=r"^means\.yaml: color is 'gray'"):
        load_model_file(MODEL)


def test_description_of_other_bytes_than_text_is_refused(cardless) -> None:
    MODEL.with_suffix(".yaml").write_bytes(b"name: \xff")
    with pytest.raises(CardError, match=r"^means\.yaml: cannot be read"):
        load_model_file(MODEL)


def test_missing_pyyaml_is_said_with_what_to_install(cardless, monkeypatch) -> None:
    MODEL.with_suffix(".yaml").write_text(TEXT, "utf-8")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(InstallError, match=r"^means\.yaml: .* pip install pyyaml"):
        load_model_file(MODEL)


def test_file_without_card_or_description_is_refused_with_what_to_do(cardless, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)  # nothing to read: not needed
    with pytest.raises(CardError) as caught:
        load_model_file(MODEL)
    assert str(caught.value).startswith("means.onnx: no 'edge' metadata; export it again")
    assert "describe it in means.yaml" in str(caught.value)
