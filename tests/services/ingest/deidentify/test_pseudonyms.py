from __future__ import annotations

from datetime import datetime

from services.ingest.deidentify.pseudonyms import Pseudonyms, capped_age

ONE = Pseudonyms(b"k" * 32, "patient one")


def test_one_patient_keeps_the_distances_in_time() -> None:
    first, second = datetime(2020, 1, 1, 8), datetime(2020, 1, 31, 9, 30)
    assert ONE.moved(second) - ONE.moved(first) == second - first
    assert 60 <= (first - ONE.moved(first)).days <= 1500
    assert ONE.moved(first).time() == first.time()


def test_other_patients_and_other_keys_get_other_days_names_and_uids() -> None:
    others = (Pseudonyms(b"k" * 32, "patient two"), Pseudonyms(b"x" * 32, "patient one"))
    for other in others:
        assert other.shift != ONE.shift
        assert other.name != ONE.name
    assert others[1].uid("1.2.3") != ONE.uid("1.2.3")
    assert others[0].uid("1.2.3") == ONE.uid("1.2.3")
    assert len(ONE.uid("1.2.3")) <= 64


def test_an_unknown_patient_has_no_pseudonym() -> None:
    assert Pseudonyms(b"k" * 32, "some source", known=False).name == ""


def test_ages_above_89_are_one() -> None:
    assert [capped_age(age) for age in (None, 0.5, 89.0, 90.0, 103.0)] == [None, 0.5, 89.0, 90.0, 90.0]


def test_neither_key_nor_patient_is_shown() -> None:
    assert "kkk" not in repr(ONE)
    assert "patient one" not in repr(ONE)
