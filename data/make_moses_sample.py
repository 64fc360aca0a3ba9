"""Draw the bundled sample from the MOSES training set: ``python data/make_moses_sample.py
moses_train.csv.gz``.
"""

from __future__ import annotations

import gzip
import random
import sys
from pathlib import Path

MOLECULES = 10_000


def main(source: str) -> None:
    """Write 10,000 rows of ``source``, drawn with seed 0, in the order of the file."""
    with gzip.open(source, "rt", encoding="ascii") as handle:
        header, *rows = handle.read().splitlines()
    chosen = sorted(random.Random(0).sample(range(len(rows)), MOLECULES))
    text = "\n".join([header, *(rows[place] for place in chosen)]) + "\n"
    target = Path(__file__).with_name("moses_sample.csv.gz")
    target.write_bytes(gzip.compress(text.encode("ascii"), 9, mtime=0))


if __name__ == "__main__":
    main(sys.argv[1])
