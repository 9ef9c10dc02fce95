"""Features computed once: the same as in one go, gone on with, and as the exported file's."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from edge_runtime.errors import OptionError
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import preprocess
from tests.command_line import failure
from train.cli import app
from train.data.feature_table import FeatureTable
from train.errors import DataError, RunError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

SIZE, ENLARGED = 24, 32
DATA, OUT = Path("photos"), Path("f.npz")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a backbone that nobody taught anything, in a file, so that they stay the same."""
    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("weights") / "backbone.weights.h5"
    network = keras.applications.MobileNet(
        include_top=False, weights=None, alpha=0.25, input_shape=(ENLARGED, ENLARGED, 3)
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(layer.gamma * 4)  # or the features would be as good as nothing
    network.save_weights(path)
    return path


@pytest.fixture
def data(photo, draw) -> Path:
    """Ten photos each of bright and of dark scenes, and a file that is no photo."""
    for i in range(10):
        draw(DATA / f"bright/{i}.png", photo(i) // 2 + 120)
        draw(DATA / f"dark/{i}.png", photo(50 + i) // 3)
    (DATA / "dark/x.png").write_text("no photo")
    return DATA


@pytest.fixture
def extract(weights: Path):
    from train.features import extract_features

    def run(**changed: Any) -> None:
        options = {"backbone": "mobilenet-0.25", "weights": str(weights), "size_px": SIZE,
                   "enlarged_px": ENLARGED}  # fmt: skip
        extract_features(DATA, OUT, **{**options, **changed})

    return run


@pytest.fixture
def interrupted_at_once(extract, monkeypatch: pytest.MonkeyPatch):
    """Extract as `extract` does, with Ctrl-C at the first of the photos of `data`."""
    from train import features

    def press(sample):
        raise KeyboardInterrupt

    def run(**changed: Any) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(features, "look", press)
            with pytest.raises(RunError, match="interrupted after 0 of 21"):
                extract(**changed)

    return run


@pytest.fixture
def train(weights: Path):
    def run(*words: object, recipe: str = "pets") -> Any:
        line = [recipe, "--data", DATA, "--output", "run", "--weights", weights, *words]
        return CliRunner().invoke(app, [str(w) for w in line])

    return run


def test_features_are_what_the_backbone_makes_of_each_photo(
    data: Path, extract, weights: Path, capsys: pytest.CaptureFixture[str], photo
) -> None:
    from train.networks.transfer import head_input, transfer_network

    extract()
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("left out: photos/dark/x.png: not a photo: ")
    assert said[1] == "wrote f.npz: 20 photos, 256 features each"
    network = head_input(
        transfer_network(InputSpec(SIZE, SIZE), 2, "mobilenet-0.25", str(weights), ENLARGED)
    )
    with np.load(OUT) as stored:
        paths, values = stored["paths"].tolist(), stored["values"]
    assert paths == [f"{kind}/{i}.png" for kind in ("bright", "dark") for i in range(10)]
    for scene, row in ((photo(4) // 2 + 120, 4), (photo(57) // 3, 17)):
        expected = np.asarray(network(preprocess(scene, InputSpec(SIZE, SIZE))[None]))[0]
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(values[row], expected, rtol=1e-3, atol=1e-6)


def test_interrupted_extraction_goes_on_and_ends_as_an_unbroken_one(
    data: Path, extract, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from train import features

    extract()
    whole = OUT.read_bytes()
    OUT.unlink()
    monkeypatch.setattr(features, "_BATCH", 4)
    looked: list[Path] = []
    real = features.look

    def until_the_ninth(sample):
        if len(looked) == 9:
            raise KeyboardInterrupt
        looked.append(sample.path)
        return real(sample)

    monkeypatch.setattr(features, "look", until_the_ninth)
    monkeypatch.setattr(features, "_WORKERS", 1)
    with pytest.raises(RunError, match=r"interrupted after \d+ of 21 photos; go on with the same"):
        extract()
    assert not OUT.exists()
    done = len(looked)
    monkeypatch.setattr(features, "look", real)
    capsys.readouterr()
    extract(resume=True)
    first = capsys.readouterr().err.splitlines()[0]
    again = int(first.removeprefix("going on after ").split(" ")[0])
    assert 0 < again <= done
    one, other = (np.load(io.BytesIO(b)) for b in (whole, OUT.read_bytes()))
    assert one["content"].tolist() == other["content"].tolist()
    np.testing.assert_allclose(other["values"], one["values"], rtol=1e-4, atol=1e-6)


def test_head_trained_on_features_is_the_head_trained_on_photos(
    data: Path, extract, train, weights: Path
) -> None:
    from train.networks.transfer import head_input

    (data / "dark/x.png").unlink()
    extract()
    result = train("--head", OUT)
    assert result.exit_code == 0, result.stderr
    assert "computing the backbone's features" not in result.stderr
    model = keras.saving.load_model("run/model.keras", compile=False)
    assert model.input_shape == (None, SIZE, SIZE, 3)
    # Two steps, backbone then head, answer as the one file does.
    table = FeatureTable.read(OUT)
    kernel, bias = model.get_layer("scores").get_weights()
    logits = table.values @ kernel + bias
    photos = sorted(data.rglob("*.png"))
    images = np.stack([preprocess(_read(p), InputSpec(SIZE, SIZE)) for p in photos])
    np.testing.assert_allclose(
        np.asarray(head_input(model)(images)), table.values, rtol=1e-3, atol=1e-6
    )
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(np.asarray(model(images)), scores, atol=1e-4)


def _read(path: Path) -> np.ndarray:
    import cv2

    return cv2.imread(str(path))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("recipe", ["pets", "objects"])
def test_exported_file_answers_as_the_two_steps_do(data: Path, extract, train, recipe: str) -> None:
    """Also that of objects, which by itself looks at several views of a picture."""
    from edge_runtime.model.session import SessionOptions, open_session
    from export.options import ExportOptions
    from export.pipeline import export_model

    (data / "dark/x.png").unlink()
    extract()
    assert train("--head", OUT, recipe=recipe).exit_code == 0
    export_model(Path("run"), Path("out.onnx"), ExportOptions("fp32"), lambda line: None)
    session = open_session(Path("out.onnx"), SessionOptions("cpu", 1))
    table = FeatureTable.read(OUT)
    head = keras.saving.load_model("run/model.keras", compile=False).get_layer("scores")
    logits = table.values @ head.get_weights()[0] + head.get_weights()[1]
    photos = sorted(data.rglob("*.png"))
    images = np.stack([preprocess(_read(p), session.card.input) for p in photos])
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(session.run(images)["scores"], expected, atol=1e-4)


def test_features_of_other_weights_are_refused_with_the_command(
    data: Path, extract, train, tmp_path: Path
) -> None:
    extract()
    keras.utils.set_random_seed(4)
    other = tmp_path / "other.weights.h5"
    keras.applications.MobileNet(
        include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3)
    ).save_weights(other)
    says = failure(train("--head", OUT, "--weights", other))
    assert says.startswith("f.npz: was made with other weights of mobilenet-0.25; name those with")
    assert says.endswith(
        ": rm f.npz; python -m train features --data photos --backbone mobilenet-0.25 --size 24 "
        f"--enlarge 32 --weights {other} --output f.npz"
    )
    assert not Path("run").exists()


def test_photo_changed_since_is_refused(data: Path, extract, train, photo, draw) -> None:
    extract()
    for i in range(10):
        draw(data / f"dark/{i}.png", photo(80 + i) // 3)
    says = failure(train("--head", OUT))
    assert ".png: is not in f.npz, or was changed since (and " in says
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--size", "32"), "--backbone, --size: f.npz was made with mobilenet-0.25 at 24 px; "),
        (("--backbone", "vgg16"), "--backbone, --size: f.npz was made with mobilenet-0.25 at"),
        (("--epochs", "3"), "--epochs, --learning-rate, --patience, --schedule, --ema: "),
        (("--architecture", "seed"), "--head: architecture seed of pets has no backbone that"),
    ],
)
def test_option_that_features_contradict_is_refused(
    data: Path, extract, words: tuple[str, ...], says: str
) -> None:
    extract()
    line = ["pets", "--data", str(DATA), "--output", "run", "--head", str(OUT), *words]
    assert failure(CliRunner().invoke(app, line), 2).startswith(says)


def test_features_for_another_size_are_made_by_the_command_that_is_told(
    data: Path, extract, weights: Path
) -> None:
    extract()
    line = ["pets", "--data", str(DATA), "--output", "run", "--head", str(OUT)]
    says = failure(CliRunner().invoke(app, [*line, "--size", "32", "--weights", str(weights)]), 2)
    command = says.split("or make others: python -m train ")[1]
    assert command == (
        f"features --data photos --backbone mobilenet-0.25 --size 32 --enlarge 32 --weights "
        f"{weights} --output NEW.npz"
    )
    assert CliRunner().invoke(app, shlex.split(command)).exit_code == 0
    assert FeatureTable.read(Path("NEW.npz")).key.size_px == 32


def test_weights_are_those_of_the_features_where_none_are_named(data: Path, extract) -> None:
    extract()
    line = ["pets", "--data", str(DATA), "--output", "run", "--head", str(OUT)]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.stderr


def test_folder_without_a_photo_has_no_features(extract) -> None:
    for kind in ("a", "b"):
        (DATA / kind).mkdir(parents=True)
        (DATA / kind / "x.jpg").write_text("no photo")
    with pytest.raises(DataError, match="none of its 2 files is a photo that can be read"):
        extract()
    assert list(Path().glob("f.npz*")) == []


def test_option_that_says_what_features_say_is_taken(data: Path, extract, train) -> None:
    extract()
    assert train("--head", OUT, "--backbone", "mobilenet-0.25", "--size", SIZE).exit_code == 0


def test_features_of_a_random_backbone_are_gone_on_with_and_trained_on(
    data: Path, extract, interrupted_at_once
) -> None:
    """What nobody taught is at least always the same."""
    interrupted_at_once(weights="none")
    keras.utils.set_random_seed(7)
    extract(weights="none", resume=True)
    line = ["pets", "--data", str(DATA), "--output", "run", "--head", str(OUT), "--seed", "5"]
    for words in ([], ["--weights", "none"]):
        shutil.rmtree("run", ignore_errors=True)
        result = CliRunner().invoke(app, [*line, *words])
        assert result.exit_code == 0, result.stderr
    card = json.loads(Path("run/card.json").read_text())
    assert card["provenance"]["weights"] == "none"


def test_features_do_not_go_among_the_photos(data: Path, extract) -> None:
    from train.features import extract_features

    with pytest.raises(OptionError, match=r"^--output photos/f\.npz: lies in --data photos, whose"):
        extract_features(
            DATA, DATA / "f.npz", backbone="mobilenet-0.25", weights="none", size_px=32
        )


def test_hidden_layer_is_trained_on_features_too() -> None:
    from train.head import train_head
    from train.networks.transfer import freeze_backbone, hidden_layers, transfer_network

    keras.utils.set_random_seed(0)
    model = transfer_network(InputSpec(32, 32), 2, "mobilenet-0.25", "none", hidden=16)
    assert [layer.name for layer in hidden_layers(model)] == ["hidden", "dropout", "scores"]
    freeze_backbone(model)
    assert len(model.trainable_weights) == 4
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (400, 256)).astype(np.float32)
    # One or the other, but not both and not neither: no single layer can tell.
    truth = (features[:, 0] > 0) ^ (features[:, 1] > 0)
    features[:, :2] *= 3
    train_head(model, features, np.eye(2, dtype=np.float32)[truth.astype(int)], None)
    head = keras.Sequential([keras.Input((256,)), *hidden_layers(model)])
    assert np.mean(np.asarray(head(features)).argmax(1) == truth) > 0.9


def test_extraction_of_a_folder_that_changed_is_not_gone_on_with(
    data: Path, extract, interrupted_at_once
) -> None:
    interrupted_at_once()
    shutil.copy(data / "dark/1.png", data / "dark/new.png")
    with pytest.raises(RunError, match=r"f\.npz\.part: was begun with another photos; resume"):
        extract(resume=True)
