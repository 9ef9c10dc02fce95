"""FER+ votes as the table `python -m train expression --votes` reads.

    python scripts/fer_votes.py fer2013.npz votes.csv

The pack holds FER2013 with the votes of Barsoum et al. 2016 (microsoft/FERPlus, MIT): ten people
said of each face which of eight expressions it shows, or that it shows none or is no face. The
photos are those its unpacking writes: SPLIT/CLASS/NUMBER.jpg. Photos without votes (-1 there) get
no row.
"""

import csv
import sys
from pathlib import Path

import numpy as np

COLUMNS = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprise",
    "neutral": "neutral",
}
SPLITS = ("training", "public_test", "private_test")


def main(pack: Path, out: Path) -> None:
    arrays = np.load(pack)
    names = [str(name) for name in arrays["ferplus_names"]]
    columns = [names.index(name) for name in COLUMNS]
    classes, labels, usage = arrays["classes"], arrays["y"], arrays["usage"]
    votes = arrays["ferplus_votes"]
    voted = np.flatnonzero((votes >= 0).all(axis=1))
    with out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", *COLUMNS.values()])
        for i in voted:
            path = f"{SPLITS[usage[i]]}/{classes[labels[i]]}/{i:05d}.jpg"
            table.writerow([path, *(int(v) for v in votes[i, columns])])
    print(f"{len(voted)} rows in {out}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
