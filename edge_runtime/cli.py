"""The front door: parses, calls, prints, sets the exit code. Nothing else prints.

Imports only typer and what needs no library: OpenCV and onnxruntime are imported inside the
commands, so that `--help` is quick on a small board.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_runtime import __version__
from edge_runtime.cli_errors import EdgeGroup, need_libraries
from edge_runtime.errors import EdgeError, InstallError, OptionError, SourceError
from edge_runtime.files import check_writable

app = typer.Typer(
    cls=EdgeGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Model = Annotated[str, typer.Option(help="Model file, or the name of a shipped model.")]
Provider = Annotated[
    str, typer.Option(help="auto, cpu, cuda, tensorrt, openvino, ...; a named one must work.")
]
Threads = Annotated[int, typer.Option(min=0, help="Of one inference; 0: all cores, at most 4.")]
Labels = Annotated[
    str,
    typer.Option(
        help="Answer only with these labels, comma separated; builtin: the likest of the people a "
        "face model came with."
    ),
]
Detector = Annotated[str, typer.Option(help="Face detector: a shipped name or a model file.")]

_BESIDE_FACES = "expression"  # what webcam runs beside a model that tells who somebody is
_NAMED_IN_A_LINE = 7  # labels; a face model knows a hundred


@app.callback(invoke_without_command=True)
def _edge_run(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Recognize faces, expressions and objects on this machine: live, over folders, measured.

    Example: edge-run webcam --model expression.onnx
    """
    if version:
        print(f"edge-run {__version__}")
        raise typer.Exit


@app.command()
def webcam(
    model: Annotated[
        list[str], typer.Option(help="Model file or shipped name; may be given several times.")
    ],
    source: Annotated[
        str, typer.Option(help="demo, a camera's number, a video file or a folder of pictures.")
    ] = "0",
    detector: Detector = "detector",
    labels: Labels = "",
    provider: Provider = "auto",
    threads: Threads = 0,
    every_frame: Annotated[
        bool, typer.Option("--every-frame", help="Each frame of a clip, not the newest.")
    ] = False,
    max_frames: Annotated[int, typer.Option(min=0, help="Stop after so many; 0: never.")] = 0,
    no_window: Annotated[bool, typer.Option("--no-window", help="Show nothing.")] = False,
    record: Annotated[Path | None, typer.Option(help="Write the annotated video, mp4.")] = None,
    events: Annotated[Path | None, typer.Option(help="Write a JSON line a frame.")] = None,
    still: Annotated[
        Path | None, typer.Option(help="Write the frame with the clearest face, jpg or png.")
    ] = None,
) -> None:
    """Recognize faces and what they show, live. q, Escape or Ctrl-C ends.

    A model that tells who somebody is brings the expression model along where no other is named.
    Without a window and --events, the events go to stdout where that is a pipe or file.

    Example: edge-run webcam --model expression.onnx --source 0
    """
    need_libraries()
    from edge_runtime.apps.opening import open_classifiers, open_model
    from edge_runtime.apps.webcam import WebcamOutputs, run_webcam
    from edge_runtime.faces.detector import OnnxFaceDetector
    from edge_runtime.media.sinks import EventLines, Still, VideoFile, Window
    from edge_runtime.media.sources import open_source
    from edge_runtime.model.session import SessionOptions

    options = SessionOptions(provider, threads, spinning=False)
    classifiers = open_classifiers(model, labels, options, _say_once, _BESIDE_FACES)
    finder = None
    if any(c.wants_faces for c in classifiers):
        finder = OnnxFaceDetector(open_model(detector, options, _say_once))
    given = [path.resolve() for path in (record, events, still) if path]
    if len(set(given)) < len(given):
        raise OptionError("--record, --events and --still: the same file is named twice")
    opened = open_source(source)
    try:
        outputs = WebcamOutputs(
            window=None if no_window else Window("edge-run"),
            record=VideoFile(record, opened.fps) if record else None,
            events=EventLines(events)
            if events or (no_window and not sys.stdout.isatty())
            else None,
            still=Still(still) if still else None,
        )
    except EdgeError:
        opened.close()
        raise
    summary = run_webcam(
        opened, finder, classifiers, outputs,
        take_every_frame=every_frame, max_frames=max_frames or None,
    )  # fmt: skip
    _say(summary.describe())
    for sink in (outputs.record, outputs.events, outputs.still):
        if sink is not None and sink.written is not None:
            _say(f"wrote {sink.written}")
    if summary.problems:
        more = len(summary.problems) - 3
        raise SourceError(
            "; ".join(summary.problems[:3]) + (f"; and {more} more" if more > 0 else "")
        )


@app.command()
def classify(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    model: Model,
    output: Annotated[Path | None, typer.Option(help="Write rows to a .csv or .jsonl.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Labels in the ranking.")] = 3,
    labels: Labels = "",
    faces: Annotated[
        bool, typer.Option("--faces", help="Find faces first; one row a face.")
    ] = False,
    detector: Detector = "detector",
    provider: Provider = "auto",
    threads: Threads = 0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures of one inference.")] = 16,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
) -> None:
    """Classify pictures and folders: a table here, JSON lines in a pipe, or a file.

    A picture that cannot be read becomes a row with an error; the rest is done, the exit code 1.

    Example: edge-run classify photos/ --model expression --faces --output results.csv
    """
    need_libraries()
    from edge_runtime.apps.classify import classify_pictures
    from edge_runtime.apps.opening import open_classifiers, open_model
    from edge_runtime.apps.pictures import list_pictures
    from edge_runtime.apps.progress import progress
    from edge_runtime.apps.rows import open_rows
    from edge_runtime.faces.detector import OnnxFaceDetector
    from edge_runtime.model.session import SessionOptions

    options = SessionOptions(provider, threads)
    (classifier,) = open_classifiers([model], labels, options, _say_once)
    if faces and not classifier.wants_faces:
        raise OptionError(f"--faces: model {classifier.name} looks at whole pictures")
    finder = OnnxFaceDetector(open_model(detector, options, _say_once)) if faces else None
    pictures = list_pictures(paths)
    failed = 0
    with open_rows(output) as out, progress("classifying", len(pictures)) as advance:
        for _, rows in classify_pictures(
            pictures, classifier, detector=finder, top=top, batch=batch, workers=workers
        ):
            for row in rows:
                out.write(row)
                failed += row["error"] is not None
            advance()
    if output:
        _say(f"wrote {output}")
    if failed:
        raise SourceError(f"{failed} of {len(pictures)} pictures failed; see the error column")


@app.command()
def bench(
    model: Model,
    scenario: Annotated[str, typer.Option(help="single-stream.")] = "single-stream",
    threads: Annotated[str, typer.Option(help="Of one inference, comma separated.")] = "1",
    batch: Annotated[str, typer.Option(help="Pictures of one inference, comma separated.")] = "1",
    provider: Provider = "auto",
    duration: Annotated[float, typer.Option(min=0.1, help="Seconds for each line.")] = 5.0,
    output: Annotated[Path | None, typer.Option(help="Write bench.json.")] = None,
) -> None:
    """Measure latency and throughput on this machine, preprocessing included.

    Example: edge-run bench --model expression --threads 1,2 --output bench.json
    """
    need_libraries()
    from edge_runtime.apps.bench import bench_model, describe_bench
    from edge_runtime.apps.rows import write_json
    from edge_runtime.model.catalog import find_model

    if scenario != "single-stream":
        raise OptionError(f"--scenario {scenario}: not known; expected single-stream")
    path = find_model(model)
    if output:
        check_writable(output)
    say = print if sys.stdout.isatty() else _say  # the table is the result on a terminal
    runs = []
    for run in bench_model(
        path,
        provider=provider,
        threads=_numbers("--threads", threads, least=0),
        batches=_numbers("--batch", batch, least=1),
        duration_s=duration,
    ):
        runs.append(run)
        total, inference = run["total_ms"], run["inference_ms"]
        say(
            f"{run['provider_used']}, {run['threads']} threads, batch {run['batch']}: "
            f"p50 {total['p50']:.2f} ms (inference {inference['p50']:.2f}), "
            f"p99 {total['p99']:.2f} ms, {run['throughput_per_s']:.0f}/s, n {run['n']}"
        )
    report = describe_bench(path, runs)
    if output:
        write_json(output, report)
        _say(f"wrote {output}")
    elif not sys.stdout.isatty():
        print(json.dumps(report))


@app.command()
def check(model: Model, provider: Provider = "auto") -> None:
    """Run a model's golden sample here: does this machine answer as the exporter's did?

    Example: edge-run check --model expression
    """
    need_libraries()
    from edge_runtime.apps.opening import open_model
    from edge_runtime.errors import ModelError
    from edge_runtime.model.golden import check_golden
    from edge_runtime.model.session import SessionOptions

    session = open_model(model, SessionOptions(provider), _say_once)
    result = check_golden(session)
    kind = "the same kind of CPU" if result.same_cpu else "another kind of CPU or provider"
    says = (
        f"{model}: golden sample differs by {result.difference:.4f}, allowed {result.tolerance} "
        f"on {kind}"
    )
    if not result.passed:
        raise ModelError(f"{says}; export the model on this kind of machine, or report it")
    print(f"ok: {says}")


@app.command()
def info(model: Annotated[str, typer.Argument(help="Model file or shipped name.")]) -> None:
    """Show what a model file says of itself: a list here, JSON in a pipe.

    Example: edge-run info expression
    """
    from edge_runtime.model.catalog import find_model
    from edge_runtime.model.onnx_file import load_model_file

    path = find_model(model)
    loaded = load_model_file(path)
    card: dict[str, Any] = json.loads(loaded.card.to_json())
    if not sys.stdout.isatty():
        print(json.dumps(card, ensure_ascii=False))
        return
    if card["golden"]:
        card["golden"]["image_png"] = f"({len(card['golden']['image_png'])} characters)"
    print(f"file: {path} ({len(loaded.data):,} bytes)")
    for key, value in card.items():
        print(f"{key}: {value if isinstance(value, str) else json.dumps(value)}")


@app.command()
def models() -> None:
    """List the models that came with edge-run.

    Example: edge-run models
    """
    from edge_runtime.model.catalog import shipped_models
    from edge_runtime.model.onnx_file import load_model_file

    for name, path in shipped_models().items():
        loaded = load_model_file(path)
        card = loaded.card
        row = {
            "name": name, "task": card.task, "precision": card.precision,
            "bytes": len(loaded.data), "labels": list(card.labels),
        }  # fmt: skip
        if sys.stdout.isatty():
            labels = ", ".join(card.labels[:_NAMED_IN_A_LINE])
            if (more := len(card.labels) - _NAMED_IN_A_LINE) > 0:
                labels += f" and {more} more"
            print(f"{name:12} {card.task:15} {card.precision}  {len(loaded.data):>9,} B  {labels}")
        else:
            print(json.dumps(row))


@app.command()
def doctor() -> None:
    """Look at this machine, its libraries, the shipped models and the cameras.

    Example: edge-run doctor
    """
    from edge_runtime.apps.doctor import examine

    bad = 0
    for finding in examine():
        print(f"{'ok  ' if finding.good else 'BAD '} {finding.subject}: {finding.state}")
        bad += not finding.good
    if bad:
        raise InstallError(f"{bad} thing(s) to mend, see above")


def _numbers(option: str, text: str, least: int) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) >= least for part in parts):
        raise OptionError(f"{option} {text}: expected numbers from {least}, as in 1,2,4")
    return [int(part) for part in parts]


@cache
def _say_once(text: str) -> None:
    _say(text)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
