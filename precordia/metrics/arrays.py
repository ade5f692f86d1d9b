"""The arrays that figures are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]
Truth = NDArray[np.uint8] | NDArray[np.bool_]
Counts = NDArray[np.int64]
