"""The page of a run: charts, counts, pictures, and nothing a file name could smuggle in."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.measure.calibration import Bin
from edge_runtime.measure.scoring import score_report
from edge_runtime.model.card import InputSpec, ModelCard, Reject
from train.data.samples import Problem, Sample
from train.errors import DataError, RunError
from train.report.charts import calibration_chart, curves
from train.report.page import Answered, RunFacts, page

LABELS = ("cat", "dog", "emu")


class Marks(HTMLParser):
    """Every element of a page or chart with its attributes and the text right behind it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.found:
            tag, attrs, text = self.found[-1]
            self.found[-1] = (tag, attrs, text + data)

    def of(self, tag: str) -> list[dict[str, Any]]:
        """Elements of one kind; their text is under `text`."""
        return [{**attrs, "text": text} for name, attrs, text in self.found if name == tag]


# Charts


def _at_ticks(chart: Marks) -> Callable[[float], float]:
    """Return where a value lies, by the lines the reader has: y of a tick with its label."""
    ends = [t["text"].rstrip("%") for t in chart.of("text") if t.get("text-anchor") == "end"]
    ticks = [float(text) for text in ends if not text.startswith(("epoch", "score"))]
    heights = [float(line["y1"]) for line in chart.of("line")][: len(ticks)]
    slope, start = np.polyfit(ticks, heights, 1)
    assert np.allclose(np.polyval((slope, start), ticks), heights, atol=0.11)
    return lambda value: slope * value + start


def _points(line: dict[str, Any]) -> np.ndarray:
    return np.array([[float(v) for v in p.split(",")] for p in line["points"].split()])


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([2.0, 1.0, 0.5, 0.25], id="falling"),
        pytest.param([0.1, 0.9], id="two epochs"),
        pytest.param([0.0001, 0.00015, 0.0002], id="small"),
        pytest.param([1200.0, 40.0, 33.0], id="large"),
        pytest.param([-3.0, 2.0, -1.0], id="below zero"),
    ],
)
def test_curve_goes_through_its_values(values: list[float]) -> None:
    chart = Marks(curves("loss", {"loss": values}))
    (line,) = chart.of("polyline")
    points = _points(line)
    frame = [t for t in chart.of("text") if t["text"].startswith("epoch ")]
    assert [t["text"] for t in frame] == ["epoch 1", f"epoch {len(values)}"]
    left, right = (float(t["x"]) for t in frame)
    assert np.allclose(points[:, 0], np.linspace(left, right, len(values)), atol=0.06)
    assert np.allclose(points[:, 1], [_at_ticks(chart)(v) for v in values], atol=0.25)
    (end,) = chart.of("circle")
    assert (float(end["cx"]), float(end["cy"])) == tuple(points[-1])
    assert points[:, 1].min() == pytest.approx(points[np.argmax(values), 1])  # up is more


def test_two_curves_share_one_scale_and_have_their_own_colors_and_names() -> None:
    chart = Marks(curves("loss", {"loss": [4.0, 1.0], "val_loss": [3.0, 2.0]}))
    a, b = chart.of("polyline")
    y = _at_ticks(chart)
    assert np.allclose(_points(a)[:, 1], [y(4), y(1)], atol=0.25)
    assert np.allclose(_points(b)[:, 1], [y(3), y(2)], atol=0.25)
    assert a["stroke"] != b["stroke"]
    assert [t["text"] for t in chart.of("text")][-2:] == ["loss 1.000", "val_loss 2.000"]
    assert [t["style"] for t in chart.of("text")[-2:]] == [
        f"fill:{line['stroke']}" for line in (a, b)
    ]


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]], ids=["one epoch", "all alike"])
def test_curve_without_a_rise_is_drawn_in_the_middle(values: list[float]) -> None:
    chart = Marks(curves("accuracy", {"accuracy": values}))
    (line,) = chart.of("polyline")
    heights = [float(t["y1"]) for t in chart.of("line")]
    assert np.allclose(_points(line)[:, 1], (min(heights) + max(heights)) / 2, atol=0.1)
    assert [t["text"] for t in chart.of("text")].count("epoch 1") == 1


def test_chart_lies_within_its_frame_and_has_four_to_eight_round_ticks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.normal(size=5) * 10 ** rng.uniform(-4, 4)
        chart = Marks(curves("loss", {"loss": list(values)}))
        (svg,) = chart.of("svg")
        _, _, width, height = (float(v) for v in svg["viewbox"].split())
        points = _points(chart.of("polyline")[0])
        assert (points >= 0).all()
        assert (points <= (width, height)).all()
        assert 2 <= len(chart.of("line")) <= 8


def test_calibration_chart_shows_score_against_share_of_right_answers() -> None:
    bins = [Bin(0.0, 0.5, 0, 0.0, 0.0), Bin(0.5, 0.75, 30, 0.65, 0.5), Bin(0.75, 1.0, 10, 0.9, 1.0)]
    chart = Marks(calibration_chart("right against score", bins))
    diagonal = chart.of("line")[-1]
    (x0, y0), (x1, y1) = ((float(diagonal[f"x{i}"]), float(diagonal[f"y{i}"])) for i in (1, 2))
    y = _at_ticks(chart)
    assert (y0, y1) == (pytest.approx(y(0)), pytest.approx(y(100)))  # honest scores
    dots = [(float(c["cx"]), float(c["cy"])) for c in chart.of("circle")]
    assert dots == [
        (pytest.approx(x0 + score * (x1 - x0), abs=0.06),
         pytest.approx(y0 + right * (y1 - y0), abs=0.06))
        for score, right in ((0.65, 0.5), (0.9, 1.0))
    ]  # fmt: skip
    many, few = chart.of("rect")
    assert float(many["height"]) == pytest.approx(3 * float(few["height"]), abs=0.2)
    for bar, low, high in ((many, 0.5, 0.75), (few, 0.75, 1.0)):
        left, right = float(bar["x"]), float(bar["x"]) + float(bar["width"])
        assert left == pytest.approx(x0 + low * (x1 - x0), abs=1.1)
        assert right == pytest.approx(x0 + high * (x1 - x0), abs=1.1)
        assert float(bar["y"]) + float(bar["height"]) == pytest.approx(y0, abs=0.2)
    assert [t["text"] for t in chart.of("title")] == [
        "30 answers", "score 0.65: right 50% of 30", "10 answers", "score 0.90: right 100% of 10"
    ]  # fmt: skip


def test_names_in_charts_are_text() -> None:
    for chart in (
        curves("<u>loss</u>", {"<u>a&b</u>": [1.0, 2.0]}),
        calibration_chart("<u>right</u>", [Bin(0.0, 1.0, 1, 0.5, 1.0)]),
    ):
        assert "<u>" not in chart
        assert "&lt;u&gt;" in chart


# The page


@pytest.fixture
def facts(draw) -> Callable[..., RunFacts]:
    """Make the facts of a run; truths and answers are labels, an answer with its score."""

    def answered(rows: list[tuple[str, str, float]], folder: str, labels: Any) -> Answered:
        samples, scores = [], []
        for i, (truth, answer, score) in enumerate(rows):
            samples.append(Sample(draw(f"{folder}/{i}.png", i), truth))
            row = np.full(len(labels), (1 - score) / (len(labels) - 1), np.float32)
            row[labels.index(answer)] = score
            scores.append(row)
        return Answered(samples, np.array(scores, np.float32).reshape(-1, len(labels)))

    def make(
        asked: list[tuple[str, str, float]],
        trained: Any = (("cat", "cat", 0.9),),
        labels: tuple[str, ...] = LABELS,
        below: float | None = None,
        **more: Any,
    ) -> RunFacts:
        known = answered(asked, "asked", labels)
        truth = np.array([labels.index(s.label) for s in known.samples])
        fields: dict[str, Any] = {
            "card": ModelCard(
                "pets", "classification", labels, InputSpec(48, 64),
                reject=None if below is None else Reject("probability", below),
                provenance={"temperature": 1.25, "data": "cats_dogs", "epochs": 3},
            ),
            "command": "python -m train pets",
            "metrics": {"test": score_report(known.scores, truth, labels, below)},
            "history": {"loss": [2.0, 1.0], "val_loss": [3.0, 2.0], "accuracy": [0.2, 0.4]},
            "counts": {("cat", "train"): 1200, ("cat", "test"): 5, ("dog", "train"): 30},
            "problems": [],
            "asked": known,
            "asked_name": "test",
            "trained": answered(list(trained), "trained", labels),
            "unseen": None,
        }  # fmt: skip
        return RunFacts(**{**fields, **more})

    return make


def _sections(html: str) -> dict[str, str]:
    parts = re.split(r"<section><h2>(.*?)</h2>", html)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


# Of five cats two are taken for dogs and one for an emu, of three dogs one for a cat; one emu.
MIXED = [
    ("cat", "cat", 0.9), ("cat", "dog", 0.7), ("cat", "cat", 0.8), ("cat", "dog", 0.95),
    ("cat", "emu", 0.6), ("dog", "dog", 0.9), ("dog", "cat", 0.875), ("dog", "dog", 0.9),
    ("emu", "emu", 0.9),
]  # fmt: skip


def test_page_begins_with_what_was_reached_and_how(facts) -> None:
    head = _text(_sections(page(facts(MIXED)))[""])
    assert "55.6% right" in head  # 5 of 9
    assert "of 9 test photos (95% interval 26.7% to 81.1%)" in head
    assert "labels cat, dog, emu" in head
    assert "input 64 x 48 px" in head
    assert "data cats_dogs" in head
    assert "python -m train pets" in head


def test_confusion_has_a_row_a_truth_and_a_column_an_answer(facts) -> None:
    body = _sections(page(facts(MIXED)))["What it gets right"]
    cells = [c for c in Marks(body).of("td") if "title" in c]
    assert [c["text"] for c in cells] == ["2", "2", "1", "1", "2", "", "", "", "1"]
    assert cells[1]["title"] == "cat taken for dog: 2 of 5"
    assert cells[3]["title"] == "dog taken for cat: 1 of 3"
    assert [c["class"] for c in cells] == ["hit", "miss", "miss", "miss", "hit", "miss", "miss",
                                           "miss", "hit"]  # fmt: skip
    assert cells[1]["style"] == "--share:0.400"
    figures = _text(body.split("</table>")[0])
    assert "cat 66.7% 40.0% 5" in figures  # precision 2 of 3, recall 2 of 5
    assert "dog 50.0% 66.7% 3" in figures
    assert "emu 50.0% 100.0% 1" in figures


def test_label_nobody_has_or_answers_has_no_share(facts) -> None:
    figures = _text(_sections(page(facts([("cat", "cat", 0.9)])))["What it gets right"])
    assert "dog none none 0" in figures


def test_many_labels_are_listed_by_their_most_frequent_confusions(facts) -> None:
    labels = tuple(f"p{i:02}" for i in range(25))
    rows = [("p03", "p07", 0.9)] * 3 + [("p05", "p01", 0.9)] * 5 + [("p02", "p02", 0.9)]
    body = _sections(page(facts(rows, [("p01", "p01", 0.9)], labels)))["What it gets right"]
    assert 'class="matrix"' not in body
    assert _text(body).split("taken for times")[1].split() == ["p05", "p01", "5", "p03", "p07", "3"]


def test_worst_mistakes_come_surest_first_with_answer_and_truth(facts) -> None:
    body = _sections(page(facts(MIXED)))["Worst mistakes"]
    assert "The surest wrong answers of 4 in 9 test photos." in _text(body)
    captions = re.findall(r"<b>(\w+)</b> ([\d.]+)<br>is (\w+)", body)
    assert captions == [
        ("dog", "0.95", "cat"), ("cat", "0.88", "dog"), ("dog", "0.70", "cat"),
        ("emu", "0.60", "cat"),
    ]  # fmt: skip
    assert [img["title"] for img in Marks(body).of("img")] == [
        f"asked/{i}.png" for i in (3, 6, 1, 4)
    ]


def test_no_mistake_is_told_in_words(facts) -> None:
    html = page(facts([("cat", "cat", 0.9), ("dog", "dog", 0.9)]))
    assert "None of 2 test photos is answered wrongly." in _sections(html)["Worst mistakes"]


def test_answers_under_the_threshold_are_shown_as_uncertain(facts) -> None:
    html = page(facts(MIXED, below=0.875))
    sections = _sections(html)
    assert "<b>uncertain (dog)</b> 0.70<br>is cat" in sections["Worst mistakes"]
    assert "<b>cat</b> 0.88<br>is dog" in sections["Worst mistakes"]  # on the threshold: given
    text = _text(sections["Is 0.9 right 90% of the time?"])
    # Given are 0.9, 0.95, 0.9, 0.875, 0.9 and 0.9: six of nine, four of them right.
    assert (
        "Below a score of 0.88 the answer is “uncertain”. On test, 67% of the photos get an "
        "answer, and 66.7% of those answers are right."
    ) in text
    assert "dividing the logits by 1.25" in text


def test_unseen_photos_are_drawn_from_the_test_where_none_are_given(facts) -> None:
    body = _sections(page(facts(MIXED * 4)))["Unseen photos"]
    assert "24 of the test photos, drawn by lot." in body
    titles = [img["title"] for img in Marks(body).of("img")]
    assert len(titles) == len(set(titles)) == 24


def test_unseen_photos_that_are_given_have_an_answer_and_no_truth(facts, draw) -> None:
    unseen = Answered([Sample(draw("new/x.png", 90), "")], np.array([[0.1, 0.2, 0.7]], np.float32))
    body = _sections(page(facts(MIXED, unseen=unseen)))["Unseen photos"]
    assert [img["title"] for img in Marks(body).of("img")] == ["new/x.png"]
    assert "<b>emu</b> 0.70</figcaption>" in body


def test_photos_are_counted_by_label_and_split(facts) -> None:
    text = _text(_sections(page(facts(MIXED)))["The photos"])
    assert "train test cat 1,200 5 dog 30 0 emu 0 0 all 1,230 5" in text
    assert "No problem was found in them." in text


def test_problems_are_grouped_with_their_pictures(facts, draw) -> None:
    blank = [Problem(draw(f"data/{i}.png", i), "blank", "one color", "cat") for i in range(26)]
    twin = Problem(
        draw("data/a.png", 50), "near repeat", "as b", "dog", draw("data/b.png", 51), True
    )
    empty = Problem(Path("data/gone.png"), "not a photo", "the file is empty", "emu")
    body = _sections(page(facts(MIXED, problems=[*blank, twin, empty])))["The photos"]
    assert re.findall("<h3>(.*?)</h3>", body) == [
        "blank: 26 left out",
        "not a photo: 1 left out",
        "near repeat: 1 used, but worth a look",
    ]
    _, first, second, third = body.split("<h3>")
    assert [img["title"] for img in Marks(first).of("img")] == [f"data/{i}.png" for i in range(24)]
    assert "2 more in problems.csv." in first
    assert "more in problems.csv" not in second + third
    assert '<span class="none">gone.png</span>' in second
    assert [img["title"] for img in Marks(third).of("img")] == ["data/a.png", "data/b.png"]
    assert "<b>dog</b> a.png: as b" in third


def test_training_photos_that_contradict_their_label_surely_are_shown(facts) -> None:
    trained = [
        ("cat", "cat", 0.99), ("cat", "dog", 0.85), ("dog", "cat", 0.79), ("emu", "dog", 0.97)
    ]  # fmt: skip
    body = _sections(page(facts(MIXED, trained)))["Labels worth a look"]
    assert "2 of 4 training photos still contradict their label" in body
    assert [img["title"] for img in Marks(body).of("img")] == ["trained/3.png", "trained/1.png"]
    clean = _sections(page(facts(MIXED)))["Labels worth a look"]
    assert "No training photo of 1 looked at contradicts its label" in clean


def test_learning_is_drawn_where_there_were_epochs(facts) -> None:
    body = _sections(page(facts(MIXED)))["How it learned"]
    assert len(Marks(body).of("svg")) == 2
    assert len(Marks(body).of("polyline")) == 3
    assert "there are no epochs" in _sections(page(facts(MIXED, history={})))["How it learned"]


def test_pictures_are_inside_the_page_and_no_larger_than_shown(facts, draw, photo) -> None:
    large = Problem(draw("data/large.png", photo(1, 300)[:200]), "blank", "", "cat")
    html = page(facts(MIXED, problems=[large]))
    (source,) = (i["src"] for i in Marks(html).of("img") if i["title"] == "data/large.png")
    assert source.startswith("data:image/jpeg;base64,")
    data = base64.b64decode(source.split(",")[1])
    assert cv2.imdecode(np.frombuffer(data, np.uint8), 1).shape == (64, 96, 3)
    assert not re.search(r"(src|href)=\"(?!data:)", html)  # nothing is fetched


EVIL = '<u onload="x">&amp;'


def test_labels_and_file_names_are_text_and_never_markup(facts, draw) -> None:
    evil = "<b>\"'&lt;<script>"
    labels = (evil, EVIL)
    unseen = Answered([Sample(draw(f"new/{EVIL}.png", 80), "")], np.array([[0.3, 0.7]], np.float32))
    known = facts(
        [(evil, EVIL, 0.9), (EVIL, EVIL, 0.9)],
        [(evil, EVIL, 0.95)],
        labels,
        unseen=unseen,
        problems=[
            Problem(draw(f"data/{EVIL}.png", 1), EVIL, EVIL, EVIL, draw("data/<u>2.png", 2), True),
            Problem(Path(f"data/{EVIL}"), "not a photo", EVIL, EVIL),
        ],
        command=f"python -m train {EVIL}",
        counts={(EVIL, "train"): 3},
    )
    card = replace(known.card, name=EVIL, provenance={"data": EVIL, "architecture": EVIL})
    html = page(replace(known, card=card))
    assert "<u" not in html
    assert "<script" not in html
    assert "<b><b>" not in html
    marks = Marks(html)
    assert "onload" not in {name for _, attributes, _ in marks.found for name in attributes}
    plain = Marks(page(facts(MIXED))).found
    assert {tag for tag, _, _ in marks.found} - {tag for tag, _, _ in plain} <= {"h3", "br", "b"}
    # Read back, names are what they were.
    assert f"data/{EVIL}.png" in {img["title"] for img in marks.of("img")}
    assert marks.of("title")[0]["text"] == f"{EVIL}: training report"


def test_labels_are_text_in_the_table_of_many_and_where_an_answer_is_withheld(facts) -> None:
    labels = (EVIL, "<u>2", *(f"p{i}" for i in range(24)))
    html = page(facts([(EVIL, "<u>2", 0.5), ("<u>2", EVIL, 0.5)], [("p1", "p1", 0.9)], labels, 0.9))
    assert "uncertain (&lt;u&gt;2)" in html
    assert "most frequent confusions" in html
    assert "<u" not in html


# From a run folder


@pytest.fixture(scope="module")
def finished(draw, picture, tmp_path_factory) -> Path:
    """A finished run of a network, set by hand, that tells red photos from blue ones."""
    keras = pytest.importorskip("keras")
    root = tmp_path_factory.mktemp("colors")
    run = root / "run"
    run.mkdir()
    image = keras.Input((16, 16, 3), dtype="uint8", name="image")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255.0)(image))
    head = keras.layers.Dense(2, activation="softmax", name="scores")
    model = keras.Model(image, head(x))
    head.set_weights([np.array([[6, 0], [0, 0], [0, 6]], np.float32), np.zeros(2, np.float32)])
    model.save(run / "model.keras")
    card = ModelCard("colors", "classification", ("red", "blue"), InputSpec(16, 16))
    (run / "card.json").write_text(card.to_json())
    (run / "command.txt").write_text("python -m train objects --data colors\n")
    (run / "history.csv").write_text("epoch,loss,val_loss\n0,2.0,3.0\n1,1.0,2.5\n")
    rows = ["path,label,split"]
    for split, label, color, count in (
        ("train", "red", "red", 3), ("train", "blue", "blue", 2), ("train", "blue", "red", 1),
        ("val", "red", "red", 2), ("test", "red", "red", 3), ("test", "blue", "blue", 1),
        ("test", "blue", "red", 2),
    ):  # fmt: skip
        for i in range(count):
            path = draw(root / f"{split}-{label}-{color}-{i}.png", picture(color))
            rows.append(f"{path},{label},{split}")
    (run / "split.csv").write_text("\n".join(rows) + "\n")
    blank = draw(root / "blank.png", picture("gray"))
    (run / "problems.csv").write_text(
        "path,kind,detail,label,other,kept\n"
        f'{blank},blank,"one color, all over",red,,no\n{blank},near repeat,alike,red,{blank},yes\n'
    )
    scores = np.array([[1, 0]] * 3 + [[0, 1]] + [[1, 0]] * 2, np.float32)
    metrics = {"test": score_report(scores, np.array([0] * 3 + [1] * 3), ("red", "blue"), None)}
    (run / "metrics.json").write_text(json.dumps(metrics))
    return run


@pytest.fixture
def run(finished: Path) -> Path:
    """The same to change: the files are copied, the photos are not."""
    copy = Path("run").absolute()
    copy.mkdir()
    for path in finished.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


@pytest.mark.tensorflow
def test_report_of_a_run_folder_says_what_its_model_answers(run: Path) -> None:
    from train.report.make import write_report

    lines: list[str] = []
    assert write_report(run, lines.append) == run / "report.html"
    assert lines == ["asking the model about 12 photos for the report"]
    html = (run / "report.html").read_text("utf-8")
    sections = _sections(html)
    assert "66.7% right" in sections[""]
    cells = [c["text"] for c in Marks(sections["What it gets right"]).of("td") if "title" in c]
    assert cells == ["3", "", "2", "1"]
    wrong = [i["title"] for i in Marks(sections["Worst mistakes"]).of("img")]
    assert sorted(Path(title).name for title in wrong) == [
        "test-blue-red-0.png", "test-blue-red-1.png"
    ]  # fmt: skip
    suspects = [i["title"] for i in Marks(sections["Labels worth a look"]).of("img")]
    assert [Path(title).name for title in suspects] == ["train-blue-red-0.png"]
    assert "train val test red 3 2 3 blue 3 0 3 all 6 2 6" in _text(sections["The photos"])
    assert "blank: 1 left out" in sections["The photos"]
    assert "near repeat: 1 used, but worth a look" in sections["The photos"]
    assert len(Marks(sections["How it learned"]).of("polyline")) == 2
    assert sorted(p.name for p in run.iterdir() if p.suffix == ".part") == []


@pytest.mark.tensorflow
def test_report_without_a_test_split_is_of_val(run: Path) -> None:
    from train.report.make import write_report

    table = (run / "split.csv").read_text()
    (run / "split.csv").write_text("".join(x for x in table.splitlines(True) if ",test" not in x))
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({"val": {**metrics["test"], "n": 2}}))
    (run / "problems.csv").unlink()
    (run / "history.csv").unlink()
    html = write_report(run, lambda line: None).read_text("utf-8")
    assert "of 2 val photos" in html
    assert "No problem was found in them." in html
    assert "there are no epochs" in html


@pytest.mark.tensorflow
def test_unseen_folder_is_answered_and_what_is_no_picture_passed_over(run, draw, picture) -> None:
    from train.report.make import write_report

    draw("holiday/sea.png", picture("blue"))
    draw("holiday/deep/sun.JPG", picture("red"))
    Path("holiday/notes.txt").write_text("sunny")
    Path("holiday/cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    html = write_report(run, lambda line: None, unseen=Path("holiday")).read_text("utf-8")
    body = _sections(html)["Unseen photos"]
    assert re.findall(r'title="([^"]*)"><figcaption><b>(\w+)</b>', body) == [
        ("holiday/deep/sun.JPG", "red"),
        ("holiday/sea.png", "blue"),
    ]


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("folder", "says"), [("gone", "no such folder"), ("empty", "no pictures to show answers for")]
)
def test_unseen_folder_without_pictures_is_refused(run: Path, folder: str, says: str) -> None:
    from train.report.make import write_report

    Path("empty").mkdir()
    with pytest.raises(DataError, match=f"^{folder}: {says}$"):
        write_report(run, lambda line: None, unseen=Path(folder))
    assert not (run / "report.html").exists()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "missing", ["model.keras", "card.json", "metrics.json", "split.csv", "command.txt"]
)
def test_report_of_an_unfinished_run_is_refused(run: Path, missing: str) -> None:
    from train.report.make import write_report

    (run / missing).unlink()
    with pytest.raises(RunError) as caught:
        write_report(run, lambda line: None)
    assert str(caught.value) == (
        f"{run}: no {missing}; a report is made from a finished run folder"
    )


@pytest.mark.tensorflow
def test_report_of_a_detector_is_refused(run: Path) -> None:
    from train.report.make import write_report

    card = ModelCard("faces", "detection", ("face",), InputSpec(16, 16))
    (run / "card.json").write_text(card.to_json())
    with pytest.raises(RunError, match=r"a detector's run; reports are made for classifiers$"):
        write_report(run, lambda line: None)


@pytest.mark.tensorflow
def test_photo_that_is_gone_is_named(run: Path) -> None:
    from train.report.make import write_report

    with (run / "split.csv").open("a") as file:
        file.write("/gone/photo.png,red,train\n")
    with pytest.raises(RunError, match=r"^/gone/photo\.png: in split\.csv but not there; put the"):
        write_report(run, lambda line: None)
