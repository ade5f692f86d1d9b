"""How good a model is on one set of records: the sections that training and evaluation reports share.

`base` is the pointer of a document of `precordia.metrics.classification` or `.regression`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from precordia.report.figures import NAMES, at, cell, interval, number, pointer, row_head, shown, table
from precordia.report.markup import Element, tag
from precordia.report.page import grid
from precordia.report.plots import Frame, Line, dot_plot, line_plot, reliability_plot

Document = Mapping[str, Any]

TILES = ("auroc_macro", "f1_weighted", "f1_macro", "auprc_macro", "accuracy", "ece_top_label")
_BY_LABEL = ("auroc", "auprc", "f1", "sensitivity", "specificity", "ppv", "npv", "brier", "ece")
_BY_OUTPUT = ("mae", "rmse", "r2", "r", "bias", "agreement_low", "agreement_high")
_BY_GROUP = ("auroc_macro", "auprc_macro", "f1_macro", "f1_weighted", "accuracy", "ece_top_label")
_SQUARE = (0.0, 1.0)
_MOST_CONFUSED = 24
_MOST_PLOTS = 6


def tiles(document: Document, base: str) -> Element:
    """The few figures to read first, with their intervals."""
    measured = at(document, base + "/metrics") or {}
    names = [name for name in TILES if name in measured]
    cards = [
        _tile(document, NAMES[name], f"{base}/metrics/{name}", f"{base}/intervals/metrics/{name}") for name in names
    ]
    if not names:
        for output in at(document, base + "/per_class") or {}:
            ends = base + pointer("intervals", "per_class", output)
            for name in ("mae", "rmse", "r"):
                unit = "" if name == "r" else unit_of(document, base, output)
                title = f"{NAMES[name]}, {output}{f' ({unit})' if unit else ''}"
                cards.append(_tile(document, title, f"{base}{pointer('per_class', output, name)}", f"{ends}/{name}"))
    cards += [_tile(document, "ECGs", base + "/n", ""), _tile(document, "Patients", base + "/patients", "")]
    return tag("div", *cards, class_="tiles")


def _tile(document: Document, name: str, where: str, ends: str) -> Element:
    value = tag("span", shown(document, where), class_="value")
    return tag(
        "div", tag("span", name, class_="name"), value, interval(document, ends) if ends else None, class_="tile"
    )


def overall_table(document: Document, bases: Mapping[str, str]) -> Element | None:
    """Every figure over all labels, a column for each set of records."""
    names = [name for name in NAMES if any(name in (at(document, base + "/metrics") or {}) for base in bases.values())]
    outputs = max((len(at(document, base + "/per_class") or {}) for base in bases.values()), default=0)
    if not names or outputs < 2:
        return None  # of one output they are its own
    rows = [
        [row_head(NAMES[name])]
        + [cell(document, f"{base}/metrics/{name}", f"{base}/intervals/metrics/{name}") for base in bases.values()]
        for name in names
    ]
    return table(["Figure", *bases], rows, "Over all labels, with 95 % intervals by patient", "inline")


def label_table(document: Document, base: str, caption: str) -> Element | None:
    """Every figure of every label or output."""
    per_class: Document = at(document, base + "/per_class") or {}
    if not per_class:
        return None
    values = any("mae" in row for row in per_class.values())
    names = [name for name in (_BY_OUTPUT if values else (*_BY_LABEL, "threshold")) if _any_has(per_class, name)]
    counted = "n" if values else "positives"
    rows = []
    for label in _in_order(document, base):
        here, ends = base + pointer("per_class", label), base + pointer("intervals", "per_class", label)
        cells = [cell(document, f"{here}/{name}", f"{ends}/{name}") for name in names]
        unit = unit_of(document, base, label)
        head = row_head(f"{label} ({unit})" if unit else label)
        rows.append([head, cell(document, f"{here}/{counted}"), *cells])
    return table(["Output" if values else "Label", NAMES[counted], *(NAMES[name] for name in names)], rows, caption)


def _in_order(document: Document, base: str) -> list[str]:
    """Labels in the order of the model's outputs, which an object in JSON does not keep."""
    per_class: Document = at(document, base + "/per_class") or {}
    told = [label for label in at(document, base + "/confusion/labels") or [] if label in per_class]
    return [*told, *(label for label in per_class if label not in told)]


def _any_has(per_class: Document, name: str) -> bool:
    return any(name in row for row in per_class.values())


def undefined_note(document: Document, base: str) -> Element | None:
    """Why some figures are dashes."""
    said = []
    for label, row in (at(document, base + "/per_class") or {}).items():
        by_reason: dict[str, list[str]] = {}
        for name, reason in row.get("undefined", {}).items():
            by_reason.setdefault(reason, []).append(NAMES.get(name, name))
        said += [f"{', '.join(names)} of {label}, as {reason}" for reason, names in by_reason.items()]
    return tag("p", "Not measurable: " + "; ".join(said) + ".", class_="note") if said else None


def curve_plots(document: Document, base: str) -> Element | None:
    """ROC and precision-recall curves of all labels, those with most records first."""
    curves: Document = at(document, base + "/curves") or {}
    order = sorted(curves, key=lambda label: -at(document, base + pointer("per_class", label, "positives")))
    roc = [
        Line(_named(document, base, label, "auroc"), *_xy(curves[label]["roc"]))
        for label in order
        if curves[label]["roc"]
    ]
    recall = [
        Line(_named(document, base, label, "auprc"), *_steps(curves[label]["precision_recall"]))
        for label in order
        if curves[label]["precision_recall"]
    ]
    false_alarms = Frame("ROC curves", "1 \N{MINUS SIGN} specificity", "Sensitivity", _SQUARE, _SQUARE, diagonal=True)
    precision = Frame("Precision-recall curves", "Sensitivity (recall)", "PPV (precision)", _SQUARE, _SQUARE)
    return grid(
        line_plot(roc, false_alarms, "AUROC by label.") if roc else None,
        line_plot(recall, precision, "AUPRC by label.") if recall else None,
    )


def _named(document: Document, base: str, label: str, name: str) -> str:
    return f"{label} {number(at(document, base + pointer('per_class', label, name)))}"


def _xy(curve: Document) -> tuple[Sequence[float], Sequence[float]]:
    return curve["x"], curve["y"]


def _steps(curve: Document) -> tuple[Sequence[float], Sequence[float]]:
    """Average precision takes the precision at the end of each gain of recall: a step, not a slope."""
    x, y, before = [], [], 0.0
    for recall, precision in zip(curve["x"], curve["y"], strict=True):
        x += [before, recall]
        y += [precision, precision]
        before = recall
    return x, y


def calibration_plots(document: Document, base: str) -> Element | None:
    """Reliability of the highest score, and of the labels with most records."""
    found: Document = at(document, base + "/calibration") or {}
    if not found.get("top_label"):
        return None
    order = sorted(found["per_class"], key=lambda label: -at(document, base + pointer("per_class", label, "positives")))
    kinds = [("The highest score", found["top_label"])]
    kinds += [(label, found["per_class"][label]) for label in order[: _MOST_PLOTS - 1]]
    plots = [
        reliability_plot(bars, Frame(name, "Mean score", "Share that is true", _SQUARE, _SQUARE))
        for name, bars in kinds
    ]
    note = (
        f"{found['bins']} bins of equal width: dots with 95 % intervals (Wilson), and bars for the records in each. "
        "On the dotted line a score of 0.7 is right seven times of ten."
    )
    return tag("div", tag("p", note, class_="note"), grid(*plots))


def confusion_tables(document: Document, base: str) -> Element | None:
    """What is called against what is true."""
    found: Document = at(document, base + "/confusion") or {}
    if "matrix" in found:
        return _matrix(document, base, found)
    if "by_label" not in found:
        return None
    return tag("div", _two_by_two(document, base, found), _together(document, base, found))


def _matrix(document: Document, base: str, found: Document) -> Element:
    labels = found["labels"]
    rows = []
    for row, name in enumerate([*labels, "none of these"][: len(found["matrix"])]):
        total = sum(found["matrix"][row])
        cells = [
            _heat(document, f"{base}/confusion/matrix/{row}/{column}", total, hit=row == column)
            for column in range(len(labels))
        ]
        rows.append([row_head(name), *cells])
    made = table(["True \N{DOWNWARDS ARROW}  called \N{RIGHTWARDS ARROW}", *labels], rows, "Confusion matrix")
    return tag("div", made, tag("p", "Records, and their share of the row.", class_="note"), class_="heat")


def _heat(document: Document, where: str, total: int, *, hit: bool) -> Element:
    share = at(document, where) / total if total else 0.0
    said = tag("span", f"{100 * share:.0f} %" if total else "", class_="interval")
    return tag("td", shown(document, where), " ", said, style=f"--share:{share:.3f}", class_="hit" if hit else None)


def _two_by_two(document: Document, base: str, found: Document) -> Element:
    heads = ["Label", "Found (hits)", "Missed", "False alarms", "Rightly not called"]
    rows = [
        [row_head(label)]
        + [
            cell(document, base + pointer("confusion", "by_label", label, name))
            for name in ("hits", "missed", "false_alarms", "rejected")
        ]
        for label in found["labels"]
    ]
    return table(heads, rows, "Calls by label")


def _together(document: Document, base: str, found: Document) -> Element | None:
    labels = found["labels"]
    if len(labels) > _MOST_CONFUSED:
        return None
    rows = []
    for row, name in enumerate(labels):
        total = at(document, base + pointer("per_class", name, "positives"))
        cells = [
            _heat(document, f"{base}/confusion/co_occurrence/{row}/{column}", total, hit=row == column)
            for column in range(len(labels))
        ]
        rows.append([row_head(name), *cells])
    made = table(
        ["True \N{DOWNWARDS ARROW}  also called \N{RIGHTWARDS ARROW}", *labels], rows, "What is called together"
    )
    note = "Of the records that have the row's label, those that are called each label. A record can have several."
    return tag("div", made, tag("p", note, class_="note"), class_="heat")


def unit_of(document: Document, base: str, output: str) -> str:
    """The unit of an output, where the evaluation or the report's manifest says it."""
    said = at(document, base + pointer("units", output))
    contract = {one["name"]: one["unit"] for one in at(document, "/manifest/outputs") or []}
    return str(said or contract.get(output) or "")


def value_plots(document: Document, base: str) -> Element | None:
    """Predicted over true values, and their differences (Bland and Altman 1986)."""
    points: Document = at(document, base + "/points") or {}
    plots = []
    for output, pairs in points.items():
        row: Document = at(document, base + pointer("per_class", output))
        both = list(zip(pairs["truth"], pairs["value"], strict=True))
        unit = unit_of(document, base, output)
        of = f", {unit}" if unit else ""
        plots.append(dot_plot(both, Frame(output, f"True value{of}", f"Predicted value{of}", diagonal=True), {}))
        if row.get("agreement_low") is not None:
            rules = {
                "bias": row["bias"],
                "\N{MINUS SIGN}1.96 SD": row["agreement_low"],
                "+1.96 SD": row["agreement_high"],
            }
            means = [((a + b) / 2, b - a) for a, b in both]
            plots.append(
                dot_plot(
                    means,
                    Frame(f"{output}: agreement", f"Mean of both{of}", f"Predicted \N{MINUS SIGN} true{of}"),
                    rules,
                )
            )
    return grid(*plots)


def subgroup_table(document: Document, base: str) -> Element | None:
    """Figures by age band, sex and quality; of predicted values a table for each output."""
    kinds: Document = at(document, base + "/subgroups") or {}
    places = [
        (f"{kind} {group['group']}", f"{base}/subgroups/{kind}/{place}")
        for kind, groups in kinds.items()
        for place, group in enumerate(groups)
    ]
    if not places:
        return None
    outputs = list(at(document, places[0][1] + "/per_class") or {})
    if outputs:
        return tag("div", *(_value_subgroups(document, base, output, places) for output in outputs))
    rows = []
    for name, here in places:
        cells = [cell(document, f"{here}/metrics/{figure}", f"{here}/intervals/{figure}") for figure in _BY_GROUP]
        rows.append([row_head(name), cell(document, here + "/n"), *cells])
    return table(["Group", "ECGs", *(NAMES[figure] for figure in _BY_GROUP)], rows)


def _value_subgroups(document: Document, base: str, output: str, places: Sequence[tuple[str, str]]) -> Element:
    rows = []
    for name, group in places:
        here = group + pointer("per_class", output)
        cells = [cell(document, f"{here}/{figure}", f"{here}/intervals/{figure}") for figure in _BY_OUTPUT]
        rows.append([row_head(name), cell(document, here + "/n"), *cells])
    unit = unit_of(document, base, output)
    caption = f"{output} ({unit})" if unit else output
    return table(["Group", NAMES["n"], *(NAMES[figure] for figure in _BY_OUTPUT)], rows, caption)
