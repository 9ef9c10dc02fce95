"""What the user of the exporter may set, and what holds where they do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from export.description import Description

__all__ = ["OPSET", "ExportOptions"]

# onnxruntime reads 17 since 1.12 (2022), the oldest one vendors still ship for their boards.
OPSET = 17


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the user may set.

    Attributes:
        precision: `int8`, `fp16` or `fp32`; `auto` is the smallest that passes the gate.
        max_drop: Points of accuracy that may be lost at the gate; where one photo is more than
            that, one.
        min_agreement: Share of answers a smaller file must have in common with fp32.
        calibration: Folder of photos that set the int8 ranges; None takes a run's.
        evaluate: Folder of photos the gate looks at; None takes a run's val.
        finetune: Folder of photos to train int8 on where nothing else passes; None trains nothing.
        finetune_epochs: How often each of them.
        calibration_photos: How many photos set the ranges at most, as many of each class.
        opset: Version of ONNX's operators.
        golden: Picture for the golden sample; None takes the gate's first photo.
        report: Page to write, .html, with a .json beside it, also where nothing passed.
        described: What a model that is none of ours does not say of itself.
        provenance: Added to the card's, as the data set's license.
        command: As it was typed, for the report, which stays here; cards tell no folders.
    """

    precision: str = "auto"
    max_drop: float = 0.5
    min_agreement: float = 0.98
    calibration: Path | None = None
    evaluate: Path | None = None
    finetune: Path | None = None
    finetune_epochs: int = 4
    calibration_photos: int = 256
    opset: int = OPSET
    golden: Path | None = None
    report: Path | None = None
    described: Description = field(default_factory=Description)
    provenance: tuple[tuple[str, str], ...] = ()
    command: str = ""
