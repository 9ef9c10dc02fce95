"""Write docs/cli.md from the commands' own --help; with --check, only say whether it is current.

python scripts/help_page.py [--check]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
WIDTH = 96
INTRO = """# Command line

Made from `--help` by `make docs`; do not edit.

"""


def page() -> str:
    # Before typer is imported: help must not depend on the terminal it is made in.
    os.environ["COLUMNS"] = os.environ["TERMINAL_WIDTH"] = str(WIDTH)
    os.environ["NO_COLOR"] = "1"
    import typer.main
    from typer.testing import CliRunner

    import edge_runtime.cli
    import export.cli
    import train.cli

    parts = [INTRO]
    for name, app in (
        ("edge-run", edge_runtime.cli.app),
        ("python -m train", train.cli.app),
        ("python -m export", export.cli.app),
    ):
        for words in _commands(typer.main.get_command(app)):
            arguments = [*words, "--help"]
            result = CliRunner().invoke(app, arguments, prog_name=name, terminal_width=WIDTH)
            title = " ".join([name, *words])
            if result.exit_code:
                sys.exit(f"{title} --help failed: {result.output}")
            parts.append(f"## {title}\n\n```text\n{result.output.rstrip()}\n```\n\n")
    return "".join(parts).rstrip() + "\n"


def _commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of a command and of all below it."""
    yield words
    for name, sub in getattr(command, "commands", {}).items():
        yield from _commands(sub, (*words, name))


def main() -> None:
    wanted = page()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.is_file() or PAGE.read_text("utf-8") != wanted:
            sys.exit("error: docs/cli.md is not what --help says; run 'make docs'")
        return
    PAGE.write_text(wanted, "utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(PAGE.parent.parent))
    main()
