"""Answers to callers: predictions, and their place in the list of kept ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from precordia.catalog import ModelRef
from precordia.prediction import PredictInput, Prediction, Priority
from services.inference.keeping.keeper import NOT_KEPT, Keeper
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
        """A prediction for each input, in order; one that could not be kept says so.

        Raises:
            InvalidArgument, Overloaded, DeadlineExceeded, ModelNotFound ...: see `Predictor.predict`.
        """
        predictions = await self._predictor.predict(ref, inputs, priority=priority, timeout_s=timeout_s)
        if self._keeper is None or await self._keeper.keep(predictions):
            return predictions
        return tuple(
            replace(one, remarks=(*one.remarks, NOT_KEPT)) if one.recording_id and one.scores else one
            for one in predictions
        )
