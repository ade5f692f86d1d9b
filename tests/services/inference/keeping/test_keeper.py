"""Answers wait to be kept, and no answer is lost to that; what is said of their keeping is true."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

from precordia.catalog import ModelRef
from precordia.errors import ServiceUnavailable
from precordia.prediction import PredictInput, Prediction
from precordia.storage.database import open_database
from services.inference.keeping.keeper import Keeper, Keeping
from services.inference.keeping.kept import KeptPredictions
from services.inference.predicting.answering import Answering
from services.inference.predicting.predictor import Predictor
from tests.precordia.databases import database_url as database_url
from tests.precordia.databases import sqlite_url
from tests.services.inference.keeping.answers import database as database
from tests.services.inference.keeping.answers import listed, said

FOREVER_S = 600.0
_Add = Callable[[Sequence[Prediction]], None]


@asynccontextmanager
async def writing(kept: KeptPredictions, **settings: float) -> AsyncIterator[Keeper]:
    keeper = Keeper(kept, **settings)
    keeper.start()
    try:
        yield keeper
    finally:
        await asyncio.to_thread(keeper.close)


@pytest.fixture
def in_file(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(sqlite_url(tmp_path), "services.inference.migrations")
    yield engine
    engine.dispose()


@contextmanager
def locked(engine: sa.Engine) -> Iterator[Callable[[], None]]:
    """Another connection writes, until it is told to end."""
    with closing(sqlite3.connect(str(engine.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield lambda: other.execute("ROLLBACK").close()


class _Held(KeptPredictions):
    """Holds each transaction where it is about to be committed; notes how many answers are in it."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
        self.commits: list[int] = []
        self.reached, self.let_go = threading.Event(), threading.Event()

    @contextmanager
    def adding(self) -> Iterator[_Add]:
        with super().adding() as add:

            def noted(predictions: Sequence[Prediction]) -> None:
                self.commits.append(len(predictions))
                add(predictions)

            yield noted
            self.reached.set()
            assert self.let_go.wait(FOREVER_S)


class _Away(KeptPredictions):
    """A database that cannot be reached."""

    def __init__(self) -> None:
        pass

    def adding(self) -> NoReturn:
        raise ServiceUnavailable("away", service="database")


class _Says(Predictor):
    """Has its scores at once."""

    def __init__(self, *predictions: Prediction) -> None:
        self._predictions = predictions

    async def predict(self, *_: object, **__: object) -> tuple[Prediction, ...]:
        return self._predictions


async def test_callers_who_come_together_share_a_commit(in_file: sa.Engine) -> None:
    held = _Held(in_file)
    async with writing(held, longest_wait_s=FOREVER_S) as keeper:
        first = asyncio.create_task(keeper.keep([said(1)]))
        assert await asyncio.to_thread(held.reached.wait, FOREVER_S)
        others = [asyncio.create_task(keeper.keep([said(n)])) for n in range(2, 7)]
        await asyncio.sleep(0)
        held.let_go.set()
        assert await asyncio.gather(first, *others) == [Keeping.KEPT] * 6
    assert held.commits == [1, 5]


async def test_a_database_that_is_away_fails_no_answer() -> None:
    async with writing(_Away(), longest_wait_s=FOREVER_S) as keeper:
        assert await keeper.keep([said(1)]) is Keeping.NOT_KEPT
        assert await keeper.keep([said(2)]) is Keeping.NOT_KEPT
    assert await keeper.keep([said(1)]) is Keeping.NOT_KEPT
    assert await keeper.keep([replace(said(1), recording_id="")]) is Keeping.KEPT


async def test_what_waits_is_written_before_the_keeper_ends(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    keeper = Keeper(kept, longest_wait_s=FOREVER_S)
    waiting = asyncio.create_task(keeper.keep([said(1)]))
    await asyncio.sleep(0)
    keeper.start()
    await asyncio.to_thread(keeper.close)
    assert await waiting is Keeping.KEPT
    assert listed(kept) == ["rec-1"]


@pytest.mark.parametrize("deadline_s", [0.0, 0.2, 1.0])
async def test_a_locked_database_costs_no_answer_that_has_a_deadline(in_file: sa.Engine, deadline_s: float) -> None:
    kept = KeptPredictions(in_file)
    async with writing(kept, longest_wait_s=FOREVER_S) as keeper:
        answering = Answering(_Says(said(1), replace(said(2), recording_id="")), keeper)
        with locked(in_file) as unlock:
            ref, inputs = ModelRef("m"), [PredictInput("rec-1"), PredictInput()]
            given = await answering.predict(ref, inputs, timeout_s=deadline_s)
            unlock()
    assert [[remark.code for remark in one.remarks] for one in given] == [
        ["lead_derived", "not_kept"],
        ["lead_derived"],
    ]
    assert [one.scores for one in given] == [said(1).scores, said(2).scores]


async def test_what_its_caller_gave_up_is_never_written(in_file: sa.Engine) -> None:
    kept = KeptPredictions(in_file)
    async with writing(kept, longest_wait_s=FOREVER_S) as keeper:
        with locked(in_file) as unlock:
            assert await keeper.keep([said(1)], left_s=0.1) is Keeping.NOT_KEPT
            hung_up = asyncio.create_task(keeper.keep([said(2)]))
            patient = asyncio.create_task(keeper.keep([said(3)]))
            await asyncio.sleep(0)
            hung_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hung_up
            unlock()
            assert await patient is Keeping.KEPT
    assert listed(kept) == ["rec-3"]


async def test_a_write_that_is_under_way_is_told_as_not_confirmed(in_file: sa.Engine) -> None:
    held = _Held(in_file)
    async with writing(held, longest_wait_s=FOREVER_S) as keeper:
        answering, deadline_s, code = Answering(_Says(said(1)), keeper), 0.5, "not_kept"
        while code == "not_kept":  # the write had not begun
            deadline_s *= 2
            (answer,) = await answering.predict(ModelRef("m"), [], timeout_s=deadline_s)
            code = answer.remarks[-1].code
        assert listed(held) == []
        held.let_go.set()
    assert code == "keeping_not_confirmed"
    assert listed(held) == ["rec-1"]
