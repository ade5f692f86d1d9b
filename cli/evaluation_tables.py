"""Evaluations as tables: for people on a screen, and for other programs as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.output import Output

UNLABELLED = "UNLABELLED"
"""The reason by which an evaluation leaves out records that nobody has labelled; it is no refusal."""

_WHY = "undefined"  # beside figures: why some have no value
_COMPARED = ("auroc_macro", "auprc_macro", "f1_macro", "f1_weighted", "accuracy", "ece_top_label")
_COLUMNS = ("model", "version", "dataset", "split", "scope", "name", "figure", "value", "low", "high")


def show(output: Output, evaluation: Mapping[str, Any], *, several: bool = False) -> None:
    """One model on one split; with `several` splits, which one is said."""
    on = f" on {_split(evaluation)}" if several else ""
    output.line(f"{evaluation.get('model')}:{evaluation.get('version')}{on}", "bold")
    output.line(f"{evaluation.get('n')} ECGs of {evaluation.get('patients')} patients")
    unlabelled = evaluation.get("left_out", {}).get(UNLABELLED)
    if unlabelled:
        output.line(f"{unlabelled} ECGs without labels do not count")
    if unasked := evaluation.get("unasked"):
        output.line(f"The dataset says nothing of {', '.join(unasked)}: no figures")
    if not evaluation.get("n"):
        output.line()
        return
    metrics: Mapping[str, Any] = evaluation.get("metrics", {})
    ends: Mapping[str, Any] = evaluation.get("intervals", {}).get("metrics", {})
    rows = [(name, _number(value), _interval(ends.get(name))) for name, value in metrics.items() if name != _WHY]
    output.table("metrics", ("metric", "#value", "95 %"), rows)
    per_class: Mapping[str, Mapping[str, Any]] = evaluation.get("per_class", {})
    names = [name for name in dict.fromkeys(name for one in per_class.values() for name in one) if name != _WHY]
    output.line()
    classes = [(label, *(_number(one.get(name)) for name in names)) for label, one in per_class.items()]
    output.table("classes", ("class", *(f"#{name}" for name in names)), classes)
    _show_thresholds(output, evaluation)
    for name, reason in _undefined(metrics, per_class):
        output.line(f"{name}: {reason}", "dim")
    output.line()


def _undefined(metrics: Mapping[str, Any], per_class: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What has no value, or one without some classes, and why; each reason once."""
    found = list(metrics.get(_WHY, {}).items())
    for label, one in per_class.items():
        found += [(label, reason) for reason in dict.fromkeys(one.get(_WHY, {}).values())]
    return found


def unscored(output: Output, evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Records that the model could not score, by reason: the figures say nothing of them."""
    model = f"{evaluation.get('model')}:{evaluation.get('version')}"
    refused = []
    for reason, records in evaluation.get("left_out", {}).items():
        if reason != UNLABELLED:
            message = f"{records} ECGs could not be scored and do not count: {reason}."
            output.refuse(f"{model}: {message}")
            refused.append({"model": model, "reason": reason, "message": message, "records": records})
    return refused


def _number(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _interval(ends: Sequence[float] | None) -> str:
    return f"{ends[0]:.4f} to {ends[1]:.4f}" if ends else ""


def _split(said: Mapping[str, Any]) -> str:
    return f"{said.get('dataset')}:{said.get('split')}".rstrip(":")


def _show_thresholds(output: Output, evaluation: Mapping[str, Any]) -> None:
    chosen = evaluation.get("decided_by", {}).get("chosen")
    if not chosen:
        return
    target = f"={chosen['target']:g}" if chosen.get("target") is not None else ""
    output.line()
    output.line(f"Thresholds by {chosen['rule']}{target} on {_split(chosen)}, {chosen['n']} ECGs")
    if chosen.get("shared_patients"):
        output.line(f"{chosen['shared_patients']} patients are in both splits: these figures are too good", "yellow")
    found: Mapping[str, Mapping[str, Any]] = evaluation.get("at_thresholds", {})
    names = [name for name in dict.fromkeys(name for one in found.values() for name in one) if name != "intervals"]
    rows = [(label, *(_number(one.get(name)) for name in names)) for label, one in found.items()]
    output.table("thresholds", ("class", *(f"#{name}" for name in names)), rows)


def show_comparisons(output: Output, comparisons: Sequence[Mapping[str, Any]]) -> None:
    """Pairs of models on the same ECGs."""
    for one in comparisons:
        output.line(f"{one['second']} minus {one['first']} on {_split(one)}", "bold")
        if why := one.get(_WHY):
            output.line(f"They cannot be compared: {why}")
            continue
        drawn = one.get("bootstrap", {})
        found = {name: drawn[name] for name in _COMPARED if name in drawn}
        found |= {f"AUROC {label}": change for label, change in one.get("delong", {}).items() if change}
        found |= {f"MAE {label}": change for label, change in one.get("mae", {}).items()}
        rows = [
            (name, _number(change["difference"]), _between(change), _number(change.get("p")))
            for name, change in found.items()
        ]
        output.table("differences", ("figure", "#difference", "95 %", "#p"), rows)
        if "mcnemar" in one:
            output.line(f"McNemar's test of being right: p {_number(one['mcnemar']['accuracy'])}")
        output.line()


def _between(drawn: Mapping[str, Any]) -> str:
    return _interval((drawn["low"], drawn["high"])) if drawn.get("low") is not None else ""


def show_summary(output: Output, summed: Mapping[str, Any]) -> None:
    """Figures over several datasets."""
    for one in summed.get("models", ()):
        output.line(f"{one['model']}:{one['version']} over {', '.join(one['datasets'])}", "bold")
        names = ("mean", "median", "iqr", "cv")
        rows = [(figure, *(_number(found[name]) for name in names)) for figure, found in one["metrics"].items()]
        output.table("figures", ("figure", *(f"#{name}" for name in names)), rows)
        output.line()


def figures_csv(evaluations: Sequence[Mapping[str, Any]]) -> bytes:
    """Every figure on a row of its own, with its interval; what cannot be measured is empty.

    `scope` is "all", "class", "threshold", or the kind of a subgroup, and `name` which one of these; of
    predicted values it is subgroup and output, "80+: QTc".
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in evaluations:
        head = (one["model"], one["version"], one["dataset"], one["split"])
        for row in _figures(one):
            writer.writerow((*head, *("" if value is None else value for value in row)))
    return text.getvalue().encode()


def _figures(one: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    ends = one.get("intervals", {})
    for name in ("n", "patients"):
        yield "all", "", name, one[name], None, None
    for name, value in one.get("cost", {}).items():
        yield "all", "", name, value, None, None
    yield from _rows("all", "", one["metrics"], ends.get("metrics", {}))
    for label, row in one["per_class"].items():
        yield from _rows("class", label, row, ends.get("per_class", {}).get(label, {}))
    for label, row in one.get("at_thresholds", {}).items():
        yield from _rows("threshold", label, row, row["intervals"])
    for kind, groups in one.get("subgroups", {}).items():
        for group in groups:
            counts = {"n": group["n"], "patients": group["patients"]}
            yield from _rows(kind, group["group"], counts | group["metrics"], group["intervals"])
            for output, row in group.get("per_class", {}).items():
                yield from _rows(kind, f"{group['group']}: {output}", row, row["intervals"])


def _rows(scope: str, name: str, figures: Mapping[str, Any], ends: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for figure, value in figures.items():
        if figure not in (_WHY, "intervals"):
            low, high = ends.get(figure) or (None, None)
            yield scope, name, figure, value, low, high
