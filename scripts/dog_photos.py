"""Dogs and what is none, out of two sets of photos.

    python scripts/dog_photos.py CATS_DOGS IMAGENETTE OUT

CATS_DOGS has {train,val}/{cats,dogs}/, IMAGENETTE {train,val}/CLASS/. Photos are linked into
OUT/{train,val}/{dog,not_dog}/: the dogs and ImageNette's English springers, against cats and its
nine other kinds.
"""

import sys
from pathlib import Path

DOGS = {"dogs", "English_springer"}


def main(cats_dogs: Path, imagenette: Path, out: Path) -> None:
    if out.exists():
        sys.exit(f"error: {out} is there already; remove it or name another folder")
    sources = [source / split for source in (cats_dogs, imagenette) for split in ("train", "val")]
    for source in sources:
        if not source.is_dir():
            sys.exit(f"error: {source}: no such folder; it wants train/ and val/ of each set")
    for source in sources:
        for kind in sorted(p for p in source.iterdir() if p.is_dir()):
            folder = out / source.name / ("dog" if kind.name in DOGS else "not_dog")
            folder.mkdir(parents=True, exist_ok=True)
            for photo in sorted(kind.iterdir()):
                (folder / f"{kind.name}-{photo.name}").symlink_to(photo.resolve())


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
