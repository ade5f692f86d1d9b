"""`precordia train`: labelled ECGs in, a model out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli import forms, options
from cli.following import follow
from cli.freezing import frozen
from cli.output import Output
from cli.running import run_connected
from precordia.client import Connection
from precordia.dataset import SplitRef
from precordia.errors import PrecordiaError
from precordia.manifest import Task
from precordia.operation import OperationState
from precordia.training import Method, TrainingSpec

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


class TaskChoice(StrEnum):
    """What the outputs mean together; auto looks at the labels."""

    AUTO = "auto"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"


@app.command()
def train(
    dataset: Annotated[str, typer.Option("--dataset", metavar="NAME[:SPLIT]", help="Labelled ECGs to learn from.")],
    name: Annotated[str, typer.Option("--name", metavar="NEW", help="Name of the model that comes of it.")],
    base: Annotated[
        str, typer.Option("--base", metavar="NETWORK|MODEL", help="A network for scratch, else a model to start from.")
    ] = "InceptionTime",
    method: Annotated[
        Method,
        typer.Option(
            "--method", help="What learns: everything anew (scratch), the head alone, or all of a base model."
        ),
    ] = Method.SCRATCH,
    task: Annotated[TaskChoice, typer.Option("--task", help="auto = chosen from the labels.")] = TaskChoice.AUTO,
    label_group: Annotated[
        str, typer.Option("--labels-group", "--label-group", help="Group of labels; else the dataset's first.")
    ] = "",
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="A,B,...", help="Labels to learn, in order.")
    ] = None,
    validation: Annotated[str, typer.Option("--validation", metavar="SPLIT", help="Else drawn by patient.")] = "",
    test: Annotated[str, typer.Option("--test", metavar="SPLIT", help="Held out, measured at the end.")] = "",
    rate: Annotated[float | None, typer.Option("--rate", metavar="HZ", help="Rate of the model's input.")] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", metavar="S", help="Length of the model's input.")
    ] = None,
    leads: Annotated[
        str | None, typer.Option("--leads", metavar="I,II,...", help="Leads of the model's input.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option("--conditioning", metavar="STEP,...", help="E.g. band-pass:0.5-40,z-score.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="default, published, ...")] = "",
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="At most so many.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="At most.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1)] = None,
    alias: Annotated[list[str] | None, typer.Option("--alias", help="Alias to set on the new version.")] = None,
    follow_it: Annotated[bool, typer.Option("--follow", help="Stay, and show every epoch.")] = False,
    as_json: options.Json = False,
) -> None:
    """Train a model on a labelled dataset. It goes on when this command ends: `precordia jobs` follows it.

    Examples: `precordia train --dataset study:train --test test --name mine --follow` ·
    `precordia train --dataset study --base InceptionTime --recipe published --name published`
    """
    try:
        split = SplitRef.parse(dataset)
    except PrecordiaError as error:
        raise typer.BadParameter(error.message, param_hint="--dataset") from None
    wanted = options.split_list(labels)
    input_leads, conditioning = options.standard_leads(leads), options.parse_steps(steps, "--conditioning")

    async def work(precordia: Connection, output: Output) -> bool:
        pinned = await frozen(precordia, output, split)
        spec = TrainingSpec(
            train=pinned,
            base=base,
            method=method,
            validation=_sibling(pinned, validation),
            test=_sibling(pinned, test),
            label_group=label_group or await _first_group(precordia, output, pinned, method),
            labels=wanted,
            task=None if task is TaskChoice.AUTO else Task(task.value),
            sample_rate_hz=rate,
            duration_s=duration,
            leads=input_leads,
            conditioning=conditioning,
            recipe=recipe,
            seed=seed,
            max_epochs=epochs,
            batch_size=batch_size,
            max_learning_rate=learning_rate,
            threads=threads,
        )
        return await _train(precordia, output, name, spec, alias or [], stay=follow_it)

    run_connected(work, as_json=as_json)


def _sibling(train: SplitRef, split: str) -> SplitRef | None:
    """Another split of the same snapshot; `NAME:SPLIT` names one of another dataset."""
    if not split:
        return None
    return SplitRef.parse(split) if ":" in split else SplitRef(train.dataset, split, train.snapshot_id)


async def _first_group(precordia: Connection, output: Output, split: SplitRef, method: Method) -> str:
    """The dataset's first group of labels, said aloud; a model that is trained on has one of its own."""
    known = await precordia.ingest.snapshots(split.dataset)
    groups = next((one.label_groups for one in known if one.snapshot_id == split.snapshot_id), ())
    if not groups or method is not Method.SCRATCH:
        return ""
    if len(groups) > 1:
        others = ", ".join(group.name or "(no name)" for group in groups[1:])
        output.say(f"Learning the labels of group {groups[0].name or '(no name)'}; others are: {others}.")
    return groups[0].name


async def _train(
    precordia: Connection, output: Output, name: str, spec: TrainingSpec, aliases: list[str], *, stay: bool
) -> bool:
    started = await precordia.trainer.train(name, spec, aliases)
    job = started.operation_id
    output.say(f"Job {job} is {started.state.value}; follow it with `precordia jobs {job} --follow`.")
    if stay:
        started = await follow(precordia.trainer.operations, started, output, f"Training {name}")
    form: dict[str, Any] = forms.job_form(started, "trainer")
    output.table("jobs", ("job", "state", "result"), [(form["job"], form["state"], _result(form["result"]))])
    if started.error_message:
        output.refuse(started.error_message)
    output.document(form)
    return started.state not in (OperationState.FAILED, OperationState.CANCELLED)


def _result(result: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value}" for name, value in result.items() if isinstance(value, str | int | float))
