"""`precordia models`: what the registry keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import forms, options
from cli.commands.quantize import quantize
from cli.model_archive import model_zip
from cli.model_card import card_lines
from cli.model_report import write_report
from cli.naming import NamedGroup
from cli.output import Output
from cli.running import run_connected
from cli.untrained import show_untrained, untrained, untrained_forms
from cli.weights import is_weights, untrained_head_hint, weights_contract
from cli.writing import written
from precordia.catalog import MODEL_ONNX, ModelRef, ModelVersion
from precordia.client import Connection
from precordia.errors import PrecordiaError
from precordia.manifest import Manifest, Task
from precordia.models.untrained_head import UNTRAINED_HEAD

app = typer.Typer(cls=NamedGroup, rich_markup_mode="markdown", add_completion=False)

_WEIGHTS = "Weights: what the file does not say itself; else as the network was published"

Name = Annotated[str, typer.Argument(metavar="NAME", help="The model.")]


@app.callback()
def models() -> None:
    """List models, or the versions of one: `precordia models`, `precordia models NAME`."""


def _model_ref(text: str) -> ModelRef:
    try:
        return ModelRef.parse(text)
    except PrecordiaError as error:
        raise typer.BadParameter(error.message) from None


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The model; none = all.")] = "",
    as_json: options.Json = False,
) -> None:
    """List the newest version of each model, or show one: its contract, operating points, origin, figures.

    Examples: `precordia models` · `precordia models mine` · `precordia models mine:2`
    """
    ref = _model_ref(name) if name else None

    async def work(precordia: Connection, output: Output) -> bool:
        if ref is None:
            found = await precordia.registry.models()
        elif ref.version or ref.alias:
            found = [await precordia.registry.get(ref)]
        else:
            found = await precordia.registry.versions(ref.name)
        if ref is None or len(found) > 1:
            _table(output, found)
        if ref is not None:
            await _card(precordia, output, found[0])
        document = {"models": [forms.model_form(version) for version in found]}
        if ref is None:
            networks = await untrained(precordia)
            show_untrained(output, networks)
            document["networks"] = untrained_forms(networks)
        output.document(document)
        return True

    run_connected(work, as_json=as_json)


async def _card(precordia: Connection, output: Output, version: ModelVersion) -> None:
    aliases = "".join(f"  @{alias}" for alias in version.aliases)
    output.line(f"{version.name} version {version.version}{aliases}", "bold")
    for line in card_lines(version, await precordia.registry.lineage(version.ref)):
        output.line(line)


def _table(output: Output, versions: list[ModelVersion]) -> None:
    rows = [
        (
            one.name,
            one.version,
            " ".join(one.aliases),
            one.manifest.task.value,
            _input(one.manifest),
            " ".join(one.manifest.output_names[:8]) + (" ..." if len(one.manifest.output_names) > 8 else ""),
            one.lineage.origin,
        )
        for one in versions
    ]
    output.table("models", ("model", "#version", "aliases", "task", "input", "outputs", "origin"), rows)


def _input(manifest: Manifest) -> str:
    spec = manifest.input
    return f"{len(spec.leads)} x {spec.duration_s:g} s at {spec.rate_hz:g} Hz"


@app.command(name="import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="An ONNX model, or weights: .pt, .pth, .safetensors."
        ),
    ],
    name: Annotated[str, typer.Option("--name", metavar="N", help="Name to keep it under.")],
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest", exists=True, dir_okay=False, help="Contract to use in place of an ONNX file's metadata."
        ),
    ] = None,
    network: Annotated[
        str, typer.Option("--network", metavar="NAME", help="That the weights belong to.", rich_help_panel=_WEIGHTS)
    ] = "",
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="What the outputs mean, one a line, in their order.",
            rich_help_panel=_WEIGHTS,
        ),
    ] = None,
    task: Annotated[Task | None, typer.Option("--task", help="Else multilabel.", rich_help_panel=_WEIGHTS)] = None,
    leads: Annotated[
        str | None,
        typer.Option("--leads", metavar="I,II,...", help="Leads of the input.", rich_help_panel=_WEIGHTS),
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", metavar="HZ", help="Rate of the input.", rich_help_panel=_WEIGHTS)
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", metavar="S", help="Length of the input.", rich_help_panel=_WEIGHTS)
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            "--conditioning", metavar="STEP,...", help="E.g. band-pass:0.5-40,z-score.", rich_help_panel=_WEIGHTS
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Take an ONNX model, or the weights of a network that is known here.

    An ONNX file's metadata is read, its graph checked, what is known is mended and said. Weights are read as tensors
    alone, checked against the network, and become a model that can be served and trained further.

    An encoder without its last layer, as ECG-FM's pretrained one, needs no labels: it becomes a base for fine-tuning.

    Examples: `precordia models import theirs.onnx --name theirs` ·
    `precordia models import 12_lead_ECGFounder.pth --network Net1D --name ecgfounder`
    """
    if not is_weights(file) and network:
        raise typer.BadParameter("It goes with weights: .pt, .pth or .safetensors.", param_hint="--network")
    contract = weights_contract(network, labels, task, leads, rate, duration, steps) if is_weights(file) else None

    async def work(precordia: Connection, output: Output) -> bool:
        if contract is not None:
            version, created = await precordia.trainer.import_weights(name, file, contract, file.name)
        else:
            given = Manifest.parse(manifest.read_bytes()) if manifest else None
            version, created = await precordia.registry.import_model(name, file, given, file.name)
        _table(output, [version])
        for remark in version.remarks:
            output.line(f"! {remark.message}", "yellow")
        if UNTRAINED_HEAD in version.manifest.outputs:
            output.line(untrained_head_hint(version), "yellow")
        output.document({"models": [forms.model_form(version) | {"created": created}]})
        return True

    run_connected(work, as_json=as_json)


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="NAME[:VERSION|@ALIAS]")],
    to: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="FILE.onnx for the model alone, FILE.zip for all in one, else a folder for all.",
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Write a model to files: the ONNX file alone, or everything with its manifest, in a zip or a folder.

    Examples: `precordia models export mine -o mine.onnx` · `precordia models export mine -o mine.zip` ·
    `precordia models export mine:2 -o folder/`
    """
    ref = _model_ref(name)

    async def work(precordia: Connection, output: Output) -> bool:
        alone = to.suffix.lower() == ".onnx" and not to.is_dir()
        version, files = await precordia.registry.fetch(ref, [MODEL_ONNX] if alone else [])
        if to.suffix.lower() == ".zip" and not to.is_dir():
            contents = {to: model_zip(version, files)}
        elif alone:
            contents = {to: files[MODEL_ONNX]}
        else:
            contents = {to / Path(file).name: data for file, data in files.items()}
            contents.setdefault(to / "manifest.json", version.manifest.canonical().encode())
        files_written = [written(path, content) for path, content in contents.items()]
        output.table("files", ("file", "#bytes"), [tuple(one.values()) for one in files_written])
        document = {
            "model": version.name,
            "version": version.version,
            "digest": version.digest,
            "exported": files_written,
        }
        output.document(document)
        return True

    run_connected(work, as_json=as_json)


@app.command()
def report(
    name: Annotated[str, typer.Argument(metavar="NAME[:VERSION|@ALIAS]")],
    to: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE.html", dir_okay=False, help="Else NAME-vVERSION-report.html, here."
        ),
    ] = None,
    show_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write the report of a model that was trained here: one page with data, settings, curves, figures, limits.

    Examples: `precordia models report mine --open` · `precordia models report mine:2 -o mine.html`
    """
    ref = _model_ref(name)

    async def work(precordia: Connection, output: Output) -> bool:
        await write_report(precordia, output, ref, to, show=show_it)
        return True

    run_connected(work, as_json=as_json)


@app.command()
def alias(
    name: Name,
    alias: Annotated[str, typer.Argument(metavar="ALIAS")],
    version: Annotated[int | None, typer.Argument(metavar="VERSION", min=1)] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove the alias.")] = False,
    as_json: options.Json = False,
) -> None:
    """Point an alias at a version, or remove it. Services that use the alias follow at once.

    Examples: `precordia models alias mine prod 3` · `precordia models alias mine prod --delete`
    """
    if delete == (version is not None):
        raise typer.BadParameter("Give a VERSION, or --delete.")

    async def work(precordia: Connection, output: Output) -> bool:
        if version is None:
            await precordia.registry.delete_alias(name, alias)
            output.line(f"{name}@{alias} is removed.")
            output.document({"deleted": {"model": name, "alias": alias}})
            return True
        changed = await precordia.registry.set_alias(name, alias, version)
        output.line(f"{name}@{alias} is version {changed.version}.")
        output.document({"models": [forms.model_form(changed)]})
        return True

    run_connected(work, as_json=as_json)


app.command()(quantize)


@app.command()
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME:VERSION")],
    as_json: options.Json = False,
) -> None:
    """Remove one version of a model. A version that an alias points at stays."""
    ref = _model_ref(name)
    if not ref.version:
        raise typer.BadParameter("Name the version: NAME:VERSION.")

    async def work(precordia: Connection, output: Output) -> bool:
        await precordia.registry.delete_version(ref.name, ref.version)
        output.line(f"{ref} is removed.")
        output.document({"deleted": {"model": ref.name, "version": ref.version}})
        return True

    run_connected(work, as_json=as_json)
