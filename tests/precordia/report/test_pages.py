"""Pages: well-formed, whole in themselves, and every figure on them is the JSON's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from precordia.manifest import Task
from precordia.report import card_markdown, evaluation_page, training_page
from precordia.report.figures import DASH, at, number, pointer, span
from tests.precordia.report import golden, made

MANY = [f"label {i}" for i in range(60)]


def tree(page: str) -> ElementTree.Element:
    """The page as XML: it is written so that a strict reader takes it too."""
    head, _, rest = page.partition("\n")
    assert head == "<!DOCTYPE html>"
    return ElementTree.fromstring(rest)


def evaluations() -> list[dict[str, Any]]:
    return [made.evaluation(), made.evaluation("other", seed=2)]


PAGES: dict[str, Callable[[], tuple[str, Any]]] = {
    "multilabel": lambda: (training_page(report := made.training_report()), report),
    "multiclass": lambda: (training_page(report := made.training_report(Task.MULTICLASS)), report),
    "regression": lambda: (training_page(report := made.training_report(Task.REGRESSION, ("QTc", "RR"))), report),
    "sixty labels": lambda: (training_page(report := made.training_report(labels=MANY)), report),
    "evaluation": lambda: (evaluation_page(both := evaluations(), "today"), {"evaluations": both}),
}


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return PAGES[request.param]()


def test_a_page_is_well_formed_and_needs_nothing_beside_it(page: tuple[str, Any]) -> None:
    text, _ = page
    names = {element.tag for element in tree(text).iter()}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "use", "foreignObject"}
    assert not re.search(r"https?:|//[a-z]|url\(|@import|javascript:| on[a-z]+=", text)
    assert len(text.encode()) < 600_000


def test_every_figure_shown_is_that_of_the_json(page: tuple[str, Any]) -> None:
    text, document = page
    shown = [element for element in tree(text).iter() if "data-at" in element.attrib]
    assert len(shown) > 30
    for element in shown:
        where, digits = element.attrib["data-at"], int(element.attrib.get("data-digits", 3))
        value = at(document, where)
        wanted = span(value, digits) if isinstance(value, list) else number(value, digits)
        assert element.text == wanted, where


def test_only_what_the_json_leaves_open_is_a_dash(page: tuple[str, Any]) -> None:
    text, document = page
    for element in tree(text).iter():
        if element.text == DASH and "data-at" in element.attrib:
            where = element.attrib["data-at"]
            parent, _, name = where.rpartition("/")
            holder = at(document, parent)
            # a pointer that misses its mark would show a dash for a figure that is there
            assert holder is None or name not in holder or holder[name] is None, where
            assert "metrics" in where or "per_class" in where or "threshold_table" in where or "members" in where, where


def test_headings_and_cells_of_tables_agree(page: tuple[str, Any]) -> None:
    for table in tree(page[0]).iter("table"):
        heads = table.findall("thead/tr/th")
        for row in table.findall("tbody/tr"):
            assert len(row) == len(heads)


def test_a_curve_drawn_is_the_curve_of_the_json() -> None:
    report = made.training_report(labels=("one",))
    root = tree(training_page(report))
    figure = next(one for one in root.iter("figure") if one.find("figcaption").text == "ROC curves")
    points = [tuple(map(float, pair.split(","))) for pair in figure.find("svg/polyline").attrib["points"].split()]
    curve = report["evaluations"]["test"]["curves"]["one"]["roc"]
    assert len(points) == len(curve["x"])
    (left, bottom), (right, top) = points[0], points[-1]
    for (x, y), a, b in zip(points, curve["x"], curve["y"], strict=True):
        assert (x - left) / (right - left) == pytest.approx(a, abs=1e-3)
        assert (y - bottom) / (top - bottom) == pytest.approx(b, abs=1e-3)


def test_bars_of_the_label_distribution_are_as_long_as_shares() -> None:
    report = made.training_report()
    root = tree(training_page(report))
    figure = next(one for one in root.iter("figure") if one.find("figcaption").text == "Label distribution")
    bars = [float(one.attrib["width"]) for one in figure.find("svg").iter("rect") if one.attrib["class"] == "bar b2"]
    counts = report["parts"]["test"]["labels"]
    assert [bar / max(bars) for bar in bars] == pytest.approx(
        [count / max(counts.values()) for count in counts.values()], abs=2e-3
    )


def test_names_of_users_are_text_and_never_markup() -> None:
    evil = '<script>alert("x")</script>&"\'/~'
    report = made.training_report(labels=(evil, "CD"))
    report["about"]["name"] = evil
    text = training_page(report)
    root = tree(text)
    assert "<script" not in text
    assert root.find("body/main/header/h1").text == evil
    assert any("".join(one.itertext()) == evil for one in root.iter("th"))
    assert "<script" not in card_markdown(report)


def test_a_report_without_test_part_name_or_range_test_says_so_where_it_matters() -> None:
    report = made.training_report()
    del report["evaluations"]["test"], report["about"], report["parts"]["test"], report["plan"]["splits"]["test"]
    report["range_test"] = {}
    text = training_page(report)
    assert "InceptionTime on ptbxl-z" in text
    assert "new patients will do a little worse" in text
    assert "range test" not in text
    tree(text)


def test_folds_and_searches_have_their_tables() -> None:
    report = made.training_report()
    report["validated_on"] = "out_of_fold"
    row = {"seed": 1, "fold": 1, "records": 500, "held_out": 120, "epochs": 12, "kept_epoch": 9, "learning_rate": 0.005}
    report["members"] = [{"member": 1, **row}, {"member": 2, **row, "fold": 2}]
    report["search"] = {
        "chosen": "XceptionTime",
        "epochs": 10,
        "rule": "highest macro AUROC",
        "tried": [
            {"network": "XceptionTime", "parameters": 401000, "auroc_macro": 0.93},
            {"network": "DSAIL-SNU", "left_out": "the records say neither age nor sex"},
        ],
    }
    text = training_page(report)
    root = tree(text)
    heads = [one.text for one in root.iter("h2")]
    assert "Networks" in heads
    assert "Networks tried" in heads
    assert "XceptionTime (chosen)" in text
    assert "neither age nor sex" in text
    assert "Out of fold" in text


def test_the_card_says_what_the_model_is_not_and_how_good_it_is() -> None:
    report = made.training_report()
    card = card_markdown(report)
    low, high = report["evaluations"]["test"]["intervals"]["metrics"]["auroc_macro"]
    figure = report["evaluations"]["test"]["metrics"]["auroc_macro"]
    assert card.startswith("# chest-pain\n")
    assert "Not a medical device." in card
    assert f"macro AUROC {figure:.3f} ({low:.3f} to {high:.3f})" in card
    assert re.findall(r"^## (.+)$", card, re.M) == [section["title"] for section in report["card"]]
    few = [label for label, row in report["evaluations"]["test"]["per_class"].items() if row["positives"] < 30]
    assert few
    assert all(f"{label} (" in card.partition("## Limits")[2] for label in few)


class _Balanced(HTMLParser):
    """What a browser's tokenizer sees: every element that opens is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """Closed at once."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_browser_reads_the_same_tree() -> None:
    reader = _Balanced()
    reader.feed(training_page(made.training_report()))
    assert reader.open == []


def test_serving_never_loads_pages() -> None:
    code = (
        "import sys, services.inference.__main__; print([m for m in sys.modules if m.startswith('precordia.report')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout == "[]\n"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 3, "\N{EN DASH}"),
        (0.12345, 3, "0.123"),
        (1.0, 2, "1.00"),
        (-2.5, 1, "\N{MINUS SIGN}2.5"),
        (0.0, 3, "0.000"),
        (0.0000123, 3, "1.2e-05"),
        (457605, 3, "457\N{NARROW NO-BREAK SPACE}605"),
    ],
)
def test_numbers_are_shown_with_their_decimals(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_a_span_below_zero_is_told_in_words() -> None:
    assert span([0.1, 0.25], 2) == "0.10\N{EN DASH}0.25"
    assert span([-3.0, 1.0], 1) == "\N{MINUS SIGN}3.0 to 1.0"


def test_pointers_find_names_with_slashes() -> None:
    document = {"per_class": {"LAFB/LPFB": {"a~b": [1, 2]}}}
    where = pointer("per_class", "LAFB/LPFB", "a~b", 1)
    assert where == "/per_class/LAFB~1LPFB/a~0b/1"
    assert at(document, where) == 2
    assert at(document, "/per_class/none/0") is None
    assert at(document, "/per_class/LAFB~1LPFB/a~0b/9") is None


def test_the_page_of_a_small_report_reads_as_it_did() -> None:
    """A change of words or figures is a change of this file: `python -m tests.precordia.report.golden`."""
    assert golden.visible_text() == golden.FILE.read_text(encoding="utf-8")


def test_several_models_and_datasets_are_compared_and_summed_up() -> None:
    first, second = evaluations()
    elsewhere = made.evaluation(seed=3) | {"dataset": "elsewhere"}
    elsewhere["decided_by"]["chosen"] = {
        "rule": "sensitivity",
        "target": 0.9,
        "dataset": "study",
        "split": "validation",
        "n": 100,
        "patients": 90,
        "shared_patients": 4,
    }
    elsewhere["at_thresholds"] = {
        "MI": {"threshold": 0.31, "sensitivity": 0.9, "specificity": 0.8, "ppv": 0.5, "npv": 0.97}
    }
    difference = {"first": 0.9, "second": 0.95, "difference": 0.05, "low": 0.01, "high": 0.08, "p": 0.02}
    pair = {
        "dataset": "study",
        "split": "test",
        "first": "chest-pain:3",
        "second": "other:3",
        "n": 400,
        "patients": 400,
    }
    broken = pair | {"undefined": "they have no label in common"}
    tested = {"bootstrap": {"auroc_macro": difference}, "delong": {"MI": difference | {"p": None}, "CD": None}}
    result = {
        "evaluations": [first, second, elsewhere],
        "comparisons": [
            pair | tested | {"mcnemar": {"accuracy": 0.04}, "delong_assumes": "independent records"},
            broken,
        ],
        "over_datasets": {
            "models": [
                {
                    "model": "chest-pain",
                    "version": 3,
                    "datasets": ["study:test", "elsewhere:test"],
                    "metrics": {"f1_weighted": {"n": 2, "mean": 0.7, "median": 0.71, "iqr": 0.1, "cv": None}},
                }
            ]
        },
    }
    text = evaluation_page([result])
    root = tree(text)
    words = " ".join(" ".join(root.itertext()).split())
    assert "other:3 minus chest-pain:3, on study:test" in words
    assert "0.050 0.010 to 0.080" in words
    assert "They cannot be compared: they have no label in common." in words
    assert "McNemar's test of being right: p 0.040 ." in words
    assert "chest-pain:3 over study:test, elsewhere:test" in words
    assert (
        "Thresholds were chosen by sensitivity 0.9 on study:validation (100 ECGs of 90 patients). 4 patients" in words
    )
    assert "chest-pain:3 on elsewhere:test" in words
    document = {name: result[name] for name in ("evaluations", "comparisons", "over_datasets")}
    for element in root.iter():
        if "data-at" in element.attrib and element.text != DASH:
            assert at(document, element.attrib["data-at"]) is not None


def test_labels_stand_in_the_order_of_the_outputs_though_json_sorts_them() -> None:
    report = json.loads(json.dumps(made.training_report(), sort_keys=True))
    root = tree(training_page(report))
    by_label = next(one for one in root.iter("table") if (one.findtext("caption") or "") == "Test, by label")
    assert [row.findtext("th") for row in by_label.findall("tbody/tr")] == list(made.LABELS)
