from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from functools import partial

import grpc

from precordia.catalog import ModelRef
from precordia.client import Addresses, Connection
from precordia.errors import PrecordiaError
from precordia.operations import Handler, Operations
from precordia.rpc.server import ServiceApp, run_main
from precordia.signal.warming import compile_kernels_apart
from precordia.storage.database import open_database
from services.inference.bridge import LoopBridge
from services.inference.datasets.prediction import DatasetPrediction
from services.inference.datasets.split_scorer import SplitScorer
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.evaluation.model_cost import ModelCosts
from services.inference.evaluation.operating_points import OperatingPointsWriter
from services.inference.evaluation.operation import Evaluation
from services.inference.keeping.keeper import Keeper
from services.inference.keeping.kept import KeptPredictions
from services.inference.keeping.retention import Retention
from services.inference.keeping.store import PredictionStore
from services.inference.long_work import LongWork
from services.inference.models.holding import Models
from services.inference.models.loading import ModelLoader
from services.inference.models.memory import share_arenas
from services.inference.oip.servicer import OPEN_INFERENCE_SERVICE, OpenInferenceServicer, register_open_inference
from services.inference.predicting.answering import Answering
from services.inference.predicting.file_predictor import FilePredictor
from services.inference.predicting.predictor import Predictor
from services.inference.predicting.tensor_predictor import TensorPredictor
from services.inference.quantization.operation import Quantization
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from services.inference.servicer import INFERENCE_SERVICE, InferenceServicer, register
from services.inference.settings import InferenceSettings
from services.inference.traffic.routing import Routing

log = logging.getLogger(__name__)

_SWITCH_S = 0.0005
"""How long a thread may keep another from Python: an answer must not wait for a row of requests to be taken in."""


def build(settings: InferenceSettings) -> ServiceApp:
    """The whole service, connected."""
    database = open_database(settings.database, "services.inference.migrations")
    upstream = Connection(Addresses(ingest=settings.ingest, registry=settings.registry), settings.upstream_token)
    models = Models(
        upstream.registry,
        _loader(settings),
        max_loaded=settings.max_loaded,
        memory_bytes=settings.memory_mib * 2**20,
    )
    routing = Routing(models, settings.folder / "traffic.json")
    predictor = Predictor(models, upstream.ingest, routing)
    store, kept = PredictionStore(database), KeptPredictions(database)
    keeper = Keeper(kept) if settings.keep_predictions else None
    forgetting = (kept.forget, partial(store.forget, days=settings.keep_days))
    retention = Retention(forgetting, days=settings.keep_days)
    answering = Answering(predictor, keeper)
    bridge = LoopBridge()
    scorer = SplitScorer(models, predictor, upstream.ingest, store, bridge)
    handlers: dict[str, Handler] = {
        DatasetPrediction.KIND: DatasetPrediction(scorer, store, audited=settings.keep_predictions),
        Evaluation.KIND: Evaluation(
            scorer,
            store,
            ModelCosts(models, upstream.registry, bridge),
            OperatingPointsWriter(upstream.registry, bridge),
        ),
        Quantization.KIND: Quantization(upstream.ingest, upstream.registry, bridge, settings.folder / "quantization"),
    }
    operations = Operations(database, handlers)
    servicer = InferenceServicer(
        answering,
        FilePredictor(models, upstream.ingest, answering),
        models,
        LongWork(operations, store, kept),
        routing,
    )
    open_inference = OpenInferenceServicer(TensorPredictor(models, routing), models, upstream.registry)
    background: list[asyncio.Task[None]] = []

    async def startup() -> None:
        bridge.attach()
        if keeper is not None:
            keeper.start()
        retention.start()
        background.append(asyncio.create_task(models.follow(), name="follow the registry"))
        # On a new machine the compiler begins now, not when the first ECG waits for it.
        threading.Thread(target=compile_kernels_apart, name="compile kernels", daemon=True).start()
        await _preload(models, settings.preload)

    async def shutdown() -> None:
        for task in background:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await routing.close()
        retention.close()
        if keeper is not None:
            await asyncio.to_thread(keeper.close)
        await models.close()
        await upstream.close()
        database.dispose()

    def serve(server: grpc.aio.Server) -> None:
        register(server, servicer)
        register_open_inference(server, open_inference)

    return ServiceApp(
        name="inference",
        settings=settings,
        register=serve,
        service_names=(INFERENCE_SERVICE, OPEN_INFERENCE_SERVICE),
        operations=operations,
        startup=startup,
        shutdown=shutdown,
    )


def _loader(settings: InferenceSettings) -> ModelLoader:
    engine = OnnxRuntimeEngine(
        device=settings.device,
        intra_op_threads=settings.intra_op_threads,
        cores=settings.cores,
        allow_fallback=settings.allow_fallback,
        cache=settings.folder / "tensorrt",
    )
    limits = ServingLimits(
        workers=settings.cores,
        sessions=settings.sessions,
        max_batch=settings.max_batch,
        batch_size=settings.batch_size,
        max_delay_s=settings.max_delay_ms / 1000,
        delay_s=None if settings.delay_ms is None else settings.delay_ms / 1000,
        queue_capacity=settings.queue_capacity,
    )
    return ModelLoader(engine, limits, ProfileCache(settings.folder / "profiles"))


async def _preload(models: Models, names: tuple[str, ...]) -> None:
    """Loads what the operator named; what cannot be had now is loaded when it is asked for."""
    for name in names:
        try:
            await models.load(ModelRef.parse(name))
        except PrecordiaError as error:
            log.warning("%s is not preloaded (%s): %s", name, error.reason, error.message)


def main() -> None:
    """Serve until signalled."""
    share_arenas()
    sys.setswitchinterval(_SWITCH_S)
    run_main(InferenceSettings, build)


if __name__ == "__main__":
    main()
