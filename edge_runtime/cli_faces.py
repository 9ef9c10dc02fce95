"""The front door to faces: detect, enroll, identify, verify, gallery."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_runtime.cli_options import (
    Detector,
    GalleryFile,
    Model,
    Provider,
    Threads,
    Threshold,
    end_rows,
    number,
    say,
    say_once,
)
from edge_runtime.libraries import need_libraries

if TYPE_CHECKING:
    from edge_runtime.apps.enroll import Doubt

__all__ = ["add_face_commands"]

_NO_LIVENESS = "a photo of somebody passes for them: there is no check whether a face is alive"

_GALLERY_HELP = """See and change who is in a gallery.

Example: edge-run gallery list people.npz
"""

_MODEL, _DETECTOR = "faces", "detector"

_File = Annotated[Path, typer.Argument(help="The gallery, .npz.")]


def add_face_commands(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    for command in (detect, enroll, identify, verify):
        app.command()(command)
    people = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=_GALLERY_HELP)
    people.command("list")(list_people)
    people.command()(rename)
    people.command()(forget)
    app.add_typer(people, name="gallery")


def detect(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    output: Annotated[Path | None, typer.Option(help="Write rows to a .jsonl or .csv.")] = None,
    min_score: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, callback=number, help="By default what webcam reports."),
    ] = None,
    annotated: Annotated[
        Path | None, typer.Option(help="Write the pictures with their faces drawn in, there.")
    ] = None,
    detector: Detector = _DETECTOR,
    provider: Provider = "auto",
    threads: Threads = 0,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
) -> None:
    """Find faces: a row a picture, with box, score and five landmarks of each.

    A picture that cannot be read becomes a row with an error; the rest is done, the exit code 1.

    Example: edge-run detect photos/ --output boxes.jsonl --annotated seen/
    """
    need_libraries()
    from edge_runtime.apps.detect import FaceAlbum, detect_pictures
    from edge_runtime.apps.opening import open_detector
    from edge_runtime.apps.pictures import list_pictures
    from edge_runtime.apps.progress import progress
    from edge_runtime.apps.rows import open_rows
    from edge_runtime.model.session import SessionOptions

    finder = open_detector(detector, SessionOptions(provider, threads), say_once)
    pictures = list_pictures(paths)
    album = FaceAlbum(annotated, pictures) if annotated else None
    least = finder.sure if min_score is None else min_score
    failed = found = 0
    with open_rows(output) as out, progress("looking for faces", len(pictures)) as advance:
        for path, image, faces, row in detect_pictures(pictures, finder, least, workers):
            out.write(row)
            if image is not None and album is not None:
                album.add(path, image, faces)
            failed += row["error"] is not None
            found += len(faces)
            advance()
    say(f"{found} face(s) in {len(pictures)} picture(s)")
    end_rows([output, annotated], failed, len(pictures))


def enroll(
    name: Annotated[str, typer.Argument(help="Of the person.")],
    photos: Annotated[list[Path], typer.Argument(help="Of them alone; folders are looked into.")],
    gallery: GalleryFile,
    model: Model = _MODEL,
    detector: Detector = _DETECTOR,
    provider: Provider = "auto",
    threads: Threads = 0,
) -> None:
    """Make somebody known, by three to ten photos with different light and looks.

    The gallery keeps a few numbers a photo (an embedding) and no photo. Numbers of a face are
    personal data: enroll only who agrees, and forget who asks for it (edge-run gallery forget).
    A photo of somebody passes for them: there is no check whether a face is alive, so do not open
    doors with it.

    Example: edge-run enroll Ana photos/ana/ --gallery people.npz
    """
    need_libraries()
    from edge_runtime.apps.enroll import enroll_person
    from edge_runtime.apps.opening import open_detector, open_model
    from edge_runtime.apps.pictures import list_pictures
    from edge_runtime.apps.progress import progress
    from edge_runtime.faces.gallery import check_name
    from edge_runtime.faces.identifier import expect_embedding
    from edge_runtime.model.session import SessionOptions

    name = check_name(name)
    options = SessionOptions(provider, threads)
    session = open_model(model, options, say_once)
    expect_embedding(session)
    finder = open_detector(detector, options, say_once)
    pictures = list_pictures(photos)
    with progress("enrolling", len(pictures)) as advance:
        done = enroll_person(name, pictures, gallery, session, finder, advance)
    for path, problem in done.refused:
        say(f"left out: {path}: {problem}")
    forget = ["edge-run", "gallery", "forget"]
    forget += [] if model == _MODEL else ["--model", model]
    forget += [] if detector == _DETECTOR else ["--detector", detector]
    for doubt in done.doubts:
        say(f"look at this: {_doubted(doubt, name, [*forget, str(gallery), name])}")
    known = f" ({done.known} of them known before)" if done.known else ""
    print(
        f"{name}: {len(done.taken)} photo(s) taken{known}, {done.photos} in all; "
        f"{done.people} people in {gallery}"
    )
    if done.people == 1 and done.photos == len(done.taken):
        say(f"note: {_NO_LIVENESS}")


def _doubted(doubt: Doubt, name: str, forget: list[str]) -> str:
    if doubt.like:
        return (
            f"{doubt.photo}: looks more like {doubt.like} ({doubt.cosine:.2f}) than like {name}; "
            f"if that is so: {shlex.join([*forget, str(doubt.photo)])}"
        )
    return (
        f"{doubt.photo}: looks unlike the other photos of {name} (cosine {doubt.cosine:.2f}; two "
        f"faces are taken for one person's from {doubt.threshold:.2f} on)"
    )


def identify(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    gallery: GalleryFile,
    output: Annotated[Path | None, typer.Option(help="Write rows to a .csv or .jsonl.")] = None,
    top: Annotated[int, typer.Option(min=1, help="People in the ranking.")] = 3,
    threshold: Threshold = None,
    model: Model = _MODEL,
    detector: Detector = _DETECTOR,
    provider: Provider = "auto",
    threads: Threads = 0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures of one inference.")] = 16,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
) -> None:
    """Say who of the enrolled people is in pictures: a row a face, "unknown" for all others.

    Scores are cosines of embeddings. A picture without a face, or that cannot be read, becomes a
    row with an error; the rest is done, the exit code 1.

    Example: edge-run identify photos/ --gallery people.npz --output who.csv
    """
    need_libraries()
    from edge_runtime.apps.classify import classify_pictures, write_answers
    from edge_runtime.apps.opening import open_detector, open_model
    from edge_runtime.apps.pictures import list_pictures
    from edge_runtime.apps.progress import progress
    from edge_runtime.apps.rows import open_rows
    from edge_runtime.faces.gallery import Gallery
    from edge_runtime.faces.identifier import Identifier
    from edge_runtime.faces.portrait import SecondLook
    from edge_runtime.model.session import SessionOptions

    known = Gallery.load(gallery)
    options = SessionOptions(provider, threads)
    identifier = Identifier(open_model(model, options, say_once), known, threshold, str(gallery))
    say(f"people are named from a cosine of {identifier.threshold:.2f} on")
    finder = SecondLook(open_detector(detector, options, say_once))
    pictures = list_pictures(paths)
    rows = classify_pictures(
        pictures, identifier, detector=finder, top=top, batch=batch, workers=workers
    )
    with open_rows(output) as out, progress("identifying", len(pictures)) as advance:
        failed = write_answers(rows, out, advance)
    end_rows([output], failed, len(pictures))


def verify(
    one: Annotated[Path, typer.Argument(help="A photo.")],
    other: Annotated[Path, typer.Argument(help="Another photo.")],
    threshold: Threshold = None,
    model: Model = _MODEL,
    detector: Detector = _DETECTOR,
    provider: Provider = "auto",
    threads: Threads = 0,
) -> None:
    """Say whether two photos show the same person: words here, JSON in a pipe.

    The largest face of each counts. The exit code is 0 for yes and for no.

    Example: edge-run verify a.jpg b.jpg
    """
    need_libraries()
    from edge_runtime.apps.opening import open_detector, open_model
    from edge_runtime.apps.rows import print_json
    from edge_runtime.apps.verify import verify_photos
    from edge_runtime.faces.identifier import expect_embedding
    from edge_runtime.model.session import SessionOptions

    options = SessionOptions(provider, threads)
    session = open_model(model, options, say_once)
    expect_embedding(session)
    finder = open_detector(detector, options, say_once)
    verdict = verify_photos(one, other, session, finder, threshold)
    for note in verdict.notes:
        say(f"note: {note}")
    if sys.stdout.isatty():
        answer = "the same person" if verdict.same else "two people"
        print(f"{answer}: cosine {verdict.cosine:.3f}, threshold {verdict.threshold:.3f}")
        say(f"note: {_NO_LIVENESS}")
    else:
        row = {
            "same": verdict.same,
            "score": round(verdict.cosine, 4),
            "threshold": round(verdict.threshold, 4),
            "model": session.card.name,
        }
        print_json(row)


def list_people(gallery: _File) -> None:
    """List the people in a gallery: a table here, JSON lines in a pipe.

    Example: edge-run gallery list people.npz
    """
    from edge_runtime.apps.rows import print_json
    from edge_runtime.faces.gallery import Gallery

    known = Gallery.load(gallery)
    for name, rows in known.people.items():
        if sys.stdout.isatty():
            print(f"{name:30} {len(rows)} photo(s)")
        else:
            print_json({"name": name, "photos": len(rows)})
    say(f"{len(known.people)} people, embeddings of model {known.model}")


def rename(
    gallery: _File,
    old: Annotated[str, typer.Argument(help="The name now.")],
    new: Annotated[str, typer.Argument(help="The name to be.")],
) -> None:
    """Give somebody in a gallery another name.

    Example: edge-run gallery rename people.npz Ana "Ana Souza"
    """
    from edge_runtime.faces.gallery import Gallery, change_gallery, check_name

    new = check_name(new)
    change_gallery(gallery, lambda: Gallery.load(gallery).renamed(old, new))
    print(f"{old} is {new} now, in {gallery}")


def forget(
    gallery: _File,
    name: Annotated[str, typer.Argument(help="Of the person to remove.")],
    photos: Annotated[
        list[Path] | None, typer.Argument(help="Only these photos of them, as they were enrolled.")
    ] = None,
    model: Model = _MODEL,
    detector: Detector = _DETECTOR,
    provider: Provider = "auto",
    threads: Threads = 0,
) -> None:
    """Remove somebody from a gallery, or some photos of them; nothing of it is left in the file.

    Example: edge-run gallery forget people.npz Ana

    Example: edge-run gallery forget people.npz Ana wrong.jpg
    """
    from edge_runtime.faces.gallery import Gallery, change_gallery

    left = 0
    if photos:
        need_libraries()
        from edge_runtime.apps.enroll import forget_photos
        from edge_runtime.apps.opening import open_detector, open_model
        from edge_runtime.model.session import SessionOptions

        options = SessionOptions(provider, threads)
        session = open_model(model, options, say_once)
        finder = open_detector(detector, options, say_once)
        left = forget_photos(name, photos, gallery, session, finder)
    else:
        change_gallery(gallery, lambda: Gallery.load(gallery).without(name))
    if left:
        print(f"{len(photos or ())} photo(s) of {name} forgotten, {left} left, in {gallery}")
    else:
        print(f"{name} is forgotten, in {gallery}")
