from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from services.inference.oip.stream import in_order


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def test_answers_keep_the_order_of_the_requests_whichever_is_ready_first() -> None:
    async def answer(number: int) -> int:
        await asyncio.sleep(0.002 * (number % 5 == 0))
        return 10 * number

    assert [one async for one in in_order(numbers(40), answer)] == [10 * number for number in range(40)]


async def test_several_are_worked_on_at_once_and_never_more_than_allowed() -> None:
    under_way, most = 0, 0

    async def answer(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return number

    assert len([one async for one in in_order(numbers(30), answer, ahead=4)]) == 30
    assert most == 4


async def test_nothing_is_left_running_when_the_caller_hangs_up() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def answer(number: int) -> int:
        begun.append(number)
        try:
            await asyncio.sleep(3600 * (number > 0))
        finally:
            ended.append(number)
        return number

    async with contextlib.aclosing(in_order(numbers(20), answer, ahead=5)) as answers:
        async for _ in answers:
            break
    assert 1 < len(begun) <= 5
    assert sorted(ended) == begun
    assert len(asyncio.all_tasks()) == 1


async def test_a_stream_that_breaks_is_answered_as_far_as_it_came_and_then_breaks() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise ConnectionError("gone")

    async def answer(number: int) -> int:
        return number

    answers = in_order(broken(), answer)
    assert [await anext(answers), await anext(answers)] == [1, 2]
    with pytest.raises(ConnectionError):
        await anext(answers)


async def test_once_it_is_to_stop_what_was_read_is_answered_and_no_more_is_read() -> None:
    stop, read = asyncio.Event(), []

    async def endless() -> AsyncIterator[int]:
        for number in range(3):
            read.append(number)
            yield number
        await asyncio.sleep(3600)

    async def answer(number: int) -> int:
        await asyncio.sleep(0.02)
        return number

    async def told() -> None:
        await stop.wait()

    answers = in_order(endless(), answer, stop=told)
    came = [await anext(answers)]
    stop.set()
    async with asyncio.timeout(60):
        came += [one async for one in answers]
    assert came == read == [0, 1, 2]
    assert len(asyncio.all_tasks()) == 1
