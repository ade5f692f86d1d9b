"""Bootstrap intervals by patient: ours against scikit-learn, which takes the drawn records one draw after another.

Both make the same draws of 2,000 records, five labels and AUROC; scikit-learn makes the first few of them, and
its time is that of one draw times their number. They take turns; the ratio is the median of the pairs.

    taskset -c 0 .venv/bin/python -m benchmarks.intervals [--rounds 7]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import sklearn
from sklearn.metrics import roc_auc_score

from precordia.metrics.bootstrap import DRAWS, distributions, drawn_counts, patient_numbers
from precordia.metrics.weighted import auroc_of

RECORDS, LABELS, OBVIOUS_DRAWS = 2000, 5, 20


def seconds(work: Callable[[], object]) -> float:
    """Processor time of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    draw = np.random.default_rng(0)
    truth, scores = draw.random((RECORDS, LABELS)) < 0.2, draw.random((RECORDS, LABELS))
    patients = patient_numbers([f"p{row // 2}" for row in range(RECORDS)])
    counts = next(drawn_counts(patients, draws=DRAWS))[:, :OBVIOUS_DRAWS].T.astype(int)

    def macro(given: np.ndarray) -> dict[str, np.ndarray]:
        return {"auroc": np.mean([auroc_of(truth[:, one], scores[:, one], given) for one in range(LABELS)], axis=0)}

    def obvious() -> list[float]:
        rows = [np.repeat(np.arange(RECORDS), count) for count in counts]
        return [float(roc_auc_score(truth[row], scores[row])) for row in rows]

    found = distributions(macro, patients)["auroc"]
    difference = float(np.abs(found[:OBVIOUS_DRAWS] - obvious()).max())
    pairs = [
        (seconds(lambda: distributions(macro, patients)), seconds(obvious) * DRAWS / OBVIOUS_DRAWS)
        for _ in range(rounds)
    ]
    low, middle, high = statistics.quantiles([theirs / ours for ours, theirs in pairs], n=4)
    print(f"Python {platform.python_version()}, numpy {np.__version__}, scikit-learn {sklearn.__version__}")
    print(f"{DRAWS} draws of {RECORDS} records, {LABELS} labels, processor time; largest difference {difference:.1e}")
    print(f"ours {statistics.median(ours for ours, _ in pairs):.2f} s, {middle:.1f} ({low:.1f}..{high:.1f}) x quicker")


if __name__ == "__main__":
    main()
