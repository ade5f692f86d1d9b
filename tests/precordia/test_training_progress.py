"""Events of a training job become one value that says how far it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from precordia.operation import Operation, OperationEvent, OperationState
from precordia.training_progress import (
    Phase,
    Standing,
    TrainingFacts,
    TrainingProgress,
    duration_words,
    places_in_queue,
    standings,
    step_words,
    with_place,
)

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def told(*events: tuple[str, dict[str, Any]], every_s: float = 1.0) -> TrainingProgress:
    """The progress after these events, a second apart."""
    progress = TrainingProgress()
    for number, (kind, payload) in enumerate(events, start=1):
        at = START + timedelta(seconds=every_s * (number - 1))
        progress = progress.after(OperationEvent(number, kind, payload, at))
    return progress


def epoch(number: int, loss: float, **more: Any) -> tuple[str, dict[str, Any]]:
    return "epoch", {"epoch": number, "epochs": 10, "train_loss": 1.0, "validation_loss": loss, "seconds": 2.0, **more}


RUNNING = ("state", {"state": "running", "attempt": 1})
ENDED = ("state", {"state": "succeeded"})


def test_a_job_goes_through_its_phases_in_order() -> None:
    events = [
        RUNNING,
        ("preparing", {"part": "train", "done": 3, "total": 12}),
        ("phase", {"phase": "range_test"}),
        epoch(1, 0.5),
        ("phase", {"phase": "exporting"}),
        ("published", {"model": "mine", "version": 2}),
        ENDED,
    ]
    phases = [told(*events[:count]).phase for count in range(len(events) + 1)]
    assert phases == [
        Phase.WAITING,
        Phase.PREPARING,
        Phase.PREPARING,
        Phase.RANGE_TEST,
        Phase.TRAINING,
        Phase.EXPORTING,
        Phase.PUBLISHED,
        Phase.PUBLISHED,
    ]
    assert step_words(told(*events[:2])) == "train: 3 of 12 records"
    assert step_words(told(*events)) == "finished: mine version 2 is published"
    assert (told(*events).number, told(*events).began_at) == (7, START)


def test_the_best_epoch_has_the_smallest_validation_loss_and_the_first_of_equal_ones_counts() -> None:
    progress = told(RUNNING, epoch(1, 0.5), epoch(2, 0.3), epoch(3, 0.4), epoch(4, 0.3))
    assert progress.best is not None
    assert progress.best.number == 2
    assert progress.curve("validation_loss") == (0.5, 0.3, 0.4, 0.3)


def test_figures_that_cannot_be_measured_are_gaps_and_no_zeros() -> None:
    progress = told(RUNNING, epoch(1, 0.5, auroc_macro=None), epoch(2, 0.4, auroc_macro=0.7))
    assert progress.curve("auroc_macro") == (None, 0.7)
    assert [figure.name for figure in progress.figures()] == ["train_loss", "validation_loss", "auroc_macro"]


def test_what_is_left_is_the_epochs_to_come_less_the_time_of_the_one_under_way() -> None:
    progress = told(RUNNING, epoch(1, 0.5), epoch(2, 0.4))
    assert progress.left_s() == 16.0
    assert progress.changed_at is not None
    assert progress.left_s(progress.changed_at + timedelta(seconds=1.5)) == 14.5
    assert progress.left_s(progress.changed_at + timedelta(seconds=60)) == 14.0  # an epoch late, not four
    assert told(RUNNING).left_s() is None


def test_several_networks_are_one_run_and_the_curves_are_those_of_the_one_that_trains() -> None:
    first = [epoch(number, 0.9, member=1, members=2, network="A") for number in (1, 2)]
    progress = told(RUNNING, *first, epoch(1, 0.7, member=2, members=2, network="B"))
    assert progress.curve("validation_loss") == (0.7,)
    assert progress.share == pytest.approx(0.55)
    assert progress.left_s() == 18.0
    assert step_words(progress) == "network 2 of 2 (B), epoch 1/10"


def test_an_epoch_that_was_trained_again_stands_once() -> None:
    progress = told(RUNNING, epoch(1, 0.5), epoch(2, 0.4), epoch(2, 0.35))
    assert progress.curve("validation_loss") == (0.5, 0.35)


def test_another_attempt_is_said_and_keeps_what_was_learnt() -> None:
    progress = told(
        RUNNING, epoch(1, 0.5), ("state", {"state": "pending"}), ("state", {"state": "running", "attempt": 2})
    )
    assert (progress.phase, progress.attempt, len(progress.epochs)) == (Phase.TRAINING, 2, 1)
    assert progress.sentences == ("Attempt 2 goes on from what was kept.",)


def test_events_of_a_later_trainer_change_nothing() -> None:
    before = told(RUNNING)
    after = before.after(OperationEvent(2, "horoscope", {"phase": 7}))
    assert (after.phase, after.number) == (before.phase, 2)
    assert before.after(OperationEvent(2, "phase", {"phase": "dreaming"})).phase is Phase.PREPARING


def test_the_phase_that_a_job_failed_in_is_marked() -> None:
    marks = dict(standings(told(RUNNING, epoch(1, 0.5), ("state", {"state": "failed"}))))
    assert marks["fetch and condition"] is Standing.OVER
    assert marks["train"] is Standing.STOPPED
    assert marks["published"] is Standing.AHEAD
    assert set(dict(standings(told(RUNNING, ENDED))).values()) == {Standing.OVER}


def test_waiting_jobs_are_counted_from_the_one_that_was_asked_for_first() -> None:
    def job(name: str, minute: int, state: OperationState = OperationState.PENDING) -> Operation:
        return Operation(name, "train", state, created_at=START + timedelta(minutes=minute))

    jobs = (job("late", 3), job("runs", 1, OperationState.RUNNING), job("early", 2))
    assert places_in_queue(jobs) == {"early": 1, "late": 2}
    assert step_words(with_place(TrainingProgress(), 2)) == "waiting, place 2 in the queue"
    assert with_place(told(RUNNING), 2).position == 0


def test_a_job_says_what_it_was_asked_for() -> None:
    request = {"name": "mine", "spec": {"train": {"dataset": "study", "split": "train"}, "base": "XceptionTime"}}
    facts = TrainingFacts.of(Operation("job", "train", OperationState.PENDING, request=request))
    assert facts == TrainingFacts("mine", "XceptionTime", "scratch", "study:train", "default")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (659, "10 min"), (7260, "2 h 1 min")]
)
def test_a_duration_is_as_exact_as_a_person_needs(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words
