"""What int8 costs a network: as onnxruntime's quantizer does it unasked, and as `export` does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from edge_runtime.model.card import UNHASHED, ModelCard
from edge_runtime.model.onnx_file import load_model_file
from edge_runtime.model.session import SessionOptions, open_session
from export.description import Description
from export.errors import AccuracyError
from export.evaluate import evaluator_for, model_inputs
from export.options import ExportOptions
from export.package import pack
from export.pipeline import export_model
from export.quantize import calibration_samples
from export.source import Source, open_source

__all__ = ["measure_networks"]

# A network that is often unsure has many near ties; what int8 costs it is to be shown all the same.
_INT8 = ExportOptions("int8", min_agreement=0.95)


def measure_networks(runs: Sequence[Path], say: Callable[[str], None]) -> dict[str, Any]:
    """Score fp32, naive int8 (per tensor) and exported int8 on each run's test photos.

    Args:
        runs: Finished run folders of classifiers.
        say: Told how exporting goes.

    Returns:
        For each run, by its backbone: accuracy of the three with n and 95% interval, the points
        lost, agreement with fp32, bytes.
    """
    titles = [_title(run) for run in runs]
    told = [
        f"{title}, {run.name}" if titles.count(title) > 1 else title
        for title, run in zip(titles, runs, strict=True)
    ]
    return {title: _measured(run, say) for title, run in zip(told, runs, strict=True)}


def _title(run: Path) -> str:
    card = ModelCard.from_json((run / "card.json").read_text("utf-8"), "card.json")
    network = card.provenance.get("backbone", card.name)
    return f"{network}, {card.input.height_px} px"


def _measured(run: Path, say: Callable[[str], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="edge-naive-") as folder:
        work = Path(folder)
        files = {name: work / f"{name}.onnx" for name in ("fp32", "int8", "naive")}
        export_model(run, files["fp32"], ExportOptions("fp32"), say)
        refused = ""
        try:
            export_model(run, files["int8"], _INT8, say)
        except AccuracyError as error:
            refused = str(error)
            del files["int8"]
        photos = _INT8.calibration_photos
        source = open_source(run, Description(), None, None, None, photos, say)
        _quantize_naively(source, files["fp32"], files["naive"], photos)
        evaluator = evaluator_for(source.card.task, source.card.labels, source.labelled)
        test = source.splits["test"]
        sessions = {name: open_session(path, SessionOptions("cpu")) for name, path in files.items()}
        answers = {name: evaluator.answers(session, test) for name, session in sessions.items()}
        reports = {name: evaluator.report(those, test) for name, those in answers.items()}
        told: dict[str, Any] = {"int8": {"refused": refused}} if refused else {}
        return told | {
            name: {
                "n": report["n"],
                "accuracy": report["accuracy"],
                "interval": report["interval"],
                "points": round(100 * (report["accuracy"] - reports["fp32"]["accuracy"]), 2),
                "agreement_with_fp32": round(
                    evaluator.agreement(answers["fp32"], answers[name]), 4
                ),
                "bytes": files[name].stat().st_size,
                "rung": sessions[name].card.quantization.get("rung"),
            }
            for name, report in reports.items()
        }


def _quantize_naively(source: Source, fp32: Path, target: Path, photos: int) -> None:
    """Quantize as `quantize_static(fp32, target, reader)` does, with nothing set."""
    spec = source.card.input
    images = model_inputs(calibration_samples(source.splits["train"], photos), spec)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            image = next(images, None)
            return None if image is None else {"image": image}

    quantize_static(str(fp32), str(target), Reader())
    card = replace(load_model_file(fp32).card, sha256=UNHASHED, precision="int8")
    target.write_bytes(pack(onnx.load(target), card))
