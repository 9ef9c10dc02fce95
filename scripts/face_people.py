"""The people the shipped face model knows by name, and those who only teach it.

    python scripts/face_people.py LFW PEOPLE OUT

LFW and PEOPLE are folders with a folder a person. OUT/known gets the people of PEOPLE (24 photos to
train, 6 to test, in the order of their names) and those of LFW with 20 photos or more (every fifth
to test), OUT/taught all the others of LFW; a person in both sets is one. Photos are linked.
"""

import sys
from pathlib import Path

ENOUGH = 20
PEOPLE_TRAIN = 24


def link(photo: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{photo.parent.parent.name}-{photo.name}").symlink_to(photo.resolve())


def main(lfw: Path, people: Path, out: Path) -> None:
    known = {p.name for p in people.iterdir() if p.is_dir()}
    for person in sorted(known):
        for i, photo in enumerate(sorted((people / person).iterdir())):
            link(photo, out / "known" / ("train" if i < PEOPLE_TRAIN else "test") / person)
    for folder in sorted(p for p in lfw.iterdir() if p.is_dir()):
        photos = sorted(folder.iterdir())
        if len(photos) >= ENOUGH:
            for i, photo in enumerate(photos):
                link(photo, out / "known" / ("test" if i % 5 == 4 else "train") / folder.name)
        elif folder.name in known:
            for photo in photos:
                link(photo, out / "known" / "train" / folder.name)
        else:
            for photo in photos:
                link(photo, out / "taught" / folder.name)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
