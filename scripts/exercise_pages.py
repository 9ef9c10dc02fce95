"""Fill docs/exercises/ from the JSON in benchmarks/results/; --check says if they are current.

python scripts/exercise_pages.py [--check]

What stands between `<!-- steps`, `<!-- curve`, `<!-- answers` or `<!-- memory` and `<!-- end -->`
on a page is made here; the rest of the page is written by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from page_figures import main_figures, unless_int8

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from train.report.charts import curves  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
PAGES = ROOT / "docs" / "exercises"
_BLOCK = re.compile(
    r"(<!-- (steps|curve|answers|memory)\s+(.*?)\s*-->\n).*?<!-- end -->", re.DOTALL
)
# A picture of its own cannot know whether the page around it is light or dark.
_STYLE = (
    "<style>svg{--a:#1f6feb;--b:#c2410c;--line:#d0d7de;--faint:#eaeef2;background:#fff}"
    "text{font:12px sans-serif;fill:#57606a}.title{font-weight:600;fill:#1f2328}</style>"
)


def files() -> dict[Path, str]:
    """Return what each page, and each picture on one, should hold."""
    wanted: dict[Path, str] = {}
    for page in sorted(PAGES.glob("*.md")):

        def fill(block: re.Match[str], page: Path = page) -> str:
            mark, kind, given = block.groups()
            return f"{mark}{_KINDS[kind](given, page, wanted)}<!-- end -->"

        wanted[page] = _BLOCK.sub(fill, page.read_text("utf-8"))
    return wanted


def _steps(given: str, page: Path, wanted: dict[Path, str]) -> str:
    """Return a table with a row a result: `name: what it is`, a line each."""
    rows = []
    for line in given.splitlines():
        name, what = line.split(":", 1)
        result = _result(name.strip(), page)
        figures = main_figures(result)
        low, high = figures["interval"]
        minutes = result["provenance"].get("minutes")
        rows.append(
            f"| {what.strip()}{unless_int8(result)} | **{figures['accuracy']:.1%}** "
            f"({low:.1%} to {high:.1%}) | {figures['n']:,} | {result['model']['bytes']:,} | "
            f"{result['model']['macs'] / 1e6:.1f} M | {minutes} |"
        )
    head = ["| step | int8 on test, 95% interval | n | bytes | MACs | minutes |", "|---" * 6 + "|"]
    return "\n".join([*head, *rows]) + "\n"


def _curve(given: str, page: Path, wanted: dict[Path, str]) -> str:
    """Return the picture of a result's accuracy over the epochs."""
    history = _result(given, page)["history"]
    series = {
        "train": [row["accuracy"] for row in history],
        "val": [row["val_accuracy"] for row in history],
    }
    picture = page.with_name(f"{given}.svg")
    chart = curves("accuracy", series)
    chart = chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    wanted[picture] = chart.replace(">", ">" + _STYLE, 1) + "\n"
    return f"![accuracy on train and val, an epoch a step]({picture.name})\n"


def _answers(given: str, page: Path, wanted: dict[Path, str]) -> str:
    """Return ten test photos, drawn by lot, and what the int8 file says of them."""
    rows = [
        f"| {row['photo']} | {row['is']} | {row['said']} | {row['score']:.2f} |"
        for row in _result(given, page)["answers"]
    ]
    return "| photo | is | said | score |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _memory(given: str, page: Path, wanted: dict[Path, str]) -> str:
    """Return a table of peaks, few photos and many; `given` names the kinds of work shown."""
    result = json.loads((RESULTS / "memory.json").read_text("utf-8"))
    few, many = next(iter(result["work"].values()))["peak_mb"]
    rows = [
        f"| {what.strip()} | {work['peak_mb'][few]:,.0f} MB | {work['peak_mb'][many]:,.0f} MB | "
        f"{_bytes(work['more_bytes_a_photo'])} |"
        for name, what in (line.split(":", 1) for line in given.splitlines())
        for work in (result["work"][name.strip()],)
    ]
    head = f"| at most, of | {int(few):,} photos | {int(many):,} photos | each more |"
    told = (
        f"Decoded, a photo of {result['size_px']} px is {result['decoded_bytes_a_photo']:,} bytes. "
        f"Measured by `{result['command']}`."
    )
    return "\n".join([head, "|---" * 4 + "|", *rows, "", told]) + "\n"


def _bytes(count: int) -> str:
    return f"{count:,} bytes" if count > 0 else "nothing"


_KINDS: dict[str, Callable[[str, Path, dict[Path, str]], str]] = {
    "steps": _steps,
    "curve": _curve,
    "answers": _answers,
    "memory": _memory,
}


def _result(name: str, page: Path) -> dict[str, Any]:
    path = RESULTS / f"accuracy-{name}.json"
    if not path.is_file():
        sys.exit(
            f"error: {page.name} names {name}, but there is no {path.name}; make it with "
            f"python scripts/ship.py DATA WORK {name}"
        )
    result: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return result


def main() -> None:
    wanted = files()
    if sys.argv[1:] == ["--check"]:
        for path, text in wanted.items():
            if not path.is_file() or path.read_text("utf-8") != text:
                sys.exit(f"error: docs/exercises/{path.name} is not what the results say; "
                         "run 'make docs'")  # fmt: skip
        return
    for path, text in wanted.items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
