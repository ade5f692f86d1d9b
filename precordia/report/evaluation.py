"""The page of an evaluation: one or several models on labelled records, from inference's JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from precordia.report import performance
from precordia.report.comparing import chosen_note, chosen_table, comparison_tables, summary_tables
from precordia.report.figures import number, pointer
from precordia.report.markup import Element, tag
from precordia.report.page import page, section

Evaluation = Mapping[str, Any]


def evaluation_page(results: Sequence[Evaluation], made_at: str = "") -> str:
    """A whole HTML file.

    Args:
        results: of operations `evaluate`: each one model on one split, or {"evaluations": [...],
            "comparisons": [...], "over_datasets": {...}} of several.
        made_at: when, in words or ISO 8601.
    """
    document = _together(results)
    evaluations: Sequence[Evaluation] = document["evaluations"]
    models = list(dict.fromkeys(f"{one['model']}:{one['version']}" for one in evaluations))
    datasets = list(dict.fromkeys(_dataset(one) for one in evaluations))
    bases = {
        _name(one, several=len(datasets) > 1): pointer("evaluations", index) for index, one in enumerate(evaluations)
    }
    sections: list[Element | None] = []
    if len(bases) > 1:
        sections += [
            section("Side by side", performance.overall_table(document, bases)),
            section("Differences", comparison_tables(document)),
            section("Over datasets", summary_tables(document)),
        ]
    for (name, base), one in zip(bases.items(), evaluations, strict=True):
        sections += _of_model(document, name, base, one, alone=len(bases) == 1)
    under = [f"On {' and '.join(datasets)}.", f"Made {made_at}." if made_at else ""]
    foot = "Made by precordia; the evaluation's JSON holds every figure of this page."
    return page("Evaluation report", " and ".join(models), [line for line in under if line], sections, foot)


def _together(results: Sequence[Evaluation]) -> dict[str, Any]:
    """One document of all results. Summaries stay as each result made them, of one result at most."""
    evaluations = [one for result in results for one in result.get("evaluations", [result])]
    compared = [pair for result in results for pair in result.get("comparisons", [])]
    over: Mapping[str, Any] = next((result["over_datasets"] for result in results if result.get("over_datasets")), {})
    return {"evaluations": evaluations, "comparisons": compared, "over_datasets": over}


def _name(one: Evaluation, *, several: bool) -> str:
    model = f"{one['model']}:{one['version']}"
    return f"{model} on {_dataset(one)}" if several else model


def _dataset(one: Evaluation) -> str:
    return f"{one['dataset']}:{one['split']}" if one["split"] else str(one["dataset"])


def _of_model(
    document: Mapping[str, Any], name: str, base: str, one: Evaluation, *, alone: bool
) -> list[Element | None]:
    of = "" if alone else f" \N{EN DASH} {name}"
    chosen = chosen_note(one)
    return [
        section(f"Key figures{of}", performance.tiles(document, base), _left_out(one)),
        section(
            f"Performance{of}",
            tag("p", chosen, class_="note") if chosen else None,
            performance.overall_table(document, {name: base}) if alone else None,
            performance.label_table(document, base, "By output" if "points" in one else "By label"),
            performance.undefined_note(document, base),
            chosen_table(document, base),
            performance.curve_plots(document, base),
            performance.value_plots(document, base),
            performance.confusion_tables(document, base),
        ),
        section(f"Calibration{of}", performance.calibration_plots(document, base)),
        section(f"Subgroups{of}", performance.subgroup_table(document, base)),
        section(f"Provenance{of}", _provenance(one)),
    ]


def _left_out(one: Evaluation) -> Element | None:
    said = [f"{count} {reason.lower().replace('_', ' ')}" for reason, count in one.get("left_out", {}).items()]
    if one.get("unasked"):
        said.append(f"nobody was asked about {', '.join(one['unasked'])}, which have no figures")
    return tag("p", f"What does not count: {'; '.join(said)}.", class_="note") if said else None


def _provenance(one: Evaluation) -> Element:
    decided = one.get("decided_by", {})
    limits = ", ".join(f"{label} {value:.3f}" for label, value in decided.get("thresholds", {}).items())
    said = [
        ("Model", f"{one['model']}:{one['version']}"),
        ("Model digest", str(one.get("model_digest", ""))),
        ("Dataset", _dataset(one)),
        ("Snapshot", f"{one['snapshot_id']} {one['snapshot_digest']}"),
        ("Label group", str(one.get("label_group", "")) or "the dataset's own"),
        ("Temperature", f"{decided.get('temperature', 1.0):.3f}"),
        ("Thresholds", limits or "0.5 each, or the highest score"),
        ("Intervals", f"95 %, {one['intervals']['draws']} draws of patients"),
        *((name.replace("_", " ").capitalize(), _said(value)) for name, value in (one.get("cost") or {}).items()),
    ]
    parts = [part for name, value in said if value for part in (tag("dt", name), tag("dd", value))]
    return tag("dl", *parts, class_="facts mono")


def _said(value: object) -> str:
    return value if isinstance(value, str) else number(value)
