"""Log lines carry the request they belong to."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from precordia.rpc.log import bind_log, configure_logging
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
