"""`python -m export MODEL_OR_RUN OUT`: the command line of the exporter."""

from __future__ import annotations

import math
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime.cli_errors import EdgeCommand, native_noise_silenced
from edge_runtime.errors import OptionError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_PRECISIONS = ("auto", "int8", "fp16", "fp32")
_OPSETS = (13, 18)  # 13 has scales per channel; from 19 on Resize and others read otherwise


@app.command(cls=EdgeCommand, no_args_is_help=True)
def export(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL_OR_RUN",
            help="Run folder of `python -m train`, .keras, .h5, .hdf5, or a SavedModel's folder.",
        ),
    ],
    output: Annotated[Path, typer.Argument(help="The .onnx to write.")],
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of photos that set the int8 ranges; a run brings its own."),
    ] = None,
    evaluate: Annotated[
        Path | None,
        typer.Option(help="Folder with a folder a label, which the gate looks at; likewise."),
    ] = None,
    finetune: Annotated[
        Path | None,
        typer.Option(help="Folder of photos to train int8 on, if nothing else passes; no labels."),
    ] = None,
    finetune_epochs: Annotated[int, typer.Option(min=1, help="How often each of them.")] = 4,
    precision: Annotated[
        str, typer.Option(help="int8, fp16 or fp32; auto: the smallest that passes the gate.")
    ] = "auto",
    max_drop: Annotated[
        float,
        typer.Option(
            min=0, help="Points of accuracy that may be lost; one photo, if that is more."
        ),
    ] = 0.5,
    min_agreement: Annotated[
        float, typer.Option(min=0, max=1, help="Share of answers equal to fp32's.")
    ] = 0.98,
    calibration_photos: Annotated[
        int, typer.Option(min=8, help="How many photos set the ranges, as many of each class.")
    ] = 256,
    opset: Annotated[
        int, typer.Option(min=_OPSETS[0], max=_OPSETS[1], help="Version of ONNX's operators.")
    ] = 17,
    golden: Annotated[
        Path | None, typer.Option(help="Picture for the self-test; default: first gate photo.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Page to write, .html; its figures go to a .json beside it.")
    ] = None,
    license_note: Annotated[
        str, typer.Option("--license", help="What is known of the data's license, for the card.")
    ] = "not stated",
    labels: Annotated[
        str, typer.Option(help="Of other models: a,b,c in output order, or a file, one a line.")
    ] = "",
    color: Annotated[str, typer.Option(help="Of other models: rgb, bgr or gray.")] = "",
    mean: Annotated[
        str,
        typer.Option(help="Of other models, which take (pixel - mean) / scale: 127.5, or r,g,b."),
    ] = "",
    scale: Annotated[
        str, typer.Option(help="See --mean; --mean 0 --scale 1 where the model scales itself.")
    ] = "",
    resize: Annotated[
        str, typer.Option(help="Of other models: stretch, center-crop or letterbox.")
    ] = "",
    size: Annotated[
        str, typer.Option(help="Of models that take any size: 224, or height x width as 240x320.")
    ] = "",
    region: Annotated[
        str, typer.Option(help="Of other models: frame, the whole picture, or face.")
    ] = "",
    face_margin: Annotated[
        float | None, typer.Option(help="With --region face: share of the box added on each side.")
    ] = None,
    softmax: Annotated[
        bool, typer.Option("--softmax", help="Of other models: add one, the outputs are logits.")
    ] = False,
    name: Annotated[str, typer.Option(help="Of other models; default: the file's.")] = "",
) -> None:
    """Export a Keras model to ONNX, quantized, and prove what that cost.

    Keras is converted and compared, int8 is calibrated on photos and accepted only if accuracy
    and agreement hold on others; only then does OUTPUT appear.

    Example: python -m export runs/expression expression.onnx

    Example: python -m export cats.keras cats.onnx --labels cat,dog --color rgb --mean 0 --scale 255
    --resize stretch --calibration photos/
    """
    for option, limit in (("--max-drop", max_drop), ("--min-agreement", min_agreement)):
        if math.isnan(limit):
            raise OptionError(f"{option} nan: expected a number")
    if report is not None and report.suffix.lower() != ".html":
        raise OptionError(f"--report {report}: expected a name ending in .html")
    if precision not in _PRECISIONS:
        raise OptionError(f"--precision {precision}: expected {', '.join(_PRECISIONS)}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with native_noise_silenced():
        from export.description import described_by_options
        from export.pipeline import ExportOptions, export_model

    given = {
        "labels": labels, "color": color, "mean": mean, "scale": scale, "resize": resize,
        "size": size, "region": region, "face_margin": face_margin, "softmax": softmax or None,
        "name": name,
    }  # fmt: skip
    described = described_by_options(given)
    command = ["python", "-m", "export", model.resolve().name, output.name]
    asked: dict[str, tuple[object, object]] = {
        "--calibration": (_name(calibration), None),
        "--evaluate": (_name(evaluate), None),
        "--finetune": (_name(finetune), None),
        "--finetune-epochs": (finetune_epochs, 4),
        "--precision": (precision, "auto"),
        "--max-drop": (max_drop, 0.5),
        "--min-agreement": (min_agreement, 0.98),
        "--calibration-photos": (calibration_photos, 256),
        "--opset": (opset, 17),
        "--golden": (_name(golden), None),
        **{f"--{k.replace('_', '-')}": (v or None, None) for k, v in given.items()},
        "--labels": (_name(Path(labels)) if labels and Path(labels).is_file() else labels, ""),
    }
    for option, (value, default) in asked.items():
        if value is True:
            command.append(option)
        elif value != default:
            command += [option, str(value)]
    options = ExportOptions(
        precision, max_drop, min_agreement, calibration, evaluate, finetune, finetune_epochs,
        calibration_photos, opset, golden, report, described,
        provenance=(("data_license", license_note), ("export", shlex.join(command))),
    )  # fmt: skip
    export_model(model, output, options, lambda line: print(line, file=sys.stderr))


def _name(path: Path | None) -> str | None:
    """Return a path as a card may tell it: without the folders of this machine."""
    return None if path is None else path.resolve().name
