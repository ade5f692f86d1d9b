"""Log lines carry the request they belong to."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextvars import Context

import pytest

from precordia.rpc.log import SparingLog, bind_log, configure_logging
from precordia.rpc.request_id import adopt_request_id


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_json_lines_hold_request_facts_and_exception() -> None:
    stream = io.StringIO()
    configure_logging(level="info", style="json", service="inference", stream=stream)
    adopt_request_id("call-3")
    bind_log(model="af", version="2")
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("precordia.test").exception("failed %d times", 2)
    line = json.loads(stream.getvalue())
    assert (line["service"], line["level"], line["message"]) == ("inference", "error", "failed 2 times")
    assert (line["request_id"], line["model"], line["version"]) == ("call-3", "af", "2")
    assert "ValueError: odd" in line["exception"]


async def test_text_lines_end_with_the_request() -> None:
    stream = io.StringIO()
    configure_logging(level="warning", style="text", service="ingest", stream=stream)
    adopt_request_id("call-4")
    logging.getLogger("precordia.test").info("not shown")
    logging.getLogger("precordia.test").warning("shown")
    assert stream.getvalue().endswith("WARNING ingest precordia.test: shown [request_id=call-4]\n")


class Loop:
    """Stands for the event loop, whose time passes when it is told."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, call: Callable[[], None], context: Context) -> None:
        self.due.append((delay_s, lambda: context.run(call)))

    def pass_time(self) -> None:
        """All that is due comes, and nothing that it asks for."""
        due, self.due = self.due, []
        for delay_s, call in due:
            assert delay_s == 0.05
            call()


async def test_a_flood_of_lines_is_counted_and_a_single_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, loop = io.StringIO(), Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    configure_logging(level="info", style="text", service="inference", stream=stream)
    sparing = SparingLog(logging.getLogger("precordia.test"), "/Predict", every_s=0.05)
    adopt_request_id("call-5")
    for number in range(1000):
        sparing.info("refused %d", number)
    loop.pass_time()
    sparing.info("refused %d", 1000)
    loop.pass_time()
    loop.pass_time()
    assert not loop.due
    sparing.info("refused %d", 1001)
    said = [line.partition("precordia.test: ")[2] for line in stream.getvalue().splitlines()]
    assert said[0] == "refused 0 [request_id=call-5]"
    assert said[1:3] == ["/Predict 999 more such calls in 0.05 s", "/Predict 1 more such calls in 0.05 s"]
    assert said[3:] == ["refused 1001 [request_id=call-5]"], "a pause ends the flood"
