"""How tests read what a command left: its one line of failure, its rows."""

import json
from typing import Any


def failure(result: Any, exit_code: int = 1) -> str:
    """Return the one line of a failed command, without its `error: `; 2 is wrong usage."""
    assert result.exit_code == exit_code, result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert sum(line.startswith("error:") for line in result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr
    return last.removeprefix("error: ")


def json_rows(text: str) -> list[dict]:
    """Return the rows of JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
