"""`python -m benchmarks`: one command a table, written to benchmarks/results/."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime.apps.rows import write_json
from edge_runtime.cli_errors import EdgeGroup
from edge_runtime.errors import OptionError

RESULTS = Path(__file__).parent / "results"

app = typer.Typer(
    cls=EdgeGroup,
    help="Measure this project; each command writes a JSON into benchmarks/results/.\n\n"
    "Example: python -m benchmarks webcam",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def webcam(
    clip: Annotated[str, typer.Option(help="A 640x480 clip with one face.")] = "demo",
    model: Annotated[str, typer.Option(help="Model beside the detector.")] = "expression",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each way.")] = 5,
) -> None:
    """Frames per second end to end, and frame age when the source runs at its own pace."""
    from benchmarks.webcam import measure_webcam

    _write("webcam", measure_webcam(clip, model, repeats))


@app.command()
def startup(
    repeats: Annotated[int, typer.Option(min=3, help="Runs of each command.")] = 15,
) -> None:
    """`edge-run --help` against `python -c "import typer"`, and what importing the CLI loads."""
    from benchmarks.startup import measure_startup

    _write("startup", measure_startup(repeats))


@app.command()
def accuracy(
    model: Annotated[str, typer.Option(help="Model file or shipped name.")],
    run: Annotated[Path, typer.Option(help="Run folder the model came from.")],
    fp32: Annotated[
        Path | None, typer.Option(help="The same model exported with --precision fp32.")
    ] = None,
    subset: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DIR: also score the labels that have a folder there, alone."),
    ] = None,
) -> None:
    """What a model file answers on the test photos of its run, beside Keras and fp32, with n."""
    from benchmarks.accuracy import measure_accuracy
    from benchmarks.latency import was_busy

    figures = measure_accuracy(model, run, fp32, _pairs("--subset", "NAME=DIR", subset or ()))
    _write(f"accuracy-{figures['model']['name']}", figures)
    if was_busy(figures["latency_ms"]):
        print("the machine was busy: measure again for the latencies", file=sys.stderr)


@app.command()
def expression(
    run: Annotated[Path, typer.Option(help="Run folder the model came from, on FER2013.")],
    votes: Annotated[Path, typer.Option(help="FER+ votes, as scripts/fer_votes.py writes them.")],
    model: Annotated[str, typer.Option(help="Model file or shipped name.")] = "expression",
    peer: Annotated[
        list[Path] | None, typer.Option(help="Keras file of a network to compare with.")
    ] = None,
) -> None:
    """Expressions beside another network, also where FER+ voters agree with the label."""
    from benchmarks.expression import measure_expression

    _write("expression", measure_expression(model, run, votes, peer or []))


@app.command()
def steady(
    run: Annotated[Path, typer.Option(help="Run folder the model came from, on FER2013.")],
    clips: Annotated[Path, typer.Option(help="Folder of clips of people with a steady face.")],
    model: Annotated[str, typer.Option(help="Model file or shipped name.")] = "expression",
) -> None:
    """Changes of a face's label in clips, and accuracy on photos changed as by a camera."""
    from benchmarks.steady import measure_steadiness

    _write("steady", measure_steadiness(model, run, clips))


@app.command()
def false_faces(
    pictures: Annotated[Path, typer.Option(help="Folder of pictures without people.")],
    detector: Annotated[str, typer.Option(help="Model file or shipped name.")] = "detector",
) -> None:
    """How often the detector sees a face where there is none, with n."""
    from benchmarks.false_faces import measure_false_faces

    _write("false-faces", measure_false_faces(detector, pictures))


@app.command()
def export(
    engines: Annotated[
        list[str], typer.Option(help="MODEL=RUN: a model file or shipped name, and its run.")
    ],
    network: Annotated[
        list[Path], typer.Option(help="Run of a classifier, to quantize with and without care.")
    ],
) -> None:
    """int8 beside OpenVINO's and LiteRT's, and beside quantizing with nothing set."""
    from benchmarks.export import measure_export

    _write("export", measure_export(_pairs("--engines", "MODEL=RUN", engines), network))


@app.command()
def sizes(
    run: Annotated[Path, typer.Option(help="Run folder of the detector.")],
    boxes: Annotated[Path, typer.Option(help="Annotated photos, as the detector's recipe reads.")],
    clip: Annotated[Path, typer.Option(help="A 640x480 clip, whose frames are timed.")],
    seed: Annotated[int, typer.Option(help="Of the split of the annotated photos.")] = 0,
) -> None:
    """What the detector finds at other input sizes, and how long it takes."""
    from benchmarks.detector_sizes import measure_sizes

    _write("sizes", measure_sizes(run, boxes, clip, seed))


@app.command()
def face_scores(
    boxes: Annotated[Path, typer.Option(help="Annotated photos, as the detector's recipe reads.")],
    faceless: Annotated[
        list[Path], typer.Option(help="Pictures without people; may be given several times.")
    ],
    portraits: Annotated[Path, typer.Option(help="Aligned 112 px portraits.")],
    yunet: Annotated[Path, typer.Option(help="YuNet's model file, for what it mistakes.")],
    detector: Annotated[str, typer.Option(help="Model file or shipped name.")] = "detector",
    seed: Annotated[int, typer.Option(help="Of the split, and of what is pasted where.")] = 0,
) -> None:
    """Which scores faces get, and what is none: what the detector's thresholds rest on."""
    from benchmarks.face_scores import measure_face_scores

    _write("face-scores", measure_face_scores(detector, boxes, faceless, portraits, yunet, seed))


@app.command()
def memory(
    data: Annotated[Path, typer.Option(help="Folder with a folder a class; links are made to it.")],
    files: Annotated[int, typer.Option(min=100, help="How many links.")] = 200_000,
) -> None:
    """Memory for features of, training on and streaming a folder of very many photos."""
    from benchmarks.memory import measure_memory

    _write("memory", measure_memory(data, files))


@app.command()
def faces(
    data: Annotated[
        Path,
        typer.Option(help="Folder with face_boxes, faceless, clips, empty.mp4, lfw, held, orl."),
    ],
    pairs: Annotated[Path, typer.Option(help="LFW's pairs, eight folds.")],
    anchors: Annotated[Path, typer.Option(help="Folder of the peers' model files.")],
    detector: Annotated[str, typer.Option(help="Model file or shipped name.")] = "detector",
    model: Annotated[str, typer.Option(help="Model file or shipped name.")] = "faces",
    seed: Annotated[int, typer.Option(help="Of the split of face_boxes.")] = 0,
) -> None:
    """Finding, following and telling faces apart, beside YuNet, UltraFace, Haar, MobileFaceNet."""
    from benchmarks.faces import FaceSets, measure_faces

    sets = FaceSets(
        boxes=data / "face_boxes", faceless=data / "faceless", empty_clip=data / "empty.mp4",
        clips=data / "clips", pairs=pairs, lfw=data / "lfw", held=data / "held", orl=data / "orl",
    )  # fmt: skip
    _write("faces", measure_faces(detector, model, sets, anchors, seed))


def _pairs(option: str, form: str, words: Sequence[str]) -> dict[str, Path]:
    parts = [word.partition("=") for word in words]
    wrong = next((name + sign for name, sign, path in parts if not path), None)
    if wrong is not None:
        raise OptionError(f"{option} {wrong}: expected {form}")
    return {name: Path(path) for name, _, path in parts}


def _write(name: str, figures: dict[str, object]) -> None:
    target = RESULTS / f"{name}.json"
    write_json(target, figures)
    print(target.read_text("utf-8"))


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
