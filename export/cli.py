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
from export.description import described_by_options
from export.options import ExportOptions

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_DEFAULT = ExportOptions()
_UNTOLD = ("license_note", "report")  # the card has the one, the other is beside the point
_PRECISIONS = ("auto", "int8", "fp16", "fp32")
_OPSETS = (13, 18)  # 13 has scales per channel; from 19 on Resize and others read otherwise


@app.command(cls=EdgeCommand, no_args_is_help=True)
def export(
    context: typer.Context,
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
    finetune_epochs: Annotated[
        int, typer.Option(min=1, help="How often each of them.")
    ] = _DEFAULT.finetune_epochs,
    precision: Annotated[
        str, typer.Option(help="int8, fp16 or fp32; auto: the smallest that passes the gate.")
    ] = _DEFAULT.precision,
    max_drop: Annotated[
        float,
        typer.Option(
            min=0, help="Points of accuracy that may be lost; one photo, if that is more."
        ),
    ] = _DEFAULT.max_drop,
    min_agreement: Annotated[
        float, typer.Option(min=0, max=1, help="Share of answers equal to fp32's.")
    ] = _DEFAULT.min_agreement,
    calibration_photos: Annotated[
        int, typer.Option(min=8, help="How many photos set the ranges, as many of each class.")
    ] = _DEFAULT.calibration_photos,
    opset: Annotated[
        int, typer.Option(min=_OPSETS[0], max=_OPSETS[1], help="Version of ONNX's operators.")
    ] = _DEFAULT.opset,
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
        from export.pipeline import export_model

    given = {
        "labels": labels, "color": color, "mean": mean, "scale": scale, "resize": resize,
        "size": size, "region": region, "face_margin": face_margin, "softmax": softmax or None,
        "name": name,
    }  # fmt: skip
    options = ExportOptions(
        precision, max_drop, min_agreement, calibration, evaluate, finetune, finetune_epochs,
        calibration_photos, opset, golden, report, described_by_options(given),
        provenance=(("data_license", license_note), ("export", _command(context))),
        command=shlex.join(["python", "-m", "export", *sys.argv[1:]]),
    )  # fmt: skip
    export_model(model, output, options, lambda line: print(line, file=sys.stderr))


def _command(context: typer.Context) -> str:
    """Return the command as a card may tell it: paths without the folders of this machine."""
    words = ["python", "-m", "export"]
    for parameter in context.command.params:
        name, value = str(parameter.name), context.params.get(str(parameter.name))
        source = context.get_parameter_source(name)
        if name in _UNTOLD or source is None or source.name != "COMMANDLINE":
            continue
        is_path = parameter.type.name == "path" or (name == "labels" and Path(str(value)).is_file())
        told = Path(str(value)).resolve().name if is_path else str(value)
        if parameter.param_type_name == "argument":
            words.append(told)
        else:
            words += [parameter.opts[0]] if value is True else [parameter.opts[0], told]
    return shlex.join(words)
