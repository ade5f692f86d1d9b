"""Calibration and thresholds of a finished network: what is published beside it as operating points.

Both are fitted on the validation part. Scores in reports are calibrated ones, as they are served
(windows of a long record included, see `window_outputs`); thresholds were chosen on those scores, so
the figures of the validation part are a little too good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.metrics import Calls, Scores
from precordia.metrics.calibration import brier_score, calibration_error, top_label
from precordia.metrics.means import mean_of_known
from precordia.metrics.temperature import least_loss, mean_log_loss
from precordia.metrics.thresholds import CHOOSE, Rule
from services.trainer.learning.window_outputs import WindowOutputs

Truth = NDArray[np.uint8]

SERVED_RULE = Rule.F_MAX
HALF = "half"
_DIGITS = 6
_FEWEST = 2
"""Positive and negative validation records that a threshold needs at least."""


@dataclass(frozen=True)
class Calibration:
    """What is applied to the outputs of windows before they are scores of records.

    Attributes:
        temperature: divides the logits; None = not measurable, and they stay as they are.
        thresholds: of the labels that have one; empty where the highest score decides.
    """

    exclusive: bool
    temperature: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def scores(self, said: WindowOutputs) -> Scores:
        """Calibrated probabilities of records, (n, k), as they are served."""
        return said.scores(exclusive=self.exclusive, temperature=self.temperature or 1.0)

    def log_loss(self, said: WindowOutputs, truth: Truth) -> float:
        """Mean negative log likelihood of the truth, (n, k), under the scores."""
        logits = said.logits(exclusive=self.exclusive, temperature=self.temperature or 1.0)
        return mean_log_loss(logits, truth, exclusive=self.exclusive)

    def operating_points(self) -> dict[str, Any]:
        """As the registry keeps them; empty where nothing was measured."""
        found: dict[str, Any] = {} if self.temperature is None else {"temperature": self.temperature}
        return found | ({"thresholds": dict(self.thresholds)} if self.thresholds else {})


def fitted(said: WindowOutputs, truth: Truth, labels: Sequence[str], *, exclusive: bool) -> Calibration:
    """Temperature and thresholds from validation records; truth is (n, k)."""
    calibration = Calibration(exclusive, _temperature(said, truth, exclusive=exclusive))
    if exclusive:
        return calibration
    scores = calibration.scores(said)
    thresholds = {}
    for column, label in enumerate(labels):
        positives = int(truth[:, column].sum())
        if _FEWEST <= positives <= len(truth) - _FEWEST:
            chosen = CHOOSE[SERVED_RULE](truth[:, column], scores[:, column])
            thresholds[label] = round(chosen, _DIGITS) if chosen is not None else 0.5
    return Calibration(exclusive, calibration.temperature, thresholds)


def _temperature(said: WindowOutputs, truth: Truth, *, exclusive: bool) -> float | None:
    if not len(truth):
        return None
    found = least_loss(lambda temperature: Calibration(exclusive, temperature).log_loss(said, truth))
    return round(found.value, _DIGITS) if found else None


def before_and_after(calibration: Calibration, parts: Mapping[str, tuple[WindowOutputs, Truth]]) -> dict[str, Any]:
    """What the temperature changes, by part: what the network said, and truth, (n, k)."""
    return {
        "temperature": calibration.temperature,
        "fitted_on": "validation",
        "parts": {
            role: {
                "before": _errors(Calibration(calibration.exclusive), said, truth),
                "after": _errors(calibration, said, truth),
            }
            for role, (said, truth) in parts.items()
        },
    }


def _errors(calibration: Calibration, said: WindowOutputs, truth: Truth) -> dict[str, float | None]:
    scores = calibration.scores(said)
    columns, support = range(truth.shape[1]), truth.sum(axis=0).tolist()
    by_label = [calibration_error(truth[:, column], scores[:, column]) for column in columns]
    return {
        "log_loss": calibration.log_loss(said, truth),
        "ece_top_label": calibration_error(*top_label(truth, scores)),
        "ece_macro": mean_of_known(by_label),
        "ece_weighted": mean_of_known(by_label, support),
        "brier_macro": mean_of_known([brier_score(truth[:, column], scores[:, column]) for column in columns]),
    }


def threshold_table(
    calibration: Calibration, parts: Mapping[str, tuple[WindowOutputs, Truth]], labels: Sequence[str], chosen_on: str
) -> dict[str, Any]:
    """Each rule's threshold of each label, chosen on one part, and what it does on every part."""
    scored = {role: (calibration.scores(said), truth) for role, (said, truth) in parts.items()}
    scores, truth = scored[chosen_on]
    rules: dict[str, Any] = {}
    for name, choose in {HALF: None, **{rule.value: CHOOSE[rule] for rule in Rule}}.items():
        limits = [
            0.5 if choose is None else choose(truth[:, column], scores[:, column]) for column in range(len(labels))
        ]
        rules[name] = {
            label: _at(limit, scored, column) for column, (label, limit) in enumerate(zip(labels, limits, strict=True))
        }
    return {"chosen_on": chosen_on, "served": None if calibration.exclusive else SERVED_RULE.value, "rules": rules}


def _at(limit: float | None, scored: Mapping[str, tuple[Scores, Truth]], column: int) -> dict[str, Any]:
    if limit is None:
        return {"threshold": None}
    found: dict[str, Any] = {"threshold": round(limit, _DIGITS)}
    for role, (scores, truth) in scored.items():
        calls = Calls.count(truth[:, column], scores[:, column] >= found["threshold"])
        found[role] = {name: getattr(calls, name) for name in ("sensitivity", "specificity", "ppv", "npv", "f1")}
    return found
