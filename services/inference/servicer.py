"""The edge: messages in, messages out. Explanations are not served by this version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from precordia.client.ingest import FileStart
from precordia.errors import InvalidArgument, PrecordiaError
from precordia.prediction import PredictInput
from precordia.rpc.convert.dataset import split_ref_from_proto
from precordia.rpc.convert.evaluation import evaluation_from_proto
from precordia.rpc.convert.model import model_ref_from_proto
from precordia.rpc.convert.operation import operation_to_proto
from precordia.rpc.convert.prediction import (
    file_prediction_to_proto,
    kept_prediction_to_proto,
    kept_query_from_proto,
    loaded_model_to_proto,
    predict_input_from_proto,
    prediction_to_proto,
    priority_from_proto,
    scored_records_to_proto,
)
from precordia.rpc.convert.quantization import quantization_from_proto
from precordia.rpc.convert.recording import hints_from_proto
from precordia.rpc.convert.traffic import traffic_rule_from_proto, traffic_to_proto
from precordia.rpc.deadline import remaining_s
from precordia.rpc.workers import in_worker
from precordia.v1 import inference_pb2 as pb
from precordia.v1 import inference_pb2_grpc
from services.inference.long_work import LongWork
from services.inference.models.holding import Models
from services.inference.predicting.answering import Answering
from services.inference.predicting.file_predictor import FilePredictor
from services.inference.predicting.predictor import RefusedInput
from services.inference.traffic.routing import Routing

INFERENCE_SERVICE = pb.DESCRIPTOR.services_by_name["InferenceService"].full_name

_Context = grpc.aio.ServicerContext[Any, Any]


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Decodes, calls, encodes."""

    def __init__(
        self, answering: Answering, files: FilePredictor, models: Models, long_work: LongWork, routing: Routing
    ) -> None:
        self._answering = answering
        self._files = files
        self._models = models
        self._routing = routing
        self._long_work = long_work

    async def Predict(  # noqa: N802 - gRPC's spelling
        self, request: pb.PredictRequest, context: _Context
    ) -> pb.PredictResponse:
        """Scores for one or many ECGs."""
        ref, priority, timeout_s = (
            model_ref_from_proto(request.model),
            priority_from_proto(request.priority),
            remaining_s(),
        )
        self._answering.check_room(ref, len(request.inputs), priority=priority, timeout_s=timeout_s)
        inputs = _inputs(request.inputs)
        predictions = await self._answering.predict(ref, inputs, priority=priority, timeout_s=timeout_s)
        return pb.PredictResponse(predictions=map(prediction_to_proto, predictions))

    async def PredictFile(  # noqa: N802 - gRPC's spelling
        self, requests: AsyncIterator[pb.PredictFileRequest], context: _Context
    ) -> pb.PredictFileResponse:
        """A file's recordings and their scores."""
        stream = aiter(requests)
        first = await anext(stream, None)
        if first is None or first.WhichOneof("part") != "header":
            raise _out_of_order()
        header = first.header
        predicted = await self._files.predict(
            model_ref_from_proto(header.model),
            _files(stream),
            hints_from_proto(header.hints),
            profile=header.profile,
            dataset=header.dataset,
            keep=not header.no_keep,
            priority=priority_from_proto(header.priority),
            request_id=header.request_id,
        )
        return file_prediction_to_proto(predicted)

    async def ListKeptPredictions(  # noqa: N802 - gRPC's spelling
        self, request: pb.ListKeptPredictionsRequest, context: _Context
    ) -> pb.ListKeptPredictionsResponse:
        """One page of what was given for stored recordings."""
        page, token = await in_worker(
            self._long_work.kept,
            kept_query_from_proto(request),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListKeptPredictionsResponse(predictions=map(kept_prediction_to_proto, page), next_page_token=token)

    async def PredictDataset(  # noqa: N802 - gRPC's spelling
        self, request: pb.PredictDatasetRequest, context: _Context
    ) -> pb.PredictDatasetResponse:
        """Scores for a split, as an operation."""
        ref, split = model_ref_from_proto(request.model), split_ref_from_proto(request.split)
        await self._models.check(ref)
        operation = await in_worker(self._long_work.predict_dataset, ref, split, request_id=request.request_id)
        return pb.PredictDatasetResponse(operation=operation_to_proto(operation))

    async def ListPredictions(  # noqa: N802 - gRPC's spelling
        self, request: pb.ListPredictionsRequest, context: _Context
    ) -> pb.ListPredictionsResponse:
        """One page of what an operation made."""
        page, token = await in_worker(
            self._long_work.predictions,
            request.operation_id,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return scored_records_to_proto(page, token)

    async def EvaluateModel(  # noqa: N802 - gRPC's spelling
        self, request: pb.EvaluateModelRequest, context: _Context
    ) -> pb.EvaluateModelResponse:
        """Metrics on labelled splits, as an operation."""
        wish = evaluation_from_proto(request)
        for ref in wish.models:
            await self._models.check(ref)
        operation = await in_worker(self._long_work.evaluate, wish, request_id=request.request_id)
        return pb.EvaluateModelResponse(operation=operation_to_proto(operation))

    async def QuantizeModel(  # noqa: N802 - gRPC's spelling
        self, request: pb.QuantizeModelRequest, context: _Context
    ) -> pb.QuantizeModelResponse:
        """An int8 version of a model, as an operation."""
        wish = quantization_from_proto(request)
        await self._models.check(wish.model)
        operation = await in_worker(self._long_work.quantize, wish, request_id=request.request_id)
        return pb.QuantizeModelResponse(operation=operation_to_proto(operation))

    async def LoadModel(  # noqa: N802 - gRPC's spelling
        self, request: pb.LoadModelRequest, context: _Context
    ) -> pb.LoadModelResponse:
        """Loads and warms a model."""
        return pb.LoadModelResponse(
            model=loaded_model_to_proto(await self._models.load(model_ref_from_proto(request.model)))
        )

    async def UnloadModel(  # noqa: N802 - gRPC's spelling
        self, request: pb.UnloadModelRequest, context: _Context
    ) -> pb.UnloadModelResponse:
        """Lets go of a model."""
        self._models.unload(model_ref_from_proto(request.model))
        return pb.UnloadModelResponse()

    async def ListLoadedModels(  # noqa: N802 - gRPC's spelling
        self, request: pb.ListLoadedModelsRequest, context: _Context
    ) -> pb.ListLoadedModelsResponse:
        """What is loaded, how it runs, how it is batched."""
        return pb.ListLoadedModelsResponse(models=map(loaded_model_to_proto, self._models.loaded()))

    async def SetTraffic(  # noqa: N802 - gRPC's spelling
        self, request: pb.SetTrafficRequest, context: _Context
    ) -> pb.SetTrafficResponse:
        """A candidate's share of an alias's requests."""
        traffic = await self._routing.set(traffic_rule_from_proto(request.rule))
        return pb.SetTrafficResponse(traffic=traffic_to_proto(traffic))

    async def ListTraffic(  # noqa: N802 - gRPC's spelling
        self, request: pb.ListTrafficRequest, context: _Context
    ) -> pb.ListTrafficResponse:
        """The rules in force, and how candidates differ."""
        return pb.ListTrafficResponse(traffic=map(traffic_to_proto, self._routing.told()))


async def _files(stream: AsyncIterator[pb.PredictFileRequest]) -> AsyncIterator[FileStart | bytes]:
    async for message in stream:
        part = message.WhichOneof("part")
        if part == "chunk":
            yield message.chunk
        elif part == "file":
            yield FileStart(message.file.file_name, message.file.size_bytes, message.file.sha256)
        else:
            raise _out_of_order()


def _inputs(messages: Sequence[pb.PredictInput]) -> list[PredictInput]:
    """An input that cannot be read has its error for an answer; a call of which none can is refused itself."""
    inputs = [_input(message) for message in messages]
    refused = [one.error for one in inputs if isinstance(one, RefusedInput)]
    if refused and len(refused) == len(inputs):
        raise refused[0]
    return inputs


def _input(message: pb.PredictInput) -> PredictInput:
    try:
        return predict_input_from_proto(message)
    except PrecordiaError as error:
        return RefusedInput(tag=message.tag, error=error)


def _out_of_order() -> InvalidArgument:
    return InvalidArgument("A stream begins with its header, once; files and chunks follow.", field="header")


def register(server: grpc.aio.Server, servicer: InferenceServicer) -> None:
    """Serve it."""
    add: Any = inference_pb2_grpc.add_InferenceServiceServicer_to_server  # generated without types
    add(servicer, server)
