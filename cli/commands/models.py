"""`precordia models`: what the registry keeps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import forms, options
from cli.naming import NamedGroup
from cli.output import Output
from cli.running import run_connected
from precordia.catalog import MODEL_ONNX, ModelRef, ModelVersion
from precordia.client import Connection
from precordia.errors import PrecordiaError
from precordia.manifest import Manifest

app = typer.Typer(cls=NamedGroup, rich_markup_mode="markdown", add_completion=False)

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
    """List the newest version of each model, or all versions of one."""
    ref = _model_ref(name) if name else None

    async def work(precordia: Connection, output: Output) -> bool:
        if ref is None:
            found = await precordia.registry.models()
        elif ref.version or ref.alias:
            found = [await precordia.registry.get(ref)]
        else:
            found = await precordia.registry.versions(ref.name)
        _table(output, found)
        output.document({"models": [forms.model_form(version) for version in found]})
        return True

    run_connected(work, as_json=as_json)


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
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="An ONNX model.")],
    name: Annotated[str, typer.Option("--name", metavar="N", help="Name to keep it under.")],
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest", exists=True, dir_okay=False, help="Contract to use in place of the file's metadata."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Take an ONNX model: its metadata is read, its graph checked, what is known is mended and said.

    Example: `precordia models import theirs.onnx --name theirs`
    """

    async def work(precordia: Connection, output: Output) -> bool:
        contract = Manifest.parse(manifest.read_bytes()) if manifest else None
        version, created = await precordia.registry.import_model(name, file, contract, file.name)
        _table(output, [version])
        for remark in version.remarks:
            output.line(f"! {remark.message}", "yellow")
        output.document({"models": [forms.model_form(version) | {"created": created}]})
        return True

    run_connected(work, as_json=as_json)


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="NAME[:VERSION|@ALIAS]")],
    to: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="PATH", help="FILE.onnx for the model alone, else a folder for all."),
    ],
    as_json: options.Json = False,
) -> None:
    """Write a model to files: the ONNX file alone, or everything with its manifest.

    Examples: `precordia models export mine -o mine.onnx` · `precordia models export mine:2 -o folder/`
    """
    ref = _model_ref(name)

    async def work(precordia: Connection, output: Output) -> bool:
        alone = to.suffix.lower() == ".onnx" and not to.is_dir()
        version, files = await precordia.registry.fetch(ref, [MODEL_ONNX] if alone else [])
        contents = {to: files[MODEL_ONNX]} if alone else {to / Path(file).name: data for file, data in files.items()}
        if not alone:
            contents.setdefault(to / "manifest.json", version.manifest.canonical().encode())
        written = [_written(path, content) for path, content in contents.items()]
        output.table("files", ("file", "#bytes"), [tuple(one.values()) for one in written])
        document = {"model": version.name, "version": version.version, "digest": version.digest, "exported": written}
        output.document(document)
        return True

    run_connected(work, as_json=as_json)


def _written(path: Path, content: bytes) -> dict[str, Any]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise typer.BadParameter(f"It cannot be written: {error.strerror}.", param_hint="--output") from None
    return {"path": str(path), "bytes": len(content)}


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
