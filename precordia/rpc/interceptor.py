"""The one server interceptor: admission, request id, deadline, typed errors, a log line a call."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from precordia.errors import (
    FailedPrecondition,
    InternalError,
    InvalidInput,
    Overloaded,
    PrecordiaError,
    ServiceUnavailable,
)
from precordia.rpc.admission import Admission, is_watch
from precordia.rpc.caller import HEADER as CALLER_HEADER
from precordia.rpc.caller import set_caller
from precordia.rpc.deadline import set_remaining_s
from precordia.rpc.draining import set_draining
from precordia.rpc.log import SparingLog
from precordia.rpc.request_id import HEADER, adopt_request_id
from precordia.rpc.status import DETAILS_KEY, code_of, to_status

log = logging.getLogger(__name__)

_LINE = "%s %s %.1f ms"
_FAULT = "The service failed; its log has the cause under this request id"
_HEARD_OUT_S = 1.0
_ABSENT = "This version of the service does not have this call yet"
_Work = Callable[[grpc.aio.ServicerContext[Any, Any]], Awaitable[Any]]


class EdgeInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds every call, in all four arities, so that servicers hold no try and no logging."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._edges: dict[str, _Edge] = {}

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """The call's handler, surrounded; None where the method is unknown."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method: str = handler_call_details.method
        edge = self._edges.get(method)
        if edge is None or edge.handler is not handler:
            edge = self._edges[method] = _Edge(self._admission, method, handler)
        return edge.surrounded


class _Edge:
    """One method: its handler, and what is around each of its calls."""

    def __init__(self, admission: Admission, method: str, handler: Any) -> None:
        self._admission = admission
        self._method = method
        self._watch = is_watch(method)
        self._level = logging.DEBUG if method.startswith("/grpc.") else logging.INFO
        self._refusals = SparingLog(log, method)
        self.handler = handler
        self.surrounded = self._surround()

    def _surround(self) -> Any:
        """A handler of the same arity. Requests are parsed inside, so that broken ones are refused typed."""
        behaviour: dict[tuple[bool, bool], tuple[Any, Any]] = {
            (False, False): (grpc.unary_unary_rpc_method_handler, self._unary_unary),
            (False, True): (grpc.unary_stream_rpc_method_handler, self._unary_stream),
            (True, False): (grpc.stream_unary_rpc_method_handler, self._stream_unary),
            (True, True): (grpc.stream_stream_rpc_method_handler, self._stream_stream),
        }
        make, surround = behaviour[self.handler.request_streaming, self.handler.response_streaming]
        return make(surround, request_deserializer=None, response_serializer=self.handler.response_serializer)

    async def _unary_unary(self, request: bytes, context: Any) -> Any:
        return await self._call(context, lambda: self.handler.unary_unary(self._parse(request), context))

    async def _stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> Any:
        return await self._call(context, lambda: self.handler.stream_unary(self._parsed(requests), context), requests)

    async def _unary_stream(self, request: bytes, context: Any) -> None:
        await self._call(context, lambda: self._send(self.handler.unary_stream(self._parse(request), context), context))

    async def _stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> None:
        work = self.handler.stream_stream
        await self._call(context, lambda: self._send(work(self._parsed(requests), context), context))

    async def _call(
        self, context: Any, work: Callable[[], Awaitable[Any]], arriving: AsyncIterator[bytes] | None = None
    ) -> Any:
        """One call.

        Args:
            context: gRPC's.
            work: makes the answer.
            arriving: a stream that is answered once; a refusal comes after what is on its way already.
        """
        metadata = dict(context.invocation_metadata() or ())
        request_id = adopt_request_id(_text(metadata.get(HEADER)))
        set_remaining_s(context.time_remaining())
        set_caller(_text(metadata.get(CALLER_HEADER)), context.peer())
        set_draining(self._admission.draining)
        context.set_trailing_metadata(((HEADER, request_id),))
        started = time.perf_counter()
        try:
            self._admission.check(self._method, _text(metadata.get("authorization")))
            with self._admission.counted(self._method):
                answer = await work()
        except PrecordiaError as error:
            await _heard_out(arriving)
            await self._refuse(context, error, request_id, started)
        except grpc.aio.AbortError:  # gRPC's own servicers (health, reflection) refuse in their own way
            raise
        except asyncio.CancelledError:
            self._log(logging.INFO, "CANCELLED", started)
            raise
        except Exception as error:  # a fault of ours: logged here, told without its inside
            if isinstance(error, NotImplementedError) and context.code() == grpc.StatusCode.UNIMPLEMENTED:
                await self._refuse(context, FailedPrecondition(_ABSENT), request_id, started)
            log.exception("%s failed", self._method)
            await _heard_out(arriving)
            await self._refuse(context, InternalError(_FAULT, request_id=request_id), request_id, started)
        # The answer goes first: the loop writes the line once this task has handed it over.
        asyncio.get_running_loop().call_soon(log.log, self._level, _LINE, self._method, "OK", _ms_since(started))
        return answer

    async def _refuse(self, context: Any, error: PrecordiaError, request_id: str, started: float) -> None:
        code = code_of(error)
        if isinstance(error, InternalError) and "request_id" not in error.details:
            log.error("%s failed: %s", self._method, error.message, exc_info=error)
            error.details["request_id"] = request_id
        if isinstance(error, Overloaded):  # a flood must not be one of log lines, too
            self._refusals.info(_LINE, self._method, f"{code.name} {error.reason}", _ms_since(started))
        else:
            self._log(logging.INFO, f"{code.name} {error.reason}", started)
        status = to_status(error)
        trailers = ((HEADER, request_id), (DETAILS_KEY, status.SerializeToString()))
        await context.abort(code, status.message, trailing_metadata=trailers)

    def _log(self, level: int, outcome: str, started: float) -> None:
        log.log(level, _LINE, self._method, outcome, _ms_since(started))

    async def _send(self, answers: Any, context: Any) -> None:
        """Write what a servicer yields; one that writes itself is only awaited."""
        if inspect.isawaitable(answers):
            await (self._unless_draining(answers) if self._watch else answers)
            return
        iterator = aiter(answers)
        try:
            while True:
                step = anext(iterator)
                answer = await (self._unless_draining(step) if self._watch else step)
                await context.write(answer)
        except StopAsyncIteration:
            return
        finally:
            if inspect.isasyncgen(answers):
                await answers.aclose()

    async def _unless_draining(self, step: Awaitable[Any]) -> Any:
        """The next news, or the end of the watch because the server stops."""
        news = asyncio.ensure_future(_awaited(step))
        draining = asyncio.ensure_future(self._admission.draining.wait())
        try:
            await asyncio.wait((news, draining), return_when=asyncio.FIRST_COMPLETED)
            if not news.done():
                raise ServiceUnavailable("The service is stopping; watch again with the last number.")
            return news.result()
        finally:
            draining.cancel()
            if not news.done():
                news.cancel()
                await asyncio.wait((news,))

    def _parse(self, request: bytes) -> Any:
        if self.handler.request_deserializer is None:
            return request
        try:
            return self.handler.request_deserializer(request)
        except (DecodeError, ValueError) as error:
            raise InvalidInput("The request is no message of this call; is the client newer?") from error

    async def _parsed(self, requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for request in requests:
            yield self._parse(request)


async def _heard_out(requests: AsyncIterator[bytes] | None) -> None:
    """Reads on for a while. A caller whose write fails because the call is over may be told of that, and not why."""
    if requests is None:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HEARD_OUT_S):
            async for _ in requests:
                pass


def _ms_since(started: float) -> float:
    return 1e3 * (time.perf_counter() - started)


def _text(value: str | bytes | None) -> str:
    return value if isinstance(value, str) else ""


async def _awaited(step: Awaitable[Any]) -> Any:
    return await step
