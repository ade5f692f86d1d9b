from __future__ import annotations

import asyncio
import contextlib
import logging
import threading

import grpc

from precordia.catalog import ModelRef
from precordia.client import Addresses, Connection
from precordia.errors import PrecordiaError
from precordia.operations import Handler, Operations
from precordia.rpc.server import ServiceApp, run_main
from precordia.signal.warming import compile_kernels_apart
from precordia.storage.database import open_database
from services.inference.bridge import LoopBridge
from services.inference.datasets import DatasetPrediction, SplitScorer
from services.inference.engine import OnnxRuntimeEngine
from services.inference.evaluation import Evaluation
from services.inference.loading import ModelLoader, ServingLimits
from services.inference.long_work import LongWork
from services.inference.memory import share_arenas
from services.inference.models import Models
from services.inference.oip_servicer import OPEN_INFERENCE_SERVICE, OpenInferenceServicer, register_open_inference
from services.inference.predictor import Predictor
from services.inference.profile import ProfileCache
from services.inference.servicer import INFERENCE_SERVICE, InferenceServicer, register
from services.inference.settings import InferenceSettings
from services.inference.store import PredictionStore
from services.inference.tensor_predictor import TensorPredictor

log = logging.getLogger(__name__)


def build(settings: InferenceSettings) -> ServiceApp:
    """The whole service, connected."""
    database = open_database(settings.database, "services.inference.migrations")
    upstream = Connection(Addresses(ingest=settings.ingest, registry=settings.registry), settings.upstream_token)
    models = Models(upstream.registry, _loader(settings), max_loaded=settings.max_loaded)
    predictor = Predictor(models, upstream.ingest)
    store = PredictionStore(database)
    bridge = LoopBridge()
    scorer = SplitScorer(models, predictor, upstream.ingest, store, bridge)
    handlers: dict[str, Handler] = {
        DatasetPrediction.KIND: DatasetPrediction(scorer, store),
        Evaluation.KIND: Evaluation(scorer, store),
    }
    operations = Operations(database, handlers)
    servicer = InferenceServicer(predictor, models, LongWork(operations, store))
    open_inference = OpenInferenceServicer(TensorPredictor(models), models, upstream.registry)
    background: list[asyncio.Task[None]] = []

    async def startup() -> None:
        bridge.attach()
        background.append(asyncio.create_task(models.follow(), name="follow the registry"))
        # On a new machine the compiler begins now, not when the first ECG waits for it.
        threading.Thread(target=compile_kernels_apart, name="compile kernels", daemon=True).start()
        await _preload(models, settings.preload)

    async def shutdown() -> None:
        for task in background:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
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
        allow_fallback=settings.allow_fallback,
    )
    limits = ServingLimits(
        workers=settings.workers,
        max_batch=settings.max_batch,
        max_delay_s=settings.max_delay_ms / 1000,
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
    run_main(InferenceSettings, build)


if __name__ == "__main__":
    main()
