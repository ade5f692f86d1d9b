"""A file's bytes to a recording, against ecgdatakit on the same files in one run; one core.

    PRECORDIA_TESTDATA=... .venv/bin/python benchmarks/reading_files.py [--rounds 15]

Each round times both, one right after the other in alternating order, the quickest of three each;
the ratio is taken within the round. Both get a path and read the file themselves. Files that
ecgdatakit does not read are shown without a ratio. Reading here includes the file's hash and the
checks on the signal. The bar is 1.0 for every format that both read.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from ecgdatakit import FileParser

from precordia.errors import PrecordiaError
from precordia.source import Source
from services.ingest.formats import read_source

Reading = Callable[[Path], object]

PARSER = FileParser()


def ours(path: Path) -> object:
    """Read here."""
    return read_source(Source(path.name, path.read_bytes()))


def theirs(path: Path) -> object:
    """Read by ecgdatakit, which warns of what it then reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PARSER.parse(str(path))


def reads(reading: Reading, path: Path) -> bool:
    """Whether a reader takes the file at all; the first call compiles and imports, too."""
    try:
        reading(path)
    except Exception:  # the other reader's errors are its own
        return False
    return True


def milliseconds(reading: Reading, path: Path) -> float:
    """The quickest of three, so that another process's turn does not count."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        reading(path)
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def compare(path: Path, rounds: int) -> None:
    """Print one file's line."""
    name = f"{path.parent.name}/{path.name}"[:44]
    if not reads(theirs, path):
        alone = [milliseconds(ours, path) for _ in range(rounds)]
        print(f"{name:<46} {statistics.median(alone):9.2f} {'-':>10}")
        return
    pairs = []
    for index in range(rounds):
        if index % 2:
            mine, other = milliseconds(ours, path), milliseconds(theirs, path)
        else:
            other, mine = milliseconds(theirs, path), milliseconds(ours, path)
        pairs.append((mine, other))
    ratios = sorted(other / mine for mine, other in pairs)
    mine_ms, other_ms = (statistics.median(column) for column in zip(*pairs, strict=True))
    middle = statistics.median(ratios)
    print(f"{name:<46} {mine_ms:9.2f} {other_ms:10.2f} {middle:7.2f}   {ratios[0]:.2f} - {ratios[-1]:.2f}")


def readable(folder: Path) -> list[Path]:
    """Single files that are read without hints; WFDB records are several files each."""
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or "wfdb" in path.parts:
            continue
        try:
            ours(path)
        except PrecordiaError:
            continue
        found.append(path)
    return found


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=15)
    given = arguments.parse_args()
    folder = os.environ.get("PRECORDIA_TESTDATA")
    if not folder:
        raise SystemExit("Set PRECORDIA_TESTDATA to a folder of real ECGs.")
    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, ", end="")
    print(f"ecgdatakit {version('ecgdatakit')}")
    print(f"{'file':<46} {'here ms':>9} {'ecgdatakit':>10} {'ratio':>7}   spread")
    for path in readable(Path(folder) / "formats"):
        compare(path, given.rounds)


if __name__ == "__main__":
    main()
