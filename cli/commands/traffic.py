"""`precordia traffic`: a candidate version beside the one in service, and how the two differ."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import forms, options
from cli.output import Output
from cli.running import run_connected
from precordia.catalog import ModelRef
from precordia.client import Connection
from precordia.errors import PrecordiaError
from precordia.traffic import Comparison, ScoreDifference, Traffic, TrafficRule, TrafficSide

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command()
def traffic(
    model: Annotated[
        str, typer.Argument(metavar="[NAME[@ALIAS]]", show_default=False, help="What callers ask for; else all rules.")
    ] = "",
    candidate: Annotated[
        int | None, typer.Option("--candidate", metavar="VERSION", min=1, help="The version to try beside it.")
    ] = None,
    canary: Annotated[
        float, typer.Option("--canary", metavar="PERCENT", min=0, max=100, help="ECGs that the candidate answers.")
    ] = 0.0,
    shadow: Annotated[
        float, typer.Option("--shadow", metavar="PERCENT", min=0, max=100, help="ECGs that it scores unseen.")
    ] = 0.0,
    stop: Annotated[bool, typer.Option("--stop", help="End the rule: the version in service answers all.")] = False,
    as_json: options.Json = False,
) -> None:
    """Try a new version on real ECGs before an alias moves to it, and see how its answers differ.

    A canary answers callers, and the version in service scores its ECGs afterwards; a shadow scores what was
    answered already. Nobody sees these further scores: they are compared, in idle time.

    Examples: `precordia traffic af@champion --candidate 7 --shadow 100` · `precordia traffic` ·
    `precordia traffic af@champion --candidate 7 --canary 5 --shadow 20` · `precordia traffic af@champion --stop`
    """
    rule = _rule(model, candidate, canary, shadow, stop)

    async def work(precordia: Connection, output: Output) -> bool:
        if rule is not None:
            await precordia.inference.set_traffic(rule)
            output.say(_said(rule))
        wanted = _ref(model) if model else None
        found = [one for one in await precordia.inference.traffic() if wanted in (None, one.rule.model)]
        _tables(output, found)
        output.document({"traffic": [forms.traffic_form(one) for one in found]})
        return True

    run_connected(work, as_json=as_json)


def _rule(model: str, candidate: int | None, canary: float, shadow: float, stop: bool) -> TrafficRule | None:
    """The rule to set; None where rules are only shown."""
    if stop:
        if not model or candidate is not None or canary or shadow:
            raise typer.BadParameter("Name the model, and no share: NAME@ALIAS --stop.", param_hint="--stop")
        return TrafficRule(_ref(model), 0)
    if candidate is None:
        if canary or shadow:
            raise typer.BadParameter("Name the version to try: --candidate VERSION.", param_hint="--candidate")
        return None
    if not model:
        raise typer.BadParameter("Name what callers ask for: NAME@ALIAS.", param_hint="NAME[@ALIAS]")
    if not canary and not shadow:
        raise typer.BadParameter("Say what share it sees: --canary or --shadow PERCENT.", param_hint="--candidate")
    try:
        return TrafficRule(_ref(model), candidate, canary, shadow)
    except PrecordiaError as error:
        raise typer.BadParameter(error.message) from None


def _ref(model: str) -> ModelRef:
    """The alias; a name alone means its latest version."""
    try:
        return TrafficRule(ModelRef.parse(model), 0).model
    except PrecordiaError as error:
        raise typer.BadParameter(error.message, param_hint="NAME[@ALIAS]") from None


def _said(rule: TrafficRule) -> str:
    if rule.ends:
        return f"{rule.model}: the version in service answers every ECG again."
    shares = [f"answers {rule.canary_percent:g} %"] * bool(rule.canary_percent) + [
        f"scores {rule.shadow_percent:g} % unseen"
    ] * bool(rule.shadow_percent)
    return f"{rule.model}: version {rule.candidate_version} {' and '.join(shares)} of the ECGs."


def _tables(output: Output, found: list[Traffic]) -> None:
    rows: list[tuple[Any, ...]] = []
    differences: list[tuple[Any, ...]] = []
    for one in found:
        rule, canary = one.rule, one.by_canary
        rows += [
            (rule.model, "in service", "", *_side(one.current)),
            (rule.model, f"canary, version {rule.candidate_version}", f"{rule.canary_percent:g}", *_side(one.canary)),
            (rule.model, f"shadow, version {rule.candidate_version}", f"{rule.shadow_percent:g}", *_side(one.shadow)),
        ]
        for side, compared in (("canary", canary), ("shadow", one)):
            if compared.compared or compared.skipped:
                output.say(f"{rule.model}, {side}: {_differing(compared)}")
            differences += [(rule.model, side, *_difference(by)) for by in compared.outputs]
    output.table("traffic", ("model", "side", "# percent", "# answered", "# failed", "# mean ms", "# max ms"), rows)
    if differences:
        columns = ("model", "side", "output", "# mean difference", "# largest", "# decided differently")
        output.table("candidate against the version in service", columns, differences)


def _differing(compared: Traffic | Comparison) -> str:
    return (
        f"{compared.disagreements} of {compared.compared} ECGs scored by both versions are decided differently; "
        f"{compared.skipped} left out."
    )


def _difference(by: ScoreDifference) -> tuple[object, ...]:
    return (by.name, f"{by.mean_absolute:.4f}", f"{by.max_absolute:.4f}", by.disagreements)


def _side(side: TrafficSide) -> tuple[object, ...]:
    return (side.answered, side.failed, f"{side.mean_ms:.1f}", f"{side.max_ms:.1f}")
