"""What was said of stored recordings: kept, listed, filtered, removed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from precordia.errors import InvalidArgument, ServiceUnavailable
from precordia.manifest import Task
from precordia.prediction import KeptQuery, Prediction, Score
from precordia.record import Remark
from precordia.storage.database import open_database
from services.inference.keeping.keeper import Keeper
from services.inference.keeping.kept import KeptPredictions
from services.inference.keeping.store import PlacedPrediction, PredictionStore
from tests.precordia.databases import database_url as database_url

NOON = datetime(2026, 3, 4, 12, 0, 0, 250, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[sa.Engine]:
    engine = open_database(database_url, "services.inference.migrations")
    yield engine
    engine.dispose()


def said(number: int, *, model: str = "m", version: int = 1, recording: str = "", minute: int = 0) -> Prediction:
    return Prediction(
        model,
        version,
        f"{version}" * 64,
        Task.MULTILABEL,
        (Score("MI", number / 10, "22298006", "", 0.4), Score('CLBBB|"L', 1 - number / 10)),
        recording or f"rec-{number}",
        "",
        (Remark("lead_derived", "Computed.", "aVL"),),
        "a" * 64,
        NOON + timedelta(minutes=minute),
        2,
    )


def listed(kept: KeptPredictions, **query: object) -> list[str]:
    page, _ = kept.page(KeptQuery(**query))  # type: ignore[arg-type]  # the tests name its fields
    return [one.prediction.recording_id for one in page]


def test_answers_come_back_whole_and_newest_first(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(1), said(2)])
    kept.add([said(3)], operation_id="op")
    page, token = kept.page(KeptQuery())
    assert [one.prediction for one in page] == [said(3), said(2), said(1)]
    assert [one.operation_id for one in page] == ["op", "", ""]
    assert page[0].number > page[1].number > page[2].number
    assert token == ""


def test_the_same_recording_scored_again_is_an_answer_of_its_own(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(1)])
    kept.add([said(1, minute=5)])
    page, _ = kept.page(KeptQuery(recording_id="rec-1"))
    assert [one.prediction.predicted_at for one in page] == [NOON + timedelta(minutes=5), NOON]


def test_lists_are_narrowed_by_each_fact_and_by_all_together(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(n, minute=n) for n in range(10)])
    kept.add([said(20, model="other", version=3, recording="rec-1", minute=30)], operation_id="op")
    assert listed(kept, recording_id="rec-1") == ["rec-1", "rec-1"]
    assert listed(kept, model="other") == ["rec-1"]
    assert listed(kept, version=3) == ["rec-1"]
    assert listed(kept, model_digest="3" * 64) == ["rec-1"]
    assert listed(kept, operation_id="op") == ["rec-1"]
    since, until = NOON + timedelta(minutes=7), NOON + timedelta(minutes=9)
    assert listed(kept, since=since, until=until) == ["rec-8", "rec-7"]
    assert listed(kept, model="m", label="MI", at_least=0.8) == ["rec-9", "rec-8"]
    assert listed(kept, label='CLBBB|"L', at_least=0.95) == ["rec-0"]
    assert len(listed(kept, label="MI")) == 11
    assert listed(kept, label="AFIB") == []
    assert listed(kept, model="m", label="MI", at_least=0.3, until=NOON + timedelta(minutes=4)) == ["rec-3"]


def test_what_has_no_recording_or_no_scores_is_not_kept(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    refused = Prediction("m", 1, "d", None, recording_id="rec-9", error_reason="MISSING_LEAD", error_message="No V1.")
    kept.add([replace(said(1), recording_id=""), refused])
    assert listed(kept) == []


def test_pages_follow_each_other_without_gap_or_repetition(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(n) for n in range(7)])
    found: list[str] = []
    token = ""
    while True:
        page, token = kept.page(KeptQuery(), page_size=3, page_token=token)
        found += [one.prediction.recording_id for one in page]
        if not token:
            break
    assert found == [f"rec-{n}" for n in reversed(range(7))]
    with pytest.raises(InvalidArgument):
        kept.page(KeptQuery(), page_token="x")
    with pytest.raises(InvalidArgument):
        kept.page(KeptQuery(), page_size=5000)


def test_old_answers_are_forgotten(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(1), said(2, minute=10)])
    assert kept.forget_before(NOON + timedelta(minutes=5)) == 1
    assert listed(kept) == ["rec-2"]


def test_an_operations_answers_are_listed_once_though_a_place_is_scored_twice(database: sa.Engine) -> None:
    store, kept = PredictionStore(database), KeptPredictions(database)
    store.add("op", [PlacedPrediction(0, said(1))], audited=True)
    store.add("op", [PlacedPrediction(0, said(1)), PlacedPrediction(1, said(2))], audited=True)
    store.add("measured", [PlacedPrediction(0, said(3))])
    assert listed(kept) == ["rec-2", "rec-1"]
    assert listed(kept, operation_id="op") == ["rec-2", "rec-1"]


class _Slow(KeptPredictions):
    """Counts commits; the first one takes until it is let go, and may then fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.commits: list[int] = []
        self.let_go = threading.Event()
        self.error = error

    def add(self, predictions: Sequence[Prediction], operation_id: str = "") -> None:
        self.commits.append(len(predictions))
        assert self.let_go.wait(600)
        if self.error is not None:
            raise self.error


async def test_callers_who_come_together_share_a_commit() -> None:
    slow = _Slow()
    keeper = Keeper(slow)
    keeper.start()
    first = asyncio.create_task(keeper.keep([said(1)]))
    while not slow.commits:
        await asyncio.sleep(0.01)
    others = [asyncio.create_task(keeper.keep([said(n)])) for n in range(2, 7)]
    await asyncio.sleep(0.05)
    slow.let_go.set()
    assert await asyncio.gather(first, *others) == [True] * 6
    keeper.close()
    assert slow.commits == [1, 5]


async def test_a_database_that_fails_fails_no_answer() -> None:
    slow = _Slow(ServiceUnavailable("away", service="database"))
    slow.let_go.set()
    keeper = Keeper(slow)
    keeper.start()
    assert await keeper.keep([said(1)]) is False
    keeper.close()
    assert await keeper.keep([said(1)]) is False
    assert await keeper.keep([replace(said(1), recording_id="")]) is True


async def test_what_waits_is_written_before_the_keeper_ends(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    keeper = Keeper(kept, days=36500)
    waiting = asyncio.create_task(keeper.keep([said(1)]))
    await asyncio.sleep(0)
    keeper.start()
    await asyncio.to_thread(keeper.close)
    assert await waiting is True
    assert listed(kept) == ["rec-1"]
