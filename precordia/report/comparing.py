"""Several evaluations beside each other: differences of models, and figures over datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from precordia.report.figures import NAMES, at, cell, pointer, row_head, shown, table
from precordia.report.markup import Element, tag

Document = Mapping[str, Any]


def comparison_tables(document: Document, where: str = "/comparisons") -> Element | None:
    """Each pair of models on the same records: differences with intervals, and the tests."""
    pairs: Sequence[Document] = at(document, where) or []
    return tag("div", *(_pair(document, f"{where}/{i}", pair) for i, pair in enumerate(pairs))) if pairs else None


def _pair(document: Document, here: str, pair: Document) -> Element:
    split = f"{pair['dataset']}:{pair['split']}".rstrip(":")
    title = tag("h3", f"{pair['second']} minus {pair['first']}, on {split}")
    if "undefined" in pair:
        return tag("div", title, tag("p", f"They cannot be compared: {pair['undefined']}."))
    kinds = {"bootstrap": "", "delong": "AUROC, ", "mae": "Mean absolute error, "}
    rows = [
        [row_head(before + NAMES.get(name, name)), *_difference(document, here + pointer(kind, name), kind)]
        for kind, before in kinds.items()
        for name, one in (pair.get(kind) or {}).items()
        if one is not None
    ]
    heads = ["Figure", pair["first"], pair["second"], "Difference", "p", "Test"]
    test = pair.get("mcnemar", {}).get("accuracy")
    said = (
        tag("p", "McNemar's test of being right: p ", shown(document, f"{here}/mcnemar/accuracy"), ".")
        if test is not None
        else None
    )
    assumed = pair.get("delong_assumes")
    note = tag("p", f"DeLong's test assumes {assumed}; here patients have several.", class_="note") if assumed else None
    return tag("div", title, table(heads, rows), said, note)


def _difference(document: Document, here: str, kind: str) -> list[Element]:
    test = {"delong": "DeLong", "bootstrap": "Bootstrap by patient"}.get(kind, "Bootstrap by patient")
    ends = at(document, here)
    span = {"low": ends.get("low"), "high": ends.get("high")}
    between = (
        tag("span", shown(document, f"{here}/low"), " to ", shown(document, f"{here}/high"), class_="interval")
        if None not in span.values()
        else None
    )
    difference = tag("td", shown(document, f"{here}/difference"), " ", between)
    cells = [cell(document, f"{here}/first"), cell(document, f"{here}/second"), difference, cell(document, f"{here}/p")]
    return [*cells, tag("td", test, class_="words")]


def summary_tables(document: Document, where: str = "/over_datasets") -> Element | None:
    """Each model's figures over several datasets: mean, median, quartiles and variation."""
    models: Sequence[Document] = at(document, f"{where}/models") or []
    columns = {"n": "Datasets", "mean": "Mean", "median": "Median", "iqr": "IQR", "cv": "CV"}
    made = []
    for i, one in enumerate(models):
        here = f"{where}/models/{i}/metrics"
        rows = [
            [row_head(NAMES.get(name, name)), *(cell(document, here + pointer(name, column)) for column in columns)]
            for name in one["metrics"]
        ]
        title = f"{one['model']}:{one['version']} over {', '.join(one['datasets'])}"
        made.append(table(["Figure", *columns.values()], rows, title))
    return tag("div", *made) if made else None


def chosen_table(document: Document, base: str) -> Element | None:
    """Figures of each label by a threshold that was chosen on another split."""
    found: Document = at(document, base + "/at_thresholds") or {}
    names = ("threshold", "sensitivity", "specificity", "ppv", "npv", "f1")
    rows = [
        [row_head(label)]
        + [
            cell(
                document,
                base + pointer("at_thresholds", label, name),
                base + pointer("at_thresholds", label, "intervals", name),
            )
            for name in names
        ]
        for label in found
    ]
    return table(["Label", *(NAMES[name] for name in names)], rows, "By the chosen thresholds") if rows else None


def chosen_note(one: Document) -> str:
    """Where thresholds come from, in a sentence; empty where they are the model's own."""
    chosen = one.get("decided_by", {}).get("chosen")
    if not chosen:
        return ""
    rule = str(chosen["rule"]).replace("_", " ") + (
        f" {chosen['target']:g}" if chosen.get("target") is not None else ""
    )
    on = f"{chosen['dataset']}:{chosen['split']}".rstrip(":")
    shared = chosen.get("shared_patients", 0)
    warned = f" {shared} patients are in both: the figures are too good." if shared else ""
    return f"Thresholds were chosen by {rule} on {on} ({chosen['n']} ECGs of {chosen['patients']} patients).{warned}"
