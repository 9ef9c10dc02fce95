"""Write docs/models.md from the JSON in benchmarks/results; --check says if it is current.

python scripts/models_page.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import export_figures
import face_figures
from page_figures import main_figures, unless_int8

from edge_runtime.pages.confusion import share

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "models.md"
EXERCISES = ROOT / "docs" / "exercises"
SHIPPED = ("faces", "expression", "objects", "pets", "detector")
# What the parts of a test, and the runs beside a model, are called on the page.
PARTS = {
    "people94": "the 94 people of the web photos among themselves",
    "lfw20": "LFW's 50 people with 20 photos or more among themselves",
}
BESIDE = {
    "seed": "`--architecture seed`",
    "random-seed-1": "the same recipe, `--seed 1`",
    "random-seed-2": "the same recipe, `--seed 2`",
    "two_people": "two actors, whole photos, 66 (12 of them val): the shipped embedding",
    "two_people-random-seed-1": "the same, `--seed 1`",
    "two_people-random-seed-2": "the same, `--seed 2`",
    "two_people-seed": "two actors, `--architecture seed`",
    "orl": "ORL's 39 people, 6 photos each to train on: the shipped embedding",
    "orl-random-seed-1": "the same, `--seed 1`",
    "orl-random-seed-2": "the same, `--seed 2`",
    "orl-seed": "ORL's 39 people, `--architecture seed`",
    "celeb5": "five actors and singers, 13 to 21 photos each: the shipped embedding",
    "celeb5-random-seed-1": "the same, `--seed 1`",
    "celeb5-random-seed-2": "the same, `--seed 2`",
    "celeb5-seed": "the five, `--architecture seed`",
}
PEERS = {"expression": "expression.json"}
STEADY = {"expression": "steady.json"}
# Which tables of which result stand below a model.
TABLES = {
    "faces": [("faces.json", face_figures.telling)],
    "detector": [("faces.json", face_figures.finding), ("sizes.json", face_figures.sizes)],
}
INTRO = """# The models

Made by `make docs` from `benchmarks/results/`; do not edit. Each figure was measured by
`python -m benchmarks accuracy` (or what a table names), from the files themselves, on test photos
that chose nothing: the Keras model, the same as fp32 ONNX, and the int8 file that ships, in one
run. Intervals are Wilson's, at 95%. Latency is one picture on one thread of the machine named
below each model, without decoding; on your device `edge-run bench --model NAME` tells.

"""


def page() -> str:
    results = {
        path.stem.removeprefix("accuracy-"): json.loads(path.read_text("utf-8"))
        for path in sorted(RESULTS.glob("accuracy-*.json"))
    }
    known = {*SHIPPED, *(key for name in SHIPPED for key, _ in _beside(name))}
    exercises = "".join(path.read_text("utf-8") for path in EXERCISES.glob("*.md"))
    for name in sorted(results.keys() - known):
        if f"\n{name}: " not in exercises:
            sys.exit(f"error: no place on a page for accuracy-{name}.json; add it to BESIDE")
    shipped = [name for name in SHIPPED if name in results]
    parts = [INTRO, _overview({name: results[name] for name in shipped})]
    for name in shipped:
        baselines = [(what, results[key]) for key, what in _beside(name) if key in results]
        parts.append(_section(name, results[name], baselines))
        if name in PEERS:
            parts.append(_beside_peers(PEERS[name]))
        if name in STEADY:
            parts.append(_steadiness(STEADY[name]))
        for file, table in TABLES.get(name, ()):
            if not (RESULTS / file).exists():
                continue
            parts.append("\n".join(table(json.loads((RESULTS / file).read_text("utf-8")))))
    if (export := RESULTS / "export.json").exists():
        measured = json.loads(export.read_text("utf-8"))
        parts.append("## int8 by other ways\n")
        parts += [
            "\n".join(table(measured)) for table in (export_figures.naive, export_figures.engines)
        ]
    return "\n".join(parts).rstrip() + "\n"


def _overview(results: dict[str, Any]) -> str:
    lines = [
        "| model | int8 on test | fp32 | Keras | n | bytes | MACs | int8 latency | of fp32's |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        test, model = result["test"], result["model"]
        latency, ratio = result["latency_ms"], result["ratio"]["int8 / fp32"]
        lines.append(
            f"| [{name}](#{name}) | {_figure(test['int8'])} | {_figure(test['fp32'], '')} | "
            f"{_figure(test['keras'], '')} | {test['int8']['n']:,} | {model['bytes']:,} | "
            f"{model['macs'] / 1e6:.1f} M | {latency['int8']['p50']:.2f} ms | "
            f"{ratio['median']:.2f} ({ratio['p5']:.2f} to {ratio['p95']:.2f}) |"
        )
    return "\n".join(lines) + "\n"


def _section(name: str, result: dict[str, Any], baselines: list[tuple[str, dict[str, Any]]]) -> str:
    origin, test, machine = result["provenance"], result["test"], result["machine"]
    best = test["int8"]
    lines = [f"## {name}", ""]
    if "command" in origin:
        lines += ["    " + origin["command"].replace(" --resume", "")]  # older cards have it
    lines += ["    " + origin.get("export", f"python -m export RUN {name}.onnx"), ""]
    lines += ["| | |", "|---|---|"]
    recipe = origin["recipe"]
    rows = {
        "recipe": f"[{recipe}](../{recipe}): the steps before, the data, what was reached",
        "data": origin.get("data"),
        "license of the data": origin.get("data_license"),
        "votes": origin.get("votes"),
        "weights made by": _made_by(origin.get("weights_provenance") or {}),
        "architecture": " ".join(
            str(origin[k])
            for k in ("architecture", "backbone", "weights")
            if origin.get(k) and "architecture" in origin
        ),
        "training": f"{origin['minutes']} minutes on {origin['machine']}"
        if "minutes" in origin
        else None,
        "code": origin.get("commit"),
        "latency measured on": f"{machine['cpu']}, onnxruntime {machine['onnxruntime']}",
    }
    lines += [f"| {k} | {v} |" for k, v in rows.items() if v]
    lines.append("")
    if "said" in best and best["said"]["below"] is not None:
        said = best["said"]
        lines += [
            f"Below a score of {said['below']:.2f} it says “uncertain”: {said['coverage']:.1%} of "
            f"the test photos get an answer, and {said['precision']:.1%} of those are right.",
            "",
        ]
    if "calibration_error" in best:
        lines += [f"Mean gap of score and accuracy on test: {best['calibration_error']:.3f}.", ""]
    lines += _further(best)
    if baselines:
        lines += [
            "| beside it | int8 on test | n | bytes | MACs |",
            "|---|---|---|---|---|",
            *(
                f"| {what}{unless_int8(other)} | {_figure(main_figures(other))} | "
                f"{main_figures(other)['n']:,} | {other['model']['bytes']:,} | "
                f"{other['model']['macs'] / 1e6:.1f} M |"
                for what, other in baselines
            ),
            "",
        ]
    return "\n".join(lines)


def _made_by(origin: dict[str, Any]) -> str:
    """Return what training took that made the weights a model went on from."""
    if "command" not in origin:
        return ""
    return f"`{origin['command']}`, {origin['minutes']} minutes on {origin['machine']}"


def _beside(name: str) -> list[tuple[str, str]]:
    """Return the results to show beside a model's, with what to call them."""
    return [(f"{name}-{key}", what) for key, what in BESIDE.items()]


def _beside_peers(file: str) -> str:
    result = json.loads((RESULTS / file).read_text("utf-8"))
    parts = {
        "seven": "seven labels",
        "happy_sad": "happy against sad",
        "happy_sad_agreed": "the same, where most FER+ voters share the label",
    }
    peers = result["results"]
    lines = [
        f"On the same photos in one run (`{result['command']}`):",
        "",
        f"| part of the test | n | {' | '.join(peers)} |",
        "|---|---" + "|---" * len(peers) + "|",
    ]
    for key, what in parts.items():
        figures = [_figure(peer[key], bold="") for peer in peers.values()]
        n = next(iter(peers.values()))[key]["n"]
        lines.append(f"| {what} | {n:,} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def _steadiness(file: str) -> str:
    result = json.loads((RESULTS / file).read_text("utf-8"))
    tracks = [track for clip in result["clips"].values() for track in clip["tracks"].values()]
    frames = sum(track["frames"] for track in tracks)
    said = sum(track["said"] * track["frames"] for track in tracks) / frames
    lines = [
        f"As a camera may show a face (`{result['command']}`):",
        "",
        "| test photos, seven labels | int8 |",
        "|---|---|",
        *(f"| {change} | {_figure(row, '')} |" for change, row in result["photos"].items()),
        "",
        f"In {len(result['clips'])} clips of people with a steady face ({frames:,} faces, "
        f"{len(tracks)} tracks) an expression is said in {said:.0%} of the frames, and what is "
        f"said changes {sum(track['changes'] for track in tracks)} times, at most "
        f"{max(track['changes'] for track in tracks)} times in one track.",
    ]
    return "\n".join(lines) + "\n"


def _further(best: dict[str, Any]) -> list[str]:
    """Return the figures of parts of the test, and of each label where they are few."""
    rows = dict(best.get("subsets", {}))
    if "happy_sad" in best:
        rows["happy against sad"] = best["happy_sad"]
    lines = []
    if rows:
        lines += ["| part of the test | int8 | n |", "|---|---|---|"]
        lines += [
            f"| {PARTS.get(name, name)} | {_figure(row)} | {row['n']:,} |"
            for name, row in rows.items()
        ]
        lines.append("")
    if "recall" in best and isinstance(best["recall"], dict) and len(best["recall"]) <= 12:
        lines += ["| label | precision | recall |", "|---|---|---|"]
        lines += [
            f"| {label} | {share(best['precision'][label])} | {share(recall)} |"
            for label, recall in best["recall"].items()
        ]
        lines.append("")
    return lines


def _figure(report: dict[str, Any], bold: str = "**") -> str:
    if "average_precision" in report:
        return f"AP {report['average_precision']:.4f} ({report['faces']} faces)"
    low, high = report["interval"]
    return f"{bold}{report['accuracy']:.1%}{bold} ({low:.1%} to {high:.1%})"


def main() -> None:
    wanted = page()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.is_file() or PAGE.read_text("utf-8") != wanted:
            sys.exit("error: docs/models.md is not what the results say; run 'make docs'")
        return
    PAGE.write_text(wanted, "utf-8")


if __name__ == "__main__":
    main()
