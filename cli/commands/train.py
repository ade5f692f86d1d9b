"""`precordia train`: labelled ECGs in, a model out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli import forms, options
from cli.freezing import frozen
from cli.output import Output
from cli.running import run_connected
from cli.settings import parse_settings
from cli.training_following import follow_training
from cli.training_summary import say_summary
from cli.training_wish import TrainingWish, spec_of
from precordia.client import Connection
from precordia.dataset import SplitRef
from precordia.errors import PrecordiaError
from precordia.manifest import Task
from precordia.operation import OperationState
from precordia.training import Method, TrainingSpec

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

_DATA = "The data"
_MODEL = "The model"
_RECIPE = "The recipe (what is left out has its default)"
_RUN = "The run"


class TaskChoice(StrEnum):
    """What the outputs mean together; auto looks at the labels."""

    AUTO = "auto"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"


class Augmentation(StrEnum):
    """How strongly training ECGs are varied."""

    OFF = "off"
    LIGHT = "light"
    STRONG = "strong"


class ClassWeights(StrEnum):
    """Whether rare labels count more in the loss."""

    NONE = "none"
    BALANCED = "balanced"


_EPILOG = """
`precordia train --dataset study:train --test test --name mine --follow` · the shortest way to a measured model

`precordia train --dataset study --name af --labels AFIB --base XceptionTime` · one label against the rest

`precordia train --dataset study --name qtc --task regression --labels qtc_ms` · a number instead of a class

`precordia train --dataset ward --base mine --method head --name ours` · a model of before, for another place's labels

`precordia train --dataset study --base auto --folds 5 --name best` · several networks tried, measured on every patient

`precordia train --dataset study --recipe published --set mixup=0.2 --name paper` · the published recipe, changed
"""


@app.command(epilog=_EPILOG)
def train(
    dataset: Annotated[
        str,
        typer.Option("--dataset", metavar="NAME[:SPLIT]", help="Labelled ECGs to learn from.", rich_help_panel=_DATA),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NEW", help="Name of the model that comes of it.", rich_help_panel=_MODEL)
    ],
    base: Annotated[
        str,
        typer.Option(
            "--base",
            metavar="NETWORK|MODEL",
            help="A network by name, a model to start from (NAME, NAME:VERSION, NAME@ALIAS), or auto: "
            "several networks are tried, and validation picks.",
            rich_help_panel=_MODEL,
        ),
    ] = "InceptionTime",
    method: Annotated[
        Method | None,
        typer.Option(
            "--method",
            help="What learns: everything anew (scratch), the last layer alone (head), or all of a base model (all). "
            "Else scratch for a network and all for a model.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    task: Annotated[
        TaskChoice, typer.Option("--task", help="auto = chosen from the labels.", rich_help_panel=_DATA)
    ] = TaskChoice.AUTO,
    label_group: Annotated[
        str,
        typer.Option(
            "--label-group",
            "--labels-group",
            metavar="GROUP",
            help="Group of labels; else the dataset's first.",
            rich_help_panel=_DATA,
        ),
    ] = "",
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="A,B,...", help="Labels to learn, in order; else all.", rich_help_panel=_DATA),
    ] = None,
    validation: Annotated[
        str,
        typer.Option(
            "--validation",
            metavar="SPLIT",
            help="Else drawn from the training records, by patient.",
            rich_help_panel=_DATA,
        ),
    ] = "",
    test: Annotated[
        str, typer.Option("--test", metavar="SPLIT", help="Held out, measured at the end.", rich_help_panel=_DATA)
    ] = "",
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="HZ", help="Rate of the model's input.", rich_help_panel=_MODEL),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option("--duration", metavar="S", help="Length of the model's input.", rich_help_panel=_MODEL),
    ] = None,
    leads: Annotated[
        str | None,
        typer.Option(
            "--leads", metavar="I,II,...", help="Leads of the model's input, one at least.", rich_help_panel=_MODEL
        ),
    ] = None,
    optional_leads: Annotated[
        str | None,
        typer.Option(
            "--optional-leads",
            metavar="V1,V2,...",
            help="Leads that an ECG may lack; needs lead dropout, which the default recipe has.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            "--conditioning", metavar="STEP,...", help="E.g. band-pass:0.5-40,z-score.", rich_help_panel=_MODEL
        ),
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="default, published, ...", rich_help_panel=_RECIPE)] = "",
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", min=1, help="At most so many.", rich_help_panel=_RECIPE)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", metavar="N", min=2, help="ECGs a step.", rich_help_panel=_RECIPE)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate",
            metavar="RATE",
            help="At most; 0 = found by a range test on training data.",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            "--optimizer", metavar="NAME", help="adamw, adam, nadam, adamax, sgd, ...", rich_help_panel=_RECIPE
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule",
            metavar="NAME",
            help="Of the learning rate: one_cycle, exponential, ...",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    augmentation: Annotated[
        Augmentation | None,
        typer.Option("--augmentation", help="How strongly training ECGs are varied.", rich_help_panel=_RECIPE),
    ] = None,
    class_weights: Annotated[
        ClassWeights | None,
        typer.Option("--class-weights", help="balanced: rare labels count more.", rich_help_panel=_RECIPE),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            metavar="N",
            min=0,
            help="Stop after so many epochs without a better validation loss; 0 = never early.",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            metavar="K",
            min=2,
            help="K networks; each patient is measured by the one that never saw them.",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            "--members",
            metavar="N",
            min=2,
            help="N networks from N seeds, averaged into one model.",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any other setting of the recipe; a wrong name is answered with the right ones.",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="N", min=0, help="The same seed gives the same weights.", rich_help_panel=_RUN),
    ] = 0,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", min=1, help="Of the processor.", rich_help_panel=_RUN)
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="ALIAS", help="Alias to set on the new version.", rich_help_panel=_RUN),
    ] = None,
    follow_it: Annotated[
        bool,
        typer.Option("--follow", help="Stay, and watch it learn; ctrl+c leaves it learning.", rich_help_panel=_RUN),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Train a model on a labelled dataset. It goes on when this command ends: `precordia jobs` follows it.

    Only the dataset and a name are needed. Records are parted by patient, so that no patient is in two parts.
    """
    flags = {
        "optimizer": optimizer,
        "schedule": schedule,
        "augmentation": augmentation.value if augmentation else None,
        "class_weights": class_weights.value if class_weights else None,
        "patience": patience,
        "folds": folds,
        "members": members,
    }
    wish = TrainingWish(
        train=_split(dataset, "--dataset"),
        base=base,
        method=method,
        validation=validation,
        test=test,
        label_group=label_group,
    )
    settings = TrainingSpec(
        train=wish.train,
        base=base,
        labels=options.split_list(labels),
        task=None if task is TaskChoice.AUTO else Task(task.value),
        sample_rate_hz=rate,
        duration_s=duration,
        leads=options.standard_leads(leads),
        conditioning=options.parse_steps(steps, "--conditioning"),
        recipe=recipe,
        seed=seed,
        max_epochs=epochs,
        batch_size=batch_size,
        max_learning_rate=learning_rate,
        threads=threads,
        overrides=parse_settings(setting or [], flags),
        optional_leads=options.standard_leads(optional_leads, "--optional-leads"),
    )

    async def work(precordia: Connection, output: Output) -> bool:
        pinned = await frozen(precordia, output, wish.train)
        spec = await spec_of(precordia, output, wish, settings, pinned)
        return await _train(precordia, output, name, spec, alias or [], stay=follow_it)

    run_connected(work, as_json=as_json)


def _split(text: str, option: str) -> SplitRef:
    try:
        return SplitRef.parse(text)
    except PrecordiaError as error:
        raise typer.BadParameter(error.message, param_hint=option) from None


async def _train(
    precordia: Connection, output: Output, name: str, spec: TrainingSpec, aliases: list[str], *, stay: bool
) -> bool:
    started = await precordia.trainer.train(name, spec, aliases)
    job = started.operation_id
    if stay:
        started = await follow_training(precordia.trainer.operations, started, output)
        await say_summary(precordia, output, started)
    else:
        output.line(f"Job {job} is {started.state.value}.")
        output.line(f"  precordia jobs {job} --follow    watch it learn")
        output.line(f"  precordia jobs {job} --cancel    call it off")
    if started.error_message:
        output.refuse(started.error_message)
    output.document(forms.job_form(started, "trainer"))
    return started.state not in (OperationState.FAILED, OperationState.CANCELLED)
