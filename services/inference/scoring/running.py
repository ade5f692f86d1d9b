"""What a model's queue holds and its worker threads do: ECGs to score, and tensors that are ready as they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from precordia.errors import PrecordiaError
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import EcgJob, Scored
from services.inference.scoring.tensors import TensorAnswer, TensorJob, TensorRunner
from services.inference.statistics import Phases, ServingStatistics

Job: TypeAlias = EcgJob | TensorJob
Answer: TypeAlias = Scored | TensorAnswer


class Runner:
    """Runs a batch: its ECGs in one run, its tensors in another; mostly a batch has only one kind.

    Args:
        scorer: for ECGs.
        tensors: for tensors.
        statistics: told of each run.
    """

    def __init__(self, scorer: Scorer, tensors: TensorRunner, statistics: ServingStatistics) -> None:
        self._scorer = scorer
        self._tensors = tensors
        self._statistics = statistics

    def __call__(self, jobs: Sequence[Job]) -> list[Answer | PrecordiaError]:
        """An answer or an error for each job, in order."""
        ecgs = [job for job in jobs if isinstance(job, EcgJob)]
        tensors = [job for job in jobs if isinstance(job, TensorJob)]
        scored = iter(self._score(ecgs) if ecgs else ())
        computed = iter(self._compute(tensors) if tensors else ())
        return [next(scored) if isinstance(job, EcgJob) else next(computed) for job in jobs]

    def _score(self, jobs: Sequence[EcgJob]) -> Sequence[Scored | PrecordiaError]:
        phases = Phases()
        answers = self._scorer(jobs, phases)
        if worked_on := sum(isinstance(answer, Scored) for answer in answers):
            self._statistics.ran(worked_on, phases)
        return answers

    def _compute(self, jobs: Sequence[TensorJob]) -> Sequence[TensorAnswer | PrecordiaError]:
        phases = Phases()
        try:
            answers = self._tensors(jobs, phases)
        except PrecordiaError as error:
            return [error] * len(jobs)
        self._statistics.ran(len(jobs), phases)
        return answers
