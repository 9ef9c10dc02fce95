"""Train, export and measure the models that ship, and those beside them in docs/.

    python scripts/ship.py DATA WORK NAME... [--weights FILE]

DATA holds the sets as the recipes describe them: cifar10/ mnist/ imagenette/ cats_dogs/ fer2013/
lfw/ people/ two_people/ celeb5/ orl_faces/ face_boxes/, and fer2013.npz, lfw_pairs.txt, yunet.onnx
and bottle-detection.mp4. Runs, files and reports come to WORK, figures to benchmarks/results/, what
ships to edge_runtime/shipped/. What is finished in WORK is not made again, what was interrupted
goes on. --weights names MobileNet 0.75's ImageNet weights where Keras cannot download them.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "edge_runtime" / "shipped"

CIFAR = "CIFAR-10: no license stated"
MNIST = "MNIST: CC BY-SA 3.0"
IMAGENET = "photos of ImageNet: for research"
WEB = "photos of cats and dogs from the web, no license stated"
FER = "FER2013: no license stated by its publishers; FER+ votes: MIT"
FACES = (
    "LFW: for research, no license stated; photos of 94 public figures from the web, no license "
    "stated"
)
BOXES = (
    "none stated for face_boxes, lfw, cats_dogs and imagenette; bottle-detection.mp4 is CC BY 4.0 "
    "(Intel sample videos)"
)
GATE = "--max-drop 0.3 --min-agreement 0.99"  # what int8 must keep of fp32 to be shipped
WITHOUT_PEOPLE = ("English_springer", "cassette_player", "church", "garbage_truck")
WITH_PEOPLE = ("French_horn", "chain_saw", "gas_pump", "golf_ball", "parachute", "tench")


_FACELESS = ("cats_dogs/train", *(f"imagenette/train/{kind}" for kind in WITHOUT_PEOPLE))
DETECTOR = (
    "detector --boxes {work}/face_boxes --portraits {data}/lfw "
    + "".join(f"--faceless {{data}}/{folder} " for folder in _FACELESS)
    + "--faceless {work}/bottles --people {work}/people_boxes --landmarks {work}/landmarks.json"
)


@dataclass(frozen=True)
class Model:
    """How one is trained, exported and measured.

    Attributes:
        train: What follows `python -m train`, but for --output and --name.
        license: Of the data, for the card.
        golden: Which of scikit-image's pictures, whose rights are known, the self-test is about.
        needs: Names of what must be there first; see `PREPARED`.
        measure: What follows `python -m benchmarks accuracy`, further.
    """

    train: str
    license: str
    golden: str = "chelsea.png"
    needs: tuple[str, ...] = ()
    measure: str = ""


# What is made once, by which command. {data}, {work} and {weights} stand for what the user named,
# {part} for where it is made until it is whole; what has none sees to that, or goes on, itself.
PREPARED = {
    "fer_votes.csv": "scripts/fer_votes.py {data}/fer2013.npz {part}",
    "dogs": "scripts/dog_photos.py {data}/cats_dogs {data}/imagenette {part}",
    "dog_features.npz": "-m train features --data {work}/dogs --size 64 --enlarge 160 "
    "--weights {weights} --output {work}/dog_features.npz",
    "faces": "scripts/face_people.py {data}/lfw {data}/people {data}/lfw_pairs.txt {part}",
    "runs/embedding": "-m train faces --architecture identity --data {work}/faces/teachers "
    "--background {work}/faces/taught --weights {weights} --name embedding "
    "--output {work}/runs/embedding",
    "embedding.onnx": "-m export {work}/runs/embedding {work}/embedding.onnx --precision fp32",
    "bottles": "scripts/clip_frames.py {data}/bottle-detection.mp4 {part}",
    "face_boxes": "scripts/mark_faces.py {data}/yunet.onnx {part} {data}/face_boxes",
    "people_boxes": "scripts/mark_faces.py {data}/yunet.onnx {part} "
    + " ".join(f"{{data}}/imagenette/train/{kind}" for kind in WITH_PEOPLE),
    # Of aligned portraits alone: on a tilted head YuNet's points stay level.
    "landmarks.json": "scripts/mark_landmarks.py {data}/yunet.onnx {part} {data}/lfw",
    "runs/detector-first": f"-m train {DETECTOR} --output {{work}}/runs/detector-first",
    "detector-first.onnx": f"-m export {{work}}/runs/detector-first {{work}}/detector-first.onnx "
    f"--precision int8 {GATE}",
}


def _classifiers() -> dict[str, Model]:
    objects = "objects --data {data}/cifar10"
    imagenette = "imagenette --data {data}/imagenette"
    pets = "pets --data {data}/cats_dogs"
    expression = "expression --data {data}/fer2013"
    return {
        "objects": Model(f"{objects} --weights {{weights}}", CIFAR),
        **{
            f"objects-{kind}": Model(f"{objects} --architecture {kind}", CIFAR)
            for kind in ("dense", "seed", "residual")
        },
        # Without dropout they know their photos by heart after some epochs, and without pooling an
        # epoch takes four times as long.
        "objects-convolutions": Model(f"{objects} --architecture convolutions --epochs 4", CIFAR),
        "objects-pooling": Model(f"{objects} --architecture pooling --patience 3", CIFAR),
        "digits": Model("digits --data {data}/mnist", MNIST),
        "digits-seed": Model("digits --data {data}/mnist --architecture seed", MNIST),
        "imagenette": Model(f"{imagenette} --weights {{weights}}", IMAGENET),
        "imagenette-basic": Model(f"{imagenette} --architecture basic", IMAGENET),
        "imagenette-seed": Model(f"{imagenette} --architecture seed", IMAGENET),
        "dogs": Model(
            "dogs --data {work}/dogs --head {work}/dog_features.npz --weights {weights}",
            f"{WEB}; {IMAGENET}",
            needs=("dogs", "dog_features.npz"),
        ),
        "dogs-transfer": Model(
            "dogs --data {work}/dogs --architecture transfer --weights {weights}",
            f"{WEB}; {IMAGENET}",
            needs=("dogs",),
        ),
        "pets": Model(f"{pets} --weights {{weights}}", WEB),
        "pets-random-seed-1": Model(f"{pets} --weights {{weights}} --seed 1", WEB),
        "pets-random-seed-2": Model(f"{pets} --weights {{weights}} --seed 2", WEB),
        "pets-seed": Model(f"{pets} --architecture seed", WEB),
        "expression": Model(
            f"{expression} --votes {{work}}/fer_votes.csv", FER, "astronaut.png", ("fer_votes.csv",)
        ),
        "expression-seed": Model(f"{expression} --architecture seed", FER, "astronaut.png"),
        "happy-sad-seed": Model(
            f"{expression} --architecture seed --classes happy,sad", FER, "astronaut.png"
        ),
        "happy-sad-seed-256px": Model(
            f"{expression} --architecture seed --classes happy,sad --size 256", FER, "astronaut.png"
        ),
    }


def _people() -> dict[str, Model]:
    embedding = ("faces", "runs/embedding", "embedding.onnx")
    answers = "faces --data {work}/faces/answers"
    models = {
        "faces": Model(
            f"{answers} --weights {{work}}/embedding.onnx --background {{work}}/faces/strangers "
            "--for-gallery",
            FACES,
            "astronaut.png",
            embedding,
            "--subset people94={data}/people --subset lfw20={work}/faces/lfw20",
        ),
        "faces-seed": Model(
            f"{answers} --architecture seed --weights {{weights}}",
            FACES,
            "astronaut.png",
            ("faces",),
            "--subset people94={data}/people --subset lfw20={work}/faces/lfw20",
        ),
    }
    for short, folder in (("two_people", "two_people"), ("orl", "orl_faces"), ("celeb5", "celeb5")):
        train = f"faces --data {{data}}/{folder}"
        name, license_note = f"faces-{short}", f"{folder}: no license stated"
        models[name] = Model(train, license_note, "astronaut.png")
        for seed in (1, 2):
            models[f"{name}-random-seed-{seed}"] = Model(
                f"{train} --seed {seed}", license_note, "astronaut.png"
            )
        models[f"{name}-seed"] = Model(
            f"{train} --architecture seed --weights {{weights}}", license_note, "astronaut.png"
        )
    return models


MODELS = {
    **_classifiers(),
    **_people(),
    # Trained from nothing, then further: what it is sure of and how it sees tilted heads differs
    # from one training to the next, and the second keeps to what the first has learned. The one
    # that ships went on from the one that shipped before, of commit f59481c.
    "detector": Model(
        f"{DETECTOR} --weights {{work}}/detector-first.onnx",
        BOXES,
        "astronaut.png",
        (
            "face_boxes", "bottles", "people_boxes", "landmarks.json",
            "runs/detector-first", "detector-first.onnx",
        ),
    ),
}  # fmt: skip
SHIPS = ("objects", "pets", "expression", "faces", "detector")


def ship(name: str, data: Path, work: Path, weights: str) -> None:
    """Train, export and measure one; what is finished in `work` is taken as it is."""
    model = MODELS[name]
    part = work / "part"

    def python(command: str, *more: str | Path) -> None:
        names = {"data": data, "work": work, "part": part, "weights": weights}
        words = [w.format_map(names) for w in shlex.split(command)]
        subprocess.run([sys.executable, *words, *map(str, more)], cwd=ROOT, check=True)

    for thing in model.needs:
        if not _finished(work / thing):
            if part.is_dir():
                shutil.rmtree(part)  # of an interrupted run
            python(PREPARED[thing], *_resumed(work / thing))
            if "{part}" in PREPARED[thing]:
                part.rename(work / thing)
    run, file, fp32 = work / "runs" / name, work / f"{name}.onnx", work / f"{name}.fp32.onnx"
    if not _finished(run):
        named = () if name == "detector" else ("--name", name)
        python(f"-m train {model.train}", "--output", run, *named, *_resumed(run))
    about = ("--license", model.license, "--golden", _picture(model.golden))
    if not fp32.exists():
        python("-m export --precision fp32", run, fp32, *about)
    if not file.exists():
        report = file.with_suffix(".html")
        python(f"-m export --precision int8 {GATE}", run, file, *about, "--report", report)
    python(f"-m benchmarks accuracy {model.measure}", "--model", file, "--run", run, "--fp32", fp32)
    if name in SHIPS:
        shutil.copy(file, SHIPPED)


def _finished(path: Path) -> bool:
    return (path / "model.keras").is_file() if path.parent.name == "runs" else path.exists()


def _resumed(run: Path) -> Iterable[str]:
    parts = (run / "state", run.with_name(f"{run.name}.part"))
    return ("--resume",) if any(part.exists() for part in parts) else ()


def _picture(name: str) -> Path:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        sys.exit("error: scikit-image, whose pictures the self-tests are about, is missing; "
                 "make install brings it")  # fmt: skip
    return Path(spec.origin).parent / "data" / name


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("names", nargs="+", choices=MODELS, metavar="name", help=" ".join(MODELS))
    parser.add_argument("--weights", default="imagenet")
    given = parser.parse_args()
    (given.work / "runs").mkdir(parents=True, exist_ok=True)
    weights = Path(given.weights)
    for name in given.names:
        print(f"== {name}", file=sys.stderr, flush=True)
        ship(
            name,
            given.data.resolve(),
            given.work.resolve(),
            str(weights.resolve()) if weights.is_file() else given.weights,
        )


if __name__ == "__main__":
    main()
