from __future__ import annotations

import time
from pathlib import Path

from services.inference.profile import Profile, ProfileCache, measure, policy_for


def profile(a: float, b: float, sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32)) -> Profile:
    return Profile({n: a + b * n for n in sizes})


def test_a_device_that_gains_nothing_runs_one_at_a_time_on_every_core() -> None:
    policy = policy_for(profile(0.05, 4.0), workers=4, capacity=100, max_delay_s=0.005)
    assert (policy.max_batch, policy.workers, policy.max_delay_s) == (1, 4, 0.0)
    assert policy.item_s == (0.05 + 4.0) / 1000


def test_a_device_that_gains_takes_batches_and_waits_at_most_half_a_run() -> None:
    policy = policy_for(profile(2.0, 0.02), workers=16, capacity=100, max_delay_s=0.005)
    assert policy.max_batch == 32
    assert policy.workers == 2
    assert abs(policy.max_delay_s - 2.02 / 2000) < 1e-12


def test_the_delay_never_exceeds_what_the_operator_allows() -> None:
    assert policy_for(profile(50.0, 0.1), workers=1, capacity=1, max_delay_s=0.002).max_delay_s == 0.002


def test_the_smallest_batch_near_the_best_throughput_is_taken() -> None:
    saturating = Profile({1: 2.0, 2: 2.1, 4: 2.3, 8: 2.6, 16: 5.1, 32: 10.2})
    assert saturating.best_batch == 8


def test_measuring_stops_where_batches_gain_nothing() -> None:
    sizes: list[int] = []

    def run(size: int) -> None:
        sizes.append(size)
        time.sleep(0.002 * size)

    measured = measure(run, max_batch=64, repeats=3)
    assert max(sizes) == 4
    assert measured.best_batch == 1
    assert measured.milliseconds[1] >= 2.0


def test_a_kept_profile_is_found_by_graph_and_device_alone(tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path / "profiles")
    cache.put("a" * 64, "cpu", profile(1.0, 1.0))
    assert cache.get("a" * 64, "cpu") == profile(1.0, 1.0)
    assert cache.get("a" * 64, "cuda") is None
    assert cache.get("b" * 64, "cpu") is None


def test_a_damaged_profile_is_measured_again(tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path)
    cache.put("a" * 64, "cpu", profile(1.0, 1.0))
    (kept,) = tmp_path.iterdir()
    for damage in ("", "[]", '{"milliseconds": {"1": -4}}', '{"milliseconds": {"x": 1}}', "{"):
        kept.write_text(damage)
        assert cache.get("a" * 64, "cpu") is None
