"""`precordia models quantize`: a version of a model that computes with 8-bit integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli import forms, options
from cli.following import succeeded
from cli.output import Output
from cli.running import run_connected
from precordia.catalog import ModelRef
from precordia.client import Connection
from precordia.dataset import SplitRef
from precordia.errors import PrecordiaError
from precordia.quantization import ALIAS, MAX_LOSS, QuantizationWish

_FIGURES = {"auroc_macro": "macro AUROC", "r2": "mean R2"}


def quantize(
    name: Annotated[str, typer.Argument(metavar="NAME[:VERSION|@ALIAS]")],
    calibrate: Annotated[
        str, typer.Option("--calibrate", metavar="DATASET[:SPLIT]", help="ECGs that set the ranges of the integers.")
    ],
    check: Annotated[
        str,
        typer.Option(
            "--check",
            metavar="DATASET:SPLIT",
            help="Labelled ECGs that both versions are measured on; else other patients of the same ECGs.",
        ),
    ] = "",
    max_loss: Annotated[
        float, typer.Option("--max-loss", metavar="SHARE", help="Of macro AUROC (R2 for values); more is refused.")
    ] = MAX_LOSS,
    alias: Annotated[str, typer.Option("--alias", help="Points at the new version.")] = ALIAS,
    label_group: Annotated[
        str, typer.Option("--label-group", "--labels-group", help="Group of labels; else the one the model names.")
    ] = "",
    as_json: options.Json = False,
) -> None:
    """Make an int8 version of a model: smaller, faster on a CPU, held against the model before it is kept.

    It is calibrated on ECGs, measured on others, and refused where it loses more than is allowed. NAME alone goes on
    to mean the model itself; the new version is NAME@int8.

    Examples: `precordia models quantize mine --calibrate study` ·
    `precordia models quantize mine --calibrate study:train --check study:test --max-loss 0.002`
    """
    try:
        wish = QuantizationWish(
            ModelRef.parse(name),
            SplitRef.parse(calibrate),
            SplitRef.parse(check) if check else None,
            max_loss,
            alias,
            label_group,
        )
    except PrecordiaError as error:
        raise typer.BadParameter(error.message) from None

    async def work(precordia: Connection, output: Output) -> bool:
        operation = await precordia.inference.quantize(wish)
        done = await succeeded(precordia.inference.operations, operation, output, f"quantize {wish.model}")
        result = done.result
        version = await precordia.registry.get(ModelRef(result["model"], result["version"]))
        for line in _lines(result):
            output.line(line)
        output.document({"models": [forms.model_form(version)], "quantization": dict(result)})
        return True

    run_connected(work, as_json=as_json)


def _lines(result: Mapping[str, Any]) -> list[str]:
    accuracy, speed = result["accuracy"], result["speed"]
    figure = _FIGURES.get(accuracy["figure"], accuracy["figure"])
    return [
        f"{result['model']}:{result['version']} @{result['alias']}, made from {result['base']}",
        f"  {figure} {accuracy['base']:.4f} -> {accuracy['int8']:.4f} on {accuracy['n']} ECGs that did not calibrate",
        f"  scores differ by {accuracy['mean_difference']:.3g} on average, {accuracy['max_difference']:.3g} at most",
        f"  {speed['ratio']:.2f} times as fast: {speed['base_ms']:.2f} -> {speed['int8_ms']:.2f} ms an ECG on one core",
        f"  {result['base_size_bytes'] / 1e6:.2f} -> {result['size_bytes'] / 1e6:.2f} MB",
    ]
