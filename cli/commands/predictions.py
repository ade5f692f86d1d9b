"""`precordia predictions`: what was said of stored recordings, listed and exported."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import forms, options
from cli.output import Output
from cli.prediction_table import kept_csv
from cli.running import run_connected
from cli.writing import written
from precordia.catalog import ModelRef
from precordia.client import Connection
from precordia.errors import PrecordiaError
from precordia.prediction import KeptPrediction, KeptQuery

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

_SHOWN = 50


@app.command()
def predictions(
    recording: Annotated[str, typer.Option("--recording", metavar="REC", help="Of this recording.")] = "",
    model: Annotated[
        str, typer.Option("--model", metavar="NAME[:VERSION|@ALIAS]", help="By this model, or this version of it.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Made at or after: 2026-03-04, or with a time of day.")
    ] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Made before.")] = "",
    label: Annotated[str, typer.Option("--label", metavar="OUTPUT", help="Only those that score this output.")] = "",
    at_least: Annotated[
        float | None, typer.Option("--at-least", metavar="SCORE", help="With --label: the least score.")
    ] = None,
    job: Annotated[str, typer.Option("--job", metavar="JOB", help="Made by this job on a dataset.")] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="The newest so many; else 50 on a screen, all in a document.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", dir_okay=False, help="Write them as a table.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List what models said of stored recordings, newest first. Every answer counts, also a repeated one.

    Times without a zone are UTC.

    Examples: `precordia predictions --recording rec-1` ·
    `precordia predictions --label MI --at-least 0.8 --since 2026-03-01 --csv mi.csv`
    """
    if at_least is not None and not label:
        raise typer.BadParameter("Name the output with --label.", param_hint="--at-least")
    ref = _ref(model)
    begin, end = _time(since, "--since"), _time(until, "--until")

    async def work(precordia: Connection, output: Output) -> bool:
        version = (await precordia.registry.get(ref)).version if ref and ref.alias else ref.version if ref else 0
        query = KeptQuery(
            recording_id=recording,
            model=ref.name if ref else "",
            version=version,
            label=label,
            at_least=at_least,
            operation_id=job,
            since=begin,
            until=end,
        )
        most = limit or (None if as_json or csv else _SHOWN)
        found = await _newest(precordia, query, most)
        document: dict[str, Any] = {"predictions": [forms.kept_prediction_form(one) for one in found]}
        if csv is not None:
            document["written"] = written(csv, kept_csv(found))
            output.say(f"{len(found)} predictions are in {csv}.")
        else:
            _table(output, found)
            if most and len(found) == most:
                output.say(f"The newest {most}; --limit shows more.")
        output.document(document)
        return True

    run_connected(work, as_json=as_json)


async def _newest(precordia: Connection, query: KeptQuery, most: int | None) -> list[KeptPrediction]:
    found: list[KeptPrediction] = []
    async for one in precordia.inference.kept(query):
        found.append(one)
        if most is not None and len(found) >= most:
            break
    return found


def _ref(model: str) -> ModelRef | None:
    try:
        return ModelRef.parse(model) if model else None
    except PrecordiaError as error:
        raise typer.BadParameter(error.message, param_hint="--model") from None


def _time(text: str, option: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("Write a time as 2026-03-04 or 2026-03-04T12:30.", param_hint=option) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _table(output: Output, found: list[KeptPrediction]) -> None:
    rows = [
        (
            one.prediction.predicted_at.strftime("%Y-%m-%d %H:%M:%S") if one.prediction.predicted_at else "",
            one.prediction.recording_id,
            forms.scored_by_text(one.prediction),
            "  ".join(f"{score.name} {score.value:.3f}" for score in one.prediction.scores[:8]),
            forms.remarks_text(one.prediction.remarks),
        )
        for one in found
    ]
    output.table("kept predictions", ("time (UTC)", "recording", "model", "scores", "warnings"), rows)
