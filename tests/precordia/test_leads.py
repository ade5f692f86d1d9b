"""Lead names in every spelling, derivation by Einthoven and Goldberger, and the check on it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precordia.errors import UnknownLead
from precordia.leads import (
    STANDARD_LEADS,
    check_einthoven,
    derive_limb_leads,
    match_lead,
    parse_leads,
    standard_lead,
)


@pytest.mark.parametrize(
    ("label", "lead"),
    [
        ("I", "I"),
        ("Lead II", "II"),
        ("lead_iii", "III"),
        ("DI", "I"),
        ("D2", "II"),
        ("AVR", "aVR"),
        ("avl", "aVL"),
        ("VF", "aVF"),
        ("v4", "V4"),
        ("C3", "V3"),
        ("V5\0\0", "V5"),
        ("  V6 ", "V6"),
        ("MDC_ECG_LEAD_aVR", "aVR"),
        ("MDC_ECG_LEAD_V1", "V1"),
        ("MDC_ECG_ELEC_POTL_II", "II"),
        ("5.6.3-9-61", "III"),
        ("SCPECG 5.6.3-9-3", "V1"),
        ("2:62", "aVR"),
        ("MDC 2:8", "V6"),
    ],
)
def test_every_spelling_of_a_standard_lead_is_known(label: str, lead: str) -> None:
    match = match_lead(label)
    assert match is not None
    assert (match.lead, match.inverted) == (lead, False)


def test_a_minus_means_inverted() -> None:
    match = match_lead("-aVR")
    assert match is not None
    assert (match.lead, match.inverted) == ("aVR", True)


@pytest.mark.parametrize("label", ["MLII", "V7", "V1R", "X", "ABP", "", "2:9", "5.6.3-9-86", "MCL1", "ECG", "resp"])
def test_other_channels_are_no_standard_lead(label: str) -> None:
    assert match_lead(label) is None


@given(st.text(max_size=60))
def test_any_label_is_matched_or_not_without_an_error(label: str) -> None:
    match = match_lead(label)
    assert match is None or match.lead in STANDARD_LEADS


@pytest.mark.parametrize("name", ["-aVR", "V7", "x" * 500])
def test_a_name_that_is_no_standard_lead_is_refused_in_few_words(name: str) -> None:
    with pytest.raises(UnknownLead) as refused:
        standard_lead(name)
    assert len(refused.value.message) < 150


def test_a_lead_named_twice_is_refused() -> None:
    with pytest.raises(UnknownLead, match="II is named twice"):
        parse_leads(["I", "II", "DII"])


@pytest.mark.parametrize(
    "order",
    [
        ("V1", "I", "II", "III", "aVR", "aVL", "aVF", "V2", "V3", "V4", "V5", "V6"),
        ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"),
    ],
    ids=["3-cycle and more", "MIMIC"],
)
def test_reordering_takes_each_lead_from_where_the_source_has_it(order: tuple[str, ...]) -> None:
    source = {lead: number for number, lead in enumerate(STANDARD_LEADS)}
    rows = np.array([source[lead] for lead in order])
    labels = parse_leads([lead.upper() for lead in order])
    assert rows[[labels.index(lead) for lead in STANDARD_LEADS]].tolist() == list(range(12))


def _limbs() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    one, two = generator.standard_normal((2, 50))
    return {
        "I": one,
        "II": two,
        "III": two - one,
        "aVR": -(one + two) / 2,
        "aVL": one - two / 2,
        "aVF": two - one / 2,
    }


@pytest.mark.parametrize("present", [("I", "II"), ("I", "III"), ("II", "III"), ("I", "II", "III")])
def test_limb_leads_follow_from_two_of_them(present: tuple[str, ...]) -> None:
    limbs = _limbs()
    derived = derive_limb_leads({lead: limbs[lead] for lead in present})
    assert set(derived) == set(limbs) - set(present)
    for lead, samples in derived.items():
        np.testing.assert_allclose(samples, limbs[lead], atol=1e-12)


def test_nothing_follows_from_one_limb_lead_or_from_augmented_ones() -> None:
    limbs = _limbs()
    assert derive_limb_leads({"I": limbs["I"], "V1": limbs["II"]}) == {}
    assert derive_limb_leads({lead: limbs[lead] for lead in ("aVR", "aVL", "aVF")}) == {}


def test_chest_leads_are_never_derived() -> None:
    limbs = _limbs()
    assert not {f"V{n}" for n in range(1, 7)} & set(derive_limb_leads(limbs))


def test_einthovens_law_holds_for_its_own_leads_and_finds_where_it_breaks() -> None:
    limbs = _limbs()
    three = limbs["III"].copy()
    three[17] += 1.0
    three[4] = np.nan
    check = check_einthoven(limbs["I"], limbs["II"], three)
    assert check is not None
    assert check.worst_sample == 17
    assert check.largest == pytest.approx(1.0)
    assert check.median < 1e-12


def test_einthovens_law_is_not_measurable_without_common_samples() -> None:
    nothing = np.full(5, np.nan)
    assert check_einthoven(nothing, np.zeros(5), np.zeros(5)) is None
