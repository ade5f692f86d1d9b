"""Who goes first, who takes turns, and who keeps a place in a full queue."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from precordia.errors import Overloaded, PrecordiaError
from precordia.prediction import Priority
from tests.services.inference.queueing.timed_engine import PATIENCE_S, Clock, TimedEngine, batcher, held


def test_stat_goes_before_routine_before_background_and_fifo_within() -> None:
    engine = TimedEngine()
    with held(engine) as made:
        made.submit([31, 32], priority=Priority.BACKGROUND)
        made.submit([21, 22], priority=Priority.ROUTINE)
        made.submit([11, 12], priority=Priority.STAT)
        last = made.submit([33], priority=Priority.BACKGROUND)
        engine.gate.set()
        last[0].result(PATIENCE_S)
    assert engine.order == [0, 11, 12, 21, 22, 31, 32, 33]


def test_a_class_that_is_passed_over_long_enough_gets_its_turn() -> None:
    engine = TimedEngine()
    with held(engine, patience=4) as made:
        background = made.submit([99], priority=Priority.BACKGROUND)
        made.submit(list(range(1, 21)), priority=Priority.ROUTINE)
        engine.gate.set()
        background[0].result(PATIENCE_S)
    assert engine.order.index(99) == 5


def test_a_class_that_gets_its_turn_in_time_is_not_refused_for_what_is_ahead_of_it(clock: Clock) -> None:
    engine = TimedEngine()
    with held(engine, clock, patience=4, item_s=0.01) as made:
        made.submit(list(range(1, 101)), priority=Priority.ROUTINE)
        (background,) = made.submit([999], priority=Priority.BACKGROUND, deadline=clock.now + 0.5)
        with pytest.raises(Overloaded, match="deadline"):
            made.submit([1000] * 20, priority=Priority.BACKGROUND, deadline=clock.now + 0.5)
        engine.gate.set()
        assert background.result(PATIENCE_S) == 999**2
    assert engine.order.index(999) == 5


def test_stat_waits_for_a_class_that_it_alone_would_starve() -> None:
    engine = TimedEngine()
    with held(engine, patience=4) as made:
        background = made.submit([99], priority=Priority.BACKGROUND)
        made.submit(list(range(1, 31)), priority=Priority.STAT)
        engine.gate.set()
        background[0].result(PATIENCE_S)
    assert engine.order.index(99) == 17


def test_a_class_whose_turn_is_due_has_it_once_no_stat_waits() -> None:
    engine = TimedEngine()
    with held(engine, patience=2) as made:
        made.submit([99], priority=Priority.BACKGROUND)
        last = made.submit([1, 2, 3, 4], priority=Priority.ROUTINE)
        made.submit([11, 12, 13], priority=Priority.STAT)
        engine.gate.set()
        last[-1].result(PATIENCE_S)
    assert engine.order == [0, 11, 12, 13, 99, 1, 2, 3, 4]


def test_a_full_queue_leaves_each_class_some_places_and_so_its_turn() -> None:
    engine = TimedEngine()
    with held(engine, capacity=64, patience=4) as made:
        waiting = [made.submit([number], priority=Priority.BACKGROUND)[0] for number in range(1000, 1064)]
        urgent = [made.submit([number], priority=Priority.ROUTINE)[0] for number in range(1, 61)]
        with pytest.raises(Overloaded):
            made.submit([99], priority=Priority.ROUTINE)
        assert [future.done() for future in waiting] == [False] * 4 + [True] * 60, "the oldest stay"
        engine.gate.set()
        assert [future.result(PATIENCE_S) for future in waiting[:4]] == [number**2 for number in range(1000, 1004)]
        assert urgent[-1].result(PATIENCE_S) == 3600
    assert [engine.order.index(number) for number in range(1000, 1004)] == [5, 10, 15, 20]


def test_callers_take_turns_whatever_each_has_in_the_queue() -> None:
    engine = TimedEngine()
    with held(engine) as made:
        made.submit(list(range(1, 1001)), caller="flood")
        one = made.submit([5001], caller="one")
        two = made.submit([6001, 6002], caller="two")
        engine.gate.set()
        assert one[0].result(PATIENCE_S) == 5001**2
        assert two[1].result(PATIENCE_S) == 6002**2
    assert engine.order[:7] == [0, 1, 5001, 6001, 2, 6002, 3]
    assert sorted(engine.order[6:]) == sorted([*range(3, 1001)])


class Steps(TimedEngine):
    """Each run takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Semaphore(0)

    def __call__(self, jobs: Sequence[int]) -> Sequence[int | PrecordiaError]:
        answers = super().__call__(jobs)
        self.go.acquire()
        return answers


def test_a_single_ecg_beside_a_flood_waits_one_service_time_for_each_caller() -> None:
    engine = Steps()
    with batcher(engine, capacity=5000) as made:
        made.submit(list(range(1000)), caller="flood")
        assert engine.entered.acquire(timeout=PATIENCE_S)
        for number in range(5000, 5010):
            (future,) = made.submit([number], caller="one")
            runs = 0
            while number not in engine.order[-1:]:
                engine.go.release()
                runs += 1
                assert engine.entered.acquire(timeout=PATIENCE_S)
            assert runs <= 2  # the run in progress, and one of the flood; then its own
            engine.go.release()
            assert future.result(PATIENCE_S) == number**2
            assert engine.entered.acquire(timeout=PATIENCE_S)
        assert made.depth > 900
        engine.go.release(2000)


def test_urgency_goes_before_fairness() -> None:
    engine = TimedEngine()
    with held(engine) as made:
        made.submit([1, 2], caller="a", priority=Priority.STAT)
        last = made.submit([3], caller="b")
        engine.gate.set()
        last[0].result(PATIENCE_S)
    assert engine.order == [0, 1, 2, 3]


def test_in_a_full_queue_urgent_work_takes_the_place_of_the_newest_that_is_less_urgent() -> None:
    engine = TimedEngine()
    with held(engine, capacity=4) as made:
        old = made.submit([1], priority=Priority.BACKGROUND)
        new = made.submit([2, 3], priority=Priority.BACKGROUND)
        routine = made.submit([4])
        urgent = made.submit([5], priority=Priority.STAT)
        for future in new:  # a call is refused as a whole
            with pytest.raises(Overloaded):
                future.result(PATIENCE_S)
        engine.gate.set()
        assert [future.result(PATIENCE_S) for future in (*old, *routine, *urgent)] == [1, 16, 25]
    assert engine.order == [0, 5, 4, 1]
    assert made.counts.refused == 2


def test_in_a_full_queue_a_caller_with_little_takes_the_place_of_one_with_much() -> None:
    engine = TimedEngine()
    with held(engine, capacity=4) as made:
        flood = [made.submit([number], caller="flood")[0] for number in range(1, 5)]
        first = made.submit([10], caller="one")
        with pytest.raises(Overloaded):
            flood[3].result(PATIENCE_S)
        second = made.submit([11], caller="one")
        with pytest.raises(Overloaded):
            flood[2].result(PATIENCE_S)
        with pytest.raises(Overloaded):  # two each: nobody has to give way
            made.submit([12], caller="one")
        with pytest.raises(Overloaded):
            made.submit([5], caller="flood")
        engine.gate.set()
        assert [future.result(PATIENCE_S) for future in (*flood[:2], *first, *second)] == [1, 4, 100, 121]


def test_less_urgent_work_never_takes_a_place() -> None:
    with held(TimedEngine(), capacity=2) as made:
        made.submit([1, 2], caller="flood", priority=Priority.STAT)
        with pytest.raises(Overloaded):
            made.submit([3], caller="one", priority=Priority.ROUTINE)
        assert made.depth == 2
