"""Nothing that identifies is left, and the samples are the same."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest

from precordia.record import Recording
from precordia.source import Source
from services.ingest.deidentify.deidentified import deidentified, same_samples
from tests.services.ingest.deidentify.identified_files import (
    CONTEXT,
    IDENTITY,
    cleaned,
    dicom,
    edf,
    read,
    wfdb_record,
)
from tests.services.ingest.ecg_files import many


def everything(source: Source | None) -> bytes:
    assert source is not None
    names = " ".join([source.name, *source.companions]).encode()
    return b"".join([names, source.content, *source.companions.values()])


def facts(recording: Recording) -> str:
    return repr((recording.provenance, recording.device, recording.labels, recording.remarks, recording.applied))


@pytest.mark.parametrize("source", [dicom(), wfdb_record(), edf()], ids=["dicom", "wfdb", "edf"])
def test_no_identity_is_left_in_bytes_names_or_facts(source: Source) -> None:
    made = cleaned(source)
    left = everything(made.source).decode("latin-1").casefold()
    assert [word for word in IDENTITY if word.casefold() in left] == []
    said = facts(made.recordings[0]).casefold()
    assert [word for word in IDENTITY if word.casefold() in said] == []
    assert any(word.casefold().encode() in everything(source).lower() for word in IDENTITY)


@pytest.mark.parametrize("source", [dicom(), wfdb_record(), edf()], ids=["dicom", "wfdb", "edf"])
def test_what_is_kept_reads_back_as_the_same_samples_and_day(source: Source) -> None:
    made = cleaned(source)
    assert made.source is not None
    again = read(made.source)
    assert same_samples(read(source), again)
    assert again[0].acquired_at is not None
    assert again[0].acquired_at.replace(tzinfo=None) == made.recordings[0].acquired_at.replace(tzinfo=None)
    before = read(source)[0].acquired_at
    assert 60 <= (before - made.recordings[0].acquired_at).days <= 1500
    assert made.recordings[0].provenance.source_sha256 == made.source.sha256()


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"])
def test_dicom_keeps_its_transfer_syntax_and_says_how_it_was_cleaned(syntax: str) -> None:
    made = cleaned(dicom(syntax=syntax))
    assert made.source is not None
    dataset = pydicom.dcmread(io.BytesIO(made.source.content))
    assert dataset.file_meta.TransferSyntaxUID == syntax
    assert dataset.PatientIdentityRemoved == "YES"
    codes = [code.CodeValue for code in dataset.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107", "113108"]
    assert dataset.preamble == bytes(128)
    assert (dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge) == ("", "F", "062Y")
    assert dataset.SOPInstanceUID.startswith("2.25.")
    assert not list(dataset.group_dataset(0x1455))
    assert len(dataset.AcquisitionContextSequence) == 0


def test_dicom_keeps_numbers_of_annotations_and_no_text() -> None:
    made = cleaned(dicom())
    assert made.source is not None
    (note,) = pydicom.dcmread(io.BytesIO(made.source.content)).WaveformAnnotationSequence
    assert (note.ConceptNameCodeSequence[0].CodeMeaning, note.NumericValue) == ("PR Interval", 154)
    assert made.recordings[0].device.measurements == {"PR Interval": "154 ms"}
    assert made.recordings[0].device.statements == ()


def test_a_name_in_a_text_that_stays_is_found_and_emptied_but_no_lead_is() -> None:
    made = cleaned(dicom())
    assert made.source is not None
    group = pydicom.dcmread(io.BytesIO(made.source.content)).WaveformSequence[0]
    assert group.MultiplexGroupLabel in ("", None)
    assert [one.ChannelLabel for one in group.ChannelDefinitionSequence][:3] == ["I", "II", "III"]


def test_two_ecgs_of_one_patient_stay_one_patient_and_keep_their_distance() -> None:
    first, second = cleaned(dicom(day="20200517")).recordings[0], cleaned(dicom(day="20200616")).recordings[0]
    other = cleaned(dicom(patient="4712", day="20200517")).recordings[0]
    assert first.patient_key == second.patient_key != other.patient_key
    assert first.patient_key == read(dicom())[0].patient_key
    assert (second.acquired_at - first.acquired_at).days == 30
    assert (first.acquired_at - other.acquired_at).days != 0


def test_cleaning_again_gives_the_same_bytes() -> None:
    assert everything(cleaned(dicom()).source) == everything(cleaned(dicom()).source)


def test_the_report_names_elements_and_no_values() -> None:
    (remark,) = [one for one in cleaned(dicom()).recordings[0].remarks if one.code == "deidentified"]
    for name in ("PatientName", "PatientID", "InstitutionName", "AcquisitionContextSequence", "private elements"):
        assert name in remark.message
    assert "StudyDate (moved)" in remark.message
    assert "SOPInstanceUID (replaced)" in remark.message


def test_wfdb_comments_come_down_to_age_sex_and_codes() -> None:
    made = cleaned(wfdb_record())
    assert made.source is not None
    comments = [line for line in made.source.content.decode().splitlines() if line.startswith("#")]
    assert comments == ["# Age: 90", "# Sex: Female", "# Dx: 426783006"]
    assert all(name.startswith("deid-") for name in (made.source.name, *made.source.companions))
    assert len(made.source.companions) == 1


def test_a_format_that_cannot_be_rewritten_is_not_kept_and_that_is_said() -> None:
    source = many(2, samples=50)
    from tests.services.ingest.ecg_files import CONDITIONED

    def reads(one: Source) -> tuple[Recording, ...]:
        from services.ingest.formats import read_source

        return read_source(one, CONDITIONED, CONTEXT)

    made = deidentified(source, reads(source), reads, CONTEXT.patient_secret)
    assert made.source is None
    assert [remark.code for remark in made.recordings[0].remarks][-2:] == ["deidentified", "source_not_kept"]
    assert made.recordings[0].provenance.source_sha256 != source.sha256()
    assert made.recordings[0].provenance.source_record != made.recordings[1].provenance.source_record
    assert "100" not in made.recordings[0].provenance.source_record.split("-")


def test_a_cleaner_that_changes_a_sample_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.ingest.deidentify import deidentified as module
    from services.ingest.deidentify.cleaned import Cleaned
    from tests.services.ingest.ecg_files import wfdb

    monkeypatch.setitem(module.CLEANERS, "wfdb", lambda source, by: Cleaned(wfdb(seed=9), ("all",)))
    made = cleaned(wfdb(seed=1))
    assert made.source is None
    assert np.array_equal(made.recordings[0].channels[0].samples, read(wfdb(seed=1))[0].channels[0].samples)


XML = ["muse/egm-muse-sinus.redacted.xml", "philips/129DYPRG.XML", "philips/3191723_ZZDEMOPTONLY_1-04_orig.xml"]


@pytest.mark.parametrize(
    "name", [*XML, "muse/example1.xml", "hl7-aecg/ecg_hl7.xml", "dicom/waveform_ecg.dcm", "scp/Example.scp"]
)
def test_real_files_are_rewritten_and_read_back_the_same(testdata: Path, name: str) -> None:
    source = Source(Path(name).name, (testdata / "formats" / name).read_bytes())
    made = cleaned(source)
    assert made.source is not None
    assert same_samples(read(source), read(made.source))
    assert Path(name).stem.encode() not in everything(made.source)


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("philips/129DYPRG.XML", [b"1112010721168bdc", b"2011-12-01", b"GE EMS", b"GEILM"]),
        (
            "philips/3191723_ZZDEMOPTONLY_1-04_orig.xml",
            [b"ZZDEMOPTONLY", b"1950-01-01", b"120190145", b"EKG1715", b"VWJ"],
        ),
        ("hl7-aecg/ecg_hl7.xml", [b"JMK", b"19530508", b"20021122", b"River City", b"felt dizzy", b"61d1a24f"]),
        ("muse/example1.xml", [b"SKJ18310123PA"]),
    ],
)
def test_real_identity_is_gone_from_xml(testdata: Path, name: str, identity: list[bytes]) -> None:
    content = (testdata / "formats" / name).read_bytes()
    content = content.decode("utf-16").encode() if content[:2] in (b"\xff\xfe", b"\xfe\xff") else content
    made = cleaned(Source("ecg.xml", (testdata / "formats" / name).read_bytes()))
    for word in identity:
        assert word in content
        assert word not in everything(made.source)


def test_scp_keeps_the_signal_and_sheds_names_reports_and_serial_numbers(testdata: Path) -> None:
    source = Source("Example.scp", (testdata / "formats/scp/Example.scp").read_bytes())
    made = cleaned(source)
    assert made.source is not None
    before, after = read(source)[0], read(made.source)[0]
    assert (after.age_years, after.sex) == (before.age_years, before.sex)
    assert after.device.manufacturer == before.device.manufacturer
    assert "checksum_mismatch" not in [remark.code for remark in after.remarks]
    assert after.acquired_at == made.recordings[0].acquired_at != before.acquired_at
    (remark,) = [one for one in made.recordings[0].remarks if one.code == "deidentified"]
    assert "tag 2 of section 1" in remark.message
