"""`python -m export RUN OUT`: the command line of the exporter."""

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


@app.command(cls=EdgeCommand, no_args_is_help=True)
def export(
    run: Annotated[Path, typer.Argument(help="Run folder that `python -m train` wrote.")],
    output: Annotated[Path, typer.Argument(help="The .onnx to write.")],
    precision: Annotated[str, typer.Option(help="int8 or fp32.")] = "int8",
    max_drop: Annotated[
        float,
        typer.Option(min=0, help="Points of accuracy int8 may lose; one photo, if that is more."),
    ] = 0.5,
    min_agreement: Annotated[
        float, typer.Option(min=0, max=1, help="Share of val answers equal to fp32's.")
    ] = 0.98,
    calibration: Annotated[
        int, typer.Option(min=1, help="Training photos that set the int8 ranges.")
    ] = 256,
    golden: Annotated[
        Path | None, typer.Option(help="Picture for the self-test; default: first val photo.")
    ] = None,
    license_note: Annotated[
        str, typer.Option("--license", help="What is known of the data's license, for the card.")
    ] = "not stated",
) -> None:
    """Export a trained model to ONNX, quantized, and prove what that cost.

    Keras is converted and compared, int8 is calibrated on training photos and accepted only if
    val accuracy and agreement hold; only then does OUTPUT appear.

    Example: python -m export runs/expression expression.onnx
    """
    for name, value in (("--max-drop", max_drop), ("--min-agreement", min_agreement)):
        if math.isnan(value):
            raise OptionError(f"{name} nan: expected a number")
    if precision not in ("int8", "fp32"):
        raise OptionError(f"--precision {precision}: expected int8 or fp32")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with native_noise_silenced():
        from export.pipeline import ExportOptions, export_run

    command = ["python", "-m", "export", run.resolve().name, output.name]
    asked: dict[str, tuple[object, object]] = {
        "--precision": (precision, "int8"),
        "--max-drop": (max_drop, 0.5),
        "--min-agreement": (min_agreement, 0.98),
        "--calibration": (calibration, 256),
        "--golden": (golden and golden.name, None),
    }
    for option, (given, default) in asked.items():
        command += [] if given == default else [option, str(given)]
    options = ExportOptions(
        precision, max_drop, min_agreement, calibration, golden,
        provenance=(("data_license", license_note), ("export", shlex.join(command))),
    )  # fmt: skip
    export_run(run, output, options, lambda line: print(line, file=sys.stderr))
