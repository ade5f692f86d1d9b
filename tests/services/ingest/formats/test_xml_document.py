"""XML documents: told by their root, safe, bounded."""

from __future__ import annotations

import numpy as np
import pytest

from precordia.errors import PrecordiaError, TooLarge, UnreadableFile, UnsafeContent
from precordia.source import Source
from services.ingest.formats import read_source
from services.ingest.formats.limits import Limits
from services.ingest.formats.sample_text import decode_base64, listed_numbers
from services.ingest.formats.statements import kept_statements
from services.ingest.formats.xml_document import MAX_ELEMENTS, parse_xml, root_name, text


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<a/>", "a"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <b> --><x:RestingECG xmlns:x='u'>", "RestingECG"),
        (b"<!DOCTYPE r SYSTEM 'r.dtd'><r>", "r"),
        (b"<!DOCTYPE r [<!ENTITY a 'b'>]>\n<r>", "r"),
        ("<?xml version='1.0' encoding='utf-16'?><r/>".encode("utf-16"), "r"),
        ("<r/>".encode("utf-16-be"), "r"),
        ("<r/>".encode("utf-16-le"), "r"),
        (b"<com.a.b.C>", "com.a.b.C"),
        (b"1,2,3", ""),
        (b"", ""),
        (b"<", ""),
        (b"<!--", ""),
    ],
)
def test_the_root_is_told_by_the_first_bytes(content: bytes, name: str) -> None:
    assert root_name(content) == name


BOMB = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))


@pytest.mark.parametrize("root", ["RestingECG", "restingecgdata", "AnnotatedECG", "CardiologyXML", "a.SchillerEDI"])
@pytest.mark.parametrize(
    "declared",
    [
        f"<!DOCTYPE r [<!ENTITY a0 'ha'>{BOMB}]>",
        "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        "<!DOCTYPE r [<!ENTITY % x SYSTEM 'http://127.0.0.1/x'> %x;]>",
    ],
)
def test_entities_are_never_expanded(root: str, declared: str) -> None:
    content = f"<?xml version='1.0'?>{declared}<{root}>&a9;&x;</{root}>"
    with pytest.raises(UnsafeContent):
        read_source(Source("a.xml", content.encode()))


def test_a_document_type_without_entities_is_no_danger() -> None:
    assert parse_xml(b"<!DOCTYPE r SYSTEM 'restecg.dtd'><r><a> b </a></r>", "x").findtext("a") == " b "


def test_names_lose_their_namespace() -> None:
    root = parse_xml(b"<n:r xmlns:n='urn:x' xmlns='urn:y'><a n:k='1' j='2'>t</a></n:r>", "x")
    assert (root.tag, text(root, "a"), root[0].get("j")) == ("r", "t", "2")


def test_a_file_that_was_converted_and_still_says_utf_16_is_read() -> None:
    content = "<?xml version='1.0' encoding='UTF-16'?><r>ü</r>".encode()
    assert parse_xml(content, "x").text == "ü"


def test_latin_1_is_read_as_it_says() -> None:
    assert parse_xml("<?xml version='1.0' encoding='ISO-8859-1'?><r>ü</r>".encode("latin-1"), "x").text == "ü"


@pytest.mark.parametrize(
    "content",
    [b"<r><a></r>", b"<r>", b"<r/><r/>", b"<r>\xff</r>", b"<?xml version='1.0' encoding='nope'?><r/>", b"<r>&y;</r>"],
)
def test_what_is_not_well_formed_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        parse_xml(content, "x")


@pytest.mark.parametrize("piece", [b"<a/>", b"<a k='1' l='1' m='1' n='1' o='1' p='1' q='1' r='1' s='1' t='1' u='1'/>"])
def test_more_elements_or_attributes_than_any_ecg_has_are_refused_before_they_are_parsed(piece: bytes) -> None:
    with pytest.raises(TooLarge):
        parse_xml(b"<r>" + piece * (2 * MAX_ELEMENTS) + b"</r>", "x")


def test_deep_nesting_does_no_harm() -> None:
    deep = b"<a>" * 100_000 + b"</a>" * 100_000
    with pytest.raises(PrecordiaError):
        read_source(Source("a.xml", b"<RestingECG>" + deep + b"</RestingECG>"))


def test_numbers_in_text_are_whole_where_they_can_be() -> None:
    assert listed_numbers(" 1,-2\n\t+3 ,4,", Limits()).tolist() == [1, -2, 3, 4]
    assert listed_numbers("1 40000", Limits()).dtype == "int32"
    assert listed_numbers("1.5 -2e1", Limits()).tolist() == [1.5, -20]
    assert listed_numbers("12345678901", Limits()).tolist() == [12345678901.0]
    assert listed_numbers("", Limits()).size == 0


def test_fractions_and_long_numbers_are_rounded_as_python_rounds_them() -> None:
    words = ["0.1", "-2.5e-3", "1e22", "3.141592653589793238462", "123456789012345678901234567890", "7", ".5", "-0"]
    assert listed_numbers(" ,".join(words), Limits()).tolist() == [float(word) for word in words]
    assert np.isnan(listed_numbers("1 NaN 2", Limits())).tolist() == [False, True, False]


@pytest.mark.parametrize("broken", ["1 - 2", "1-2", "--1", "1 a", "1;2", "٣", "1 +", "inf", "1 1e999", '"1"'])
def test_what_is_no_number_is_refused(broken: str) -> None:
    with pytest.raises(UnreadableFile):
        listed_numbers(broken, Limits())


def test_more_numbers_than_the_limit_are_refused() -> None:
    with pytest.raises(TooLarge):
        listed_numbers("1 " * 200, Limits(max_samples=100))


@pytest.mark.parametrize("broken", ["AAA", "A*AA", "AA=A", "AAAA=AAA", "é"])
def test_base64_with_anything_else_in_it_is_refused(broken: str) -> None:
    with pytest.raises(UnreadableFile):
        decode_base64(broken)


@pytest.mark.parametrize(
    "naming",
    [
        "Confirmed by Smith, J (12) on 1/1/2020",
        "Electronically signed by A Smith",
        "Over-read by: X",
        "Referred by: Dr. No",
        "Technician: JB",
        "Dr Smith agrees",
        "Smith M.D.",
    ],
)
def test_statements_that_name_somebody_are_left_out(naming: str) -> None:
    findings = ("Sinus  rhythm", "Cannot rule out anterior infarct, age undetermined", "Unconfirmed diagnosis")
    assert kept_statements((findings[0], naming, *findings[1:], "", findings[1])) == ("Sinus rhythm", *findings[1:])
