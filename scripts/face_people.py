"""Who teaches the shipped face model, whom it knows by name, and whom it never sees.

    python scripts/face_people.py LFW PEOPLE PAIRS OUT

LFW and PEOPLE are folders with a folder a person, PAIRS is LFW's table of pairs in eight folds
that share no person. Photos are linked into

    OUT/answers/{train,test}/   whom the model knows by name: the people of PEOPLE (24 photos to
                                train, 6 to test, in the order of their names) and those of LFW
                                with 20 photos or more (every fifth to test)
    OUT/lfw20/                  those of the latter, whom accuracy among themselves is told of
    OUT/teachers/{train,test}/  the latter who teach the embedding too
    OUT/taught/                 who else teaches it: the people of PEOPLE with the photos the model
                                may train on, all of them (none is wanted to choose by), and LFW's
                                other people
    OUT/strangers/              people of the seventh fold, who teach nothing: on them thresholds
                                are chosen
    OUT/held/                   15 people of PEOPLE who teach nothing: to enroll and to recognize

Nobody of the seventh and eighth fold teaches, nor does anybody of `held`. A person in both sets is
one.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.face_identity import CHOOSE, REPORT, people_of, read_pairs

ENOUGH = 20
PEOPLE_TRAIN = 24
HELD = 15
EVERY = 6  # of those only PEOPLE has, in the order of their names


def link(photo: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{photo.parent.parent.name}-{photo.name}").symlink_to(photo.resolve())


def held_people(people: Iterable[str], lfw: Iterable[str], unseen: set[str]) -> set[str]:
    """Return people who teach nothing: those whose LFW photos may not either, and some others."""
    must = sorted(set(people) & unseen)
    others = sorted(set(people) - set(lfw))[::EVERY]
    return {*must, *others[: HELD - len(must)]}


def main(lfw_folder: Path, people_folder: Path, pairs: Path, out: Path) -> None:
    lfw, people = people_of(lfw_folder), people_of(people_folder)
    who = [
        {path.parent.name for pair in fold for path in (pair.one, pair.other)}
        for fold in read_pairs(pairs, lfw_folder)
    ]
    unseen = who[CHOOSE] | who[REPORT]
    held = held_people(people, lfw, unseen)
    for person, photos in people.items():
        for i, photo in enumerate(photos):
            split = "train" if i < PEOPLE_TRAIN else "test"
            link(photo, out / "answers" / split / person)
            if person in held:
                link(photo, out / "held" / person)
            elif split == "train":
                link(photo, out / "taught" / person)
    for person, photos in lfw.items():
        teaches = person not in unseen | held
        if len(photos) >= ENOUGH and person not in people:
            for i, photo in enumerate(photos):
                split = "test" if i % 5 == 4 else "train"
                link(photo, out / "answers" / split / person)
                link(photo, out / "lfw20" / person)
                if teaches:
                    link(photo, out / "teachers" / split / person)
        elif teaches:
            for photo in photos:
                link(photo, out / "taught" / person)
        if person in who[CHOOSE] and person not in people:
            for photo in photos:
                link(photo, out / "strangers" / person)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
