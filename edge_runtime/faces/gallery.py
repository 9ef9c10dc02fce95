"""Enrolled people: their embeddings in one file, which holds no photo and runs no code.

The file is a NumPy archive: `embeddings` float32 (N, D), `counts` int64 (P,), `names` (P,) and
`about`, a JSON text that says which model the embeddings come from. It is loaded without pickle.
"""

from __future__ import annotations

import difflib
import io
import json
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import GalleryError
from edge_runtime.files import alone_in, write_whole
from edge_runtime.model.card import ModelCard

__all__ = ["Gallery", "change_gallery", "check_name", "weights_id"]

Floats = npt.NDArray[np.float32]

_SCHEMA = 1
_RESERVED = ("unknown", "uncertain", "builtin")  # what answers and options mean otherwise
_LONGEST_NAME = 100


class _Unfit(ValueError):  # noqa: N818
    """What is in a file is not what a gallery holds; says why."""


# What NumPy, zipfile and zlib raise at a damaged archive, and json at damaged text.
_DAMAGE = (
    GalleryError, ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
# Cosines; the same face in another photo stays below 0.99. A photo that is to be forgotten may have
# been enrolled on a machine that rounds otherwise.
_SAME_PHOTO, _THAT_PHOTO = 0.9999, 0.999


@dataclass(frozen=True, slots=True)
class Gallery:
    """People and the embeddings of their photos.

    Attributes:
        model: Name of the model the embeddings come from.
        weights: Hash of its weights, see `weights_id`.
        people: Name to float32 (n, D), rows of unit length, in the order they were enrolled.
    """

    model: str
    weights: str
    people: Mapping[str, Floats]

    @classmethod
    def empty(cls, card: ModelCard) -> Gallery:
        """Return a gallery nobody is in yet, for the embeddings of a model."""
        return cls(card.name, weights_id(card), MappingProxyType({}))

    @classmethod
    def load(cls, path: Path) -> Gallery:
        """Read a gallery file.

        Raises:
            GalleryError: It cannot be read, is cut short, or is no gallery.
        """
        try:
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise GalleryError(f"{path}: is no plain file; name a gallery, .npz")
            data = path.read_bytes()
        except FileNotFoundError:
            raise GalleryError(
                f"{path}: no such gallery; make it with edge-run enroll NAME PHOTO... "
                f"--gallery {path}"
            ) from None
        except OSError as error:
            raise GalleryError(f"{path}: cannot be read ({error.strerror})") from None
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                if missing := {"embeddings", "counts", "names", "about"} - set(file.files):
                    raise _Unfit(f"it lacks {', '.join(sorted(missing))}")
                embeddings, counts, names = (file[k] for k in ("embeddings", "counts", "names"))
                about = json.loads(str(file["about"]))
            return cls._checked(about, embeddings, counts, names)
        except _DAMAGE as error:
            # zlib, zipfile and NumPy have many words for a damaged file, some of bad advice.
            why = error if isinstance(error, _Unfit | GalleryError) else "not as it was written"
            raise GalleryError(
                f"{path}: is no gallery, or a damaged one ({why}); put a copy of it back, or "
                "remove it and enroll the people again"
            ) from None

    @classmethod
    def _checked(
        cls,
        about: dict[str, object],
        embeddings: Floats,
        counts: npt.NDArray[np.int64],
        names: npt.NDArray[np.str_],
    ) -> Gallery:
        if not isinstance(about, dict) or about.get("schema") != _SCHEMA:
            raise _Unfit(f"its schema is not {_SCHEMA}; upgrade edge-run")
        if not {"model", "weights"} <= set(about):
            raise _Unfit("it does not say which model it is of")
        if embeddings.dtype != np.float32 or embeddings.ndim != 2:
            raise _Unfit(f"embeddings are {embeddings.dtype} {embeddings.shape}")
        if counts.shape != names.shape or counts.sum() != len(embeddings) or (counts < 1).any():
            raise _Unfit("its names and embeddings do not go together")
        lengths = np.linalg.norm(embeddings, axis=1)
        if not np.allclose(lengths, 1, atol=1e-3):  # also false for what is no number
            raise _Unfit("an embedding is not of unit length")
        parts = np.split(embeddings, np.cumsum(counts)[:-1]) if len(counts) else []
        people = {check_name(str(n)): part for n, part in zip(names, parts, strict=True)}
        if len({name.casefold() for name in people}) < len(names):
            raise _Unfit("a name is there twice")
        return cls(str(about["model"]), str(about["weights"]), MappingProxyType(people))

    def save(self, path: Path) -> None:
        """Write the file whole, readable by its owner alone; the old one stays until then.

        Raises:
            OutputError: It cannot be written there.
        """
        about = {"schema": _SCHEMA, "model": self.model, "weights": self.weights}
        parts = list(self.people.values())
        file = io.BytesIO()
        np.savez(
            file,
            embeddings=np.concatenate(parts) if parts else np.zeros((0, 0), np.float32),
            counts=np.array([len(part) for part in parts], np.int64),
            names=np.array(list(self.people), np.str_),
            about=np.array(json.dumps(about)),
        )
        write_whole(path, file.getvalue(), durable=True, private=True)

    def expect_model(self, card: ModelCard, where: str) -> None:
        """Refuse to compare with the embeddings of another model.

        Raises:
            GalleryError: These come from another one.
        """
        if self.weights != weights_id(card):
            raise GalleryError(
                f"{where}: was made with another model ({self.model} {self.weights[:8]}, not "
                f"{card.name} {weights_id(card)[:8]}); name that one with --model, or make a new "
                f"one from photos of its {len(self.people)} people: edge-run enroll NAME PHOTO... "
                "--gallery NEW.npz"
            )

    def enrolled(self, name: str, embeddings: Floats) -> Gallery:
        """Return a gallery in which somebody has these embeddings too.

        Args:
            name: Of a person, new or known; embeddings they already have are not kept twice.
            embeddings: float32 (n, D), rows of unit length.

        Raises:
            GalleryError: The name cannot be taken.
        """
        name = self.name_of(name)
        known = next(iter(self.people.values()), embeddings)
        unit = np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3)
        if not len(embeddings) or embeddings.shape[1:] != known.shape[1:] or not unit:
            raise ValueError(f"expected rows of unit length like the gallery's {known.shape[1:]}")
        before = self.people.get(name, embeddings[:0])
        rows = np.concatenate([before, embeddings]).astype(np.float32)
        count = len(before)
        for row in embeddings:
            if not count or float((rows[:count] @ row).max()) < _SAME_PHOTO:
                rows[count] = row
                count += 1
        return self._with({**self.people, name: rows[:count].copy()})

    def renamed(self, old: str, new: str) -> Gallery:
        """Return a gallery in which somebody has another name, at the same place.

        Raises:
            GalleryError: Nobody has the old name, or somebody the new one.
        """
        old = self._known(old)
        new = check_name(new)
        others = {name.casefold(): name for name in self.people if name != old}
        if new.casefold() in others:
            raise GalleryError(
                f"{new}: {others[new.casefold()]} is there already; forget one of the two first"
            )
        return self._with({new if n == old else n: rows for n, rows in self.people.items()})

    def without(self, name: str) -> Gallery:
        """Return a gallery in which somebody is not.

        Raises:
            GalleryError: Nobody has that name.
        """
        name = self._known(name)
        return self._with({n: rows for n, rows in self.people.items() if n != name})

    def without_photos(self, name: str, embeddings: Floats, where: Sequence[str]) -> Gallery:
        """Return a gallery without some faces of somebody, and without them if none is left.

        Args:
            name: Of the person.
            embeddings: float32 (n, D), of the photos that are to go; copies may be among them.
            where: The photos, to be named where one is none of theirs.

        Raises:
            GalleryError: Nobody has that name, or a photo is none of theirs.
        """
        name = self._known(name)
        rows = self.people[name]
        cosines = rows @ embeddings.T
        for photo, nearest in zip(where, cosines.max(axis=0), strict=True):
            if nearest < _THAT_PHOTO:
                raise GalleryError(f"{photo}: is none of the photos of {name}")
        kept = rows[cosines.max(axis=1) < _THAT_PHOTO]
        return self._with({**self.people, name: kept}) if len(kept) else self.without(name)

    def _with(self, people: dict[str, Floats]) -> Gallery:
        return replace(self, people=MappingProxyType(people))

    def name_of(self, name: str) -> str:
        """Return a name as it is to be written.

        Raises:
            GalleryError: It cannot be taken, or somebody has it in other letters.
        """
        name = check_name(name)
        alike = next((n for n in self.people if n.casefold() == name.casefold()), name)
        if alike != name:
            raise GalleryError(f"{name}: the gallery has {alike}; write it like that, or choose "
                               "another name")  # fmt: skip
        return name

    def _known(self, name: str) -> str:
        """Return a name as it is in the gallery."""
        name = _joined(name)
        if name not in self.people:
            folded = {known.casefold(): known for known in self.people}
            near = difflib.get_close_matches(name.casefold(), folded, 5, 0.5)
            alike = [folded[one] for one in near]
            hint = (
                f"did you mean {' or '.join(alike)}?"
                if alike
                else "edge-run gallery list names them"
            )
            raise GalleryError(
                f"{name}: nobody of that name among the {len(self.people)} in the gallery; {hint}"
            )
        return name


def change_gallery(path: Path, changed: Callable[[], Gallery]) -> Gallery:
    """Write a changed gallery, one process after another, so that no change is lost.

    Args:
        path: The file.
        changed: Reads it, and returns what it is to be.

    Raises:
        GalleryError, OutputError: See `Gallery.load`, `Gallery.save`.
    """
    with alone_in(path.resolve().parent):
        gallery = changed()
        gallery.save(path)
    return gallery


def check_name(name: str) -> str:
    """Return a person's name without blanks around it, letters and accents joined.

    Raises:
        GalleryError: It is empty, too long, not printable, or means something else.
    """
    name = _joined(name)
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise GalleryError(
            f"{name!r}: is no name; take 1 to {_LONGEST_NAME} characters without line breaks"
        )
    if name.casefold() in _RESERVED:
        raise GalleryError(f"{name}: means something else in answers; choose another name")
    return name


def _joined(name: str) -> str:
    """Return a name with letters and accents joined, as all but macOS write it."""
    return unicodedata.normalize("NFC", name.strip())


def weights_id(card: ModelCard) -> str:
    """Return what embeddings can be compared by: the hash of the weights a file was made from.

    The same for fp32 and int8 files of one training; the file's own hash where it tells no more.
    """
    known = card.provenance.get("weights_sha256")
    return known if isinstance(known, str) and known else card.sha256
