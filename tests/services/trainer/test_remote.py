"""A job's calls to other services: patient, and for what was trained without end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from precordia.client import Addresses, Connection
from precordia.errors import Cancelled, NotFound, ServiceUnavailable
from precordia.operations import OperationContext
from services.trainer.remote import Remote


class Context:
    """Of a job whose waiting takes no time.

    Attributes:
        said: messages of its log events.
        pauses: seconds that it was to wait, one after another.
        pauses_left: after so many it is called off.
    """

    def __init__(self, pauses_left: int = 10_000) -> None:
        self.said: list[str] = []
        self.pauses: list[float] = []
        self.pauses_left = pauses_left

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        assert kind == "log"
        self.said.append(payload["message"])

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.check()

    def check(self) -> None:
        if len(self.pauses) > self.pauses_left:
            raise Cancelled("called off")


class Registry:
    """Answers after it was away for a number of calls."""

    def __init__(self, away: int, reasons: tuple[str, ...] = ("The registry is away.",)) -> None:
        self._away = away
        self._reasons = reasons
        self.asked = 0

    async def __call__(self, precordia: Connection) -> str:
        self.asked += 1
        if self.asked <= self._away:
            reason = self._reasons[min(self.asked, len(self._reasons)) - 1]
            raise ServiceUnavailable(reason, service="registry")
        return "published"


@pytest.fixture
def remote() -> Iterator[Remote]:
    """Asks on an event loop of its own, and has no patience."""
    loop = asyncio.new_event_loop()
    made = Remote(Addresses(), patience_s=0.0)
    ready = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(made.attach)
        loop.call_soon(ready.set)
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    yield made
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def of(context: Context) -> OperationContext:
    return cast(OperationContext, context)


def test_patience_ends(remote: Remote) -> None:
    registry = Registry(away=1)
    with pytest.raises(ServiceUnavailable, match="away"):
        remote.ask_from_job(registry, of(Context()))
    assert registry.asked == 1


def test_what_must_not_be_lost_waits_without_end_and_says_so_once(remote: Remote) -> None:
    registry, context = Registry(away=200), Context()
    assert remote.ask_from_job(registry, of(context), however_long=True) == "published"
    assert context.said == ["Waiting: The registry is away."]
    assert context.pauses[:6] == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert len(context.pauses) == 200


def test_another_reason_is_said(remote: Remote) -> None:
    registry, context = Registry(away=3, reasons=("It starts.", "It starts.", "It stops.")), Context()
    remote.ask_from_job(registry, of(context), however_long=True)
    assert context.said == ["Waiting: It starts.", "Waiting: It stops."]


def test_a_job_that_is_called_off_waits_no_longer(remote: Remote) -> None:
    with pytest.raises(Cancelled):
        remote.ask_from_job(Registry(away=10_000), of(Context(pauses_left=3)), however_long=True)


def test_another_error_is_not_waited_for(remote: Remote) -> None:
    async def refused(precordia: Connection) -> str:
        raise NotFound("There is no such thing.")

    context = Context()
    with pytest.raises(NotFound):
        remote.ask_from_job(refused, of(context), however_long=True)
    assert not context.pauses
