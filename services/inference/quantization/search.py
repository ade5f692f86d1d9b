"""Choosing how to quantize: by which rule ranges follow from what was seen, and which layers stay in float.

Scores are compared with the base's on ECGs of the calibrating side; the ECGs that judge the result are
not looked at. Where no rule is good enough, each layer is put back to float alone, and those that help most
stay in float, as few as will do (sensitivity by layer, as Wu et al. 2020, arXiv 2004.09602, section 5).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from services.inference.quantization.accuracy import Scores
from services.inference.quantization.graph import Ranges, quantized, weighted
from services.inference.quantization.ranges import Rule

log = logging.getLogger(__name__)

Scoring = Callable[[bytes, int], Scores]
"""Scores, (records, outputs), that a graph gives the first so many choosing ECGs."""

GOOD_ENOUGH = 0.05
"""Mean difference of scores, as a share of how far the base's scores spread."""

_A_LOOK = 32
"""ECGs that each layer is tried on."""
_MOST_IN_FLOAT = 0.5
"""Of the layers: beyond it nothing is gained."""


@dataclass(frozen=True)
class Way:
    """One way to quantize a graph, and what came of it."""

    rule: Rule
    in_float: tuple[str, ...]
    graph: bytes
    difference: float

    @property
    def good(self) -> bool:
        """Whether nothing better need be looked for."""
        return self.difference <= GOOD_ENOUGH


class Search:
    """Looks for a way whose scores are close to those of the base.

    Args:
        model: from `graph.prepared`.
        ranges: by each rule.
        scoring: runs a graph.
        base: what the base gives all choosing ECGs.
        say: told of each step, with how far it is.
    """

    def __init__(
        self,
        model: ModelProto,
        ranges: dict[Rule, Ranges],
        scoring: Scoring,
        base: Scores,
        say: Callable[[str], None],
    ) -> None:
        self._model = model
        self._ranges = ranges
        self._scoring = scoring
        self._base = base
        self._spread = np.maximum(base.std(axis=0), 1e-6)
        self._say = say

    def best(self) -> Way:
        """The first way that is good, else the closest of those tried."""
        ways = [self._way(rule, ()) for rule in self._ranges]
        best = min(ways, key=lambda way: way.difference)
        self._say(f"Ranges by {best.rule.value}: scores differ by {100 * best.difference:.2g} % of their spread.")
        return best if best.good else self._relieved(best)

    def _relieved(self, whole: Way) -> Way:
        layers = self._by_help(whole)
        best, count = whole, 1
        while count <= max(1, int(_MOST_IN_FLOAT * len(layers))) and not best.good:
            way = self._way(whole.rule, layers[:count])
            best = min(best, way, key=lambda one: one.difference)
            count *= 2
        kept = len(best.in_float)
        self._say(f"{kept} of {len(layers)} layers stay in float: {100 * best.difference:.2g} % of their spread.")
        return best

    def _by_help(self, whole: Way) -> tuple[str, ...]:
        """Layers, the one first whose return to float brings scores closest."""
        found: dict[str, float] = {}
        layers = weighted(self._model)
        for name in layers:
            graph = quantized(self._model, self._ranges[whole.rule], (name,))
            found[name] = self._difference(graph, min(_A_LOOK, len(self._base)))
        return tuple(sorted(found, key=lambda name: found[name]))

    def _way(self, rule: Rule, in_float: Sequence[str]) -> Way:
        graph = quantized(self._model, self._ranges[rule], in_float)
        return Way(rule, tuple(in_float), graph, self._difference(graph, len(self._base)))

    def _difference(self, graph: bytes, count: int) -> float:
        apart = np.abs(self._scoring(graph, count) - self._base[:count])
        return float((apart / self._spread).mean())
