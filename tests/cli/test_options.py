"""Options as people type them."""

import pytest
import typer

from cli.options import hints_from, split_list, standard_leads
from cli.splitting import parse_rules
from precordia.dataset import SplitRule
from precordia.record import Hints, Unit
from precordia.steps import Step


def test_options_become_hints() -> None:
    hints = hints_from(500.0, Unit.STANDARDISED, 200.0, "I, MLII", "band-pass:0.5-40,z-score", "\\t", ",", -1, "ecg")
    steps = (Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0}), Step("z_score"))
    assert hints == Hints(500.0, Unit.STANDARDISED, 200.0, ("I", "MLII"), steps, "\t", ",", -1, "ecg")


def test_no_options_are_no_hints() -> None:
    assert hints_from(None, None, None, None, None, "", "", None, "") == Hints()


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_is_none_is_wrong_usage(rate: float) -> None:
    with pytest.raises(typer.BadParameter):
        hints_from(rate, None, None, None, None, "", "", None, "")


def test_lists_lose_their_blanks() -> None:
    assert split_list(" a, b ,,c") == ("a", "b", "c")
    assert split_list(None) == ()


def test_leads_get_their_standard_spelling() -> None:
    assert standard_leads("i,AVR,v2") == ("I", "aVR", "V2")
    with pytest.raises(typer.BadParameter):
        standard_leads("I,MLII")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("train=1-6", SplitRule("train", ("1", "2", "3", "4", "5", "6"))),
        ("test=7", SplitRule("test", ("7",))),
        ("test=7,9-10,x", SplitRule("test", ("7", "9", "10", "x"))),
        ("train=80%", SplitRule("train", patient_fraction=0.8)),
        ("train=12.5%", SplitRule("train", patient_fraction=0.125)),
    ],
)
def test_a_split_is_folds_or_a_share(text: str, rule: SplitRule) -> None:
    assert parse_rules([text]) == (rule,)


@pytest.mark.parametrize("text", ["train", "=1", "train=", "train=0%", "train=101%", "train=6-1", "train=1,,2"])
def test_a_split_that_is_none_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_rules([text])


def test_shares_above_the_whole_are_wrong_usage() -> None:
    assert len(parse_rules(["a=70%", "b=30%"])) == 2
    with pytest.raises(typer.BadParameter):
        parse_rules(["a=70%", "b=31%"])
