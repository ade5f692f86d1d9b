"""The conditioned PTB-XL training records, against their 500 Hz originals.

The stored rows are the originals (already band-passed and z-scored at 500 Hz) put through
`scipy.signal.resample_poly(x, 1, 5)` and rounded to 0.001: the first test shows it. Our step resamples
by FFT with both ends continued; the second test shows how far that is from it. Most of the
difference stands in the first and last samples, where resample_poly takes zeros beyond the ends.
"""

import numpy as np
import pytest
import scipy.signal

from precordia.leads import STANDARD_LEADS
from precordia.manifest import InputSpec, Manifest, Output, Task
from precordia.record import Signal, Unit
from precordia.signal import condition
from precordia.steps import parse_step

BAND, TO_100, Z = parse_step("band-pass:0.5-40"), parse_step("resample:100"), parse_step("z-score")
SHIPPED = Manifest(
    input=InputSpec("ecg", STANDARD_LEADS, 100.0, 10.0),
    task=Task.MULTILABEL,
    outputs=tuple(Output(name) for name in ("NORM", "MI", "STTC", "CD", "HYP")),
    steps=(BAND, TO_100, Z),
)


@pytest.fixture(scope="module")
def pairs(testdata) -> list[tuple[np.ndarray, np.ndarray]]:
    """Originals (5000, 12) at 500 Hz and stored rows (1000, 12) at 100 Hz."""
    stored = np.load(testdata / "ptbxl-z" / "signals_100hz.npz", allow_pickle=False)
    ids = stored["ecg_id"].tolist()
    rows = stored["x"]
    files = sorted((testdata / "ptbxl-z" / "original_500hz").glob("*.npy"))
    return [
        (np.load(file, allow_pickle=False), rows[ids.index(int(file.stem))] * np.float32(stored["scale"]))
        for file in files
    ]


def _signal(values: np.ndarray, rate_hz: float) -> Signal:
    return Signal(np.ascontiguousarray(values.T), STANDARD_LEADS, rate_hz, Unit.STANDARDISED, (BAND, Z))


def test_stored_rows_are_the_originals_through_resample_poly(pairs: list) -> None:
    assert len(pairs) == 8
    for original, stored in pairs:
        expected = scipy.signal.resample_poly(original.astype(np.float64), 1, 5, axis=0)
        assert np.abs(expected - stored).max() <= 0.000501


def test_our_conditioning_of_the_originals_is_close_to_the_stored_rows(pairs: list) -> None:
    differences = [condition(_signal(original, 500.0), SHIPPED).x[0].T - stored for original, stored in pairs]
    whole = [float(np.sqrt((difference**2).mean())) for difference in differences]
    inner = [float(np.sqrt((difference[50:-50] ** 2).mean())) for difference in differences]
    assert max(whole) < 0.009, whole
    assert max(inner) < 0.006, inner


def test_stored_rows_pass_untouched(pairs: list) -> None:
    for _, stored in pairs:
        result = condition(_signal(stored, 100.0), SHIPPED)
        np.testing.assert_array_equal(result.x[0].T, stored)
        assert result.remarks == ()
