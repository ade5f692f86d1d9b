"""Filter design as second-order sections: Butterworth by the bilinear transform, and the mains notch.

The filters are those of `scipy.signal.butter` and `scipy.signal.iirnotch`; designing them here keeps
fifty megabytes of scipy out of a service's memory. Oppenheim and Schafer, Discrete-Time Signal
Processing, 3rd edition, chapter 7.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Sections = NDArray[np.float64]
Poles = NDArray[np.complex128]


def butterworth(
    order: int, *, low_hz: float | None = None, high_hz: float | None = None, sample_rate_hz: float
) -> Sections:
    """Sections (n, 6) of a Butterworth filter: band-pass with both edges, else high-pass or low-pass.

    Args:
        order: slopes of each edge, 1 or more.
        low_hz: -3 dB edge below which is removed.
        high_hz: -3 dB edge above which is removed. Both between 0 and half the rate, low below high.
        sample_rate_hz: of the signals to be filtered.
    """
    low = None if low_hz is None else _warped(low_hz, sample_rate_hz)
    high = None if high_hz is None else _warped(high_hz, sample_rate_hz)
    prototype = np.exp(1j * np.pi * (2 * np.arange(order) + order + 1) / (2 * order))
    analog = _moved(prototype, low, high)
    digital = (1 + analog) / (1 - analog)
    sections = _with_poles(digital)
    _set_zeros(sections, low, high)
    centre = _passed(low, high)
    sections[0, :3] /= np.abs(_response(sections, 2 * np.arctan(centre)))
    return sections


def notch(frequency_hz: float, quality: float, *, sample_rate_hz: float) -> Sections:
    """One section (1, 6) that removes a frequency; its -3 dB width is frequency / quality."""
    angle = 2 * np.pi * frequency_hz / sample_rate_hz
    gain = 1 / (1 + np.tan(angle / quality / 2))
    turn = -2 * np.cos(angle)
    return np.array([[gain, gain * turn, gain, 1.0, gain * turn, 2 * gain - 1]])


def settled_state(sections: Sections) -> NDArray[np.float64]:
    """State (n, 2) in which a step of height 1 passes without a transient, transposed direct form II."""
    state = np.empty((len(sections), 2))
    level = 1.0
    for index, (b0, b1, b2, _, a1, a2) in enumerate(sections):
        settled = level * (b0 + b1 + b2) / (1 + a1 + a2)
        state[index] = settled - level * b0, level * b2 - a2 * settled
        level = settled
    return state


def _warped(frequency_hz: float, sample_rate_hz: float) -> float:
    """The analog frequency that the bilinear transform (1 + s) / (1 - s) maps to this one."""
    return float(np.tan(np.pi * frequency_hz / sample_rate_hz))


def _moved(prototype: Poles, low: float | None, high: float | None) -> Poles:
    """Poles of the low-pass prototype of edge 1, moved to the band."""
    if low is None:
        assert high is not None
        return prototype * high
    if high is None:
        return low / prototype
    half = prototype * (high - low) / 2
    root = np.sqrt(half**2 - low * high)
    return np.concatenate([half + root, half - root])


def _with_poles(poles: Poles) -> Sections:
    """Sections that have these poles: conjugates together, real ones in pairs."""
    is_real = np.abs(poles.imag) < 1e-10 * np.abs(poles)
    upper = poles[~is_real & (poles.imag > 0)]
    single = np.sort(poles[is_real].real)
    rows = [(-2 * pole.real, abs(pole) ** 2) for pole in upper]
    rows += [(-first - second, first * second) for first, second in zip(single[::2], single[1::2], strict=False)]
    rows += [(-single[-1], 0.0)] if single.size % 2 else []
    rows.sort(key=lambda row: row[1])
    return np.array([(1.0, 0.0, 0.0, 1.0, a1, a2) for a1, a2 in rows])


def _set_zeros(sections: Sections, low: float | None, high: float | None) -> None:
    """Zeros at frequency 0, at half the rate, or one at each for a band-pass."""
    for section in sections:
        first_order = section[5] == 0.0
        if low is not None and high is not None:
            section[:3] = 1.0, 0.0, -1.0
        else:
            sign = 1.0 if low is None else -1.0
            section[:3] = (1.0, sign, 0.0) if first_order else (1.0, 2 * sign, 1.0)


def _passed(low: float | None, high: float | None) -> float:
    """An analog frequency that passes with gain 1."""
    if low is None:
        return 0.0
    return np.inf if high is None else float(np.sqrt(low * high))


def _response(sections: Sections, angle: float) -> complex:
    delay = np.exp(-1j * angle * np.arange(3))
    return complex(np.prod((sections[:, :3] @ delay) / (sections[:, 3:] @ delay)))
