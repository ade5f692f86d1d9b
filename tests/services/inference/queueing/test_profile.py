from __future__ import annotations

import threading
from pathlib import Path

import pytest

from services.inference.queueing import profile as profile_module
from services.inference.queueing.profile import Profile, ServingLimits, measure, policy_for
from services.inference.queueing.profile_cache import ProfileCache


def profile(a: float, b: float, sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32)) -> Profile:
    return Profile({n: a + b * n for n in sizes})


def test_a_device_that_gains_nothing_runs_one_at_a_time_on_every_core() -> None:
    policy = policy_for(profile(0.05, 4.0), ServingLimits(workers=4, queue_capacity=100))
    assert (policy.max_batch, policy.workers, policy.max_delay_s, policy.capacity) == (1, 4, 0.0, 100)
    assert policy.item_s == (0.05 + 4.0) / 1000


def test_a_device_that_gains_takes_batches_and_waits_at_most_half_a_run() -> None:
    policy = policy_for(profile(2.0, 0.02), ServingLimits(workers=16))
    assert policy.max_batch == 32
    assert policy.workers == 2
    assert abs(policy.max_delay_s - 2.02 / 2000) < 1e-12


def test_the_delay_never_exceeds_what_the_operator_allows() -> None:
    assert policy_for(profile(50.0, 0.1), ServingLimits(max_delay_s=0.002)).max_delay_s == 0.002


def test_what_the_operator_fixes_is_not_measured_away() -> None:
    fixed = ServingLimits(workers=4, sessions=3, batch_size=12, delay_s=0.25, max_delay_s=0.001)
    policy = policy_for(profile(0.05, 4.0), fixed)
    assert (policy.max_batch, policy.workers, policy.max_delay_s) == (12, 3, 0.25)
    assert policy.item_s == pytest.approx((0.05 / 16 + 4.0) / 1000)  # 16 is the next size that was timed


def test_no_batch_is_larger_than_the_operator_allows() -> None:
    assert policy_for(profile(2.0, 0.02), ServingLimits(batch_size=128, max_batch=4)).max_batch == 4
    assert policy_for(profile(2.0, 0.02), ServingLimits(max_batch=4)).max_batch == 4  # as a profile that was kept says


def test_the_smallest_batch_near_the_best_throughput_is_taken() -> None:
    saturating = Profile({1: 2.0, 2: 2.1, 4: 2.3, 8: 2.6, 16: 5.1, 32: 10.2})
    assert saturating.best_batch == 8


@pytest.mark.parametrize(
    ("rates", "sessions"),
    [
        ({1: 240, 2: 470, 4: 900}, 4),
        ({1: 240, 2: 470, 4: 400}, 4),  # less, as a busy machine measures it: no core is left out
        ({1: 240, 2: 470, 4: 300}, 2),  # they get in each other's way
        ({}, 4),
    ],
)
def test_runs_at_once_follow_from_their_rates(rates: dict[int, float], sessions: int) -> None:
    assert Profile({1: 4.0, 2: 8.0, 4: 16.0}, rates).best_sessions(4) == sessions


@pytest.mark.parametrize(("rates", "sessions"), [({1: 9000, 2: 9100, 4: 9050}, 2), ({1: 5000, 2: 9000, 4: 9100}, 3)])
def test_where_batches_gain_one_prepares_beside_as_few_as_reach_the_rate(
    rates: dict[int, float], sessions: int
) -> None:
    assert Profile({1: 2.0, 32: 3.0}, rates).best_sessions(4) == sessions


def test_threads_inside_a_run_leave_fewer_runs_at_once() -> None:
    assert policy_for(Profile({1: 2.0}, {}, threads=4), ServingLimits(workers=8)).workers == 2


class Core:
    """One core, on which each item takes as long: time passes by its runs alone. Stands for the module `time`."""

    def __init__(self, item_s: float) -> None:
        self.now, self.item_s = 100.0, item_s
        self.sizes: list[int] = []
        self._lock = threading.Lock()

    def run(self, size: int) -> None:
        with self._lock:
            self.sizes.append(size)
            self.now += self.item_s * size

    def perf_counter(self) -> float:
        return self.now


def test_runs_at_once_are_measured_in_powers_of_two_and_at_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    core = Core(0.004)
    monkeypatch.setattr(profile_module, "time", core)
    measured = measure(core.run, max_batch=4, workers=3, repeats=1, clock=core.perf_counter)
    assert list(measured.rates) == [1, 2, 3]
    for rate in measured.rates.values():  # one core, whoever asks
        assert rate == pytest.approx(250)


def test_measuring_stops_where_batches_gain_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    core = Core(0.002)
    monkeypatch.setattr(profile_module, "time", core)
    measured = measure(core.run, max_batch=64, repeats=3, clock=core.perf_counter)
    assert max(core.sizes) == 4
    assert measured.best_batch == 1
    assert measured.milliseconds[1] == pytest.approx(2.0)


def test_a_kept_profile_is_found_by_graph_and_device_alone(tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path / "profiles")
    found = Profile({1: 2.0, 2: 3.0}, {1: 500.0, 2: 900.5}, threads=2)
    cache.put("a" * 64, "cpu", found)
    assert cache.get("a" * 64, "cpu") == found
    assert cache.get("a" * 64, "cuda") is None
    assert cache.get("b" * 64, "cpu") is None


def test_a_damaged_profile_is_measured_again(tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path)
    cache.put("a" * 64, "cpu", profile(1.0, 1.0))
    (kept,) = tmp_path.iterdir()
    for damage in (
        "",
        "[]",
        "{",
        '{"milliseconds": {"1": 4}}',
        '{"milliseconds": {"1": -4}, "rates": {}, "threads": 1}',
        '{"milliseconds": {"x": 1}, "rates": {}, "threads": 1}',
        '{"milliseconds": {"1": 4}, "rates": {"1": 0}, "threads": 1}',
        '{"milliseconds": {"1": 4}, "rates": {}, "threads": 0}',
    ):
        kept.write_text(damage)
        assert cache.get("a" * 64, "cpu") is None
