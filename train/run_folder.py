"""The run folder: what training leaves for the exporter and for people.

model.keras   the trained model, input uint8 RGB, output named `scores` (detectors: three)
card.json     name, task, labels, input: the model card before quantization
split.csv     path,label,split of every sample used; a detector's label is its boxes; faces cut
              out for this run are named from here, so that the folder can be moved
metrics.json  Keras figures on val and test, with n
history.csv   a row an epoch
problems.csv  files left out, or worth a look
recipe.py     the text of the recipe that ran
command.txt   how it was started
report.html   the page for people, see train/report
faces/        faces cut out of whole photos
state/        while training: what --resume goes on from
"""

from __future__ import annotations

import contextlib
import csv
import inspect
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

from edge_runtime.errors import OutputError
from edge_runtime.files import write_whole
from edge_runtime.model.card import ModelCard
from train.data.samples import Problem, Sample
from train.errors import RunError

__all__ = ["RunFolder", "command_line"]


class RunFolder:
    """One run's files; each is written under another name first."""

    def __init__(self, path: Path, arguments: dict[str, Any], resume: bool) -> None:
        """Look whether a run may use a folder; nothing is written before `begin`.

        Args:
            path: The folder, made if missing.
            arguments: What defines the run; a resumed run must have the same.
            resume: Go on where a run in this folder stopped.

        Raises:
            RunError: The folder holds something else, a run while `resume` is false, or a run of
                other arguments.
        """
        self.path = path
        self.state = path / "state"
        known = self.state / "arguments.json"
        if (path / "model.keras").exists():
            raise RunError(f"{path}: holds a finished run; choose another --output")
        if not known.exists() and path.is_dir() and any(path.iterdir()):
            raise RunError(f"{path}: is not empty and holds no run; choose a new folder")
        if known.exists():
            try:
                before = json.loads(known.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise RunError(
                    f"{known}: cannot be read ({error}); remove the run folder and start anew"
                ) from None
            if not resume:
                raise RunError(
                    f"{path}: holds an unfinished run; add --resume to go on, or choose "
                    "another --output"
                )
            changed = sorted(k for k in arguments if before.get(k) != arguments[k])
            if changed:
                raise RunError(
                    f"{path}: the run there was started with another {', '.join(changed)}; "
                    "resume with the same options and files"
                )
        self._arguments = arguments

    def begin(self) -> None:
        """Make the folder; called once the data was read, so that a typo in it costs no folder.

        Raises:
            RunError: It cannot be written.
        """
        try:
            self.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written ({error.strerror})") from None
        self._write("state/arguments.json", json.dumps(self._arguments, indent=1))
        now = _git_commit()
        if now not in self.commits:
            self._write("state/commits.txt", "\n".join([*self.commits, now]))

    @property
    def has_epoch(self) -> bool:
        """Whether an epoch is done, from which the run goes on."""
        return (self.state / "progress.json").exists()

    @property
    def commits(self) -> list[str]:
        """The commits of the code that trained: one, or more where a run was gone on with."""
        known = self.state / "commits.txt"
        return known.read_text("utf-8").splitlines() if known.exists() else []

    def use(self, samples: Sequence[Sample]) -> None:
        """Say which photos a run trains on; a resumed one must have the same, pixel for pixel.

        Args:
            samples: With their content; in any order.

        Raises:
            RunError: They are not those the run was started with.
        """
        known = self.state / "photos.csv"
        now = {s.path.resolve().as_posix(): [s.label, s.split, s.content] for s in samples}
        if known.exists():
            with known.open(newline="", encoding="utf-8") as file:
                before = {path: rest for path, *rest in csv.reader(file)}
            if before != now:
                raise RunError(
                    f"{self.path}: the photos changed since the run was started "
                    f"({_difference(before, now)}); put them back, or start anew with another "
                    "--output"
                )
        self.begin()
        table = io.StringIO(newline="")
        csv.writer(table).writerows([path, *rest] for path, rest in now.items())
        self._write("state/photos.csv", table.getvalue())

    def finish(
        self,
        model: keras.Model,
        card: ModelCard,
        samples: Iterable[Sample],
        metrics: dict[str, Any],
        recipe: ModuleType,
        problems: Iterable[Problem] = (),
    ) -> None:
        """Write everything; `model.keras` last, since its presence says the run is whole.

        Raises:
            RunError: It cannot be written; the run can be gone on with.
        """
        part = self.path / "part.keras"
        try:
            self._write("problems.csv", _problem_table(problems))
            self._write("command.txt", command_line() + "\n")
            self._write("card.json", card.to_json())
            self._write("metrics.json", json.dumps(metrics, indent=1))
            self._write("recipe.py", inspect.getsource(recipe))
            self._write("split.csv", self._split_table(samples))
            model.save(part)
            os.replace(part, self.path / "model.keras")
        except (OSError, OutputError) as error:
            with contextlib.suppress(OSError):
                part.unlink()
            what = str(error)
            if isinstance(error, OSError):
                what = f"{self.path}: model.keras cannot be written ({error.strerror or error})"
            raise RunError(f"{what}; make room and go on with --resume") from None
        shutil.rmtree(self.state)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """See to it that whatever ends the work leaves a folder to go on with, or none.

        Raises:
            RunError: Ctrl-C was pressed.
        """
        try:
            yield
        except KeyboardInterrupt:
            raise self.interrupted() from None
        except RunError:  # interrupted in an epoch, or the disk is full: it can be gone on with
            raise
        except Exception:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Leave nothing of a run that trained no epoch: an option of it was wrong.

        The folder was empty or not there when the run began, so nothing in it is anybody else's.
        """
        if not self.has_epoch and not (self.path / "model.keras").exists():
            for made in (self.state, self.path / "faces", self.path / "tensorboard"):
                shutil.rmtree(made, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def interrupted(self, done: str = "") -> RunError:
        """Return what to say after Ctrl-C.

        Args:
            done: How far training was, in words.
        """
        if (self.path / "model.keras").exists():
            return RunError(
                f"interrupted when only the report was missing: python -m train report {self.path}"
            )
        return RunError(
            f"interrupted{done}; go on with the same options and --output {self.path} --resume"
        )

    def _write(self, name: str, text: str) -> None:
        # Problems name files whose names are not UTF-8.
        write_whole(self.path / name, text.encode(errors="backslashreplace"))

    def _split_table(self, samples: Iterable[Sample]) -> str:
        table = io.StringIO(newline="")
        rows = csv.writer(table)
        rows.writerow(("path", "label", "split"))
        here = self.path.resolve()
        for s in samples:
            path = s.path.resolve()
            own = path.relative_to(here) if path.is_relative_to(here) else path
            rows.writerow((own.as_posix(), s.label, s.split))
        return table.getvalue()


def _difference(before: dict[str, list[str]], now: dict[str, list[str]]) -> str:
    """Say how two lists of photos differ, and name the first that does."""
    parts = {
        "new": now.keys() - before.keys(),
        "gone": before.keys() - now.keys(),
        "changed": {path for path in now.keys() & before.keys() if now[path] != before[path]},
    }
    counts = ", ".join(f"{len(paths)} {what}" for what, paths in parts.items() if paths)
    return f"{counts}; the first is {min(set().union(*parts.values()))}"


def _problem_table(problems: Iterable[Problem]) -> str:
    table = io.StringIO(newline="")
    rows = csv.writer(table)
    rows.writerow(("path", "kind", "detail", "label", "other", "kept"))
    for p in problems:
        kept = "yes" if p.kept else "no"
        rows.writerow((p.path.resolve().as_posix(), p.kind, p.detail, p.label,
                       p.other.resolve().as_posix() if p.other else "", kept))  # fmt: skip
    return table.getvalue()


def command_line(names_only: bool = False) -> str:
    """Return how this run was started; `names_only` leaves the folders of paths out.

    A card travels: where photos lay on somebody's disk is nobody else's business. Nor does it
    matter there whether the run was interrupted.
    """
    words = [part for word in sys.argv[1:] for part in word.split("=", 1)]
    if names_only:
        words = [Path(w).name if "/" in w or "\\" in w else w for w in words if w != "--resume"]
    return shlex.join(["python", "-m", "train", *words])


def _git_commit() -> str:
    """Return the checkout's commit, "+" appended if it was changed, or "unknown"."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip()
