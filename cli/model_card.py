"""A model version for people: what it takes and gives, where it came from, and how well it did."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cli.hint_words import step_text
from cli.training_summary import figure_lines
from precordia.catalog import Lineage, LineageStep, ModelVersion
from precordia.manifest import Manifest, Output

_WIDTH = 14
_ORIGINS = {
    "trained": "trained here",
    "finetuned": "trained further here",
    "imported": "imported",
    "quantized": "made smaller from",
    "shipped": "shipped with Precordia",
}


def card_lines(version: ModelVersion, ancestors: Sequence[LineageStep] = ()) -> list[str]:
    """The card, one fact a line; what is not known has no line."""
    manifest = version.manifest
    rows = [
        ("task", manifest.task.value + (f", labels of group {manifest.label_group}" if manifest.label_group else "")),
        ("takes", _input_text(manifest)),
        ("conditioned by", ", ".join(map(step_text, manifest.steps))),
        ("gives", ", ".join(map(_output_text, manifest.outputs))),
        *_operating_points(version.operating_points_json),
        ("comes from", origin_text(version.lineage)),
        ("ancestors", " <- ".join(step.model or step.digest[:12] for step in ancestors)),
        *(("measured", line) for line in figure_lines(lineage_details(version.lineage))),
        ("files", ", ".join(f"{one.name} {_size_text(one.size_bytes)}" for one in version.artifacts)),
        ("digest", version.digest),
        *(("note", remark.message) for remark in version.remarks),
    ]
    return [f"  {name:<{_WIDTH}} {text}" for name, text in rows if text]


def _input_text(manifest: Manifest) -> str:
    spec = manifest.input
    leads = " ".join(spec.leads)
    text = f"{len(spec.leads)} leads ({leads}), {spec.duration_s:g} s at {spec.rate_hz:g} Hz, {spec.unit.value}"
    if spec.optional_leads:
        text += f"; without {' '.join(spec.optional_leads)} too"
    if manifest.co_inputs:
        text += "; beside it " + ", ".join(column.source for column in manifest.co_inputs.columns)
    return text


def _output_text(output: Output) -> str:
    return f"{output.name} ({output.unit})" if output.unit else output.name


def _operating_points(text: str) -> list[tuple[str, str]]:
    """Thresholds by output, and the temperature."""
    points: Mapping[str, Any] = json.loads(text) if text else {}
    thresholds = ", ".join(f"{name} {value:.3g}" for name, value in points.get("thresholds", {}).items())
    temperature = points.get("temperature")
    return [
        ("thresholds", thresholds),
        ("temperature", f"{temperature:.3g}" if isinstance(temperature, int | float) else ""),
    ]


def origin_text(lineage: Lineage) -> str:
    """Where a version came from, in one sentence."""
    details = lineage_details(lineage)
    said = _ORIGINS.get(lineage.origin, lineage.origin)
    if lineage.base_model:
        said += f" {lineage.base_model}" if lineage.origin == "quantized" else f" from {lineage.base_model}"
    elif details.get("network"):
        said += f" from scratch as {details['network']}"
    if lineage.dataset:
        said += f", on dataset {lineage.dataset} (snapshot {lineage.snapshot_digest[:12]})"
    for name in ("recipe", "seed"):
        if name in details:
            said += f", {name} {details[name]}"
    return said + (f", by job {lineage.training_job}" if lineage.training_job else "")


def lineage_details(lineage: Lineage) -> Mapping[str, Any]:
    """The further facts of a lineage; none where they are no JSON object."""
    try:
        details = json.loads(lineage.details_json or "{}")
    except ValueError:
        return {}
    return details if isinstance(details, dict) else {}


def _size_text(size: int) -> str:
    for unit, least in (("MB", 1_000_000), ("kB", 1000)):
        if size >= least:
            return f"{size / least:.3g} {unit}"
    return f"{size} bytes"
