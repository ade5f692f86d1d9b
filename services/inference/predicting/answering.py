"""Answers to callers: predictions, and their place in the list of kept ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from precordia.catalog import ModelRef
from precordia.prediction import PredictInput, Prediction, Priority
from services.inference.keeping.keeper import REMARKS, Keeper, Keeping
from services.inference.predicting.predictor import Predictor


class Answering:
    """Predicts for callers, and keeps what it says of stored recordings.

    Args:
        predictor: makes the scores.
        keeper: keeps them; None = nothing is kept.
    """

    def __init__(self, predictor: Predictor, keeper: Keeper | None) -> None:
        self._predictor = predictor
        self._keeper = keeper

    def check_room(self, ref: ModelRef, count: int, *, priority: Priority, timeout_s: float | None) -> None:
        """Refuses at once what would be refused; see `Predictor.check_room`."""
        self._predictor.check_room(ref, count, priority=priority, timeout_s=timeout_s)

    async def predict(
        self,
        ref: ModelRef,
        inputs: Sequence[PredictInput],
        *,
        priority: Priority = Priority.ROUTINE,
        timeout_s: float | None = None,
    ) -> tuple[Prediction, ...]:
        """A prediction for each input, in order; one that is not known to be kept says so.

        Raises:
            InvalidArgument, Overloaded, DeadlineExceeded, ModelNotFound ...: see `Predictor.predict`.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        predictions = await self._predictor.predict(ref, inputs, priority=priority, timeout_s=timeout_s)
        if self._keeper is None:
            return predictions
        left_s = None if deadline is None else deadline - time.monotonic()
        return _told(predictions, await self._keeper.keep(predictions, left_s=left_s))


def _told(predictions: tuple[Prediction, ...], keeping: Keeping) -> tuple[Prediction, ...]:
    """With a remark on each that should be kept and may not be."""
    if keeping is Keeping.KEPT:
        return predictions
    remark = REMARKS[keeping]
    return tuple(
        replace(one, remarks=(*one.remarks, remark)) if one.recording_id and one.scores else one for one in predictions
    )
