"""Long work on request: what is submitted, and what it left to read."""

from __future__ import annotations

from precordia.catalog import ModelRef
from precordia.dataset import SplitRef
from precordia.evaluation import EvaluationWish
from precordia.operation import Operation
from precordia.operations import Operations
from precordia.prediction import KeptPrediction, KeptQuery, RecordTruth, ScoredRecord
from precordia.quantization import QuantizationWish
from services.inference.datasets.prediction import DatasetPrediction
from services.inference.evaluation.operation import Evaluation
from services.inference.keeping.kept import KeptPredictions
from services.inference.keeping.store import PlacedPrediction, PredictionStore
from services.inference.quantization.operation import Quantization


class LongWork:
    """Submits long work and lists predictions. Blocking: call it from a worker thread."""

    def __init__(self, operations: Operations, store: PredictionStore, kept: KeptPredictions) -> None:
        self._operations = operations
        self._store = store
        self._kept = kept

    def predict_dataset(self, ref: ModelRef, split: SplitRef, *, request_id: str = "") -> Operation:
        """Scores for a split, as an operation.

        Raises:
            RequestReused: the request id was used for something else.
        """
        return self._operations.submit(DatasetPrediction.KIND, _asked(ref, split), request_id)[0]

    def evaluate(self, wish: EvaluationWish, *, request_id: str = "") -> Operation:
        """Metrics on labelled splits, as an operation.

        Raises:
            RequestReused: the request id was used for something else.
        """
        return self._operations.submit(Evaluation.KIND, wish.to_json(), request_id)[0]

    def quantize(self, wish: QuantizationWish, *, request_id: str = "") -> Operation:
        """An int8 version of a model, as an operation.

        Raises:
            RequestReused: the request id was used for something else.
        """
        return self._operations.submit(Quantization.KIND, wish.to_json(), request_id)[0]

    def predictions(self, operation_id: str, *, page_size: int, page_token: str) -> tuple[list[ScoredRecord], str]:
        """What an operation has made so far, by page.

        Raises:
            OperationNotFound: there is no such operation.
            PredictionsRemoved: they were there, and are too old.
            InvalidArgument: the token is none of ours.
        """
        self._operations.get(operation_id)
        page, token = self._store.page(operation_id, page_size=page_size, page_token=page_token)
        return [_scored(one) for one in page], token

    def kept(self, query: KeptQuery, *, page_size: int, page_token: str) -> tuple[list[KeptPrediction], str]:
        """What was given for stored recordings, newest first, by page.

        Raises:
            InvalidArgument: the token is none of ours.
        """
        return self._kept.page(query, page_size=page_size, page_token=page_token)


def _asked(ref: ModelRef, split: SplitRef) -> dict[str, str]:
    return {"model": str(ref), "dataset": split.dataset, "split": split.split, "snapshot_id": split.snapshot_id}


def _scored(placed: PlacedPrediction) -> ScoredRecord:
    truth = placed.truth
    if truth is None:
        return ScoredRecord(placed.prediction)
    said = RecordTruth(truth.labelled, truth.labels, truth.values, truth.patient)
    return ScoredRecord(placed.prediction, SplitRef(truth.dataset, truth.split), said)
