"""What was refused is not asked for again before the stated time; what was not refused is."""

from __future__ import annotations

import pytest

from precordia.catalog import ModelRef
from precordia.client.holding_off import HoldingOff
from precordia.errors import Overloaded
from precordia.prediction import Priority

AF, OTHER = ModelRef("af"), ModelRef("blocks")


class Clock:
    """Time that passes when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Service:
    """A caller's side of a service: full or not, it notes what reaches it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.full = True
        self.places: dict[str, int] = {}
        self.asked = 0
        self._holding_off = HoldingOff(self.clock)

    def ask(
        self,
        ref: ModelRef = AF,
        priority: Priority = Priority.ROUTINE,
        count: int = 1,
        timeout_s: float | None = 1.0,
    ) -> None:
        with self._holding_off.call(ref, priority, count, timeout_s):
            self.asked += 1
            if self.full:
                raise Overloaded("The queue is full.", retry_after_s=0.5, **self.places)


@pytest.fixture
def refused() -> Service:
    """A service that refused one routine call of one ECG, of use for a second, at 100.0."""
    service = Service()
    with pytest.raises(Overloaded, match="The queue is full"):
        service.ask()
    return service


def test_the_same_call_is_refused_here_until_the_stated_time(refused: Service) -> None:
    refused.clock.now += 0.2
    with pytest.raises(Overloaded, match="a moment ago") as caught:
        refused.ask()
    assert (caught.value.retry_after_s, refused.asked) == (0.3, 1)
    refused.clock.now += 0.3
    with pytest.raises(Overloaded, match="The queue is full"):
        refused.ask()
    assert refused.asked == 2


def test_a_call_that_asks_for_more_in_less_time_is_refused_here_too(refused: Service) -> None:
    with pytest.raises(Overloaded, match="a moment ago"):
        refused.ask(count=3, timeout_s=0.5)
    assert refused.asked == 1


@pytest.mark.parametrize(
    "other",
    [
        {"ref": OTHER},
        {"ref": ModelRef("af", 2)},
        {"priority": Priority.STAT},
        {"priority": Priority.BACKGROUND},
        {"timeout_s": 2.0},
        {"timeout_s": None},
    ],
    ids=str,
)
def test_a_call_that_may_be_taken_reaches_the_service(refused: Service, other: dict[str, object]) -> None:
    refused.full = False
    refused.ask(**other)  # type: ignore[arg-type]  # each is one of ask's own
    assert refused.asked == 2


def test_fewer_ecgs_than_were_refused_reach_the_service() -> None:
    service = Service()
    with pytest.raises(Overloaded):
        service.ask(count=20)
    service.full = False
    service.ask(count=19)
    assert service.asked == 2


def test_the_refusal_of_a_recording_of_hours_does_not_keep_short_ones_back() -> None:
    service = Service()
    service.places = {"places": 64}
    with pytest.raises(Overloaded):
        service.ask()
    service.full = False
    service.ask()
    assert service.asked == 2


def test_stat_reaches_the_service_every_time() -> None:
    service = Service()
    for number in range(1, 6):
        with pytest.raises(Overloaded, match="The queue is full"):
            service.ask(priority=Priority.STAT)
        assert service.asked == number


def test_an_answer_ends_it(refused: Service) -> None:
    refused.full = False
    refused.ask(timeout_s=None)
    refused.ask()
    assert refused.asked == 3


def test_what_is_remembered_is_bounded() -> None:
    service = Service()
    for version in range(1, 400):
        with pytest.raises(Overloaded):
            service.ask(ModelRef("af", version))
    with pytest.raises(Overloaded, match="The queue is full"):
        service.ask(ModelRef("af", 399))
    with pytest.raises(Overloaded, match="a moment ago"):
        service.ask(ModelRef("af", 1))
    service.clock.now += 0.5
    for kind in ("The queue is full", "a moment ago"):  # what is over makes room
        with pytest.raises(Overloaded, match=kind):
            service.ask(ModelRef("af", 399))
