"""The training loop, one for every engine.

It knows its place among others, where to go on from, whom to report to and when to stop, and
nothing of processes, services or files.

Every random number follows from the seed and the epoch, so that a run that goes on from the
checkpoint of an epoch gives the same weights as one that never stopped.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from precordia.errors import InvalidTrainingSpec
from precordia.manifest import Aggregation, Task
from services.trainer.job.workplace import Report, Stopped
from services.trainer.learning.batches import Batch, Batches
from services.trainer.learning.checkpoints import Checkpoint, Checkpoints, prefixed
from services.trainer.learning.depth import depths
from services.trainer.learning.losses import Criterion
from services.trainer.learning.optimizing import Optimizing, check_precision, computed_in
from services.trainer.learning.place import Place
from services.trainer.learning.range_test import BOUND, BOUND_SGD, rising_rates, run_range_test
from services.trainer.learning.schedules import rate_at
from services.trainer.learning.scoring import predict_logits, validation_figures
from services.trainer.learning.window_outputs import WindowOutputs
from services.trainer.planning.recipe import Keep, Recipe
from services.trainer.records.examples import Examples

Build = Callable[[], nn.Module]


@dataclass(frozen=True, eq=False)
class Run:
    """What is trained on what.

    Attributes:
        build: a fresh network with the targets' outputs first and the auxiliary ones behind them.
        rate_hz: of the examples.
        digest: of everything that the result depends on; checkpoints carry it.
        trainable: names of the parameters that learn, by prefix; empty = all. BatchNorm statistics
            of the rest stay.
        aggregation: how the windows of a long record become one where the model is served.
    """

    build: Build
    recipe: Recipe
    task: Task
    labels: tuple[str, ...]
    train: Examples
    validation: Examples
    rate_hz: float
    seed: int
    digest: str
    device: str = "cpu"
    trainable: tuple[str, ...] = ()
    aggregation: Aggregation = Aggregation.MEAN


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """The training records, and what the networks that did not see them say: float64 (windows, outputs) logits."""

    part: Examples
    logits: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished run: the network with the weights to keep, and how it went.

    Where the model is several networks, what is said of one is said of the first of them.

    Attributes:
        history: a row an epoch.
        kept_epoch: whose weights these are, from 1.
        learning_rate: the highest of the schedule.
        range_test: the curve that it was found by, as JSON; empty where the recipe states the rate.
        members: how each of several networks was trained, as JSON.
        out_of_fold: predictions that stand for the validation part where there are folds.
    """

    network: nn.Module
    history: tuple[Mapping[str, Any], ...]
    kept_epoch: int
    learning_rate: float
    range_test: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[Mapping[str, Any], ...] = ()
    out_of_fold: OutOfFold | None = None


class Loop:
    """One run in one process."""

    def __init__(
        self,
        run: Run,
        *,
        place: Place,
        checkpoints: Checkpoints,
        report: Report,
        should_stop: Callable[[], bool],
    ) -> None:
        if len(run.train.x) < 2:
            raise InvalidTrainingSpec("Training needs two ECGs at least.", field="train")
        self.run = run
        self.recipe = run.recipe
        self.place = place
        self.checkpoints = checkpoints
        self.report = report if place.leads else lambda kind, payload: None
        self.should_stop = should_stop
        self.device = torch.device(run.device)
        self.criterion = Criterion.of(run.recipe, run.task, run.train.y).on(self.device)
        self.batches = Batches(
            run.train, run.recipe, rate_hz=run.rate_hz, seed=run.seed, place=place, device=self.device
        )
        check_precision(run.recipe.precision, self.device)
        self.network = self._built()
        self.dtype = computed_in(run.recipe.precision, self.device, self.network)
        self.depths = self._depths()
        self.average = copy.deepcopy(self.network) if run.recipe.averaging else self.network
        self.learning_rate = run.recipe.max_learning_rate
        self.range_test: Mapping[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.step = 0

    def _built(self) -> nn.Module:
        torch.manual_seed(self.run.seed)
        network = self.run.build()
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self.place.broadcast(network)
        for name, parameter in network.named_parameters():
            parameter.requires_grad = not self.run.trainable or name.startswith(self.run.trainable)
        return network

    def _depths(self) -> dict[str, int]:
        if self.recipe.layer_decay == 1:
            return {}
        return depths(self.network, next(self.batches.epoch(0)).inputs)

    def train(self) -> Trained:
        """Run to the end, from the checkpoint if there is one.

        Raises:
            Stopped: `should_stop` said so; the last checkpoint stands.
        """
        self._begin()
        while len(self.history) < self.recipe.max_epochs and not self.place.agree(self._patience_is_over()):
            started = time.perf_counter()
            epoch = len(self.history)
            loss = self._train_epoch(epoch)
            self._agree_on_buffers()
            row = {"epoch": epoch + 1, "epochs": self.recipe.max_epochs, "train_loss": loss, **self._validate()}
            self.history.append(row)
            self._remember_best(row)
            if self.place.leads:
                self.checkpoints.save(self._checkpoint())
            spent = {"seconds": time.perf_counter() - started, "data_seconds": self.batches.waited_s}
            self.report("epoch", row | {name: round(seconds, 3) for name, seconds in spent.items()})
        kept = self.average
        if self.recipe.keep is not Keep.LAST:
            kept.load_state_dict(self.best)
        kept_epoch = len(self.history) if self.recipe.keep is Keep.LAST else self.best_epoch
        return Trained(kept.eval(), tuple(self.history), kept_epoch, self.learning_rate, self.range_test)

    def _begin(self) -> None:
        found = self.checkpoints.load(self.run.digest)
        if found is None:
            if not self.learning_rate:
                self.learning_rate = self._find_rate()
            self.optimizing = self._optimizing(self.network, self.learning_rate)
            return
        self.history = [dict(row) for row in found.facts["history"]]
        self.best_epoch = int(found.facts["best_epoch"])
        self.learning_rate = float(found.facts["learning_rate"])
        self.range_test = found.facts.get("range_test") or {}
        self.step = found.epoch * self.batches.steps
        self.network.load_state_dict(found.part("model"))
        if self.average is not self.network:
            self.average.load_state_dict(found.part("average"))
        self.best = found.part("best")
        self.optimizing = self._optimizing(self.network, self.learning_rate)
        self.optimizing.restore(found.part("optimizer"), found.facts.get("optimizing") or {})
        self.report("log", {"message": f"Going on from the checkpoint of epoch {found.epoch}."})

    def _checkpoint(self) -> Checkpoint:
        tensors = prefixed("model", self.network.state_dict()) | prefixed("best", self.best)
        if self.average is not self.network:
            tensors |= prefixed("average", self.average.state_dict())
        tensors |= prefixed("optimizer", self.optimizing.tensors())
        facts = {
            "history": self.history,
            "best_epoch": self.best_epoch,
            "learning_rate": self.learning_rate,
            "range_test": self.range_test,
            "optimizing": self.optimizing.facts(),
        }
        return Checkpoint(self.run.digest, len(self.history), facts, tensors)

    def _optimizing(self, network: nn.Module, rate: float) -> Optimizing:
        return Optimizing(network, self.recipe, rate=rate, dtype=self.dtype, depths=self.depths)

    def _train_epoch(self, epoch: int) -> float:
        """Mean loss over the epoch's steps."""
        torch.manual_seed(self.run.seed * 1_000_003 + epoch)
        self._learn_mode(self.network)
        # summed where it is: to read it at each step would make a GPU wait for the CPU
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in self.batches.epoch(epoch):
            self._stop_if_asked()
            self.optimizing.set_rate(rate_at(self.recipe, self.learning_rate, self.step, self.batches.steps))
            loss = self._loss(self.network, batch)
            self.optimizing.step(loss, self.place)
            self.step += 1
            self._update_average()
            total += loss.detach()
        mean = self.place.mean(float(total)) / self.batches.steps
        if not math.isfinite(mean):
            raise InvalidTrainingSpec(
                "The loss is no number any more; train with a smaller max_learning_rate.", field="max_learning_rate"
            )
        return mean

    def _stop_if_asked(self) -> None:
        if self.place.agree(self.should_stop()):
            raise Stopped

    def _learn_mode(self, network: nn.Module) -> None:
        network.train()
        if self.run.trainable:
            for name, module in network.named_modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith(self.run.trainable):
                    module.eval()

    def _loss(self, network: nn.Module, batch: Batch) -> Tensor:
        with torch.autocast(self.device.type, self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            logits = network(*batch.inputs)
        return self.criterion.training(logits.float(), batch.y)

    @torch.no_grad()
    def _update_average(self) -> None:
        if self.average is self.network:
            return
        # Early on the average follows closely, so that the first weights do not linger.
        decay = min(self.recipe.averaging, (1 + self.step) / (10 + self.step))
        current = self.network.state_dict()
        for name, averaged in self.average.state_dict().items():
            if averaged.dtype.is_floating_point:
                averaged.lerp_(current[name], 1 - decay)
            else:
                averaged.copy_(current[name])

    def _agree_on_buffers(self) -> None:
        """BatchNorm statistics come from each process's own records: all validate, and keep, their mean."""
        self.place.average_buffers(self.network)
        if self.average is not self.network:
            self.place.average_buffers(self.average)

    def _validate(self) -> dict[str, Any]:
        part = self.run.validation
        logits = predict_logits(self.average, part, len(self.run.labels))
        said = WindowOutputs(logits, part.record, self.run.aggregation)
        return validation_figures(self.criterion, said, part, self.run.labels)

    def _remember_best(self, row: Mapping[str, Any]) -> None:
        """The newest row's weights, if it is better than all before; of equal ones the first stays."""
        before = min((self._badness(other) for other in self.history[:-1]), default=math.inf)
        if self._badness(row) < before or not self.best_epoch:
            self.best_epoch = int(row["epoch"])
            if self.recipe.keep is not Keep.LAST:
                self.best = {name: value.clone() for name, value in self.average.state_dict().items()}

    def _badness(self, row: Mapping[str, Any]) -> float:
        """What `keep` goes by, the less the better; what cannot be measured is worst."""
        if self.recipe.keep is Keep.BEST_AUROC and self.run.task is not Task.REGRESSION:
            return math.inf if row.get("auroc_macro") is None else -float(row["auroc_macro"])
        loss = float(row["validation_loss"])
        return loss if math.isfinite(loss) else math.inf

    def _patience_is_over(self) -> bool:
        return bool(self.recipe.patience) and len(self.history) - self.best_epoch >= self.recipe.patience

    def _find_rate(self) -> float:
        """The rate of a range test, on a copy of the network and on training data only."""
        self.report("phase", {"phase": "range_test"})
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            most = BOUND_SGD if self.recipe.optimizer == "sgd" else BOUND
            found = run_range_test(self._losses_at_rising_rates(), most)
        self.range_test = found.to_json()
        self.report("range_test", self.range_test)
        self.report("log", {"message": f"Learning rate {found.rate:.2g}, found by a range test: {found.rule}."})
        return found.rate

    def _losses_at_rising_rates(self) -> Iterator[float]:
        network = copy.deepcopy(self.network)
        rates = rising_rates()
        optimizing = self._optimizing(network, rates[0])
        self._learn_mode(network)
        batches = (batch for epoch in itertools.count() for batch in self.batches.epoch(epoch))
        for rate, batch in zip(rates, batches, strict=False):
            self._stop_if_asked()
            optimizing.set_rate(rate)
            loss = self._loss(network, batch)
            optimizing.step(loss, self.place)
            yield self.place.mean(float(loss.detach()))
