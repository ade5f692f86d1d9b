"""The keeper of long work: admits it, runs it in bounded threads, resumes it after a crash."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import Engine

from precordia.errors import Cancelled, InvalidArgument, PrecordiaError, ServiceUnavailable
from precordia.operation import Operation, OperationEvent, OperationState
from precordia.operations.context import Handler, Interrupted, OperationContext
from precordia.operations.process import new_worker
from precordia.operations.store import Claim, LeaseLost, OperationStore, Outcome, Queue
from precordia.operations.watchers import Watchers
from precordia.storage.database import migrate

log = logging.getLogger(__name__)

_FAULT = "The work failed by a fault of the service; its log has the cause under this operation's id"
_DATABASE_PAUSE_S = 1.0
_WATCH_PAGE = 500
_LARGEST_NUMBER = 2**63 - 1  # that a database counts to
_WATCH_POLL_S = 5.0  # for news from other processes; news of this one rings


class Operations:
    """Long work of one service.

    Args:
        engine: database that holds the records; its tables are migrated here.
        handlers: what to do for each kind of operation.
        workers: how many of a kind may run at once; one number for all, or one for each kind.
        waiting: how many more of a kind may wait, for kinds that have a bound. Where several processes
            share the database, all count what all of them hold.
        lease_s: after this long without a sign of life from its process, an operation is run again.
    """

    def __init__(
        self,
        engine: Engine,
        handlers: Mapping[str, Handler],
        *,
        workers: Mapping[str, int] | int = 1,
        waiting: Mapping[str, int] | None = None,
        lease_s: float = 30,
    ) -> None:
        migrate(engine, "precordia.operations.migrations")
        self._handlers = dict(handlers)
        self._limits = {kind: workers if isinstance(workers, int) else workers.get(kind, 1) for kind in handlers}
        self._queues = {kind: Queue(self._limits[kind], most) for kind, most in (waiting or {}).items()}
        self._store = OperationStore(engine, handlers.keys(), self._queues)
        self._lease_s = lease_s
        self._worker = new_worker()
        self._watchers = Watchers()
        self._lock = threading.Lock()
        self._running: dict[threading.Thread, OperationContext] = {}
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work: on what was submitted, and on what an ended process left unfinished."""
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, name="operations-keeper", daemon=True)
            self._keeper.start()

    async def close(self, grace_s: float = 10) -> None:
        """Take no more work, let handlers stop at their next safe point, and put their work back.

        What has not stopped after `grace_s` is left to its lease.
        """
        self._closing.set()
        self._wake.set()
        for context in self._contexts().values():
            context.request_stop()
        self._watchers.ring_all()
        await asyncio.to_thread(self._join, time.monotonic() + grace_s)

    def submit(self, kind: str, request: Mapping[str, Any], request_id: str = "") -> tuple[Operation, bool]:
        """Admit work; (operation, whether it is new). The same request id gives the same operation.

        Raises:
            RequestReused: the request id was used for other content.
            Overloaded: as many of this kind wait as may.
        """
        operation, created = self._store.add(kind, request, request_id)
        self._wake.set()
        return operation, created

    def get(self, operation_id: str) -> Operation:
        """One operation.

        Raises:
            OperationNotFound: none has this id.
        """
        return self._store.get(operation_id)

    def list(self, page_size: int = 100, page_token: str = "", kind: str = "") -> tuple[list[Operation], str]:
        """Newest first: one page, and the token of the next, empty where there is none."""
        if not 0 <= page_size <= 1000:
            raise InvalidArgument("page_size must lie between 0 and 1000.", field="page_size")
        if page_token and not (page_token.isascii() and page_token.isdigit() and len(page_token) < 19):
            raise InvalidArgument("page_token must come from the page before.", field="page_token")
        size = page_size or 100
        page = self._store.page(before=int(page_token) if page_token else None, kind=kind, size=size + 1)
        token = str(page[size - 1][0]) if len(page) > size else ""
        return [operation for _, operation in page[:size]], token

    def cancel(self, operation_id: str) -> Operation:
        """Ask that an operation end; at once where it has not begun, else at its next safe point."""
        operation = self._store.cancel(operation_id)
        for context in self._contexts().values():
            if context.operation.operation_id == operation_id:
                context.request_cancel()
        self._ring_queue(operation.kind)
        self._watchers.ring(operation_id)
        return operation

    async def watch(self, operation_id: str, after: int = 0) -> AsyncIterator[OperationEvent]:
        """Every event numbered above `after`, then new ones as they come, to the last of a finished one.

        Raises:
            OperationNotFound: none has this id.
            ServiceUnavailable: the service stops; watch again with the last number.
        """
        after = min(after, _LARGEST_NUMBER)
        with self._watchers.watching(operation_id) as bell:
            while True:
                bell.clear()
                page = await asyncio.to_thread(self._store.events, operation_id, after=after, limit=_WATCH_PAGE)
                for event in page.events:
                    after = event.number
                    yield event
                if page.complete:
                    return
                if not page.events:
                    await self._wait_for(bell)

    async def _wait_for(self, bell: asyncio.Event) -> None:
        if self._closing.is_set():
            raise ServiceUnavailable("The service is stopping; watch again with the last event's number.")
        try:
            async with asyncio.timeout(_WATCH_POLL_S):
                await bell.wait()
        except TimeoutError:
            return

    def _contexts(self) -> dict[threading.Thread, OperationContext]:
        with self._lock:
            return dict(self._running)

    def _join(self, until: float) -> None:
        while (threads := list(self._contexts())) and time.monotonic() < until:
            threads[0].join(min(0.1, until - time.monotonic()))
        if self._keeper is not None:
            self._keeper.join(max(0.0, until - time.monotonic()))

    def _keep(self) -> None:
        """The keeper's loop: prolong leases, start what waits; at once when something is submitted."""
        renewed = 0.0
        while not self._closing.is_set():
            self._wake.clear()
            try:
                if time.monotonic() - renewed >= self._lease_s / 3:
                    self._renew()
                    self._store.release_dead()
                    renewed = time.monotonic()
                self._dispatch()
            except Exception:  # whatever its driver raises: the keeper lives on
                log.exception("operations: the database did not answer; trying again")
                self._closing.wait(_DATABASE_PAUSE_S)
            self._wake.wait(max(0.05, self._lease_s / 3 - (time.monotonic() - renewed)))

    def _renew(self) -> None:
        contexts = {context.operation.operation_id: context for context in self._contexts().values()}
        claimed = {operation_id: context.operation.attempt for operation_id, context in contexts.items()}
        held = self._store.renew(self._worker, claimed, self._lease_s)
        for operation_id, context in contexts.items():
            if operation_id not in held:
                context.lose()
            elif held[operation_id]:
                context.request_cancel()

    def _dispatch(self) -> None:
        for kind, limit in self._limits.items():
            while self._count(kind) < limit and not self._closing.is_set():
                claim = self._store.claim(kind, self._worker, self._lease_s)
                if claim is None:
                    break
                self._launch(claim)

    def _ring_queue(self, kind: str) -> None:
        """Those that wait behind may have news of their place."""
        if kind in self._queues:
            self._watchers.ring_all()

    def _count(self, kind: str) -> int:
        return sum(context.operation.kind == kind for context in self._contexts().values())

    def _launch(self, claim: Claim) -> None:
        context = OperationContext(claim, self._store, self._watchers.ring)
        name = f"operation-{claim.operation.operation_id[:8]}"
        thread = threading.Thread(target=self._run, args=(context,), name=name, daemon=True)
        with self._lock:  # who closes joins what it finds here, which must have been started
            self._running[thread] = context
            thread.start()
        self._ring_queue(claim.operation.kind)
        self._watchers.ring(claim.operation.operation_id)
        if self._closing.is_set():
            context.request_stop()

    def _run(self, context: OperationContext) -> None:
        operation = context.operation
        log.info("operation %s (%s) attempt %d starts", operation.operation_id, operation.kind, operation.attempt)
        try:
            self._conclude(context, self._attempt(context))
        except (LeaseLost, Interrupted):
            log.warning("operation %s attempt %d: another one counts now", operation.operation_id, operation.attempt)
        except Exception:  # its lease runs out, and it is run again
            log.exception("operation %s attempt %d: no record of its end", operation.operation_id, operation.attempt)
        finally:
            with self._lock:
                del self._running[threading.current_thread()]
            self._watchers.ring(operation.operation_id)
            self._wake.set()

    def _attempt(self, context: OperationContext) -> Outcome | None:
        """Run the handler; how it ended, None where it is to go on in another attempt."""
        try:
            result = self._handlers[context.operation.kind](context)
            return Outcome(OperationState.SUCCEEDED, result)
        except Interrupted:
            return None
        except Cancelled as error:
            if context.cancel_requested:
                return Outcome(OperationState.CANCELLED, context.partial_result)
            return Outcome(OperationState.FAILED, {}, error.reason, error.message)
        except PrecordiaError as error:
            return Outcome(OperationState.FAILED, {}, error.reason, error.message)
        except Exception:  # a fault of ours: logged here, told without its inside
            log.exception("operation %s failed", context.operation.operation_id)
            return Outcome(OperationState.FAILED, {}, "INTERNAL", _FAULT)

    def _conclude(self, context: OperationContext, outcome: Outcome | None) -> None:
        operation = context.operation
        context.flush_progress()
        if outcome is None:
            self._store.put_back(operation.operation_id, operation.attempt)
            return
        self._store.finish(operation.operation_id, operation.attempt, outcome)
        log.info("operation %s (%s) %s", operation.operation_id, operation.kind, outcome.state.value)
