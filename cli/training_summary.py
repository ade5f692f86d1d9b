"""What came of a training job, in words: figures with intervals, the report, the next command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cli.output import Output
from precordia.catalog import REPORT, ModelRef
from precordia.client import Connection
from precordia.errors import PrecordiaError
from precordia.operation import Operation, OperationState

_FIGURES = (
    ("auroc_macro", "macro AUROC"),
    ("f1_weighted", "weighted F1"),
    ("f1_macro", "macro F1"),
    ("mae_macro", "mean absolute error"),
    ("rmse_macro", "root mean squared error"),
)
_ERRORS = (("mae", "mean absolute error"), ("rmse", "root mean squared error"), ("r2", "R squared"))
_PARTS = (("test", "Held-out test"), ("validation", "Validation"))


async def say_summary(precordia: Connection, output: Output, operation: Operation) -> None:
    """The end of a job for people. With --json nothing: the document says it all."""
    if output.as_json:
        return
    result = operation.result
    if operation.state is not OperationState.SUCCEEDED or "model" not in result:
        return
    name, version = str(result["model"]), int(result["version"])
    output.line()
    output.line(f"{name} version {version} is trained and kept.", "bold")
    for line in figure_lines(await _report(precordia, ModelRef(name, version), result)):
        output.line(line)
    output.line()
    output.line(f"  precordia models report {name} --open    what it was trained on, and how well it does")
    output.line(f"  precordia predict ecg.dcm --model {name}    use it")


async def _report(precordia: Connection, ref: ModelRef, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The report that is kept with the model; the job's own short of it where that cannot be had."""
    try:
        _, files = await precordia.registry.fetch(ref, [REPORT])
    except PrecordiaError:
        return result.get("report") or {}
    return parsed_report(files[REPORT])


def parsed_report(content: bytes) -> Mapping[str, Any]:
    """A report's JSON; empty where it is none."""
    try:
        report = json.loads(content)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def figure_lines(report: Mapping[str, Any]) -> list[str]:
    """Figures of each measured part, with their 95 % intervals by patient where there are some."""
    lines: list[str] = []
    for part, words in _PARTS:
        figures = report.get(part)
        if isinstance(figures, Mapping):
            if part == "validation" and report.get("validated_on") == "out_of_fold":
                words = "Out of fold"
            lines += _part_lines(f"{words}{_size(report, part)}", figures, _whole(report, part))
    if lines and "test" not in report and report.get("validated_on") != "out_of_fold":
        lines.append("No held-out part was given; the validation part helped to choose what is kept, and flatters it.")
    return lines


def _whole(report: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """All figures of a part with their intervals, in a report that has them."""
    found = (report.get("evaluations") or {}).get(part)
    return found if isinstance(found, Mapping) else {}


def _part_lines(head: str, figures: Mapping[str, Any], whole: Mapping[str, Any]) -> list[str]:
    """One line for a classifier; for estimated values one for each output."""
    outputs = figures.get("per_output")
    intervals = whole.get("intervals") or {}
    if isinstance(outputs, Mapping):
        ends = intervals.get("per_class") or {}
        said = {name: _said(_ERRORS, one, ends.get(name) or {}) for name, one in outputs.items()}
        return [f"{head}, {name}: {text or 'not measurable'}." for name, text in said.items()]
    known = dict(intervals.get("metrics") or {})
    known.setdefault("auroc_macro", figures.get("auroc_macro_interval"))
    return [f"{head}: {_said(_FIGURES, figures, known) or 'not measurable'}."]


def _size(report: Mapping[str, Any], part: str) -> str:
    figures = report[part]
    if figures.get("n") and figures.get("patients"):
        return f" ({figures['n']} ECGs of {figures['patients']} patients)"
    facts = (report.get("parts") or {}).get(part) or {}
    return f" ({facts['records']} ECGs of {facts.get('patients', '?')} patients)" if facts.get("records") else ""


def _said(names: tuple[tuple[str, str], ...], figures: Mapping[str, Any], intervals: Mapping[str, Any]) -> str:
    return ", ".join(text for name, words in names if (text := _figure(words, figures.get(name), intervals.get(name))))


def _figure(words: str, value: object, ends: object) -> str:
    if not isinstance(value, int | float):
        return ""
    text = f"{words} {value:.3f}"
    if isinstance(ends, list | tuple) and len(ends) == 2 and all(isinstance(one, int | float) for one in ends):
        text += f" (95 % interval {ends[0]:.3f} to {ends[1]:.3f})"
    return text
