"""What a handler of long work sees: its operation, a place for reports, and the wish that it stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from precordia.errors import Cancelled
from precordia.operation import Operation, OperationEvent
from precordia.operations.store import Claim, LeaseLost, OperationStore

_PROGRESS_EVERY_S = 0.5


class Interrupted(Exception):
    """The work stops here and goes on in another attempt, from its saved state. No failure."""


class OperationContext:
    """One attempt at one operation. Its methods may be called from any thread."""

    def __init__(self, claim: Claim, store: OperationStore, ring: Callable[[str], None]) -> None:
        self.operation: Operation = claim.operation
        self._store = store
        self._ring = ring
        self._state = claim.resume_state
        self._wakened = threading.Event()
        self._cancel = claim.cancel_requested
        self._stopping = False
        self._lost = False
        self._partial: Mapping[str, Any] = {}
        self._lock = threading.Lock()
        self._progress: tuple[int, int] | None = None
        self._progress_at = 0.0
        if self._cancel:
            self._wakened.set()

    @property
    def cancel_requested(self) -> bool:
        """Whether someone asked that the work end."""
        return self._cancel

    @property
    def stopping(self) -> bool:
        """Whether the work should stop now to go on later: the service drains, or lost the operation."""
        return self._stopping or self._lost

    @property
    def state(self) -> dict[str, Any] | None:
        """What save_state kept last, in this attempt or an earlier one."""
        return self._state

    @property
    def partial_result(self) -> Mapping[str, Any]:
        """What keep_result kept last."""
        return self._partial

    def check(self) -> None:
        """A safe point: call it wherever the work may stop.

        Raises:
            Cancelled: someone asked that the work end.
            Interrupted: the service drains, or another process has taken over.
        """
        if self.stopping:
            raise Interrupted
        if self._cancel:
            raise Cancelled("The operation was cancelled.")

    def wait(self, seconds: float) -> None:
        """Sleep, but not past a wish that the work stop; then check()."""
        self._wakened.wait(seconds)
        self.check()

    def emit(self, kind: str, payload: Mapping[str, Any], *, state: Mapping[str, Any] | None = None) -> OperationEvent:
        """Append a durable event. Not-finite numbers become null.

        A `state` is saved with the event, both or neither: work that resumes from it says nothing twice.

        Raises:
            Interrupted: another attempt has taken over.
        """
        event = self._report(kind, payload, self._progress, state)
        if state is not None:
            self._state = dict(state)
        return event

    def progress(self, done: int, total: int) -> None:
        """Say how far the work is; total 0 = not known. Often is fine: most calls only note it."""
        with self._lock:
            self._progress = (done, total)
            due = done == total or time.monotonic() - self._progress_at >= _PROGRESS_EVERY_S
        if due:
            self.flush_progress()

    def flush_progress(self) -> None:
        """Write down the progress noted last, where it is not yet."""
        with self._lock:
            noted, self._progress = self._progress, None
            if noted is not None:
                self._progress_at = time.monotonic()
                self._report("progress", {"done": noted[0], "total": noted[1]}, noted)

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Keep a durable point to resume from, should this attempt not come to its end.

        Raises:
            Interrupted: another attempt has taken over.
        """
        self.flush_progress()
        try:
            self._store.save_state(self.operation.operation_id, self.operation.attempt, state)
        except LeaseLost:
            raise self._taken_over() from None
        self._state = dict(state)

    def keep_result(self, result: Mapping[str, Any]) -> None:
        """What there is so far; it becomes the result should the operation be cancelled."""
        self._partial = result

    def request_cancel(self) -> None:
        """Pass on that someone asked for the end."""
        self._cancel = True
        self._wakened.set()

    def request_stop(self) -> None:
        """Pass on that the service drains."""
        self._stopping = True
        self._wakened.set()

    def lose(self) -> None:
        """Note that another attempt counts now."""
        self._lost = True
        self._wakened.set()

    def _report(
        self,
        kind: str,
        payload: Mapping[str, Any],
        progress: tuple[int, int] | None,
        state: Mapping[str, Any] | None = None,
    ) -> OperationEvent:
        identity = self.operation.operation_id, self.operation.attempt
        try:
            event = self._store.report(*identity, kind, payload, progress=progress, state=state)
        except LeaseLost:
            raise self._taken_over() from None
        self._ring(self.operation.operation_id)
        return event

    def _taken_over(self) -> Interrupted:
        self.lose()
        return Interrupted()


Handler = Callable[[OperationContext], Mapping[str, Any]]
"""Does the work, in a thread of its own, and returns the result."""
