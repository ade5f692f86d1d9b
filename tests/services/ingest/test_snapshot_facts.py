from dataclasses import replace

import pytest
from sqlalchemy import update

from precordia.dataset import GroupFacts, LabelFacts, LabelScheme, NumericFacts, SplitRule
from precordia.leads import STANDARD_LEADS
from services.ingest.datasets import Member
from services.ingest.ingest import Ingest
from services.ingest.samples import Place
from services.ingest.snapshot_facts import Leads, facts_from_json, facts_to_json, snapshot_facts
from services.ingest.tables import snapshots
from tests.services.ingest.ecg_files import CONDITIONED, many, table

TWELVE, TWO = ("I", "II", "V1"), ("I", "II")


def member(number: int, patient: str, labels: dict[str, list[str]], **numeric: float) -> Member:
    return Member(number, f"rec-{number}", str(number), "", True, patient, "", labels, numeric, Place("", 0, 0, 0))


MEMBERS = [
    member(0, "ann", {"heart": ["AF"]}, age=60.0),
    member(1, "ann", {"heart": ["AF", "MI"]}, age=61.5),
    member(2, "bob", {"heart": []}, age=40.0),
    member(3, "ann", {}),
    member(4, "", {"heart": ["AF"]}),
]
FACTS = snapshot_facts(
    {"heart": ["AF", "MI", "CD"]},
    MEMBERS,
    {"train": [0, 1, 2], "test": [3], "": [4]},
    {"train": Leads({TWELVE: 2, TWO: 1}), "test": Leads({TWELVE: 1}), "": Leads({TWO: 1})},
)


def test_records_and_patients_are_counted_by_split() -> None:
    whole, train, test = FACTS
    assert [(one.split, one.records, one.patients) for one in FACTS] == [("", 5, 3), ("train", 3, 2), ("test", 1, 1)]
    assert train.groups == (GroupFacts("heart", 3, (LabelFacts("AF", 2, 1), LabelFacts("MI", 1, 1))),)
    assert whole.groups[0] == GroupFacts("heart", 4, (LabelFacts("AF", 3, 2), LabelFacts("MI", 1, 1)))
    assert test.groups == (GroupFacts("heart", 0, ()),)
    assert (train.groups[0].patients_with("AF"), train.groups[0].patients_with("CD")) == (1, 0)


def test_numbers_have_their_range_and_leads_their_records() -> None:
    whole, train, test = FACTS
    assert train.number("age") == NumericFacts("age", 3, 40.0, 61.5)
    assert test.number("age") is None
    assert train.lead_sets == ((TWELVE, 2), (TWO, 1))
    assert whole.lead_sets == ((TWELVE, 3), (TWO, 2))


@pytest.mark.parametrize("facts", [FACTS, ()])
def test_facts_survive_json(facts: tuple[object, ...]) -> None:
    assert facts_from_json(facts_to_json(facts)) == facts  # type: ignore[arg-type]  # both are facts


def test_a_snapshot_says_what_it_holds_and_one_from_before_is_counted_when_it_is_made_again(ingest: Ingest) -> None:
    ingest.importer.import_source(many(), CONDITIONED, dataset="study")
    ingest.import_labels("study", table(), LabelScheme.AUTO)
    rules = (SplitRule("train", ("1", "2", "3")), SplitRule("test", ("4",)))
    whole, train, test = ingest.create_snapshot("study", rules).facts
    assert (whole.records, train.records, test.records, train.patients) == (20, 12, 4, 6)
    assert test.groups[0].labels == (LabelFacts("NORM", 3, 2), LabelFacts("MI", 1, 1))
    assert test.lead_sets == ((STANDARD_LEADS, 4),)
    with ingest._engine.begin() as connection:
        connection.execute(update(snapshots).values(facts="[]"))
    _, again, _ = ingest.create_snapshot("study", rules).facts
    assert again == replace(train, lead_sets=())
