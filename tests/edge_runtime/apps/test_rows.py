import csv
import json
import sys
from pathlib import Path

import pytest

from edge_runtime.apps.rows import RowFile, RowStream, RowTable, open_rows, write_json
from edge_runtime.errors import OptionError, OutputError

ROW = {"path": "a/ü, b.png", "label": "red", "top": [["red", 0.9], ["grün", 0.1]], "error": None}


def test_csv_holds_lists_as_json(tmp_path) -> None:
    with RowFile(Path("out.csv")) as rows:
        rows.write(ROW)
        rows.write({**ROW, "label": 'say "red"\nagain'})
    with Path("out.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == ["path", "label", "top", "error"]
    assert (read[0]["path"], read[0]["error"]) == ("a/ü, b.png", "")
    assert json.loads(read[0]["top"]) == [["red", 0.9], ["grün", 0.1]]
    assert read[1]["label"] == 'say "red"\nagain'


def test_jsonl_holds_a_row_a_line() -> None:
    with RowFile(Path("out.jsonl")) as rows:
        rows.write(ROW)
        rows.write({**ROW, "label": "two\nlines"})
    lines = Path("out.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["red", "two\nlines"]
    assert json.loads(lines[0]) == ROW


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "OUT.CSV"])
def test_name_appears_only_when_the_file_is_whole(name: str) -> None:
    with RowFile(Path(name)) as rows:
        rows.write(ROW)
        assert [path.name for path in Path().iterdir()] == [f"{name}.part"]
    assert [path.name for path in Path().iterdir()] == [name]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_failure_leaves_the_part_and_the_old_file(failure) -> None:
    Path("out.csv").write_text("of yesterday")

    def fail() -> None:
        with RowFile(Path("out.csv")) as rows:
            rows.write(ROW)
            raise failure

    with pytest.raises(failure) as caught:
        fail()
    assert caught.value.__notes__ == ["the rows until then are in out.csv.part"]
    assert Path("out.csv").read_text() == "of yesterday"
    assert "a/ü, b.png" in Path("out.csv.part").read_text("utf-8")


@pytest.mark.parametrize("name", ["out.txt", "out", "out.csv.gz", "out.parquet"])
def test_file_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(OptionError) as caught:
        open_rows(Path(name))
    assert str(caught.value) == f"--output {name}: expected a name ending in .csv or .jsonl"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("place", ["gone/out.csv", "file/out.csv"])
def test_unwritable_place_is_refused_before_any_work(place: str) -> None:
    Path("file").touch()
    with pytest.raises(OutputError) as caught:
        open_rows(Path(place))
    assert str(caught.value).startswith(f"{place}: cannot be written (")


def test_folder_in_the_files_place_is_refused_before_any_work() -> None:
    Path("out.csv").mkdir()
    with pytest.raises(OutputError, match=r"^out\.csv: "):
        open_rows(Path("out.csv"))


def test_pipe_gets_json_lines_at_once(capsys) -> None:
    with open_rows(None) as rows:
        assert isinstance(rows, RowStream)
        rows.write(ROW)
        assert json.loads(capsys.readouterr().out) == ROW


def test_terminal_gets_a_table_of_answers_and_errors(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    with open_rows(None) as rows:
        assert isinstance(rows, RowTable)
        rows.write({**ROW, "path": "[bold]odd[/] name.png", "score": 0.9})
        rows.write({**ROW, "path": "bad.png", "score": None, "top": [], "error": "is [cut] short"})
    out = capsys.readouterr().out
    assert "[bold]odd[/] name.png" in out
    assert "grün 0.10" in out
    assert "is [cut] short" in out


def test_long_path_is_in_the_table_to_its_last_letter(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    path = "photos/" + "holiday-at-the-sea-2026/" * 4 + "IMG_20260714_120000.png"
    with RowTable() as rows:
        rows.write({**ROW, "path": path, "score": 0.9})
    out = capsys.readouterr().out
    cells = [line.split("│")[1].strip() for line in out.splitlines() if line.count("│") == 5]
    assert "".join(cells) == path


def test_json_document_is_written_whole() -> None:
    write_json(Path("bench.json"), {"schema": 1, "runs": []})
    assert json.loads(Path("bench.json").read_text("utf-8")) == {"schema": 1, "runs": []}
    assert [path.name for path in Path().iterdir()] == ["bench.json"]


@pytest.mark.parametrize("place", ["gone/bench.json", "folder.json"])
def test_json_document_that_cannot_be_written_is_said(place: str) -> None:
    Path("folder.json").mkdir()
    with pytest.raises(OutputError) as caught:
        write_json(Path(place), {})
    assert str(caught.value).startswith(f"{place}: cannot be written (")


def test_json_document_that_fails_leaves_the_old_one_and_no_part() -> None:
    Path("folder.json").mkdir()
    with pytest.raises(OutputError):
        write_json(Path("folder.json"), {})
    assert [path.name for path in Path().iterdir()] == ["folder.json"]
