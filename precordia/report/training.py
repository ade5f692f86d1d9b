"""The page of a training run, from its report's JSON (`services.trainer.publication.report`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from precordia.report import performance
from precordia.report.figures import NAMES, at, cell, facts, number, pointer, row_head, shown, table
from precordia.report.markup import Element, tag
from precordia.report.page import grid, page, section
from precordia.report.plots import Frame, Line, bar_plot, line_plot

Report = Mapping[str, Any]

ROLES = {"train": "Training", "validation": "Validation", "test": "Test"}
_MANY = 20
"""Labels above which the second set of figures, and the thresholds that are not served, stay in the JSON alone."""
_METHODS = {"scratch": "trained from scratch", "head": "head trained", "all": "all layers fine-tuned"}
_RULES = {
    "half": "0.5",
    "f_max": "Largest F1",
    "youden": "Youden",
    "sensitivity_90": "Sensitivity 0.90",
    "specificity_90": "Specificity 0.90",
}


def training_page(report: Report) -> str:
    """A whole HTML file."""
    bases = {
        _role(report, role): pointer("evaluations", role)
        for role in ("test", "validation")
        if role in report["evaluations"]
    }
    first = next(iter(bases.values()))
    versions = report["made_with"]["versions"]
    return page(
        "Training report",
        title(report),
        [_what(report), _when(report)],
        [
            _key_figures(report, bases, first),
            _data(report),
            _training(report),
            _members(report),
            _search(report),
            _performance(report, bases),
            _calibration(report, first),
            _thresholds(report),
            _card(report),
            _provenance(report),
        ],
        f"Made by precordia {versions['precordia']} from report.json, which holds every figure of this page.",
    )


def title(report: Report) -> str:
    """The model's name where the report knows it, else what was trained on what."""
    name = report.get("about", {}).get("name", "")
    return name or f"{report['base']} on {report['plan']['splits']['train']['dataset']}"


def _role(report: Report, role: str) -> str:
    if role == "validation" and report.get("validated_on") == "out_of_fold":
        return "Out of fold"
    return ROLES[role]


def _what(report: Report) -> str:
    train = report["plan"]["splits"]["train"]
    source = f"{train['dataset']}:{train['split']}" if train["split"] else train["dataset"]
    network = report["plan"].get("network") or "a network of other make"
    base = report["base"] if report["base"] != network else network
    method = _METHODS.get(report["method"], report["method"])
    outputs = f"{len(report['labels'])} output{'s' if len(report['labels']) > 1 else ''}"
    return f"{report['task'].capitalize()}, {outputs}. {base}, {method} on {source}."


def _when(report: Report) -> str:
    about = report.get("about", {})
    said = [
        f"Finished {about['finished_at']}" if about.get("finished_at") else "",
        f"job {about['job']}" if about.get("job") else "",
    ]
    made = report["made_with"]
    return (
        ", ".join(filter(None, [*said, f"seed {report['plan']['seed']}", f"precordia {made['versions']['precordia']}"]))
        + "."
    )


def _key_figures(report: Report, bases: Mapping[str, str], first: str) -> Element | None:
    name = next(iter(bases))
    note = {
        "Test": "On the test part, which nothing was chosen by. 95 % intervals by patient.",
        "Out of fold": "Each training record is scored by the network that did not see it. 95 % intervals by patient.",
    }.get(
        name,
        "On the validation part, which weights and thresholds were chosen by: new patients will do a little worse.",
    )
    return section("Key figures", tag("p", note, class_="note"), performance.tiles(report, first))


def _data(report: Report) -> Element | None:
    rows = []
    for role in report["parts"]:
        split = report["plan"]["splits"].get(role)
        source = f"{split['dataset']}{':' + split['split'] if split['split'] else ''}" if split else "drawn by patient"
        here = pointer("parts", role)
        cells = [cell(report, f"{here}/{name}") for name in ("records", "patients", "windows")]
        rows.append([row_head(ROLES.get(role, role)), tag("td", source, class_="words"), *cells])
    parts = table(["Part", "From", "ECGs", "Patients", "Windows"], rows)
    return section("Data", parts, _label_table(report), _label_plot(report), _value_table(report))


def _label_table(report: Report) -> Element | None:
    roles = [role for role, part in report["parts"].items() if "labels" in part]
    if not roles:
        return None
    rows = [
        [row_head(label), *(cell(report, pointer("parts", role, "labels", label)) for role in roles)]
        for label in report["labels"]
    ]
    return table(["Label", *(ROLES.get(role, role) for role in roles)], rows, "ECGs by label")


def _label_plot(report: Report) -> Element | None:
    parts = {role: part for role, part in report["parts"].items() if "labels" in part and part["records"]}
    if not parts:
        return None
    shares = {
        ROLES.get(role, role): [100 * part["labels"][label] / part["records"] for label in report["labels"]]
        for role, part in parts.items()
    }
    return grid(bar_plot(report["labels"], shares, Frame("Label distribution", "% of the part's ECGs", "Label")))


def _value_table(report: Report) -> Element | None:
    names = ("smallest", "mean", "largest", "standard_deviation")
    rows = [
        [row_head(f"{label}, {ROLES.get(role, role).lower()}")]
        + [cell(report, pointer("parts", role, "values", label, name), digits=2) for name in names]
        for role, part in report["parts"].items()
        for label in part.get("values", {})
    ]
    return table(["Output", "Smallest", "Mean", "Largest", "Standard deviation"], rows) if rows else None


def _training(report: Report) -> Element | None:
    history = report["history"]
    if not history:
        return None
    kept = report["kept_epoch"]
    said = [
        ("Epochs", f"{report['epochs']} run, weights of epoch {kept} kept"),
        (
            "Largest learning rate",
            f"{report['learning_rate']:.2g}" + (", found by a range test" if report["range_test"] else ""),
        ),
        ("Parameters", number(report["parameters"])),
    ]
    figures = [name for name in ("f1_weighted", "f1_macro", "auroc_macro") if name in history[0]]
    errors = [name for name in ("mae_macro", "rmse_macro") if name in history[0]]
    plots = [
        _by_epoch(report, {"train_loss": "Training", "validation_loss": "Validation"}, "Loss by epoch", "Loss"),
        _by_epoch(report, {name: NAMES[name] for name in figures}, "Validation figures by epoch", "Figure")
        if figures
        else None,
        _by_epoch(
            report,
            {name: name.removesuffix("_macro").upper() for name in errors},
            "Validation errors by epoch",
            "Standard deviations of the truth",
        )
        if errors
        else None,
        _rates(report),
        _range_test(report),
    ]
    note = (
        "The training loss is that of augmented, mixed and partly hidden ECGs where the recipe varies them; "
        "it can lie above the validation loss."
    )
    first = "What is shown is the first network of several." if report["members"] else ""
    return section("Training", facts(said), tag("p", f"{note} {first}".strip(), class_="note"), grid(*plots))


def _by_epoch(report: Report, names: Mapping[str, str], heading: str, y_title: str) -> Element:
    history = report["history"]
    epochs = [float(row["epoch"]) for row in history]
    lines = [Line(title, epochs, [row.get(name) for row in history]) for name, title in names.items()]
    kept = f"Epoch kept: {report['kept_epoch']}"
    frame = Frame(
        heading, "Epoch", y_title, _epochs(report), mark_x=float(report["kept_epoch"]), mark_name=kept, whole_x=True
    )
    return line_plot(lines, frame)


def _epochs(report: Report) -> tuple[float, float]:
    return (1.0, float(max(2, report["epochs"])))


def _rates(report: Report) -> Element:
    rows = report["schedule"]
    line = Line("", [float(row["epoch"]) for row in rows], [row["learning_rate"] for row in rows])
    return line_plot(
        [line], Frame("Learning rate", "Epoch", "At the epoch's start", _epochs(report), log_y=True, whole_x=True)
    )


def _range_test(report: Report) -> Element | None:
    found = report["range_test"]
    if not found:
        return None
    frame = Frame(
        "Learning-rate range test",
        "Learning rate",
        "Loss",
        log_x=True,
        mark_x=found["rate"],
        mark_name=f"Taken: {found['rate']:.2g}",
    )
    return line_plot([Line("", found["rates"], found["losses"])], frame, f"On training data. Taken: {found['rule']}.")


def _members(report: Report) -> Element | None:
    names = {
        "fold": "Fold",
        "records": "ECGs",
        "held_out": "Held out",
        "epochs": "Epochs",
        "kept_epoch": "Kept",
        "learning_rate": "Learning rate",
        "seed": "Seed",
    }
    rows = [
        [row_head(f"{row['member']}")] + [cell(report, pointer("members", i, name), digits=5) for name in names]
        for i, row in enumerate(report["members"])
    ]
    said = tag("p", "The model is the mean of the logits of these networks.", class_="note")
    return section("Networks", said, table(["Network", *names.values()], rows)) if rows else None


def _search(report: Report) -> Element | None:
    found = report.get("search") or {}
    tried: Sequence[Report] = found.get("tried", [])
    names = list(dict.fromkeys(name for row in tried for name, value in row.items() if isinstance(value, int | float)))
    rows = []
    for i, row in enumerate(tried):
        chosen = " (chosen)" if row["network"] == found["chosen"] else ""
        cells = [cell(report, pointer("search", "tried", i, name), digits=4) for name in names]
        rows.append([row_head(row["network"] + chosen), *cells, tag("td", row.get("left_out", ""), class_="words")])
    heads = ["Network", *(NAMES.get(name, name.replace("_", " ").capitalize()) for name in names), "Left out"]
    said = f"Each was trained for {found.get('epochs')} epochs at most. Taken: {found.get('rule')}."
    return section("Networks tried", tag("p", said, class_="note"), table(heads, rows)) if rows else None


def _performance(report: Report, bases: Mapping[str, str]) -> Element | None:
    parts: list[Element | None] = [performance.overall_table(report, bases)]
    for name, base in list(bases.items())[: 1 if len(report["labels"]) > _MANY else None]:
        parts += [
            performance.label_table(
                report, base, f"{name}, by {'output' if report['task'] == 'regression' else 'label'}"
            ),
            performance.undefined_note(report, base),
        ]
    for name, base in bases.items():
        inside = [
            performance.curve_plots(report, base),
            performance.value_plots(report, base),
            performance.confusion_tables(report, base),
        ]
        if any(inside):
            parts += [tag("h3", name), *inside]
    return section("Performance", *parts)


def _calibration(report: Report, base: str) -> Element | None:
    found = report.get("calibration")
    if not found:
        return None
    names = ("log_loss", "ece_top_label", "ece_macro", "ece_weighted", "brier_macro")
    rows = []
    for role in found["parts"]:
        for when in ("before", "after"):
            here = pointer("calibration", "parts", role, when)
            rows.append(
                [
                    row_head(f"{_role(report, role)}, {when}"),
                    *(cell(report, f"{here}/{name}", digits=4) for name in names),
                ]
            )
    if found["temperature"] is None:
        said = tag("p", "No temperature could be fitted on the validation part; scores are as the network gives them.")
    else:
        said = tag(
            "p",
            "Logits are divided by a temperature of ",
            shown(report, "/calibration/temperature"),
            ", fitted on the validation part.",
        )
    made = table(["Part", *(NAMES[name] for name in names)], rows, "Before and after the temperature")
    return section("Calibration", said, made, performance.calibration_plots(report, base))


def _thresholds(report: Report) -> Element | None:
    found = report.get("threshold_table")
    if not found:
        return None
    role = "test" if "test" in report["evaluations"] else "validation"
    names = ("sensitivity", "specificity", "ppv", "npv", "f1")
    rows = []
    for rule, labels in found["rules"].items():
        for label in labels if len(labels) <= _MANY or rule in (found["served"], "f_max") else ():
            here = pointer("threshold_table", "rules", rule, label)
            served = " (served)" if rule == found["served"] else ""
            cells = [cell(report, f"{here}/{role}/{name}") for name in names]
            rows.append(
                [
                    row_head(label),
                    tag("td", _RULES[rule] + served, class_="words"),
                    cell(report, f"{here}/threshold"),
                    *cells,
                ]
            )
    rows.sort(key=lambda row: report["labels"].index(row[0].children[0]))
    note = f"Chosen on the validation part; figures are those of the {ROLES[role].lower()} part."
    return section(
        "Thresholds",
        tag("p", note, class_="note"),
        table(["Label", "Rule", "Threshold", *(NAMES[n] for n in names)], rows),
    )


def _card(report: Report) -> Element | None:
    parts: list[Element] = []
    for each in report["card"]:
        parts.append(tag("h3", each["title"]))
        parts += [tag("p", sentence) for sentence in each["text"]]
        if each["facts"]:
            parts.append(facts([(name, value) for name, value in each["facts"]]))
    return section("Model card", *parts)


def _provenance(report: Report) -> Element | None:
    plan, made = report["plan"], report["made_with"]
    said = [(f"Snapshot, {ROLES.get(role, role).lower()}", split["digest"]) for role, split in plan["splits"].items()]
    said.append(("Plan", report["plan_digest"]))
    base = plan.get("base") or {}
    said += [("Base", str(base["digest"]))] if base.get("digest") else []
    said.append(
        ("Machine", f"{made['machine']}, {made['device']}, {made['cpu_capability']}, {made['threads']} threads")
    )
    said.append(
        (
            "Versions",
            ", ".join(f"{name} {one}" for name, one in made["versions"].items()) + f", python {made['python']}",
        )
    )
    parity = at(report, "/parity")
    said += [("Largest difference of ONNX Runtime and torch", f"{parity:.1e}")] if parity is not None else []
    said += [("Duration", f"{report['seconds']:.0f} s")] if "seconds" in report else []
    recipe = [(name.replace("_", " "), str(value)) for name, value in plan["recipe"].items()]
    list_ = facts(said)
    mono = Element(list_.tag, {"class": "facts mono"}, list_.children)
    return section("Provenance", mono, tag("h3", "Recipe"), facts(recipe))
