"""What became of a model's calls and runs, and where the time went; counted as cheaply as it can be.

Runs are counted by the worker threads, once a batch, under a lock. Calls are counted on the event loop
alone, which needs none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Tally:
    """How often, and how many nanoseconds all together."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        """Once more."""
        self.count += 1
        self.ns += ns


@dataclass(eq=False)
class Phases:
    """One run of a batch: when it began, and the nanoseconds of its three parts.

    Made when the run begins; `prepared`, `inferred` and `finished` are called in this order.
    """

    began_ns: int = field(default_factory=time.perf_counter_ns)
    input_ns: int = 0
    infer_ns: int = 0
    output_ns: int = 0

    @property
    def total_ns(self) -> int:
        """Of the whole run."""
        return self.input_ns + self.infer_ns + self.output_ns

    def prepared(self) -> None:
        """The tensors are ready."""
        self.input_ns = time.perf_counter_ns() - self.began_ns

    def inferred(self) -> None:
        """The graph has run."""
        self.infer_ns = time.perf_counter_ns() - self.began_ns - self.input_ns

    def finished(self) -> None:
        """The answers are made."""
        self.output_ns = time.perf_counter_ns() - self.began_ns - self.input_ns - self.infer_ns


@dataclass
class ComputeTally:
    """Times of the three parts, by the same count."""

    input: Tally = field(default_factory=Tally)
    infer: Tally = field(default_factory=Tally)
    output: Tally = field(default_factory=Tally)

    def add(self, runs: Iterable[Phases]) -> None:
        """Once more, with the times of these runs."""
        input_ns = infer_ns = output_ns = 0
        for run in runs:
            input_ns += run.input_ns
            infer_ns += run.infer_ns
            output_ns += run.output_ns
        self.input.add(input_ns)
        self.infer.add(infer_ns)
        self.output.add(output_ns)


class ServingStatistics:
    """Counts of one loaded model since it was loaded.

    Attributes:
        success, fail: calls, from their coming to their answer. A call that was cancelled has failed.
        queue: of the successful calls, until the first run that worked on them began.
        compute: of the successful calls, in the runs that worked on them.
        items: ECGs that runs worked on.
        last_run_ms: milliseconds since 1970 of the last run; 0 = none yet.
    """

    def __init__(self) -> None:
        self.success, self.fail, self.queue = Tally(), Tally(), Tally()
        self.compute = ComputeTally()
        self.items = 0
        self.last_run_ms = 0
        self._runs: dict[int, ComputeTally] = {}
        self._lock = threading.Lock()

    @property
    def runs(self) -> dict[int, ComputeTally]:
        """Runs by batch size, smallest first."""
        with self._lock:
            return dict(sorted(self._runs.items()))

    def ran(self, size: int, phases: Phases) -> None:
        """A run of `size` ECGs is over. From any thread."""
        with self._lock:
            self.items += size
            self.last_run_ms = time.time_ns() // 1_000_000
            tally = self._runs.get(size)
            if tally is None:
                tally = self._runs[size] = ComputeTally()
            tally.add((phases,))

    def answered(self, came_ns: int, runs: Iterable[Phases]) -> None:
        """A call is answered; `runs` worked on it, one or more times. On the event loop."""
        distinct = set(runs)
        began_ns = min(run.began_ns for run in distinct)
        self.success.add(time.perf_counter_ns() - came_ns)
        self.queue.add(max(0, began_ns - came_ns))
        self.compute.add(distinct)

    def failed(self, came_ns: int) -> None:
        """A call is refused, failed or gone. On the event loop."""
        self.fail.add(time.perf_counter_ns() - came_ns)
