"""Stdout is the product, stderr is narration."""

import json

import pytest
import typer

from cli import evaluation_tables
from cli.following import epoch_line
from cli.output import Output
from cli.running import explain, reported
from precordia.errors import DatasetNotFound, InternalError, InvalidArgument, ServiceUnavailable


def test_with_json_stdout_holds_one_document_and_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.say("working")
    output.table("things", ("name",), [("a",)])
    output.line("for people")
    output.document({"auroc": float("nan"), "name": "μV", "list": (1.5, float("inf"))})
    said = capsys.readouterr()
    assert json.loads(said.out) == {"auroc": None, "name": "μV", "list": [1.5, None]}
    assert said.err == "working\n"


def test_without_json_a_table_is_whole_even_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.document({"x": 1})
    output.table("things", ("name", "#count"), [("a" * 150, 7)])
    output.table("others", ("name",), [])
    out = capsys.readouterr().out
    assert "a" * 150 in out
    assert "No others." in out
    assert "{" not in out


def test_an_evaluation_says_what_has_no_value_and_what_could_not_be_scored(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    evaluation = {
        "model": "net",
        "version": 2,
        "n": 3,
        "patients": 2,
        "left_out": {"UNLABELLED": 4, "MISSING_LEAD": 5},
        "metrics": {"auroc_macro": None, "undefined": {"auroc_macro": "without MI"}},
        "per_class": {"MI": {"auroc": None, "positives": 0, "undefined": {"auroc": "none", "f1": "none"}}},
    }
    evaluation_tables.show(output, evaluation)
    (refused,) = evaluation_tables.unscored(output, evaluation)
    said = capsys.readouterr()
    assert "4 ECGs without labels do not count" in said.out
    assert [line for line in said.out.splitlines() if ": " in line] == ["auroc_macro: without MI", "MI: none"]
    assert "{" not in said.out
    assert (refused["reason"], refused["records"]) == ("MISSING_LEAD", 5)
    assert said.err == "net:2: 5 ECGs could not be scored and do not count: MISSING_LEAD.\n"


def test_markup_in_what_is_shown_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).table("things", ("name",), [("[red]x[/red]",)])
    assert "[red]x[/red]" in capsys.readouterr().out


def test_an_error_is_one_line_a_document_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, reported(Output(as_json=True)):
        raise InvalidArgument("Two\n  lines.", field="rate")
    said = capsys.readouterr()
    assert left.value.exit_code == 1
    assert said.err == "Two lines.\n"
    assert json.loads(said.out) == {"error": {"reason": "INVALID_ARGUMENT", "message": "Two lines.", "field": "rate"}}


def test_other_exceptions_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), reported(Output(as_json=True)):
        raise ZeroDivisionError


def test_a_service_that_is_away_says_what_to_start() -> None:
    away = ServiceUnavailable("ingest (127.0.0.1:1): The service cannot be reached; is it running?", service="ingest")
    assert explain(away) == (
        "ingest (127.0.0.1:1): The service cannot be reached. Start the services with `precordia up`."
    )
    assert explain(DatasetNotFound("Not there.")) == "Not there."
    assert explain(InternalError("A fault.", request_id="abc")) == "A fault. (abc)"


def test_an_epoch_is_one_line_of_numbers() -> None:
    line = epoch_line({"epoch": 2, "epochs": 5, "train_loss": 0.51234, "metrics": {"auroc": None, "f1": 0.5}, "x": "y"})
    assert line == "epoch 2/5  train_loss 0.5123  f1 0.5"
    assert epoch_line({"accuracy": 0.5, "epoch": 1, "validation_loss": 0.25}) == (
        "epoch 1  validation_loss 0.25  accuracy 0.5"
    )
