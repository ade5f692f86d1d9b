"""The edge: messages in, messages out. Explanations are not served by this version."""

from __future__ import annotations

from typing import Any

import grpc

from precordia.rpc.convert.dataset import split_ref_from_proto
from precordia.rpc.convert.model import model_ref_from_proto
from precordia.rpc.convert.operation import operation_to_proto
from precordia.rpc.convert.prediction import (
    loaded_model_to_proto,
    predict_input_from_proto,
    prediction_to_proto,
    priority_from_proto,
)
from precordia.rpc.deadline import remaining_s
from precordia.rpc.workers import in_worker
from precordia.v1 import inference_pb2 as pb
from precordia.v1 import inference_pb2_grpc
from services.inference.long_work import LongWork
from services.inference.models import Models
from services.inference.predictor import Predictor

INFERENCE_SERVICE = pb.DESCRIPTOR.services_by_name["InferenceService"].full_name

_Context = grpc.aio.ServicerContext[Any, Any]


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Decodes, calls, encodes."""

    def __init__(self, predictor: Predictor, models: Models, long_work: LongWork) -> None:
        self._predictor = predictor
        self._models = models
        self._long_work = long_work

    async def Predict(  # noqa: N802 - gRPC's spelling
        self, request: pb.PredictRequest, context: _Context
    ) -> pb.PredictResponse:
        """Scores for one or many ECGs."""
        predictions = await self._predictor.predict(
            model_ref_from_proto(request.model),
            [predict_input_from_proto(one) for one in request.inputs],
            priority=priority_from_proto(request.priority),
            timeout_s=remaining_s(),
        )
        return pb.PredictResponse(predictions=map(prediction_to_proto, predictions))

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
        return pb.ListPredictionsResponse(predictions=map(prediction_to_proto, page), next_page_token=token)

    async def EvaluateModel(  # noqa: N802 - gRPC's spelling
        self, request: pb.EvaluateModelRequest, context: _Context
    ) -> pb.EvaluateModelResponse:
        """Metrics on a labelled split, as an operation."""
        ref, split = model_ref_from_proto(request.model), split_ref_from_proto(request.split)
        await self._models.check(ref)
        operation = await in_worker(
            self._long_work.evaluate, ref, split, label_group=request.label_group, request_id=request.request_id
        )
        return pb.EvaluateModelResponse(operation=operation_to_proto(operation))

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


def register(server: grpc.aio.Server, servicer: InferenceServicer) -> None:
    """Serve it."""
    add: Any = inference_pb2_grpc.add_InferenceServiceServicer_to_server  # generated without types
    add(servicer, server)
