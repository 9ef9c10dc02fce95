"""Features of photos in a file: written row by row, so that nothing done is done again.

FEATURES.npz holds arrays without pickle: `key` (JSON: the backbone and what it was given), `paths`,
`content` (hash of each photo's pixels) and `values`, float32 (N, C). While it is being made its
rows lie in FEATURES.npz.part/.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import OutputError
from edge_runtime.files import check_writable, write_whole
from train.data.samples import Sample
from train.errors import DataError, RunError

__all__ = ["FeatureKey", "FeatureTable", "FeatureWriter", "making"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FeatureKey:
    """What features depend on besides the photos.

    Attributes:
        backbone: See `train.networks.backbones.BACKBONES`.
        weights: SHA-256 of the backbone's weights.
        size_px: Side of its input.
        enlarged_px: Side to which the input is enlarged before it; 0 leaves it.
        given: How the weights were named, which a command to make them again says.
    """

    backbone: str
    weights: str
    size_px: int
    enlarged_px: int = 0
    given: str = field(default="imagenet", compare=False)


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features, found by the content of a photo.

    Attributes:
        path: The file.
        key: What they depend on.
        rows: Place of each content in `values`.
        values: float32 (N, C).
    """

    path: Path
    key: FeatureKey
    rows: dict[str, int]
    values: Floats

    @classmethod
    def read(cls, path: Path) -> FeatureTable:
        """Read a file.

        Raises:
            DataError: It is missing, cut short, or something else.
        """
        try:
            # Opened here: np.load leaves a file open that is none of its own.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                key = FeatureKey(**json.loads(str(stored["key"])))
                content, values = stored["content"], stored["values"]
        except OSError as error:
            if error.strerror:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from None
            raise DataError(_no_features(path)) from None
        except (ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError):
            raise DataError(_no_features(path)) from None
        if values.ndim != 2 or len(values) != len(content):
            raise DataError(_no_features(path))
        rows = {str(one): i for i, one in enumerate(content)}
        return cls(path, key, rows, np.asarray(values, np.float32))

    def of(self, samples: Sequence[Sample], data: Path) -> Floats:
        """Return the features of photos, float32 (n, C).

        Args:
            samples: Which.
            data: Their folder, which the command to make them again names.

        Raises:
            DataError: A photo is not among them, or is not as it was.
        """
        missing = [s.path for s in samples if s.content not in self.rows]
        if missing:
            raise DataError(
                f"{missing[0]}: is not in {self.path}, or was changed since"
                + (f" (and {len(missing) - 1} more)" if len(missing) > 1 else "")
                + f"; make it again: {self.command(data)}"
            )
        return self.values[[self.rows[s.content] for s in samples]]

    def command(self, data: Path, weights: str = "") -> str:
        """Return what makes such a file of a folder of photos again, in place of this one.

        Args:
            data: The folder.
            weights: How those of the backbone are named; by default as they were.
        """
        key = replace(self.key, given=weights or self.key.given)
        return f"rm {shlex.quote(str(self.path))}; {making(key, data, self.path)}"


def making(key: FeatureKey, data: Path, output: Path) -> str:
    """Return the command that makes features of a folder of photos."""
    words = ["--data", str(data), "--backbone", key.backbone, "--size", str(key.size_px)]
    words += ["--enlarge", str(key.enlarged_px)] if key.enlarged_px else []
    words += [] if key.given == "imagenet" else ["--weights", key.given]
    return f"python -m train features {shlex.join([*words, '--output', str(output)])}"


class FeatureWriter:
    """Writes features in the order of the photos; what an interrupted one wrote is gone on from.

    Attributes:
        done: Photos looked at, earlier ones included.
        kept: Those of them that have features.
    """

    def __init__(
        self, path: Path, key: FeatureKey, photos: Sequence[Path], width: int, resume: bool
    ) -> None:
        """Open or go on with FEATURES.npz.part/.

        Args:
            path: FEATURES.npz.
            key: What the features depend on.
            photos: All that are to be done, in order.
            width: Numbers a photo.
            resume: Go on where one stopped.

        Raises:
            OutputError: Nothing can be written there.
            RunError: There is a file of that name, or a part that `resume` is not said of, or one
                of another backbone or other photos.
        """
        check_writable(path)
        if path.exists():
            raise RunError(f"{path}: is there already; remove it or choose another --output")
        self._path, self._width = path, width
        self._part = path.with_name(path.name + ".part")
        known = self._part / "key.json"
        listed = "\n".join(map(str, photos)).encode(errors="surrogateescape")
        names = hashlib.sha256(listed).hexdigest()
        described = {**asdict(key), "photos": names}
        self._key = key
        if known.exists():
            if not resume:
                raise RunError(
                    f"{self._part}: was interrupted; add --resume to go on, or remove it"
                )
            before = _parsed(known.read_text("utf-8", errors="replace"))
            if before is None:
                raise RunError(f"{self._part}: is damaged; remove it and begin anew")
            changed = sorted(k for k in described if k != "given" and before.get(k) != described[k])
            if changed:
                raise RunError(
                    f"{self._part}: was begun with another {', '.join(changed)}; resume with the "
                    "same, or remove it"
                )
        else:
            try:
                self._part.mkdir(exist_ok=True)
            except OSError as error:
                raise OutputError(f"{self._part}: cannot be written ({error.strerror})") from None
            write_whole(known, json.dumps(described).encode(), durable=True)
        self._values = (self._part / "values.f32").open("ab")
        self._rows = (self._part / "rows.jsonl").open("a+", encoding="utf-8")
        self.done, self.kept = self._whole_rows()

    def _whole_rows(self) -> tuple[int, int]:
        """Cut off what an interruption left half; return how many photos are done, and kept."""
        self._rows.seek(0)
        lines = [line for line in self._rows if line.endswith("\n")]
        size = 4 * self._width
        there = (self._part / "values.f32").stat().st_size // size
        kept, seen = [], 0
        for line in lines:
            row = _parsed(line)
            if row is None:  # a power cut may leave anything behind what was written to the disk
                break
            seen += bool(row["content"])
            if seen > there:
                seen -= 1
                break
            kept.append(line)
        self._values.truncate(seen * size)
        self._rows.truncate(sum(len(line.encode()) for line in kept))
        return len(kept), seen

    def add(
        self, photos: Sequence[Path], content: Sequence[str], values: Floats, why: Sequence[str]
    ) -> None:
        """Add photos; of those without content there are no values.

        Args:
            photos: As they are called in the file.
            content: Hash of each one's pixels, "" of what is left out.
            values: float32 (n, C), of those that have content.
            why: Why each is left out, or "".

        Raises:
            OutputError: The disk is full; what is there can be gone on from.
        """
        lines = [
            json.dumps({"path": str(path), "content": hashed} | ({"why": said} if said else {}))
            + "\n"
            for path, hashed, said in zip(photos, content, why, strict=True)
        ]
        try:
            # Values first: a row says that its values are there.
            self._values.write(np.ascontiguousarray(values, np.float32).tobytes())
            self._values.flush()
            self._rows.write("".join(lines))
            self._rows.flush()
        except OSError as error:
            raise OutputError(
                f"{self._part}: cannot be written ({error.strerror}); make room and go on with "
                "--resume"
            ) from None
        self.done += len(photos)
        self.kept += len(values)

    def left_out(self) -> list[tuple[str, str]]:
        """Return the photos without features so far, earlier ones included, each with why."""
        with (self._part / "rows.jsonl").open(encoding="utf-8") as file:
            rows = map(json.loads, file)
            return [(row["path"], row.get("why", "")) for row in rows if not row["content"]]

    def finish(self) -> int:
        """Write FEATURES.npz, remove the part, and return how many photos have features.

        Raises:
            OutputError: The disk is full; what is there can be gone on from.
        """
        self.close()
        with (self._part / "rows.jsonl").open(encoding="utf-8") as file:
            rows = [row for row in map(json.loads, file) if row["content"]]
        shape = len(rows), self._width
        # Mapped, not read: a folder's features may be larger than memory.
        values = np.memmap(self._part / "values.f32", np.float32, "r", shape=shape)
        whole = self._part / "whole.npz"
        try:
            np.savez(
                whole,
                key=np.array(json.dumps(asdict(self._key))),
                paths=np.array([row["path"] for row in rows]),
                content=np.array([row["content"] for row in rows]),
                values=values,
            )
            os.replace(whole, self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                whole.unlink()
            raise OutputError(
                f"{self._path}: cannot be written ({error.strerror}); make room and go on with "
                "--resume"
            ) from None
        shutil.rmtree(self._part)
        return len(rows)

    def discard(self) -> None:
        """Remove the part: there is nothing in it."""
        self.close()
        shutil.rmtree(self._part)

    def close(self) -> None:
        """Close the files; the part stays."""
        self._values.close()
        self._rows.close()


def _parsed(text: str) -> dict[str, Any] | None:
    """Return what a line of JSON says, or None where it is none."""
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _no_features(path: Path) -> str:
    return f"{path}: is no whole file of features; python -m train features makes one"
