"""The front door: parses, calls, prints, sets the exit code. Only `cli*.py` and progress print.

Imports only typer and what needs no library: OpenCV and onnxruntime are imported inside the
commands, so that `--help` is quick on a small board.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from edge_runtime import __version__
from edge_runtime.cli_errors import EdgeGroup
from edge_runtime.cli_faces import add_face_commands
from edge_runtime.cli_models import add_model_commands
from edge_runtime.cli_options import (
    Detector,
    Labels,
    LiveThreshold,
    Model,
    Provider,
    Threads,
    end_rows,
    say,
    say_once,
)
from edge_runtime.errors import EdgeError, InstallError, OptionError, SourceError
from edge_runtime.files import check_writable
from edge_runtime.libraries import need_libraries

app = typer.Typer(
    cls=EdgeGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_BESIDE_FACES = "expression"  # what webcam runs beside a model that tells who somebody is


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
    gallery: Annotated[
        Path | None, typer.Option(help="People to recognize; made by edge-run enroll.")
    ] = None,
    threshold: LiveThreshold = None,
    blur: Annotated[
        str, typer.Option(help="Hide faces in all pictures: none, unknown, all.")
    ] = "none",
    every_frame: Annotated[
        bool, typer.Option("--every-frame", help="Each frame of a clip, not the newest.")
    ] = False,
    detect_every: Annotated[
        int, typer.Option(min=0, help="Look for faces in every n-th frame; 0: as time allows.")
    ] = 0,
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
    from edge_runtime.apps.opening import open_answerers, open_detector
    from edge_runtime.apps.recognizer import Hide
    from edge_runtime.apps.webcam import WebcamOutputs, run_webcam
    from edge_runtime.media.sinks import EventLines, Still, VideoFile, Window
    from edge_runtime.media.sources import open_source
    from edge_runtime.model.session import SessionOptions

    options = SessionOptions(provider, threads, spinning=False)
    if blur not in get_args(Hide):
        raise OptionError(f"--blur {blur}: expected {', '.join(get_args(Hide))}")
    if threshold is not None and gallery is None:
        raise OptionError("--threshold: is for people enrolled; name them with --gallery")
    if blur != "none" and detect_every > 1:
        raise OptionError("--blur: looks for faces in every frame; leave out --detect-every")
    stills = Path(source).is_dir()
    if stills and detect_every > 1:
        raise OptionError(
            "--detect-every: pictures of a folder have nothing to do with each other; leave it out"
        )
    _expect_new_files(source, gallery, (record, events, still))
    answerers = open_answerers(
        model, labels, options, say_once,
        beside_faces=_BESIDE_FACES, gallery=gallery, threshold=threshold, live=not stills,
    )  # fmt: skip
    if blur == "unknown" and not any(a.tells_strangers for a in answerers):
        raise OptionError(
            "--blur unknown: no model here tells strangers from people it knows; add --gallery, "
            "or take --blur all"
        )
    if blur == "unknown":
        say("note: a stranger who looks enough like somebody known is shown; --blur all hides all")
    finder = None
    if blur != "none" or any(a.wants_faces for a in answerers):
        finder = open_detector(detector, options, say_once, thorough=stills)
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
        opened, finder, answerers, outputs, take_every_frame=every_frame,
        max_frames=max_frames or None, detect_every=detect_every, hide=cast(Hide, blur),
    )  # fmt: skip
    say(summary.describe())
    for sink in (outputs.record, outputs.events, outputs.still):
        if sink is not None and sink.written is not None:
            say(f"wrote {sink.written}")
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
    from edge_runtime.apps.classify import classify_pictures, write_answers
    from edge_runtime.apps.opening import open_answerers, open_detector
    from edge_runtime.apps.pictures import list_pictures
    from edge_runtime.apps.progress import progress
    from edge_runtime.apps.rows import open_rows
    from edge_runtime.model.session import SessionOptions

    options = SessionOptions(provider, threads)
    (answerer,) = open_answerers([model], labels, options, say_once)
    if faces and not answerer.wants_faces:
        raise OptionError(f"--faces: model {answerer.name} looks at whole pictures")
    finder = open_detector(detector, options, say_once) if faces else None
    pictures = list_pictures(paths)
    rows = classify_pictures(
        pictures, answerer, detector=finder, top=top, batch=batch, workers=workers
    )
    with open_rows(output) as out, progress("classifying", len(pictures)) as advance:
        failed = write_answers(rows, out, advance)
    end_rows([output], failed, len(pictures))


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
    from edge_runtime.apps.rows import print_json, write_json
    from edge_runtime.model.catalog import find_model

    if scenario != "single-stream":
        raise OptionError(f"--scenario {scenario}: not known; expected single-stream")
    path = find_model(model)
    if output:
        check_writable(output)
    tell = print if sys.stdout.isatty() else say  # the table is the result on a terminal
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
        tell(
            f"{run['provider_used']}, {run['threads']} threads, batch {run['batch']}: "
            f"p50 {total['p50']:.2f} ms (inference {inference['p50']:.2f}), "
            f"p99 {total['p99']:.2f} ms, {run['throughput_per_s']:.0f}/s, n {run['n']}"
        )
    report = describe_bench(path, runs)
    if output:
        write_json(output, report)
        say(f"wrote {output}")
    elif not sys.stdout.isatty():
        print_json(report)


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


def _expect_new_files(source: str, gallery: Path | None, outputs: tuple[Path | None, ...]) -> None:
    """Refuse to write a result over what is read, or two results into one file."""
    given = [path.resolve() for path in outputs if path]
    if len(set(given)) < len(given):
        raise OptionError("--record, --events and --still: the same file is named twice")
    read = Path(source).resolve()
    for path in given:
        in_album = read.is_dir() and path.exists() and path.is_relative_to(read)
        if path == read or in_album or (gallery and path == gallery.resolve()):
            raise OptionError(f"{path}: would be written over, and it is read; choose another name")


def _numbers(option: str, text: str, least: int) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) >= least for part in parts):
        raise OptionError(f"{option} {text}: expected numbers from {least}, as in 1,2,4")
    return [int(part) for part in parts]


add_face_commands(app)
add_model_commands(app)
