"""A call with tensors: checked against the model's own, split into rows, queued, and put together again.

A row is one ECG. Rows are queued singly, so that a large request waits and batches like so many small
ones, and takes every worker there is.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from precordia.catalog import ModelRef, ModelVersion
from precordia.errors import DeadlineExceeded, InvalidArgument, PrecordiaError
from precordia.prediction import Priority
from services.inference.engine.host_buffers import Tensor
from services.inference.models.calls import answers_to
from services.inference.models.holding import Models
from services.inference.models.serving import ServingModel
from services.inference.scoring.running import Answer
from services.inference.scoring.tensors import AnyTensor, TensorAnswer, TensorJob
from services.inference.traffic.routing import Lane, Routing

MAX_ROWS = 256
"""ECGs of one request; no queue is shorter."""

_SHOWN = 64  # characters of a caller's word that an error repeats
_SAMPLED = 7  # every seventh byte tells requests apart
_FLOAT = np.dtype("<f4")


@dataclass(frozen=True, eq=False)
class SentTensor:
    """A tensor as it was sent: little-endian bytes, or numbers (n,); row-major."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    content: bytes | Tensor


@dataclass(frozen=True, eq=False)
class TensorCall:
    """What is asked: of which model, with which tensors, for which outputs (none = the manifest's)."""

    ref: ModelRef
    inputs: Sequence[SentTensor]
    outputs: tuple[str, ...] = ()
    priority: Priority = Priority.ROUTINE
    wait_s: float | None = None
    """How long it may take before the answer is of no use; None = as long as the caller's deadline says."""


@dataclass(frozen=True, eq=False)
class TensorResult:
    """The version that answered, and its outputs, (batch, ...)."""

    version: ModelVersion
    outputs: Mapping[str, AnyTensor] = field(default_factory=dict)


class TensorPredictor:
    """Runs tensors through any loaded or loadable model."""

    def __init__(self, models: Models, routing: Routing | None = None) -> None:
        self._models = models
        self._routing = routing

    async def infer(self, call: TensorCall, *, timeout_s: float | None = None) -> TensorResult:
        """The outputs of one request.

        Args:
            call: the request.
            timeout_s: until the caller's own deadline.

        Raises:
            InvalidArgument: inputs or outputs are not the model's; the message names which, and shapes.
            Overloaded: the queue is full; nothing was queued.
            DeadlineExceeded: it came too late; what still waited was dropped.
            ModelNotFound, AliasNotFound, InvalidModel ...: the model cannot be had.
        """
        if call.wait_s is None:
            return await self._infer(call, timeout_s)
        wait_s = call.wait_s if timeout_s is None else min(call.wait_s, timeout_s)
        try:
            async with asyncio.timeout(wait_s):
                return await self._infer(call, wait_s)
        except TimeoutError:
            raise DeadlineExceeded("The request's timeout passed before its turn came.") from None

    async def _infer(self, call: TensorCall, wait_s: float | None) -> TensorResult:
        deadline = None if wait_s is None else time.monotonic() + wait_s
        lane = self._routing.lane(call.ref) if self._routing else None
        if lane is None:
            return await self._answered(call, call.ref, deadline)

        async def answer(ref: ModelRef, _: list[int]) -> list[TensorResult]:
            return [await self._answered(call, ref, deadline, lane)]

        (result,) = await lane.split([_key(call)], answer)
        return result

    async def _answered(
        self, call: TensorCall, ref: ModelRef, deadline: float | None, lane: Lane | None = None
    ) -> TensorResult:
        """The outputs of one version, shown to the lane that the call travels on."""
        async with self._models.use(ref) as model:
            serving = model.serving
            tensors = checked_inputs(call.inputs, serving.input_shapes)
            names = _checked_outputs(call.outputs, serving)
            jobs = _rows(tensors, names)
            answers = await answers_to(serving, jobs, priority=call.priority, deadline=deadline)
        if lane is not None:
            lane.seen(model, jobs, answers)
        return TensorResult(model.version, _together(answers, names))


def _key(call: TensorCall) -> bytes:
    """What decides which version answers, where an alias's requests are shared out."""
    return b"".join(
        (one.content if isinstance(one.content, bytes) else one.content.tobytes())[::_SAMPLED] for one in call.inputs
    )


def checked_inputs(sent: Sequence[SentTensor], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The tensors by name, all with the same number of rows.

    Args:
        sent: as they came.
        wanted: shape of each of the model's inputs, without the batch.

    Raises:
        InvalidArgument: they are not what the model takes; the message names the input and the shapes.
    """
    tensors: dict[str, Tensor] = {}
    for one in sent:
        shape = wanted.get(one.name)
        if shape is None or one.name in tensors:
            raise _refusal(
                f"Unexpected inference input '{one.name[:_SHOWN]}'; "
                f"the model takes {', '.join(map(repr, wanted))}, each once."
            )
        tensors[one.name] = _tensor(one, shape)
    if len(tensors) < len(wanted):
        missing = wanted.keys() - tensors.keys()
        raise _refusal(
            f"Expected {len(wanted)} inputs but got {len(tensors)}; input {', '.join(map(repr, missing))} is missing."
        )
    if len(tensors) > 1 and len({len(tensor) for tensor in tensors.values()}) > 1:
        raise _refusal("The batch dimension differs between the inputs; every input has one row for each ECG.")
    return tensors


def _tensor(sent: SentTensor, shape: tuple[int, ...]) -> Tensor:
    if sent.datatype != "FP32":
        raise _refusal(f"Unexpected datatype for input '{sent.name}': expected FP32, got '{sent.datatype[:_SHOWN]}'.")
    if sent.shape[1:] != shape:
        raise _refusal(
            f"Unexpected shape for input '{sent.name}': expected {_text((-1, *shape))}, got {_text(sent.shape)}. "
            "The first dimension is the batch."
        )
    rows = sent.shape[0]
    if not 1 <= rows <= MAX_ROWS:
        raise _refusal(f"The batch size of input '{sent.name}' is {rows}; it must be 1 to {MAX_ROWS}.")
    elements = rows * math.prod(shape)
    if not isinstance(sent.content, bytes):
        if len(sent.content) != elements:
            raise _wrong_size(sent, f"{elements} elements", len(sent.content))
        return sent.content.reshape(sent.shape)
    if len(sent.content) != elements * _FLOAT.itemsize:
        raise _wrong_size(sent, f"{elements * _FLOAT.itemsize} bytes", len(sent.content))
    return np.frombuffer(sent.content, _FLOAT).reshape(sent.shape)


def _wrong_size(sent: SentTensor, expected: str, got: int) -> InvalidArgument:
    return _refusal(f"Input '{sent.name}' of shape {_text(sent.shape)} has {expected}; got {got}.")


def _checked_outputs(asked: tuple[str, ...], serving: ServingModel) -> tuple[str, ...]:
    if not asked:
        return (serving.manifest.output_name,)
    for name in asked:
        if name not in serving.outputs:
            there = ", ".join(map(repr, serving.outputs))
            raise InvalidArgument(
                f"Unexpected inference output '{name[:_SHOWN]}'; the model has {there}.", field="outputs"
            )
    return tuple(dict.fromkeys(asked))


def _rows(tensors: Mapping[str, Tensor], outputs: tuple[str, ...]) -> list[TensorJob]:
    count = len(next(iter(tensors.values())))
    if count == 1:
        return [TensorJob(tensors, outputs)]
    return [
        TensorJob({name: tensor[row : row + 1] for name, tensor in tensors.items()}, outputs) for row in range(count)
    ]


def _together(answers: Sequence[Answer | PrecordiaError], names: tuple[str, ...]) -> dict[str, AnyTensor]:
    rows = []
    for answer in answers:
        if isinstance(answer, PrecordiaError):
            raise answer
        assert isinstance(answer, TensorAnswer), "tensors are answered with tensors"
        rows.append(answer.tensors)
    if len(rows) == 1:
        return dict(rows[0])
    return {name: np.concatenate([row[name] for row in rows]) for name in names}


def _text(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape[:8])) + "]"


def _refusal(message: str) -> InvalidArgument:
    return InvalidArgument(message, field="inputs")
