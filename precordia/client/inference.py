"""The inference service: scores for ECGs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from precordia.catalog import ModelRef
from precordia.client.holding_off import HoldingOff
from precordia.client.ingest import NO_HINTS
from precordia.client.operations import OperationsClient
from precordia.client.peer import CALL_S, LONG_CALL_S, Peer, new_request_id, within_caller
from precordia.client.uploads import chunks, measure
from precordia.dataset import SplitRef
from precordia.evaluation import EvaluationWish
from precordia.operation import Operation
from precordia.prediction import (
    FilePrediction,
    KeptPrediction,
    KeptQuery,
    LoadedModel,
    PredictInput,
    Prediction,
    Priority,
    ScoredRecord,
)
from precordia.quantization import QuantizationWish
from precordia.record import Hints
from precordia.rpc.convert.dataset import split_ref_to_proto
from precordia.rpc.convert.evaluation import evaluation_to_proto
from precordia.rpc.convert.model import model_ref_to_proto
from precordia.rpc.convert.operation import operation_from_proto
from precordia.rpc.convert.prediction import (
    file_prediction_from_proto,
    kept_prediction_from_proto,
    kept_query_to_proto,
    loaded_model_from_proto,
    predict_input_to_proto,
    prediction_from_proto,
    priority_to_proto,
    scored_records_from_proto,
)
from precordia.rpc.convert.quantization import quantization_to_proto
from precordia.rpc.convert.recording import hints_to_proto
from precordia.rpc.convert.traffic import traffic_from_proto, traffic_rule_to_proto
from precordia.source import Source
from precordia.traffic import Traffic, TrafficRule
from precordia.v1 import inference_pb2 as pb
from precordia.v1 import inference_pb2_grpc
from precordia.v1.ingest_pb2 import UploadHeader

_PAGE = 500

EVERY_ANSWER = KeptQuery()


class InferenceClient:
    """Predictions, evaluations, loaded models; `operations` is its long work."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._holding_off = HoldingOff()
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
            Overloaded: the queue is full; says when to come back. Until then such a call is refused here,
                unless it is STAT.
        """
        timeout_s = within_caller(timeout_s or CALL_S)
        with self._holding_off.call(ref, priority, len(inputs), timeout_s):
            request = pb.PredictRequest(
                model=model_ref_to_proto(ref),
                inputs=[predict_input_to_proto(one) for one in inputs],
                priority=priority_to_proto(priority),
            )
            answer = await self._peer.call(self._stub.Predict, request, timeout_s=timeout_s)
        return tuple(prediction_from_proto(prediction) for prediction in answer.predictions)

    async def predict_dataset(self, ref: ModelRef, split: SplitRef, request_id: str = "") -> Operation:
        """Scores for a dataset split, as an operation; read them with `predictions`."""
        request = pb.PredictDatasetRequest(
            request_id=request_id or new_request_id(),
            model=model_ref_to_proto(ref),
            split=split_ref_to_proto(split),
        )
        return operation_from_proto((await self._peer.call(self._stub.PredictDataset, request)).operation)

    async def predict_file(
        self,
        ref: ModelRef,
        source: Source,
        hints: Hints = NO_HINTS,
        *,
        profile: str = "",
        dataset: str = "",
        keep: bool = True,
        priority: Priority = Priority.ROUTINE,
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> FilePrediction:
        """A file's recordings and their scores in one call: inference has ingest read it.

        Args:
            ref: the model.
            source: the file, with the companions that it needs.
            hints: facts that the file does not say.
            profile: an import profile whose hints fill in the rest.
            dataset: also put the recordings there.
            keep: whether the recordings and their scores stay.
            priority: whose turn it is.
            timeout_s: how long an answer is of use.
            request_id: a repeated one does not import again.

        Raises:
            InvalidInput: the file cannot be read; the error's class and field say why.
            ModelNotFound, AliasNotFound: there is no such model.
        """
        header = pb.PredictFileHeader(
            request_id=request_id or new_request_id(),
            model=model_ref_to_proto(ref),
            hints=hints_to_proto(hints),
            profile=profile,
            dataset=dataset,
            priority=priority_to_proto(priority),
            no_keep=not keep,
        )

        async def parts() -> AsyncIterator[pb.PredictFileRequest]:
            yield pb.PredictFileRequest(header=header)
            for name, content in [(source.name, source.content), *source.companions.items()]:
                size, sha256 = await measure(content)
                yield pb.PredictFileRequest(file=UploadHeader(file_name=name, size_bytes=size, sha256=sha256))
                async for chunk in chunks(content):
                    yield pb.PredictFileRequest(chunk=chunk)

        answer = await self._peer.call(self._stub.PredictFile, parts(), timeout_s=timeout_s or LONG_CALL_S)
        return file_prediction_from_proto(answer)

    async def kept(self, query: KeptQuery = EVERY_ANSWER) -> AsyncIterator[KeptPrediction]:
        """Answers that were given for stored recordings, newest first."""
        request, token = kept_query_to_proto(query), ""
        while True:
            request.page_size, request.page_token = _PAGE, token
            answer = await self._peer.call(self._stub.ListKeptPredictions, request)
            for kept in answer.predictions:
                yield kept_prediction_from_proto(kept)
            token = answer.next_page_token
            if not token:
                return

    async def predictions(self, operation_id: str) -> AsyncIterator[Prediction]:
        """Scores that a `predict_dataset` or an `evaluate` operation made, in order.

        Raises:
            PredictionsRemoved: the service keeps such scores for some days only, and these are older.
        """
        async for scored in self.scored(operation_id):
            yield scored.prediction

    async def scored(self, operation_id: str) -> AsyncIterator[ScoredRecord]:
        """The same; those of an evaluation with their split and what the dataset says of the record."""
        token = ""
        while True:
            request = pb.ListPredictionsRequest(operation_id=operation_id, page_size=_PAGE, page_token=token)
            answer = await self._peer.call(self._stub.ListPredictions, request)
            for scored in scored_records_from_proto(answer):
                yield scored
            token = answer.next_page_token
            if not token:
                return

    async def evaluate(self, ref: ModelRef, split: SplitRef, label_group: str = "", request_id: str = "") -> Operation:
        """Metrics of a model on a labelled split, as an operation; its result holds them."""
        return await self.evaluate_all(EvaluationWish((ref,), (split,), label_group), request_id)

    async def evaluate_all(self, wish: EvaluationWish, request_id: str = "") -> Operation:
        """Metrics of models on labelled splits, as an operation; `evaluations_of` its result has them."""
        request = evaluation_to_proto(wish, request_id or new_request_id())
        return operation_from_proto((await self._peer.call(self._stub.EvaluateModel, request)).operation)

    async def quantize(self, wish: QuantizationWish, request_id: str = "") -> Operation:
        """An int8 version of a model, as an operation; its result has the version and what it lost.

        The operation fails with AccuracyLost where that is more than is allowed.
        """
        request = quantization_to_proto(wish, request_id or new_request_id())
        return operation_from_proto((await self._peer.call(self._stub.QuantizeModel, request)).operation)

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

    async def set_traffic(self, rule: TrafficRule) -> Traffic:
        """Give a candidate version a share of an alias's requests; with both shares 0, take it away.

        Raises:
            ModelNotFound, AliasNotFound: there is no such model or candidate.
            InvalidArgument: the candidate answers nothing that the current version answers.
        """
        request = pb.SetTrafficRequest(rule=traffic_rule_to_proto(rule))
        answer = await self._peer.call(self._stub.SetTraffic, request, timeout_s=LONG_CALL_S)
        return traffic_from_proto(answer.traffic)

    async def traffic(self) -> list[Traffic]:
        """The rules in force, and how the candidates differ so far."""
        answer = await self._peer.call(self._stub.ListTraffic, pb.ListTrafficRequest())
        return [traffic_from_proto(one) for one in answer.traffic]
