"""numba and rocket-fft without what they would drag along: 40 MiB of every service's memory, unused.

rocket-fft compiles `scipy.fft` as well where it can be imported, and numba looks for BLAS, for which
all of `scipy.linalg` is loaded. Both take "cannot be imported" for an answer. What it costs:
`numpy.convolve` inside other numba code of this process sums in a loop instead of by BLAS.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Modules that cannot be imported meanwhile; those that are loaded already stay as they are."""
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # Python's way to say "cannot be imported"
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _hidden("scipy.fft", "scipy.linalg.cython_blas"):
    import numba
    import numba.np.arraymath
    import rocket_fft

__all__ = ["numba", "rocket_fft"]
