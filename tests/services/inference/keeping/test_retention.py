"""What is older than the operator wants it kept goes, a slice at a time; what is being answered gets in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from threading import Event

import sqlalchemy as sa

from services.inference.keeping.keeper import Keeper, Keeping
from services.inference.keeping.kept import KeptPredictions
from services.inference.keeping.retention import SLICE, Retention
from tests.precordia.databases import database_url as database_url
from tests.services.inference.keeping.answers import NOON, listed, said
from tests.services.inference.keeping.answers import database as database


def test_old_answers_are_removed_and_newer_ones_stay(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(1), said(2, minute=10)])
    retention = Retention((kept.forget,), days=30, pause=lambda _: None)
    assert retention.remove(NOON + timedelta(days=30, minutes=5)) == 1
    assert listed(kept) == ["rec-2"]


async def test_answers_are_kept_between_two_slices_of_a_large_removal(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(1)] * (2 * SLICE + 500))
    keeper = Keeper(kept, longest_wait_s=600)
    keeper.start()
    loop, left, outcomes = asyncio.get_running_loop(), [], []

    def pause(_: float) -> None:
        left.append(len(_numbers(database)))
        waiting = keeper.keep([said(2, minute=60 * 24)])
        outcomes.append(asyncio.run_coroutine_threadsafe(waiting, loop).result(600))

    retention = Retention((kept.forget,), days=1, pause=pause)
    gone = await asyncio.to_thread(retention.remove, NOON + timedelta(days=1, minutes=1))
    await asyncio.to_thread(keeper.close)
    assert gone == 2 * SLICE + 500
    assert left == [SLICE + 500, 500 + 1, 2]
    assert outcomes == [Keeping.KEPT] * 3
    assert listed(kept) == ["rec-2"] * 3


async def test_the_service_that_ends_does_not_wait_for_all_to_be_removed(database: sa.Engine) -> None:
    kept, removing, ended = KeptPredictions(database), Event(), Event()
    kept.add([said(1)] * (SLICE + 1))

    def pause(_: float) -> None:
        removing.set()
        assert ended.wait(600)

    retention = Retention((kept.forget,), days=1, pause=pause)
    retention.start()
    assert await asyncio.to_thread(removing.wait, 600)
    retention.close()
    ended.set()
    assert len(_numbers(database)) == 1


def test_nothing_is_removed_where_no_age_is_set(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(1)])
    retention = Retention((kept.forget,), days=0)
    retention.start()
    retention.close()
    assert listed(kept) == ["rec-1"]


def _numbers(database: sa.Engine) -> list[int]:
    with database.connect() as connection:
        return list(connection.execute(sa.text("SELECT number FROM kept_predictions")).scalars())
