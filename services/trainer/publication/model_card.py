"""The model card: what a model is for, what it takes, what it was taught, how good it is, where it fails.

After Mitchell et al. 2019, Model Cards for Model Reporting (arXiv 1810.03993). Each section has
sentences, facts (name, value) or both; nothing in it is said that the run does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from precordia.manifest import Manifest, Task

Section = dict[str, Any]

NO_DEVICE = (
    "Not a medical device. It has not been validated clinically, and no decision about a patient may rest on it alone."
)
FEW = 30
"""Positive records of a label below which its figures are rough."""
_UNITS = {"hz": " Hz", "s": " s", "mv": " mV"}
_ROLES = {"train": "Training", "validation": "Validation", "test": "Test"}


def model_card(report: Mapping[str, Any]) -> list[Section]:
    """The sections of the card, from a run's report."""
    manifest = Manifest.from_json(report["manifest"])
    return [
        _section("Intended use", _intended(manifest)),
        _section("Input", _input_text(manifest), _input_facts(manifest)),
        _section("Output", _output_text(report, manifest), _output_facts(report, manifest)),
        _section("Training data", (), _data_facts(report)),
        _section("How it was made", (), _making_facts(report)),
        _section("Performance", _performance(report)),
        _section("Limits", _limits(report, manifest)),
    ]


def _section(title: str, text: Sequence[str], facts: Sequence[tuple[str, str]] = ()) -> Section:
    return {"title": title, "text": list(text), "facts": [list(fact) for fact in facts]}


def _intended(manifest: Manifest) -> list[str]:
    what = {
        Task.MULTICLASS: "says which of the classes below is most likely",
        Task.MULTILABEL: "gives the probability of each label below",
        Task.REGRESSION: "estimates the values below",
    }[manifest.task]
    return [
        NO_DEVICE,
        f"For research, and for a second look by people who read ECGs: from one ECG it {what}.",
        "Not for ECGs, patients or devices unlike those that it was trained and tested on, "
        "and not for monitoring strips or single beats.",
    ]


def _input_text(manifest: Manifest) -> list[str]:
    return [
        "A raw ECG is conditioned by the steps below before the model sees it; "
        "a recording that says it has been through them is taken as it is.",
        "A longer recording is scored window by window.",
    ]


def _input_facts(manifest: Manifest) -> list[tuple[str, str]]:
    spec = manifest.input
    facts = [
        ("Leads", ", ".join(spec.leads)),
        *([("Leads that may be missing", ", ".join(spec.optional_leads))] if spec.optional_leads else []),
        ("Rate", f"{spec.rate_hz:g} Hz"),
        ("Duration", f"{spec.duration_s:g} s ({spec.samples} samples a lead)"),
        ("Unit before conditioning", spec.unit.value),
        ("Conditioning", "; ".join(_step_words(step.to_json()) for step in manifest.steps) or "none"),
    ]
    if manifest.co_inputs:
        facts.append(("Beside the ECG", ", ".join(column.source for column in manifest.co_inputs.columns)))
    return facts


def _step_words(step: Mapping[str, Any]) -> str:
    """As in "band pass (low 0.5 Hz, high 40 Hz)": parameters have their units in their names."""
    said = []
    for name, value in sorted((step.get("parameters") or {}).items(), reverse=True):
        unit = next((unit for unit in ("hz", "s", "mv") if name.endswith(f"_{unit}")), "")
        word = name.removesuffix(f"_{unit}").replace("_", " ")
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        said.append(f"{word} {shown}{_UNITS.get(unit, '')}")
    title = str(step.get("name", "")).replace("_", " ")
    return f"{title} ({', '.join(said)})" if said else title


def _output_text(report: Mapping[str, Any], manifest: Manifest) -> list[str]:
    if manifest.task is Task.REGRESSION:
        return ["Values, in the unit that is named."]
    temperature = report["operating_points"].get("temperature")
    said = (
        f"Logits are divided by a temperature of {temperature:.3f}, fitted on the validation part, for scores."
        if temperature
        else "No temperature could be fitted on the validation part; scores are as the network gives them."
    )
    if manifest.task is Task.MULTICLASS:
        return ["Probabilities that sum to 1; the highest is the model's answer.", said]
    return [
        "A probability for each label. A score at or above the label's threshold counts as found; "
        "thresholds have the largest F1 on the validation part.",
        said,
    ]


def _output_facts(report: Mapping[str, Any], manifest: Manifest) -> list[tuple[str, str]]:
    thresholds = report.get("operating_points", {}).get("thresholds", {})
    facts = []
    for output in manifest.outputs:
        parts = [output.description, f"SNOMED CT {output.code}" if output.code else "", output.unit]
        if manifest.task is Task.MULTILABEL:
            parts.append(f"threshold {thresholds.get(output.name, 0.5):.3f}")
        facts.append((output.name, ", ".join(filter(None, parts)) or "-"))
    return facts


def _data_facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = []
    for role, part in report["parts"].items():
        split = report["plan"]["splits"].get(role)
        source = (
            f"{split['dataset']}{':' + split['split'] if split['split'] else ''}" if split else "drawn from training"
        )
        said = f"{part['records']} ECGs of {part['patients']} patients ({source})"
        if split:
            said += f", snapshot {split['digest'][:12]}"
        facts.append((_ROLES.get(role, role), said))
    if "validation" in report["parts"] and "validation" not in report["plan"]["splits"]:
        facts.append(("Patients", "the validation part has none of the training part's, as far as records name them"))
    group = report["plan"]["label_group"]
    facts.append(("Labels", f"group '{group}'" if group else "the dataset's own"))
    return facts


def _making_facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    plan = report["plan"]
    methods = {
        "scratch": "all parameters, from scratch",
        "head": "the head alone, on a trained base",
        "all": "all parameters, on a trained base",
    }
    return [
        ("Base", str(report["base"])),
        ("Learnt", methods.get(report["method"], str(report["method"]))),
        ("Parameters", f"{report['parameters']:,}".replace(",", " ")),
        ("Recipe", str(plan["recipe"]["name"])),
        ("Epochs", f"{report['epochs']} run, weights of epoch {report['kept_epoch']} kept"),
        ("Seed", str(plan["seed"])),
        ("Made with", f"precordia {report['made_with']['versions']['precordia']}"),
    ]


def _performance(report: Mapping[str, Any]) -> list[str]:
    sentences = []
    for role in ("test", "validation"):
        document = report["evaluations"].get(role)
        if document:
            who = f"{document['n']} ECGs of {document['patients']} patients"
            sentences.append(f"{_ROLES[role]}, {who}: {_figures(document)}.")
    if "test" not in report["evaluations"]:
        sentences.append(
            "There was no test part. Weights, temperature and thresholds were chosen on the validation part, "
            "so its figures are better than new patients' will be."
        )
    return sentences


def _figures(document: Mapping[str, Any]) -> str:
    names = {
        "auroc_macro": "macro AUROC",
        "f1_macro": "macro F1",
        "f1_weighted": "weighted F1",
        "ece_top_label": "calibration error of the highest score",
        "mae": "mean absolute error",
        "rmse": "root mean squared error",
    }
    ends = document["intervals"]["metrics"]
    return "; ".join(
        f"{name} {_figure(document['metrics'][key], ends.get(key))}"
        for key, name in names.items()
        if document["metrics"].get(key) is not None
    )


def _figure(value: float, ends: Sequence[float] | None) -> str:
    return f"{value:.3f} ({ends[0]:.3f} to {ends[1]:.3f})" if ends else f"{value:.3f}"


def _limits(report: Mapping[str, Any], manifest: Manifest) -> list[str]:
    said = []
    measured = "test" if "test" in report["evaluations"] else "validation"
    document = report["evaluations"].get(measured)
    if document and manifest.task is not Task.REGRESSION:
        positives = {label: row["positives"] for label, row in document["per_class"].items()}
        few = [f"{label} ({count})" for label, count in positives.items() if count < FEW]
        if few:
            said.append(
                f"Few records of the {measured} part have these labels, and their figures are rough: {', '.join(few)}."
            )
    datasets = {split["dataset"] for split in report["plan"]["splits"].values()}
    if len(datasets) == 1:
        said.append("All parts are of one dataset; nothing is known about other hospitals and devices.")
    if report["validated_on"] == "out_of_fold":
        said.append(
            "Temperature and thresholds rest on networks of single folds; the model is the mean of all of them, "
            "and may be a little less sure than they say."
        )
    said.append("Labels are taken to be true; how sure they are is not known here.")
    if any(step.name == "z_score" for step in manifest.steps):
        said.append("The z-score removes amplitude: low voltage, and size as a sign of hypertrophy, cannot be seen.")
    if len(manifest.input.leads) < 12:
        said.append(f"It sees {len(manifest.input.leads)} of the 12 leads.")
    if manifest.input.optional_leads:
        said.append(
            f"It scores ECGs without {', '.join(manifest.input.optional_leads)} too; the figures are of ECGs as the "
            "dataset has them, and may be lower where leads are missing."
        )
    said.append(
        "Intervals are 95 %, from draws of patients; they tell nothing of other sites, nor of a run with another seed."
    )
    return said
