"""The services for notebooks and scripts: the same calls, without `await`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from precordia.catalog import ModelRef, ModelVersion
from precordia.client.addresses import Addresses
from precordia.client.connection import Connection, connect
from precordia.client.files import sources_from_paths
from precordia.client.inference import EVERY_ANSWER
from precordia.client.ingest import NO_HINTS, ImportAnswer
from precordia.dataset import Dataset, SplitRef
from precordia.errors import InvalidArgument, OperationNotFound
from precordia.operation import Operation, result_of
from precordia.prediction import FilePrediction, KeptPrediction, KeptQuery, PredictInput, Prediction
from precordia.record import Hints, Recording, Signal
from precordia.stored import StoredRecording
from precordia.training import TrainingSpec

DEFAULT_MODEL = "precordia-superclasses"

Answer = TypeVar("Answer")


class Precordia:
    """The four services, synchronously. Use it as a context manager, or call `close` at the end.

    Everything that `Connection` can do and this class does not name is reached through `do`:
    `precordia.do(lambda services: services.registry.versions("net"))`.
    """

    def __init__(self, addresses: Addresses | None = None, token: str = "") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="precordia", daemon=True)
        self._thread.start()
        self._context: AbstractAsyncContextManager[Connection] = connect(addresses, token)
        self._services: Connection = self._run(self._context.__aenter__())

    def __enter__(self) -> Precordia:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channels and end the thread. Harmless when done twice."""
        if self._loop.is_closed():
            return
        self._run(self._context.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def do(self, call: Callable[[Connection], Coroutine[Any, Any, Answer]]) -> Answer:
        """Any call of the asynchronous client."""
        return self._run(call(self._services))

    def import_file(self, path: str | Path, hints: Hints = NO_HINTS, dataset: str = "") -> ImportAnswer:
        """Import one file with the companions that it needs.

        Raises:
            InvalidArgument: the path is a folder or a pattern; import its files one by one.
        """
        found = sources_from_paths([path])
        if len(found) != 1 or Path(path).is_dir():
            raise InvalidArgument("import_file takes one file.", field="path")
        return self.do(lambda services: services.ingest.import_source(found[0].read(), hints, dataset))

    def recordings(self, dataset: str = "") -> list[StoredRecording]:
        """All recordings, of one dataset or of all."""

        async def listed(services: Connection) -> list[StoredRecording]:
            return [recording async for recording in services.ingest.recordings(dataset)]

        return self.do(listed)

    def signal(self, recording_id: str, leads: Sequence[str] = ()) -> Signal:
        """Standard leads in millivolts (or standardised), (leads, samples) float32, at the native rate."""
        return self.do(lambda services: services.ingest.signal(recording_id, leads))[0]

    def native_recording(self, recording_id: str) -> Recording:
        """The recording as its source has it: every channel, exact."""
        return self.do(lambda services: services.ingest.native_recording(recording_id))

    def predict(self, *recordings: str | Signal | PredictInput, model: str = DEFAULT_MODEL) -> tuple[Prediction, ...]:
        """Scores for recording ids, signals, or inputs with age and sex, in order."""
        ref = ModelRef.parse(model)
        inputs = [_as_input(one) for one in recordings]
        return self.do(lambda services: services.inference.predict(ref, inputs))

    def predict_file(
        self, path: str | Path, hints: Hints = NO_HINTS, *, model: str = DEFAULT_MODEL, keep: bool = True
    ) -> FilePrediction:
        """Recordings of a file and their scores, in one call; without `keep` nothing stays.

        Raises:
            InvalidInput: the path is a folder or a pattern, or the file cannot be read; the message says why.
        """
        found = sources_from_paths([path])
        if len(found) != 1 or Path(path).is_dir():
            raise InvalidArgument("predict_file takes one file.", field="path")
        source, ref = found[0].read(), ModelRef.parse(model)
        return self.do(lambda services: services.inference.predict_file(ref, source, hints, keep=keep))

    def kept_predictions(self, query: KeptQuery = EVERY_ANSWER) -> list[KeptPrediction]:
        """What was said of stored recordings, newest first."""

        async def listed(services: Connection) -> list[KeptPrediction]:
            return [kept async for kept in services.inference.kept(query)]

        return self.do(listed)

    def models(self) -> list[ModelVersion]:
        """The newest version of each model."""
        return self.do(lambda services: services.registry.models())

    def datasets(self) -> list[Dataset]:
        """All datasets."""
        return self.do(lambda services: services.ingest.datasets())

    def train(self, name: str, spec: TrainingSpec) -> Operation:
        """Start a training job; `wait` for it to have the model."""
        return self.do(lambda services: services.trainer.train(name, spec))

    def evaluate(self, dataset: str, model: str = DEFAULT_MODEL, label_group: str = "") -> Mapping[str, Any]:
        """Metrics of a model on a labelled split, NAME or NAME:SPLIT. Waits until they are there.

        Raises:
            PrecordiaError: they could not be measured.
        """
        ref, split = ModelRef.parse(model), SplitRef.parse(dataset)
        started = self.do(lambda services: services.inference.evaluate(ref, split, label_group))
        return result_of(self.wait(started))

    def wait(self, operation: Operation | str) -> Operation:
        """An operation once it is finished, whichever service has it.

        Raises:
            OperationNotFound: no service has it.
        """
        operation_id = operation if isinstance(operation, str) else operation.operation_id

        async def waited(services: Connection) -> Operation:
            for client in services.operations().values():
                try:
                    return await client.wait(operation_id)
                except OperationNotFound:
                    continue
            raise OperationNotFound("No service has an operation of this id.")

        return self.do(waited)


def _as_input(value: str | Signal | PredictInput) -> PredictInput:
    if isinstance(value, PredictInput):
        return value
    if isinstance(value, Signal):
        return PredictInput(signal=value)
    return PredictInput(recording_id=value)
