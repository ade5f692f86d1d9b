"""Long work on request: what is submitted, and what it left to read."""

from __future__ import annotations

from precordia.catalog import ModelRef
from precordia.dataset import SplitRef
from precordia.operation import Operation
from precordia.operations import Operations
from precordia.prediction import Prediction
from services.inference.datasets import DatasetPrediction
from services.inference.evaluation import Evaluation
from services.inference.store import PredictionStore


class LongWork:
    """Submits dataset predictions and evaluations. Blocking: call it from a worker thread."""

    def __init__(self, operations: Operations, store: PredictionStore) -> None:
        self._operations = operations
        self._store = store

    def predict_dataset(self, ref: ModelRef, split: SplitRef, *, request_id: str = "") -> Operation:
        """Scores for a split, as an operation.

        Raises:
            RequestReused: the request id was used for something else.
        """
        return self._operations.submit(DatasetPrediction.KIND, _asked(ref, split), request_id)[0]

    def evaluate(self, ref: ModelRef, split: SplitRef, *, label_group: str = "", request_id: str = "") -> Operation:
        """Metrics on a labelled split, as an operation.

        Raises:
            RequestReused: the request id was used for something else.
        """
        asked = _asked(ref, split) | {"label_group": label_group}
        return self._operations.submit(Evaluation.KIND, asked, request_id)[0]

    def predictions(self, operation_id: str, *, page_size: int, page_token: str) -> tuple[list[Prediction], str]:
        """What an operation has made so far, by page.

        Raises:
            OperationNotFound: there is no such operation.
            InvalidArgument: the token is none of ours.
        """
        self._operations.get(operation_id)
        return self._store.page(operation_id, page_size=page_size, page_token=page_token)


def _asked(ref: ModelRef, split: SplitRef) -> dict[str, str]:
    return {"model": str(ref), "dataset": split.dataset, "split": split.split, "snapshot_id": split.snapshot_id}
