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
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from precordia.errors import InvalidTrainingSpec
from precordia.manifest import Task
from services.trainer import metrics
from services.trainer.augment import augmented
from services.trainer.checkpoints import (
    Checkpoint,
    Checkpoints,
    optimizer_tensors,
    prefixed,
    restore_optimizer,
)
from services.trainer.examples import Examples
from services.trainer.place import Place
from services.trainer.recipe import Keep, Precision, Recipe, Schedule

Report = Callable[[str, Mapping[str, Any]], None]
Build = Callable[[], nn.Module]


class Stopped(Exception):
    """The run was asked to stop and did, between two steps."""


@dataclass(frozen=True, eq=False)
class Run:
    """What is trained on what.

    Attributes:
        build: a fresh network with the targets' outputs first and the auxiliary ones behind them.
        rate_hz: of the examples.
        digest: of everything that the result depends on; checkpoints carry it.
        trainable: names of the parameters that learn, by prefix; empty = all. BatchNorm statistics
            of the rest stay.
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


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished run: the network with the weights to keep, and how it went."""

    network: nn.Module
    history: tuple[Mapping[str, Any], ...]
    kept_epoch: int
    learning_rate: float


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
        self.run = run
        self.recipe = run.recipe
        self.place = place
        self.checkpoints = checkpoints
        self.report = report
        self.should_stop = should_stop
        self.device = torch.device(run.device)
        self.network = self._built()
        self.average = copy.deepcopy(self.network) if run.recipe.averaging else self.network
        self.learning_rate = run.recipe.max_learning_rate
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.step = 0
        self.steps_an_epoch = max(1, len(run.train.x) // run.recipe.batch_size)
        if len(run.train.x) < 2:
            raise InvalidTrainingSpec("Training needs two ECGs at least.", field="train")

    def _built(self) -> nn.Module:
        torch.manual_seed(self.run.seed)
        network = self.run.build()
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        for name, parameter in network.named_parameters():
            parameter.requires_grad = not self.run.trainable or name.startswith(self.run.trainable)
        return network

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
            row = {"epoch": epoch + 1, "epochs": self.recipe.max_epochs, "train_loss": loss, **self._validate()}
            self.history.append(row)
            self._remember_best(row)
            if self.place.leads:
                self.checkpoints.save(self._checkpoint())
                self.report("epoch", row | {"seconds": round(time.perf_counter() - started, 3)})
        kept = self.average
        if self.recipe.keep is not Keep.LAST:
            kept.load_state_dict(self.best)
        kept_epoch = len(self.history) if self.recipe.keep is Keep.LAST else self.best_epoch
        return Trained(kept.eval(), tuple(self.history), kept_epoch, self.learning_rate)

    def _begin(self) -> None:
        found = self.checkpoints.load(self.run.digest)
        if found is None:
            if not self.learning_rate:
                self.learning_rate = self._range_test()
            self.optimizer = self._optimizer()
            return
        self.history = [dict(row) for row in found.facts["history"]]
        self.best_epoch = int(found.facts["best_epoch"])
        self.learning_rate = float(found.facts["learning_rate"])
        self.step = found.epoch * self.steps_an_epoch
        self.network.load_state_dict(found.part("model"))
        if self.average is not self.network:
            self.average.load_state_dict(found.part("average"))
        self.best = found.part("best")
        self.optimizer = self._optimizer()
        restore_optimizer(self.optimizer, found.part("optimizer"), self.network)
        self.report("log", {"message": f"Going on from the checkpoint of epoch {found.epoch}."})

    def _checkpoint(self) -> Checkpoint:
        tensors = prefixed("model", self.network.state_dict()) | prefixed("best", self.best)
        if self.average is not self.network:
            tensors |= prefixed("average", self.average.state_dict())
        tensors |= prefixed("optimizer", optimizer_tensors(self.optimizer))
        facts = {"history": self.history, "best_epoch": self.best_epoch, "learning_rate": self.learning_rate}
        return Checkpoint(self.run.digest, len(self.history), facts, tensors)

    def _optimizer(self) -> torch.optim.Optimizer:
        kinds: dict[str, type[torch.optim.Optimizer]] = {
            "adamw": torch.optim.AdamW,
            "adam": torch.optim.Adam,
            "nadam": torch.optim.NAdam,
            "adamax": torch.optim.Adamax,
            "rmsprop": torch.optim.RMSprop,
            "sgd": torch.optim.SGD,
        }
        learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        settings: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.recipe.weight_decay}
        if self.recipe.optimizer == "sgd":
            settings["momentum"] = 0.9
        return kinds[self.recipe.optimizer](learning, **settings)

    def _rate_now(self) -> float:
        if self.recipe.schedule is Schedule.EXPONENTIAL:
            return self.learning_rate * self.recipe.gamma ** (self.step // self.steps_an_epoch)
        return one_cycle(self.step, self.steps_an_epoch * self.recipe.max_epochs, self.learning_rate)

    def _train_epoch(self, epoch: int) -> float:
        """Mean loss over the epoch's steps."""
        torch.manual_seed(self.run.seed * 1_000_003 + epoch)
        self._learn_mode(self.network)
        total = 0.0
        for inputs, y in self._batches(epoch):
            if self.place.agree(self.should_stop()):
                raise Stopped
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate_now()
            loss = self._loss(self.network, inputs, y)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self.place.average_gradients(self.network)
            self.optimizer.step()
            self.step += 1
            self._update_average()
            total += float(loss.detach())
        if not math.isfinite(total):
            raise InvalidTrainingSpec(
                "The loss is no number any more; train with a smaller max_learning_rate.", field="max_learning_rate"
            )
        return total / self.steps_an_epoch

    def _learn_mode(self, network: nn.Module) -> None:
        network.train()
        if self.run.trainable:
            for name, module in network.named_modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith(self.run.trainable):
                    module.eval()

    def _batches(self, epoch: int) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        """What the network takes and what it should say: this process's share of each batch.

        The last, incomplete batch of an epoch is left out. All processes draw the same order, and
        each its own variations. Co-inputs are mixed as targets are.
        """
        train, size = self.run.train, self.recipe.batch_size
        order = np.random.default_rng([self.run.seed, 2, epoch]).permutation(len(train.x))
        generator = np.random.default_rng([self.run.seed, 3, epoch, self.place.rank])
        targets = train.y.shape[1] + train.auxiliary.shape[1]
        beside = [] if train.beside is None else [train.beside]
        of_records = np.concatenate([train.y, train.auxiliary, *beside], axis=1)
        for start in range(0, self.steps_an_epoch * size, size):
            rows = order[start : start + size][self.place.rank :: self.place.world_size]
            x_blt, varied = augmented(
                train.x[rows],
                of_records[train.record[rows]],
                recipe=self.recipe,
                rate_hz=self.run.rate_hz,
                generator=generator,
            )
            y, *further = np.split(varied, [targets], axis=1) if beside else [varied]
            yield self._tensors(x_blt, *further), self._tensors(y)[0]

    def _tensors(self, *arrays: NDArray[np.float32]) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(np.ascontiguousarray(array)).to(self.device) for array in arrays)

    def _loss(self, network: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> Tensor:
        reduced = self.recipe.precision is Precision.BFLOAT16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=reduced):
            logits = network(*inputs)
        logits = logits.float()
        main = len(self.run.labels)
        loss = task_loss(self.run.task, logits[:, :main], y[:, :main])
        if y.shape[1] > main:
            extra = nn.functional.binary_cross_entropy_with_logits(logits[:, main:], y[:, main:])
            loss = loss + self.recipe.auxiliary * extra
        return loss

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

    def _validate(self) -> dict[str, Any]:
        logits = predict_logits(self.average, self.run.validation, len(self.run.labels))
        return validation_figures(self.run.task, logits, self.run.validation, self.run.labels)

    def _remember_best(self, row: Mapping[str, Any]) -> None:
        if self.recipe.keep is Keep.BEST_AUROC and row.get("auroc_macro") is not None:
            better = all((row["auroc_macro"] > (other.get("auroc_macro") or 0)) for other in self.history[:-1])
        else:
            better = all(row["validation_loss"] < other["validation_loss"] for other in self.history[:-1])
        if better or not self.best_epoch:
            self.best_epoch = int(row["epoch"])
            if self.recipe.keep is not Keep.LAST:
                self.best = {name: value.clone() for name, value in self.average.state_dict().items()}

    def _patience_is_over(self) -> bool:
        return bool(self.recipe.patience) and len(self.history) - self.best_epoch >= self.recipe.patience

    def _range_test(self) -> float:
        """The learning rate a tenth below the one with the smallest loss of a rising sweep (Smith 2017).

        Runs on a copy of the network and on training data only.
        """
        network, steps = copy.deepcopy(self.network), 60
        rates = np.geomspace(1e-5, 1.0, steps)
        optimizer = torch.optim.AdamW(network.parameters(), lr=rates[0], weight_decay=self.recipe.weight_decay)
        self._learn_mode(network)
        losses: list[float] = []
        for epoch in itertools.count():
            for inputs, y in self._batches(epoch):
                if self.place.agree(self.should_stop()):
                    raise Stopped
                for group in optimizer.param_groups:
                    group["lr"] = rates[len(losses)]
                loss = self._loss(network, inputs, y)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                self.place.average_gradients(network)
                optimizer.step()
                losses.append(float(loss.detach()))
                if len(losses) == steps or not losses[-1] < 4 * losses[0]:
                    found = _tenth_of_lowest(rates, losses)
                    self.report("log", {"message": f"Learning rate {found:.2g}, found by a range test."})
                    return found
        raise AssertionError("unreachable: the sweep ends inside the loop")


def _tenth_of_lowest(rates: NDArray[np.float64], losses: list[float]) -> float:
    finite = np.nan_to_num(np.array(losses), nan=np.inf, posinf=np.inf)
    smooth = np.convolve(np.pad(finite, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    return float(rates[int(np.argmin(smooth))] / 10)


def one_cycle(step: int, steps: int, highest: float, *, rising: float = 0.25) -> float:
    """Learning rate of a step: a cosine up from a 25th, then a cosine down to a 10 000th of that."""
    turn = max(1.0, rising * steps)
    low, end = highest / 25, highest / 250_000
    if step < turn:
        return low + (highest - low) * (1 - math.cos(math.pi * step / turn)) / 2
    share = min(1.0, (step - turn) / max(1.0, steps - turn))
    return end + (highest - end) * (1 + math.cos(math.pi * share)) / 2


def task_loss(task: Task, logits: Tensor, y: Tensor) -> Tensor:
    """Mean loss of a batch; targets may be mixtures."""
    if task is Task.MULTICLASS:
        return nn.functional.cross_entropy(logits, y)
    if task is Task.MULTILABEL:
        return nn.functional.binary_cross_entropy_with_logits(logits, y)
    return nn.functional.mse_loss(logits, y)


@torch.no_grad()
def predict_logits(
    network: nn.Module, examples: Examples, outputs: int, *, batch_size: int = 32
) -> NDArray[np.float64]:
    """Logits of every record, float64 (records, outputs): whole signals, windows averaged."""
    network.eval()
    device = next(network.parameters()).device
    parts = []
    for start in range(0, len(examples.x), batch_size):
        inputs = [np.array(examples.x[start : start + batch_size])]
        if examples.beside is not None:
            inputs.append(examples.beside[examples.record[start : start + batch_size]])
        parts.append(network(*(torch.from_numpy(array).to(device) for array in inputs))[:, :outputs])
    return examples.mean_by_record(torch.cat(parts).double().cpu().numpy())


def scores_of(task: Task, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the logits mean: probabilities, or values."""
    given = torch.from_numpy(logits)
    if task is Task.MULTICLASS:
        given = torch.softmax(given, dim=1)
    elif task is Task.MULTILABEL:
        given = torch.sigmoid(given)
    result: NDArray[np.float64] = given.numpy()
    return result


def validation_figures(
    task: Task, logits: NDArray[np.float64], examples: Examples, labels: tuple[str, ...]
) -> dict[str, Any]:
    """Loss and the short list of figures that an epoch reports."""
    y = torch.from_numpy(examples.y).double()
    row: dict[str, Any] = {"validation_loss": float(task_loss(task, torch.from_numpy(logits), y))}
    scores = scores_of(task, logits)
    if task is Task.REGRESSION:
        figures = metrics.regression(examples.y.astype(np.float64), scores, labels)
        return row | {name: figures[name] for name in ("mae_macro", "rmse_macro")}
    truth = examples.y.astype(np.uint8)
    figures = metrics.classification(truth, scores, labels, exclusive=task is Task.MULTICLASS)
    return row | {name: figures[name] for name in ("auroc_macro", "f1_macro", "f1_weighted", "accuracy")}
