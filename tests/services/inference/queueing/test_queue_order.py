"""Who goes first, who takes turns, and who keeps a place in a full queue."""

from __future__ import annotations

import time

import pytest

from precordia.errors import (
    Overloaded,
)
from precordia.prediction import Priority
from tests.services.inference.queueing.timed_engine import TimedEngine, batcher, held


def test_stat_goes_before_routine_before_background_and_fifo_within() -> None:
    engine = TimedEngine()
    with held(engine) as made:
        made.submit([31, 32], priority=Priority.BACKGROUND)
        made.submit([21, 22], priority=Priority.ROUTINE)
        made.submit([11, 12], priority=Priority.STAT)
        last = made.submit([33], priority=Priority.BACKGROUND)
        engine.gate.set()
        last[0].result(5)
    assert engine.order == [0, 11, 12, 21, 22, 31, 32, 33]


def test_a_class_that_is_passed_over_long_enough_gets_its_turn() -> None:
    engine = TimedEngine()
    with held(engine, patience=4) as made:
        background = made.submit([99], priority=Priority.BACKGROUND)
        made.submit(list(range(1, 21)), priority=Priority.ROUTINE)
        engine.gate.set()
        background[0].result(5)
    assert engine.order.index(99) == 5


def test_a_class_that_gets_its_turn_in_time_is_not_refused_for_what_is_ahead_of_it() -> None:
    engine = TimedEngine()
    with held(engine, patience=4, item_s=0.01) as made:
        made.submit(list(range(1, 101)), priority=Priority.ROUTINE)
        (background,) = made.submit([999], priority=Priority.BACKGROUND, deadline=time.monotonic() + 0.5)
        with pytest.raises(Overloaded, match="deadline"):
            made.submit([1000] * 20, priority=Priority.BACKGROUND, deadline=time.monotonic() + 0.5)
        engine.gate.set()
        assert background.result(5) == 999**2
    assert engine.order.index(999) == 5


def test_stat_waits_for_a_class_that_it_alone_would_starve() -> None:
    engine = TimedEngine()
    with held(engine, patience=4) as made:
        background = made.submit([99], priority=Priority.BACKGROUND)
        made.submit(list(range(1, 31)), priority=Priority.STAT)
        engine.gate.set()
        background[0].result(5)
    assert engine.order.index(99) == 17


def test_a_class_whose_turn_is_due_has_it_once_no_stat_waits() -> None:
    engine = TimedEngine()
    with held(engine, patience=2) as made:
        made.submit([99], priority=Priority.BACKGROUND)
        last = made.submit([1, 2, 3, 4], priority=Priority.ROUTINE)
        made.submit([11, 12, 13], priority=Priority.STAT)
        engine.gate.set()
        last[-1].result(5)
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
        assert [future.result(5) for future in waiting[:4]] == [number**2 for number in range(1000, 1004)]
        assert urgent[-1].result(5) == 3600
    assert [engine.order.index(number) for number in range(1000, 1004)] == [5, 10, 15, 20]


def test_callers_take_turns_whatever_each_has_in_the_queue() -> None:
    engine = TimedEngine()
    with held(engine) as made:
        made.submit(list(range(1, 1001)), caller="flood")
        one = made.submit([5001], caller="one")
        two = made.submit([6001, 6002], caller="two")
        engine.gate.set()
        assert one[0].result(5) == 5001**2
        assert two[1].result(5) == 6002**2
    assert engine.order[:7] == [0, 1, 5001, 6001, 2, 6002, 3]
    assert sorted(engine.order[6:]) == sorted([*range(3, 1001)])


def test_a_single_ecg_beside_a_flood_waits_one_service_time_for_each_caller() -> None:
    engine = TimedEngine(a=0.005)
    with batcher(engine, capacity=5000) as made:
        made.submit(list(range(1000)), caller="flood")
        waits = []
        for number in range(10):
            began = time.monotonic()
            made.submit([number], caller="one")[0].result(5)
            waits.append(time.monotonic() - began)
        assert sorted(waits)[5] < 3.5 * 0.005  # the run in progress, one of the flood, its own
        assert made.depth > 900
        engine.a = 0.0


def test_urgency_goes_before_fairness() -> None:
    engine = TimedEngine()
    with held(engine) as made:
        made.submit([1, 2], caller="a", priority=Priority.STAT)
        last = made.submit([3], caller="b")
        engine.gate.set()
        last[0].result(5)
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
                future.result(5)
        engine.gate.set()
        assert [future.result(5) for future in (*old, *routine, *urgent)] == [1, 16, 25]
    assert engine.order == [0, 5, 4, 1]
    assert made.counts.refused == 2


def test_in_a_full_queue_a_caller_with_little_takes_the_place_of_one_with_much() -> None:
    engine = TimedEngine()
    with held(engine, capacity=4) as made:
        flood = [made.submit([number], caller="flood")[0] for number in range(1, 5)]
        first = made.submit([10], caller="one")
        with pytest.raises(Overloaded):
            flood[3].result(5)
        second = made.submit([11], caller="one")
        with pytest.raises(Overloaded):
            flood[2].result(5)
        with pytest.raises(Overloaded):  # two each: nobody has to give way
            made.submit([12], caller="one")
        with pytest.raises(Overloaded):
            made.submit([5], caller="flood")
        engine.gate.set()
        assert [future.result(5) for future in (*flood[:2], *first, *second)] == [1, 4, 100, 121]


def test_less_urgent_work_never_takes_a_place() -> None:
    with held(TimedEngine(), capacity=2) as made:
        made.submit([1, 2], caller="flood", priority=Priority.STAT)
        with pytest.raises(Overloaded):
            made.submit([3], caller="one", priority=Priority.ROUTINE)
        assert made.depth == 2
