"""The commands that ask inference, against real services."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from precordia.catalog import Lineage
from precordia.client import Connection
from precordia.dataset import LabelScheme, SplitRule
from tests.services.inference import ecg_study
from tests.services.inference.graphs import contract, linear_graph
from tests.services.ingest.ecg_files import wfdb

Command = Callable[..., Awaitable[Result]]


@pytest.fixture
async def command(precordia: Connection, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in a thread of its own, against these services."""
    for service in ("ingest", "inference", "registry"):
        monkeypatch.setenv(f"PRECORDIA_{service.upper()}", getattr(precordia, service)._peer.address)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    return run


async def said(command: Command, *words: str) -> dict[str, Any]:
    answer = await command(*words, "--json")
    assert answer.exit_code == 0, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


async def study(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await precordia.registry.publish("way", manifest, {"model.onnx": graph}, Lineage("imported"), ("prod",))
    for name, records in (("one", 24), ("two", 16)):
        await precordia.ingest.import_source(ecg_study.study(records), ecg_study.HINTS, name)
        await precordia.ingest.import_labels(name, "labels.csv", ecg_study.labels(records), LabelScheme.TABLE)
        rules = (SplitRule("train", ("1", "2")), SplitRule("test", ("3", "4")))
        await precordia.ingest.create_snapshot(name, rules)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


async def test_evaluate_writes_figures_predictions_and_a_page(
    precordia: Connection, command: Command, tmp_path: Path
) -> None:
    await study(precordia)
    html, figures, predictions = (tmp_path / name for name in ("page.html", "figures.csv", "predictions.csv"))
    document = await said(
        command,
        *("evaluate", "--dataset", "one:test", "--dataset", "two:test", "--model", "way@prod", "--draws", "20"),
        *("--thresholds-from", "one:train", "--rule", "sensitivity=1", "--store-thresholds"),
        *("--html", str(html), "--csv", str(figures), "--predictions", str(predictions)),
    )
    one, two = document["evaluations"]
    assert [entry["path"] for entry in document["written"]] == [str(html), str(figures), str(predictions)]
    assert one["per_class"]["UP"]["sensitivity"] == 1.0
    assert document["over_datasets"]["models"][0]["datasets"] == ["one:test", "two:test"]
    assert document["stored_thresholds"] == {"way:1": 1}

    table = {(row["dataset"], row["scope"], row["name"], row["figure"]): row for row in rows(figures)}
    auroc = table["two", "class", "UP", "auroc"]
    assert float(auroc["value"]) == two["per_class"]["UP"]["auroc"]
    assert table["one", "class", "NEVER", "auroc"]["value"] == ""
    low = table["one", "all", "", "auroc_macro"]["low"]
    assert [float(low)] == one["intervals"]["metrics"]["auroc_macro"][:1]
    assert table["one", "threshold", "UP", "sensitivity"]["value"] == "1.0"
    assert table["one", "sex", "unknown", "n"]["value"] == str(one["n"])
    assert int(table["one", "all", "", "parameters"]["value"]) == 39

    scored = rows(predictions)
    assert {(row["dataset"], row["split"]) for row in scored} == {("one", "train"), ("one", "test"), ("two", "test")}
    assert sum(row["dataset"] == "two" for row in scored) == two["n"]
    for row in scored:
        if row["dataset"] == "one":
            level = ecg_study.level_ii(24)[int(row["record"]) - ecg_study.FIRST_ID]
            assert row["labels"] == ("UP" if level > 0 else "DOWN")
            assert (float(row["score UP"]) > 0.5) == (level > 0)

    page = html.read_text()
    HTMLParser().feed(page)
    assert f"{two['metrics']['f1_macro']:.3f}" in page
    shown = (await command("evaluate", "--dataset", "one:test", "--model", "way", "--draws", "0")).stdout
    assert "auroc_macro" in shown
    assert "without NEVER" in shown


async def test_evaluate_measures_what_is_there_and_refuses_the_rest(precordia: Connection, command: Command) -> None:
    await study(precordia)
    asked = ("evaluate", "--dataset", "one:test", "--model", "way", "--model", "nobody", "--draws", "0", "--json")
    answer = await command(*asked)
    document = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert [one["model"] for one in document["evaluations"]] == ["way"]
    assert [(one["model"], one["reason"]) for one in document["refused"]] == [("nobody", "MODEL_NOT_FOUND")]
    for wrong in (("--rule", "best"), ("--store-thresholds",), ("--thresholds-from", "test"), ("--answer", "x")):
        assert (await command("evaluate", "--dataset", "one:test", *wrong)).exit_code == 2


async def test_predictions_are_listed_narrowed_and_exported(
    precordia: Connection, command: Command, tmp_path: Path
) -> None:
    weights = linear_graph(np.zeros((12, 1)), np.array([0.7]))
    manifest = contract("AF")
    await precordia.registry.publish("af", manifest, {"model.onnx": weights}, Lineage("imported"), ("prod",))
    paths = []
    for seed in range(3):
        source = wfdb(f"ecg{seed}", seed, rate_hz=100, samples=200)
        for name, content in [(source.name, source.content), *source.companions.items()]:
            (tmp_path / name).write_bytes(content)
        paths.append(str(tmp_path / source.name))
    kept = await said(command, "predict", *paths[:2], "--model", "af@prod")
    unkept = await said(command, "predict", paths[2], "--model", "af", "--no-keep")
    assert unkept["predictions"][0]["recording"] == ""
    assert unkept["predictions"][0]["scores"]["AF"] == pytest.approx(0.7)
    recordings = [one["recording"] for one in kept["predictions"]]
    assert [one.recording_id async for one in precordia.ingest.recordings()] == sorted(recordings, key=recordings.index)

    listed = (await said(command, "predictions", "--model", "af@prod"))["predictions"]
    assert {one["recording"] for one in listed} == set(recordings)
    assert listed[0]["digest"] == kept["predictions"][0]["digest"]
    (one,) = (await said(command, "predictions", "--recording", recordings[0], "--since", "2020-01-01"))["predictions"]
    assert one["input_sha256"] == kept["predictions"][0]["input_sha256"]
    assert (await said(command, "predictions", "--label", "AF", "--at-least", "0.8"))["predictions"] == []
    assert (await said(command, "predictions", "--until", "2020-01-01T00:00"))["predictions"] == []
    target = tmp_path / "kept.csv"
    await said(command, "predictions", "--label", "AF", "--at-least", "0.6", "--csv", str(target))
    assert [float(row["score AF"]) for row in rows(target)] == pytest.approx([0.7, 0.7])
    assert {row["recording"] for row in rows(target)} == set(recordings)
    assert {row["operating_points_revision"] for row in rows(target)} == {"0"}
    assert "AF 0.700" in (await command("predictions")).stdout
    for wrong in (("--at-least", "0.5"), ("--since", "yesterday"), ("--model", "a b")):
        assert (await command("predictions", *wrong)).exit_code == 2


async def test_a_file_that_is_refused_is_refused_unkept_too(
    precordia: Connection, command: Command, tmp_path: Path
) -> None:
    await study(precordia)
    (tmp_path / "text.csv").write_text("no,ecg\n1,2\n")
    answer = await command("predict", str(tmp_path / "text.csv"), "--model", "way", "--no-keep", "--json")
    kept = await command("predict", str(tmp_path / "text.csv"), "--model", "way", "--json")
    assert (answer.exit_code, kept.exit_code) == (1, 1)
    assert json.loads(answer.stdout)["refused"] == json.loads(kept.stdout)["refused"]
