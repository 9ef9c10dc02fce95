"""Rows of results, to a file that gets its name when it is whole, to a terminal or to a pipe."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

from edge_runtime.errors import OptionError, OutputError
from edge_runtime.files import check_writable, write_whole

__all__ = [
    "RowFile", "RowStream", "RowTable", "RowWriter", "open_rows", "print_json", "write_json",
]  # fmt: skip

Row = dict[str, Any]


class RowWriter(Protocol):
    """Takes rows; use as a context manager."""

    def __enter__(self) -> RowWriter: ...

    def __exit__(self, *failure: Any) -> None: ...

    def write(self, row: Row) -> None:
        """Take a row."""
        ...


def open_rows(output: Path | None) -> RowWriter:
    """Return where rows go: the named file, a table on a terminal, JSON lines in a pipe.

    Raises:
        OptionError: The file's suffix is none we write.
        OutputError: It cannot be written there.
    """
    if output is not None:
        return RowFile(output)
    return RowTable() if sys.stdout.isatty() else RowStream()


class RowFile:
    """A .csv or .jsonl file, written as NAME.part and renamed at the end."""

    def __init__(self, path: Path) -> None:
        """Open NAME.part.

        Raises:
            OptionError: The suffix is neither .csv nor .jsonl.
            OutputError: Nothing can be written there.
        """
        if path.suffix.lower() not in (".csv", ".jsonl"):
            raise OptionError(f"--output {path}: expected a name ending in .csv or .jsonl")
        check_writable(path)
        if path.exists() and not path.is_file():
            raise OutputError(f"{path}: cannot be written (is no plain file)")
        # A link's target is replaced, not the link.
        self._path, self._target = path, path.resolve() if path.is_symlink() else path
        self._part = self._target.with_name(self._target.name + ".part")
        try:
            # File names need not be UTF-8: CSV keeps their bytes, JSON escapes them.
            self._file: TextIO = self._part.open(
                "w", encoding="utf-8", newline="", errors="surrogateescape"
            )
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
        self._csv: csv.DictWriter[str] | None = None

    def __enter__(self) -> RowFile:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Rename a whole file; leave the part where something failed, and say so."""
        try:
            self._file.close()
            if kind is None:
                os.replace(self._part, self._target)
        except OSError as problem:
            if kind is None:
                raise self._refusal(problem) from None
        if error is not None:
            error.add_note(f"the rows until then are in {self._part}")

    def write(self, row: Row) -> None:
        """Add a row; lists become JSON strings in CSV.

        Raises:
            OutputError: The disk is full, say.
        """
        try:
            if self._path.suffix.lower() == ".jsonl":
                self._file.write(_json_line(row))
            else:
                self._write_csv(row)
        except OSError as error:
            raise self._refusal(error) from None

    def _write_csv(self, row: Row) -> None:
        if self._csv is None:
            self._csv = csv.DictWriter(self._file, fieldnames=list(row))
            self._csv.writeheader()
        self._csv.writerow({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()})

    def _refusal(self, error: OSError) -> OutputError:
        return OutputError(f"{self._path}: cannot be written ({error.strerror})")


class RowStream:
    """JSON lines on stdout."""

    def __enter__(self) -> RowStream:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def write(self, row: Row) -> None:
        """Print a row."""
        print_json(row)


class RowTable:
    """A table on the terminal, for people."""

    def __init__(self) -> None:
        """Make the table; it is printed at the end."""
        from rich.table import Table

        self._table = Table()
        self._table.add_column("picture", overflow="fold")  # a path cut short opens nothing
        for name in ("label", "score", "others"):
            self._table.add_column(name)

    def __enter__(self) -> RowTable:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Print what there is, also when interrupted."""
        from rich.console import Console

        Console().print(self._table)

    def write(self, row: Row) -> None:
        """Add a row."""
        from rich.markup import escape

        if row["error"]:
            self._table.add_row(escape(row["path"]), "[red]error[/]", "", escape(row["error"]))
        elif "faces" in row:
            scores = ", ".join(f"{face['score']:.2f}" for face in row["faces"])
            self._table.add_row(escape(row["path"]), f"{len(row['faces'])} face(s)", scores, "")
        else:
            # The nearest is shown too where it was not near enough to be the answer.
            rest = [(label, score) for label, score in row["top"] if label != row["label"]]
            others = ", ".join(f"{label} {score:.2f}" for label, score in rest)
            score = f"{row['score']:.2f}"
            self._table.add_row(escape(row["path"]), escape(row["label"]), score, escape(others))


def print_json(content: Row) -> None:
    """Print one line of JSON on stdout, at once."""
    sys.stdout.write(_json_line(content, sys.stdout.encoding or "utf-8"))
    sys.stdout.flush()


def write_json(path: Path, content: Any) -> None:
    """Write one JSON document; the name appears only once it is whole.

    Raises:
        OutputError: It cannot be written there.
    """
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def _json_line(row: Row, encoding: str = "utf-8") -> str:
    """Return one line of JSON, escaped where an encoding lacks a character of it."""
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        line = json.dumps(row)
    return line + "\n"
