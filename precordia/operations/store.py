"""Operations in the database: every change is one transaction, every event has the next number."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from precordia.errors import InvalidArgument, OperationNotFound, Overloaded, RequestReused
from precordia.operation import Operation, OperationEvent, OperationState
from precordia.operations.payload import from_json, to_json
from precordia.operations.process import is_dead
from precordia.operations.tables import EVENTS, OPERATIONS, event_from_row, now_us, operation_from_row
from precordia.storage.database import read_only

_REQUEST_ID = re.compile(r"[\x20-\x7e]{0,128}")
_OPERATION_ID = re.compile(r"[0-9a-f-]{36}")
_PENDING, _RUNNING = OperationState.PENDING.value, OperationState.RUNNING.value
_CRASHES_ALLOWED = 5
_RETRY_S = 30  # who finds a queue full asks again after this: its work takes minutes
_CRASHED = "The work ended its process several times without getting on; see the service's log"


class LeaseLost(Exception):
    """Another attempt has taken over, or the operation has ended; this report is refused."""


@dataclass(frozen=True)
class Queue:
    """A bounded queue: how many operations of a kind run at once, and how many more may wait."""

    running: int
    waiting: int


@dataclass(frozen=True)
class Claim:
    """The right to run one attempt."""

    operation: Operation
    resume_state: dict[str, Any] | None
    cancel_requested: bool


@dataclass(frozen=True)
class EventPage:
    """Events in order; `complete` when the last of a finished operation is among them or before."""

    events: list[OperationEvent]
    complete: bool


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended."""

    state: OperationState
    result: Mapping[str, Any]
    error_reason: str = ""
    error_message: str = ""


class OperationStore:
    """Records of the given kinds of operations. All methods block; all are safe from any thread.

    Kinds with a queue have a bound, and those that wait are told their place by events "queue".
    """

    def __init__(self, engine: Engine, kinds: Collection[str], queues: Mapping[str, Queue] | None = None) -> None:
        self._engine = engine
        self._reader = read_only(engine)
        self._kinds = tuple(kinds)
        self._queues = dict(queues or {})

    def add(self, kind: str, request: Mapping[str, Any], request_id: str) -> tuple[Operation, bool]:
        """A new PENDING operation, or the one that this request id made before.

        Raises:
            Overloaded: the kind's queue is full.
        """
        content = to_json(request)
        if not _REQUEST_ID.fullmatch(request_id):
            raise InvalidArgument(
                "A request_id is a UUID, or 128 other printable characters at most.", field="request_id"
            )
        try:
            with self._engine.begin() as connection:
                earlier = self._find_request(connection, request_id)
                if earlier is None:
                    must_wait = self._admit(connection, kind)
                    operation = self._insert(connection, kind, content, request_id)
                    if must_wait:
                        self._tell_positions(connection, kind, operation.operation_id)
                        operation = operation_from_row(self._row(connection, operation.operation_id))
                    return operation, True
        except IntegrityError:  # the same request came twice at once, and the other was first
            with self._reader.begin() as connection:
                earlier = self._find_request(connection, request_id)
        if earlier is None or earlier.kind != kind or earlier.request != content:
            raise RequestReused("This request_id was used for other content; take a new one.")
        return operation_from_row(earlier), False

    def get(self, operation_id: str) -> Operation:
        """One operation.

        Raises:
            OperationNotFound: none has this id.
        """
        with self._reader.begin() as connection:
            return operation_from_row(self._row(connection, operation_id))

    def page(self, *, before: int | None, kind: str, size: int) -> list[tuple[int, Operation]]:
        """Newest first, each with its place in the order."""
        kinds = [known for known in self._kinds if kind in ("", known)]
        query = select(OPERATIONS).where(OPERATIONS.c.kind.in_(kinds))
        if before is not None:
            query = query.where(OPERATIONS.c.number < before)
        with self._reader.begin() as connection:
            rows = connection.execute(query.order_by(OPERATIONS.c.number.desc()).limit(size)).all()
        return [(row.number, operation_from_row(row)) for row in rows]

    def events(self, operation_id: str, *, after: int, limit: int) -> EventPage:
        """Events numbered above `after`."""
        query = select(EVENTS).where(EVENTS.c.operation_id == operation_id, EVENTS.c.number > after)
        with self._reader.begin() as connection:
            row = self._row(connection, operation_id)
            rows = connection.execute(query.order_by(EVENTS.c.number).limit(limit)).all()
        events = [event_from_row(event) for event in rows]
        seen = events[-1].number if events else after
        return EventPage(events, OperationState(row.state).finished and seen >= row.last_event_number)

    def cancel(self, operation_id: str) -> Operation:
        """End a PENDING operation; leave a note for who runs a RUNNING one; else nothing."""
        with self._engine.begin() as connection:
            row = self._row(connection, operation_id, lock=True)
            state = row.state
            values: dict[str, Any] = {"cancel_requested": True}
            if state == _PENDING:
                values["state"] = OperationState.CANCELLED.value
            if state in (_PENDING, _RUNNING):
                self._change(connection, OPERATIONS.c.operation_id == operation_id, values)
            if state == _PENDING:
                self._append(connection, operation_id, "state", {"state": "cancelled"})
                self._tell_positions(connection, row.kind, behind=row.number)
            return operation_from_row(self._row(connection, operation_id))

    def claim(self, kind: str, worker: str, lease_s: float) -> Claim | None:
        """The oldest operation of a kind that nobody runs, now leased to `worker`; None where there is none."""
        while True:
            with self._engine.begin() as connection:
                row = connection.execute(self._claimable(kind)).first()
                if row is None:
                    return None
                crashes = row.crashes + (row.state == _RUNNING)
                if crashes <= _CRASHES_ALLOWED:
                    return self._lease(connection, row, worker, lease_s, crashes)
                self._end(connection, row.operation_id, Outcome(OperationState.FAILED, {}, "INTERNAL", _CRASHED))

    def renew(self, worker: str, claimed: Mapping[str, int], lease_s: float) -> dict[str, bool]:
        """Prolong the leases on {operation id: attempt}; those still held, with their cancel note."""
        held: dict[str, bool] = {}
        for operation_id, attempt in claimed.items():
            with self._engine.begin() as connection:
                statement = (
                    update(OPERATIONS)
                    .where(_held(operation_id, attempt), OPERATIONS.c.worker == worker)
                    .values(lease_until_us=now_us() + int(lease_s * 1e6))
                    .returning(OPERATIONS.c.cancel_requested)
                )
                row = connection.execute(statement).first()
            if row is not None:
                held[operation_id] = bool(row.cancel_requested)
        return held

    def release_dead(self) -> None:
        """Void the leases of processes of this host that have ended."""
        query = select(OPERATIONS.c.operation_id, OPERATIONS.c.attempt, OPERATIONS.c.worker).where(
            OPERATIONS.c.kind.in_(self._kinds), OPERATIONS.c.state == _RUNNING, OPERATIONS.c.lease_until_us > 0
        )
        with self._reader.begin() as connection:
            dead = [row for row in connection.execute(query) if is_dead(row.worker)]
        for row in dead:
            with self._engine.begin() as connection:
                where = and_(_held(row.operation_id, row.attempt), OPERATIONS.c.worker == row.worker)
                connection.execute(update(OPERATIONS).where(where).values(lease_until_us=0))

    def report(
        self,
        operation_id: str,
        attempt: int,
        kind: str,
        payload: Mapping[str, Any],
        *,
        progress: tuple[int, int] | None,
        state: Mapping[str, Any] | None = None,
    ) -> OperationEvent:
        """Append an event of a running attempt; its progress, and what to resume from, with it.

        Raises:
            LeaseLost: the attempt is no longer the one that counts.
        """
        values: dict[str, Any] = {} if progress is None else {"done": progress[0], "total": progress[1]}
        if state is not None:
            values |= {"resume_state": to_json(state), "crashes": 0}
        with self._engine.begin() as connection:
            if not self._change(connection, _held(operation_id, attempt), values):
                raise LeaseLost
            return self._append(connection, operation_id, kind, payload)

    def save_state(self, operation_id: str, attempt: int, state: Mapping[str, Any]) -> None:
        """Keep what a later attempt resumes from.

        Raises:
            LeaseLost: the attempt is no longer the one that counts.
        """
        with self._engine.begin() as connection:
            values = {"resume_state": to_json(state), "crashes": 0}
            if not self._change(connection, _held(operation_id, attempt), values):
                raise LeaseLost

    def finish(self, operation_id: str, attempt: int, outcome: Outcome) -> None:
        """Record how the attempt ended.

        Raises:
            LeaseLost: the attempt is no longer the one that counts.
        """
        with self._engine.begin() as connection:
            if not self._change(connection, _held(operation_id, attempt), {}):
                raise LeaseLost
            self._end(connection, operation_id, outcome)

    def put_back(self, operation_id: str, attempt: int) -> None:
        """Make it PENDING again: the service stops, and another attempt will go on."""
        with self._engine.begin() as connection:
            values = {"state": _PENDING, "worker": "", "lease_until_us": 0}
            if self._change(connection, _held(operation_id, attempt), values):
                self._append(connection, operation_id, "state", {"state": _PENDING})

    def _insert(self, connection: Connection, kind: str, content: str, request_id: str) -> Operation:
        if kind not in self._kinds:
            raise InvalidArgument("This service has no work of this kind.", field="kind")
        operation_id, now = str(uuid.uuid4()), now_us()
        connection.execute(
            insert(OPERATIONS).values(
                operation_id=operation_id,
                kind=kind,
                state=_PENDING,
                request=content,
                request_id=request_id or None,
                created_us=now,
                updated_us=now,
            )
        )
        self._append(connection, operation_id, "state", {"state": _PENDING})
        return operation_from_row(self._row(connection, operation_id))

    def _admit(self, connection: Connection, kind: str) -> bool:
        """Whether a further operation has to wait; refuses where it may not."""
        queue = self._queues.get(kind)
        if queue is None:
            return False
        unfinished = and_(OPERATIONS.c.kind == kind, OPERATIONS.c.state.in_((_PENDING, _RUNNING)))
        ahead = connection.execute(select(func.count()).select_from(OPERATIONS).where(unfinished)).scalar_one()
        if ahead >= queue.running + queue.waiting:
            raise Overloaded(
                f"The queue is full: {queue.waiting} wait already. Try again later, or cancel one that waits.",
                retry_after_s=_RETRY_S,
            )
        return bool(ahead >= queue.running)

    def _tell_positions(self, connection: Connection, kind: str, only: str = "", *, behind: int = 0) -> None:
        """Tell those of a queue that wait, or one of them, how many are before them, themselves counted."""
        if kind not in self._queues:
            return
        waiting = and_(OPERATIONS.c.kind == kind, OPERATIONS.c.state == _PENDING)
        query = select(OPERATIONS.c.operation_id, OPERATIONS.c.number).where(waiting).order_by(OPERATIONS.c.number)
        # in ascending order, as every other transaction that locks several rows here
        for position, row in enumerate(connection.execute(query).all(), 1):
            if row.number > behind and only in ("", row.operation_id):
                self._append(connection, row.operation_id, "queue", {"position": position})

    def _find_request(self, connection: Connection, request_id: str) -> Row[Any] | None:
        if not request_id:
            return None
        where = and_(OPERATIONS.c.request_id == request_id, OPERATIONS.c.kind.in_(self._kinds))
        return connection.execute(select(OPERATIONS).where(where)).first()

    def _row(self, connection: Connection, operation_id: str, *, lock: bool = False) -> Row[Any]:
        where = and_(OPERATIONS.c.operation_id == operation_id, OPERATIONS.c.kind.in_(self._kinds))
        query = select(OPERATIONS).where(where)
        known = _OPERATION_ID.fullmatch(operation_id) is not None  # databases choke on some of what may be sent
        row = connection.execute(query.with_for_update() if lock else query).first() if known else None
        if row is None:
            raise OperationNotFound("No operation has this id; list them to see which there are.")
        return row

    def _claimable(self, kind: str) -> Any:
        free = or_(
            OPERATIONS.c.state == _PENDING,
            and_(OPERATIONS.c.state == _RUNNING, OPERATIONS.c.lease_until_us < now_us()),
        )
        query = select(OPERATIONS).where(OPERATIONS.c.kind == kind, free).order_by(OPERATIONS.c.number).limit(1)
        return query.with_for_update(skip_locked=True)

    def _lease(self, connection: Connection, row: Row[Any], worker: str, lease_s: float, crashes: int) -> Claim:
        attempt = row.attempt + 1
        values = {
            "state": _RUNNING,
            "attempt": attempt,
            "crashes": crashes,
            "worker": worker,
            "lease_until_us": now_us() + int(lease_s * 1e6),
        }
        self._change(connection, OPERATIONS.c.operation_id == row.operation_id, values)
        self._append(connection, row.operation_id, "state", {"state": _RUNNING, "attempt": attempt})
        if row.state == _PENDING:
            self._tell_positions(connection, row.kind, behind=row.number)
        operation = operation_from_row(self._row(connection, row.operation_id))
        resume = None if row.resume_state is None else from_json(row.resume_state)
        return Claim(operation, resume, bool(row.cancel_requested))

    def _end(self, connection: Connection, operation_id: str, outcome: Outcome) -> None:
        values = {
            "state": outcome.state.value,
            "result": to_json(outcome.result),
            "error_reason": outcome.error_reason,
            "error_message": outcome.error_message,
            "worker": "",
            "lease_until_us": 0,
            "resume_state": None,
        }
        self._change(connection, OPERATIONS.c.operation_id == operation_id, values)
        payload = {"state": outcome.state.value}
        if outcome.error_reason:
            payload |= {"reason": outcome.error_reason, "message": outcome.error_message}
        self._append(connection, operation_id, "state", payload)

    def _change(self, connection: Connection, where: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        statement = update(OPERATIONS).where(where).values(updated_us=now_us(), **values)
        return connection.execute(statement).rowcount == 1

    def _append(
        self, connection: Connection, operation_id: str, kind: str, payload: Mapping[str, Any]
    ) -> OperationEvent:
        """The row's lock makes numbers gapless: whoever counts up holds it until the event is in."""
        count_up = (
            update(OPERATIONS)
            .where(OPERATIONS.c.operation_id == operation_id)
            .values(last_event_number=OPERATIONS.c.last_event_number + 1)
            .returning(OPERATIONS.c.last_event_number)
        )
        number = connection.execute(count_up).scalar_one()
        values = {"number": number, "at_us": now_us(), "kind": kind, "payload": to_json(payload)}
        statement = insert(EVENTS).values(operation_id=operation_id, **values).returning(EVENTS)
        return event_from_row(connection.execute(statement).one())


def _held(operation_id: str, attempt: int) -> ColumnElement[bool]:
    """This very attempt is the one that runs."""
    return and_(
        OPERATIONS.c.operation_id == operation_id,
        OPERATIONS.c.attempt == attempt,
        OPERATIONS.c.state == _RUNNING,
    )
