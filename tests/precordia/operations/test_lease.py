"""A lease keeps an operation to one attempt; reports of an older attempt are refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine

from precordia.operation import OperationState
from precordia.operations import Interrupted, OperationContext, Operations
from precordia.operations.process import is_dead, new_worker
from precordia.operations.store import Claim, LeaseLost, OperationStore, Outcome


def nothing(_: OperationContext) -> Mapping[str, Any]:
    return {}


@pytest.fixture
def store(engine: Engine) -> OperationStore:
    return OperationStore(engine, ["train"])


def claim(store: OperationStore, lease_s: float = 30) -> Claim:
    claimed = store.claim("train", new_worker(), lease_s)
    assert claimed is not None
    return claimed


def test_leased_work_is_nobody_elses(store: OperationStore) -> None:
    store.add("train", {}, "")
    claim(store)
    assert store.claim("train", new_worker(), 30) is None


def test_work_is_claimed_in_the_order_of_its_coming(store: OperationStore) -> None:
    made = [store.add("train", {"index": index}, "")[0].operation_id for index in range(3)]
    assert [claim(store).operation.operation_id for _ in made] == made


def test_a_lease_that_ran_out_gives_the_work_and_its_state_to_the_next(store: OperationStore) -> None:
    store.add("train", {}, "")
    first = claim(store, lease_s=0)
    store.save_state(first.operation.operation_id, 1, {"epoch": 3})
    time.sleep(0.01)
    second = claim(store)
    assert second.operation.operation_id == first.operation.operation_id
    assert (second.operation.attempt, second.resume_state) == (2, {"epoch": 3})


def test_late_reports_of_an_older_attempt_are_refused(store: OperationStore) -> None:
    store.add("train", {}, "")
    late = OperationContext(claim(store, lease_s=0), store, lambda _: None)
    time.sleep(0.01)
    claim(store)
    before = store.get(late.operation.operation_id).last_event_number
    with pytest.raises(Interrupted):
        late.emit("epoch", {})
    with pytest.raises(Interrupted):
        late.progress(1, 1)
    with pytest.raises(Interrupted):
        late.save_state({"epoch": 1})
    with pytest.raises(LeaseLost):
        store.finish(late.operation.operation_id, 1, Outcome(OperationState.SUCCEEDED, {"late": True}))
    store.put_back(late.operation.operation_id, 1)
    operation = store.get(late.operation.operation_id)
    assert (operation.state, operation.result, operation.last_event_number) == (OperationState.RUNNING, {}, before)
    assert late.stopping
    assert late.state is None


def test_renewing_keeps_work_and_tells_of_a_cancel(store: OperationStore) -> None:
    store.add("train", {}, "")
    worker = new_worker()
    claimed = store.claim("train", worker, 0)
    assert claimed is not None
    held = {claimed.operation.operation_id: 1}
    assert store.renew(worker, held, 30) == {claimed.operation.operation_id: False}
    assert store.claim("train", new_worker(), 30) is None
    store.cancel(claimed.operation.operation_id)
    assert store.renew(worker, held, 30) == {claimed.operation.operation_id: True}
    assert store.renew(new_worker(), held, 30) == {}


def test_work_that_keeps_ending_its_process_is_given_up(store: OperationStore) -> None:
    operation_id = store.add("train", {}, "")[0].operation_id
    for _ in range(6):
        claim(store, lease_s=0)
        time.sleep(0.005)
    assert store.claim("train", new_worker(), 30) is None
    operation = store.get(operation_id)
    assert (operation.state, operation.error_reason, operation.attempt) == (OperationState.FAILED, "INTERNAL", 6)


def test_work_that_gets_on_between_crashes_is_not_given_up(store: OperationStore) -> None:
    operation_id = store.add("train", {}, "")[0].operation_id
    for attempt in range(1, 10):
        claim(store, lease_s=0)
        store.save_state(operation_id, attempt, {"epoch": attempt})
        time.sleep(0.005)
    assert claim(store).resume_state == {"epoch": 9}


def test_a_dead_process_is_known_for_dead_and_others_are_not() -> None:
    code = "from precordia.operations.process import new_worker; print(new_worker())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    mine = new_worker()
    assert is_dead(ended)
    assert not is_dead(mine)
    assert not is_dead(mine.replace(mine.partition("|")[0], "another-host"))
    assert is_dead(mine.replace("@", "@0"))  # my process id, but a process that started at another time
    assert str(os.getpid()) in mine


async def test_a_lease_of_a_dead_process_is_void_at_once(engine: Engine, store: OperationStore) -> None:
    operation_id = store.add("train", {}, "")[0].operation_id
    store.claim("train", new_worker().replace("@", "@0"), 3600)
    operations = Operations(engine, {"train": nothing})
    operations.start()
    events = [event async for event in operations.watch(operation_id)]
    await operations.close(60)
    assert events[-1].payload == {"state": "succeeded"}
    assert operations.get(operation_id).attempt == 2
