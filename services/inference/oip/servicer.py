"""The Open Inference Protocol on the inference port, for clients that speak it already."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version as installed_version
from typing import Any, Protocol

import grpc

from precordia.catalog import ModelRef, ModelVersion
from precordia.errors import InvalidArgument, ModelNotFound, NotFound, PrecordiaError, ServiceUnavailable, Unavailable
from precordia.oip import inference_pb2 as pb
from precordia.oip import inference_pb2_grpc, management_pb2
from precordia.rpc.deadline import remaining_s
from precordia.rpc.draining import until_draining
from services.inference.models.holding import Models
from services.inference.oip.answers import answer_of
from services.inference.oip.models import config_of, index_of, metadata_of, statistics_of
from services.inference.oip.requests import call_of, classes_of, model_ref
from services.inference.oip.stream import in_order
from services.inference.predicting.tensor_predictor import TensorPredictor
from services.inference.statistics import ServingStatistics

log = logging.getLogger(__name__)

OPEN_INFERENCE_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name

_EXTENSIONS = ("classification", "model_configuration", "model_repository", "schedule_policy", "statistics")
_Context = grpc.aio.ServicerContext[Any, Any]


class Catalog(Protocol):
    """What is needed of the registry beyond what models need; `precordia.client` has it."""

    async def get(self, ref: ModelRef) -> ModelVersion:
        """The version that a reference means now."""

    async def models(self) -> Sequence[ModelVersion]:
        """The newest version of each model."""

    async def versions(self, name: str) -> Sequence[ModelVersion]:
        """A model's versions."""


class OpenInferenceServicer(inference_pb2_grpc.GRPCInferenceServiceServicer):
    """Decodes, calls, encodes."""

    def __init__(self, predictor: TensorPredictor, models: Models, catalog: Catalog) -> None:
        self._predictor = predictor
        self._models = models
        self._catalog = catalog

    async def ServerLive(  # noqa: N802 - gRPC's spelling
        self, request: pb.ServerLiveRequest, context: _Context
    ) -> pb.ServerLiveResponse:
        """The process answers."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(  # noqa: N802 - gRPC's spelling
        self, request: pb.ServerReadyRequest, context: _Context
    ) -> pb.ServerReadyResponse:
        """Calls come this far only while the service serves."""
        return pb.ServerReadyResponse(ready=True)

    async def ModelReady(  # noqa: N802 - gRPC's spelling
        self, request: pb.ModelReadyRequest, context: _Context
    ) -> pb.ModelReadyResponse:
        """Whether the model is loaded, or in the registry, from where its first request loads it; not once unloaded."""
        try:
            version = await self._models.version(model_ref(request.name, request.version))
        except (NotFound, Unavailable):
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=version.ref not in self._models.unloaded())

    async def ServerMetadata(  # noqa: N802 - gRPC's spelling
        self, request: pb.ServerMetadataRequest, context: _Context
    ) -> pb.ServerMetadataResponse:
        """Who answers, and what beyond the protocol's core."""
        return pb.ServerMetadataResponse(
            name="precordia", version=installed_version("precordia"), extensions=_EXTENSIONS
        )

    async def ModelMetadata(  # noqa: N802 - gRPC's spelling
        self, request: pb.ModelMetadataRequest, context: _Context
    ) -> pb.ModelMetadataResponse:
        """A model's tensors; loads it, unless it was unloaded."""
        async with self._models.use(await self._ready(request.name, request.version)) as model:
            numbers = {model.version.version}
            with contextlib.suppress(Unavailable):  # a loaded model serves without the registry
                numbers |= {version.version for version in await self._catalog.versions(request.name)}
            return metadata_of(model, sorted(numbers))

    async def ModelConfig(  # noqa: N802 - gRPC's spelling
        self, request: management_pb2.ModelConfigRequest, context: _Context
    ) -> management_pb2.ModelConfigResponse:
        """How a model is served; loads it, unless it was unloaded."""
        async with self._models.use(await self._ready(request.name, request.version)) as model:
            return management_pb2.ModelConfigResponse(config=config_of(model))

    async def ModelInfer(  # noqa: N802 - gRPC's spelling
        self, request: pb.ModelInferRequest, context: _Context
    ) -> pb.ModelInferResponse:
        """Tensors in, tensors out."""
        return await self._infer(request)

    async def ModelStreamInfer(  # noqa: N802 - gRPC's spelling
        self, request_iterator: AsyncIterator[pb.ModelInferRequest], context: _Context
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        """The same for each request of a stream; one that fails does not end it."""
        answers = in_order(request_iterator, self._streamed, stop=until_draining)
        async with contextlib.aclosing(answers):
            async for answer in answers:
                yield answer

    async def ModelStatistics(  # noqa: N802 - gRPC's spelling
        self, request: management_pb2.ModelStatisticsRequest, context: _Context
    ) -> management_pb2.ModelStatisticsResponse:
        """Counts and times of loaded models; of a model that is not loaded, zeros."""
        if not request.name:
            rows = [statistics_of(model.version, model.serving.statistics) for model in self._models.held()]
            return management_pb2.ModelStatisticsResponse(model_stats=rows)
        ref = model_ref(request.name, request.version)
        number = (await self._catalog.get(ref)).version if ref.alias else ref.version
        rows = [
            statistics_of(model.version, model.serving.statistics)
            for model in self._models.held()
            if model.version.name == ref.name and number in (0, model.version.version)
        ]
        return management_pb2.ModelStatisticsResponse(
            model_stats=rows or [statistics_of(await self._catalog.get(ref), ServingStatistics())]
        )

    async def RepositoryIndex(  # noqa: N802 - gRPC's spelling
        self, request: management_pb2.RepositoryIndexRequest, context: _Context
    ) -> management_pb2.RepositoryIndexResponse:
        """The newest version of each model of the registry, and every one that is loaded or was unloaded."""
        loaded = {model.version.ref for model in self._models.held()}
        newest = await self._catalog.models()
        unloaded = self._models.unloaded()
        known = loaded | unloaded | {version.ref for version in newest}
        return management_pb2.RepositoryIndexResponse(
            models=[
                index_of(ref, loaded=ref in loaded, unloaded=ref in unloaded)
                for ref in sorted(known, key=lambda ref: (ref.name, ref.version))
                if not (request.ready and ref in unloaded)
            ]
        )

    async def RepositoryModelLoad(  # noqa: N802 - gRPC's spelling
        self, request: management_pb2.RepositoryModelLoadRequest, context: _Context
    ) -> management_pb2.RepositoryModelLoadResponse:
        """Loads and warms a model."""
        if request.parameters:
            raise InvalidArgument(
                "A model is loaded as the registry has it. Publish other files or another contract there.",
                field="parameters",
            )
        await self._models.load(ModelRef.parse(request.model_name))
        return management_pb2.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(  # noqa: N802 - gRPC's spelling
        self, request: management_pb2.RepositoryModelUnloadRequest, context: _Context
    ) -> management_pb2.RepositoryModelUnloadResponse:
        """Lets go of the version named, or of all that are loaded and the newest; they stay away until asked for."""
        ref = ModelRef.parse(request.model_name)
        held = [model.version for model in self._models.held() if model.version.name == ref.name]
        if ref.version or ref.alias:
            leaving = [one for one in held if one.ref == ref] or [await self._models.version(ref)]
        else:
            leaving = [*held, *await self._newest(ref, alone=not held)]
        leaving = [version for version in leaving if version.ref not in self._models.unloaded()]
        if not leaving:
            raise ModelNotFound(f"Model {ref} is not loaded.", name=str(ref))
        for version in leaving:
            self._models.keep_away(version)  # one that its next request would load stays away as well
            with contextlib.suppress(ModelNotFound):
                self._models.unload(version.ref)
        return management_pb2.RepositoryModelUnloadResponse()

    async def _newest(self, ref: ModelRef, *, alone: bool) -> list[ModelVersion]:
        """What a name alone means. Versions that are loaded can be unloaded without the registry, too."""
        try:
            return [await self._models.version(ref)]
        except Unavailable:
            if alone:
                raise
            return []

    async def _ready(self, name: str, version: str) -> ModelRef:
        """The model of a request that only looks: looking does not bring back what was unloaded."""
        ref = model_ref(name, version)
        if (await self._models.version(ref)).ref in self._models.unloaded():
            raise ServiceUnavailable(f"Model {ref} was unloaded. Load it, or send it a request.", service="inference")
        return ref

    async def _infer(self, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
        result = await self._predictor.infer(call_of(request), timeout_s=remaining_s())
        return answer_of(result, request.id, classes_of(request))

    async def _streamed(self, request: pb.ModelInferRequest) -> pb.ModelStreamInferResponse:
        try:
            answer = await self._infer(request)
        except PrecordiaError as error:
            failed = pb.ModelInferResponse(id=request.id)
            return pb.ModelStreamInferResponse(error_message=error.message, infer_response=failed)
        # One answer to each request, so each is the last of its request.
        answer.parameters["triton_final_response"].bool_param = True
        return pb.ModelStreamInferResponse(infer_response=answer)


def register_open_inference(server: grpc.aio.Server, servicer: OpenInferenceServicer) -> None:
    """Serve the Open Inference Protocol."""
    add: Any = inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server  # generated without types
    add(servicer, server)
