"""What is older than the operator wants it kept goes, a slice at a time; what is being answered gets in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event

import pytest
import sqlalchemy as sa

from precordia.errors import PredictionsRemoved
from precordia.operation import OperationState
from precordia.operations.store import OperationStore, Outcome
from precordia.prediction import Prediction
from precordia.storage.database import migrate
from services.inference.keeping.keeper import Keeper, Keeping
from services.inference.keeping.kept import KeptPredictions
from services.inference.keeping.retention import SLICE, Retention
from services.inference.keeping.store import PlacedPrediction, PredictionStore
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


def test_rows_of_ended_operations_go_and_what_they_were_is_told(database: sa.Engine) -> None:
    operations, store = _operations(database), PredictionStore(database)
    ended, running = _operation(operations, store, ended=True), _operation(operations, store, ended=False)
    retention = Retention((partial(store.forget, days=30),), days=30, pause=lambda _: None)
    assert retention.remove(datetime.now(UTC) + timedelta(days=29)) == 0
    assert [one.position for one in store.page(ended)[0]] == [0, 1, 2]
    assert retention.remove(datetime.now(UTC) + timedelta(days=31)) == 3
    with pytest.raises(PredictionsRemoved, match="kept for 30 days") as removed:
        store.page(ended)
    assert removed.value.details == {"days": "30"}
    assert operations.get(ended).result == {"predicted": 3}
    assert operations.events(ended, after=0, limit=10).complete
    assert [one.position for one in store.page(running)[0]] == [0, 1, 2]


def test_a_list_that_is_being_removed_does_not_pass_for_a_short_one(database: sa.Engine) -> None:
    operations, store = _operations(database), PredictionStore(database)
    ended = _operation(operations, store, ended=True)
    page, token = store.page(ended, page_size=2)
    assert len(page) == 2
    assert store.forget(datetime.now(UTC) + timedelta(days=1), 2, days=1) == 2
    with pytest.raises(PredictionsRemoved):
        store.page(ended, page_token=token)


def test_a_large_operation_goes_in_slices(database: sa.Engine) -> None:
    operations, store = _operations(database), PredictionStore(database)
    ended = _operation(operations, store, ended=True, predictions=[said(1)] * (SLICE + 3))
    left: list[int] = []
    retention = Retention(
        (partial(store.forget, days=1),), days=1, pause=lambda _: left.append(store.next_position(ended))
    )
    assert retention.remove(datetime.now(UTC) + timedelta(days=2)) == SLICE + 3
    assert left == [SLICE + 3, 0]


def _operations(database: sa.Engine) -> OperationStore:
    migrate(database, "precordia.operations.migrations")
    return OperationStore(database, ("predict_dataset",))


def _operation(
    operations: OperationStore, store: PredictionStore, *, ended: bool, predictions: Sequence[Prediction] = ()
) -> str:
    """An operation with rows, by default three."""
    operations.add("predict_dataset", {}, "")
    claim = operations.claim("predict_dataset", "worker", 600)
    assert claim is not None
    operation_id, attempt = claim.operation.operation_id, claim.operation.attempt
    rows = predictions or [said(number) for number in range(3)]
    store.add(operation_id, [PlacedPrediction(place, one) for place, one in enumerate(rows)])
    if ended:
        operations.finish(operation_id, attempt, Outcome(OperationState.SUCCEEDED, {"predicted": len(rows)}))
    return operation_id


def _numbers(database: sa.Engine) -> list[int]:
    with database.connect() as connection:
        return list(connection.execute(sa.text("SELECT number FROM kept_predictions")).scalars())
