"""The inference service: scores for ECGs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from precordia.catalog import ModelRef
from precordia.client.operations import OperationsClient
from precordia.client.peer import CALL_S, LONG_CALL_S, Peer, new_request_id
from precordia.dataset import SplitRef
from precordia.operation import Operation
from precordia.prediction import LoadedModel, PredictInput, Prediction, Priority
from precordia.rpc.convert.dataset import split_ref_to_proto
from precordia.rpc.convert.model import model_ref_to_proto
from precordia.rpc.convert.operation import operation_from_proto
from precordia.rpc.convert.prediction import (
    loaded_model_from_proto,
    predict_input_to_proto,
    prediction_from_proto,
    priority_to_proto,
)
from precordia.v1 import inference_pb2 as pb
from precordia.v1 import inference_pb2_grpc

_PAGE = 500


class InferenceClient:
    """Predictions, evaluations, loaded models; `operations` is its long work."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.operations = OperationsClient(peer)

    @property
    def _stub(self) -> Any:
        return self._peer.stub(inference_pb2_grpc.InferenceServiceStub)

    async def predict(
        self,
        ref: ModelRef,
        inputs: Sequence[PredictInput],
        priority: Priority = Priority.ROUTINE,
        timeout_s: float | None = None,
    ) -> tuple[Prediction, ...]:
        """Scores, one answer for each input in order; an input that cannot be scored has its own error.

        Raises:
            ModelNotFound, AliasNotFound: there is no such model.
            Overloaded: the queue is full; says when to come back.
        """
        request = pb.PredictRequest(
            model=model_ref_to_proto(ref),
            inputs=[predict_input_to_proto(one) for one in inputs],
            priority=priority_to_proto(priority),
        )
        answer = await self._peer.call(self._stub.Predict, request, timeout_s=timeout_s or CALL_S)
        return tuple(prediction_from_proto(prediction) for prediction in answer.predictions)

    async def predict_dataset(self, ref: ModelRef, split: SplitRef, request_id: str = "") -> Operation:
        """Scores for a dataset split, as an operation; read them with `predictions`."""
        request = pb.PredictDatasetRequest(
            request_id=request_id or new_request_id(),
            model=model_ref_to_proto(ref),
            split=split_ref_to_proto(split),
        )
        return operation_from_proto((await self._peer.call(self._stub.PredictDataset, request)).operation)

    async def predictions(self, operation_id: str) -> AsyncIterator[Prediction]:
        """Scores that a `predict_dataset` operation made, in order."""
        token = ""
        while True:
            request = pb.ListPredictionsRequest(operation_id=operation_id, page_size=_PAGE, page_token=token)
            answer = await self._peer.call(self._stub.ListPredictions, request)
            for prediction in answer.predictions:
                yield prediction_from_proto(prediction)
            token = answer.next_page_token
            if not token:
                return

    async def evaluate(self, ref: ModelRef, split: SplitRef, label_group: str = "", request_id: str = "") -> Operation:
        """Metrics of a model on a labelled split, as an operation; its result holds them."""
        request = pb.EvaluateModelRequest(
            request_id=request_id or new_request_id(),
            model=model_ref_to_proto(ref),
            split=split_ref_to_proto(split),
            label_group=label_group,
        )
        return operation_from_proto((await self._peer.call(self._stub.EvaluateModel, request)).operation)

    async def load(self, ref: ModelRef) -> LoadedModel:
        """Load and warm a model before it is needed."""
        request = pb.LoadModelRequest(model=model_ref_to_proto(ref))
        answer = await self._peer.call(self._stub.LoadModel, request, timeout_s=LONG_CALL_S)
        return loaded_model_from_proto(answer.model)

    async def unload(self, ref: ModelRef) -> None:
        """Let go of a loaded model."""
        await self._peer.call(self._stub.UnloadModel, pb.UnloadModelRequest(model=model_ref_to_proto(ref)))

    async def loaded(self) -> list[LoadedModel]:
        """Models that are loaded now."""
        answer = await self._peer.call(self._stub.ListLoadedModels, pb.ListLoadedModelsRequest())
        return [loaded_model_from_proto(model) for model in answer.models]
