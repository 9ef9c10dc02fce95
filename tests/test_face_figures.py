"""Tables of faces' figures, as docs/models.md shows them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "face_figures.py"))


def _found(precision: float, sure: float) -> dict[str, Any]:
    counts = {"faces": 261, "n": 128, "counted_from_px": 24.0}
    return {"average_precision": precision, "sure": sure, "recall_sure": 0.7, **counts}


def _nothing(photos: int) -> dict[str, Any]:
    return {"photos": {"n": 800, "boxes": photos}, "frames": {"n": 200, "boxes": 0}}


def test_each_detector_has_a_row_of_what_it_finds() -> None:
    result = {
        "command": "python -m benchmarks faces",
        "detection": {
            "annotated": {"ours": _found(0.91, 0.7), "Haar": _found(0.22, 0.5)},
            "faceless": {"ours": _nothing(9), "Haar": _nothing(22)},
        },
        "tilted": {"ours": {"n": 450, "median_deg": 3.24}, "Haar": {"n": 450, "median_deg": None}},
        "latency": {
            "latency_ms": {"ours": {"p50": 2.12}, "Haar": {"p50": 104.7}},
            "ratio": {"ours / Haar": {"median": 0.02}},
        },
        "clips": {"ours": {"frames": 642, "share": 0.995, "tracks": {"a": 1, "b": 2}}},
    }
    lines = SCRIPT["finding"](result)
    assert "261 faces of 24 px or more in 128 photos, 800 photos of cats and dogs" in lines[0]
    assert lines[4:6] == [
        "| ours | 0.9100 | 0.7 | 70.0% | 9 | 0 | 3.2° | 2.1 ms | 0.02 |",
        "| Haar | 0.2200 | 0.5 | 70.0% | 22 | 0 | none found | 104.7 ms | 1 |",
    ]
    assert "99.5% of 642 frames; most tracks in one clip: 2." in lines[-2]


def test_each_embedding_has_a_row_of_whom_it_tells_apart() -> None:
    told = {"accuracy": 0.9, "interval": [0.8, 0.95], "n": 405, "people": 15, "enrolled": 3}
    who = {
        "lfw_pairs": {**told, "n": 600, "chosen_on": 600},
        "held": told,
        "orl": {**told, "n": 273, "people": 39},
        "drawn": {
            key: {"accuracy": 0.714, "range": [0.68, 0.75], "draws": 200} for key in ("held", "orl")
        },
        "strangers": [{"false_accept": 0.01, "named": 0.854, "strangers": 785}],
        "default": {
            "named": 0.432, "named_wrongly": 0.04, "strangers_named": 0.0025, "cosine": 0.4281,
        },
    }  # fmt: skip
    lines = SCRIPT["telling"]({"command": "python -m benchmarks faces", "identity": {"ours": who}})
    assert "the first ones, and drawn ones (200 draws; in brackets" in lines[0]
    assert lines[2] == (
        "| embedding | LFW pairs | the 15 (n = 405), first | drawn | ORL (n = 273), first | drawn |"
    )
    first, drawn = "90.0% (80.0% to 95.0%) |", "71.4% (68.0% to 75.0%) |"
    assert lines[4] == f"| ours | {first} {first} {drawn} {first} {drawn}"
    assert lines[-6:-2] == ["| embedding | 1.0% |", "|---|---|", "| ours | 85.4% |", ""]
    assert lines[-2].endswith(
        ": ours names 43.2% rightly and 4.0% wrongly, and 0.2% of the strangers (cosine 0.428)."
    )


def test_each_input_size_has_a_row_of_what_it_brings() -> None:
    result = {
        "command": "python -m benchmarks sizes",
        "detection": {"256x192": _found(0.85, 0.7), "320x256": _found(0.9, 0.7)},
        "latency_ms": {"256x192": {"p50": 1.4}, "320x256": {"p50": 2.1}},
        "ratio": {"256x192 / 320x256": {"median": 0.66}},
    }
    rows = SCRIPT["sizes"](result)[4:6]
    assert rows == ["| 256x192 | 0.8500 | 1.4 ms | 0.66 |", "| 320x256 | 0.9000 | 2.1 ms | 1 |"]
