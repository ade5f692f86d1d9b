"""C-STORE and C-ECHO from pynetdicom's own sender."""

from __future__ import annotations

import gc
import io
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, TwelveLeadECGWaveformStorage, Verification

from precordia.errors import FailedPrecondition, InternalError, StorageFull
from precordia.source import Source
from services.ingest import dicom_listener as dicom_module
from services.ingest.dicom_listener import DicomListener
from services.ingest.dicom_objects import ECG_CLASSES, SentObject
from services.ingest.dicom_setup import dicom_listener
from services.ingest.ingest import Ingest
from services.ingest.settings import IngestSettings

# pynetdicom leaves a socket to the garbage collector where the peer closed it first.
pytestmark = pytest.mark.filterwarnings("ignore:.*socket.*:pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _no_sockets_left_behind() -> Iterator[None]:
    yield
    gc.collect()


@contextmanager
def listening(ingest: Ingest, settings: IngestSettings, **said: Any) -> Iterator[DicomListener]:
    wanted = settings.model_copy(update={"dicom_listen": "127.0.0.1:0", **said})
    listener = dicom_listener(wanted, ingest.importer, ingest.in_flight)
    assert listener is not None
    listener.start()
    try:
        yield listener
    finally:
        listener.stop(5)


@contextmanager
def association(listener: DicomListener, *, calling: str = "CART", tls: Any = None, classes: Any = ()) -> Iterator[Any]:
    caller = AE(ae_title=calling)
    caller.acse_timeout = caller.dimse_timeout = caller.network_timeout = 60
    for uid in classes or [Verification, *ECG_CLASSES]:
        caller.add_requested_context(uid)
    made = caller.associate(*listener.address, ae_title="PRECORDIA", tls_args=(tls, None) if tls else None)
    try:
        yield made
    finally:
        if made.is_established:
            made.release()


@pytest.fixture
def sqlite(settings: IngestSettings) -> Iterator[Ingest]:
    made = Ingest(settings)
    yield made
    made.close()


@pytest.fixture
def ecg(dicom_ecg: Path) -> Dataset:
    return dcmread(dicom_ecg)


def sent(listener: DicomListener, dataset: Dataset, **said: Any) -> int:
    with association(listener, **said) as made:
        assert made.is_established
        return int(made.send_c_store(dataset).Status)


def test_an_echo_is_answered(sqlite: Ingest, settings: IngestSettings) -> None:
    with listening(sqlite, settings) as listener, association(listener) as made:
        assert made.send_c_echo().Status == 0x0000


def test_an_ecg_that_is_sent_twice_is_stored_once_with_the_samples_of_its_file(
    sqlite: Ingest, settings: IngestSettings, ecg: Dataset, dicom_ecg: Path
) -> None:
    with listening(sqlite, settings, dicom_dataset="cart") as listener:
        with association(listener) as made:
            assert [made.send_c_store(ecg).Status for _ in range(2)] == [0, 0]
        assert sent(listener, ecg) == 0
    (stored,) = sqlite.recordings.page(dataset="cart").recordings
    assert stored.format == "dicom"
    assert stored.source_name == f"{ecg.SOPInstanceUID}.dcm"
    (read,) = sqlite.importer.import_source(Source("file.dcm", dicom_ecg.read_bytes())).recordings
    ours, theirs = sqlite.importer.recording(stored.recording_id), sqlite.importer.recording(read.recording_id)
    assert [channel.samples.tolist() for channel in ours.channels] == [
        channel.samples.tolist() for channel in theirs.channels
    ]
    assert [channel.gain for channel in ours.channels] == [channel.gain for channel in theirs.channels]


def test_the_same_object_always_makes_the_same_file(ecg: Dataset, dicom_ecg: Path) -> None:
    object_ = SentObject(TwelveLeadECGWaveformStorage, "1.2.3", ImplicitVRLittleEndian, b"\x08\x00")
    source = object_.to_source()
    assert source == object_.to_source()
    meta = dcmread(io.BytesIO(source.content), force=True).file_meta
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert source.content.endswith(b"\x08\x00")


def test_a_data_set_of_another_class_or_without_a_waveform_does_not_match(
    sqlite: Ingest, settings: IngestSettings, ecg: Dataset
) -> None:
    empty = dcmread(io.BytesIO(_bytes(ecg)))
    del empty.WaveformSequence
    with listening(sqlite, settings) as listener:
        assert sent(listener, empty) == 0xA900
        with association(listener) as made:
            other = dcmread(io.BytesIO(_bytes(ecg)))
            status = _store_as(made, TwelveLeadECGWaveformStorage, other, CTImageStorage)
    assert status.Status == 0xA900
    assert sqlite.recordings.page().recordings == ()


def test_a_waveform_that_cannot_be_read_is_not_understood(
    sqlite: Ingest, settings: IngestSettings, ecg: Dataset
) -> None:
    for group in ecg.WaveformSequence:
        del group.SamplingFrequency
    with listening(sqlite, settings) as listener, association(listener) as made:
        answer = made.send_c_store(ecg)
        assert made.send_c_echo().Status == 0  # the association lives on
    assert answer.Status == 0xC000
    assert answer.ErrorComment
    assert sqlite.recordings.page().recordings == ()


def test_other_classes_are_not_supported(sqlite: Ingest, settings: IngestSettings, ecg: Dataset) -> None:
    with listening(sqlite, settings) as listener:
        with association(listener, classes=[CTImageStorage]) as made:
            assert not made.is_established  # no presentation context is accepted
        with association(listener) as made:
            status = _store_as(made, TwelveLeadECGWaveformStorage, ecg, None, announced=CTImageStorage)
    assert status.Status == 0x0122


def test_what_is_too_large_is_answered_and_what_never_ends_is_cut_off(
    sqlite: Ingest, settings: IngestSettings, ecg: Dataset
) -> None:
    size = len(_bytes(ecg))
    with listening(sqlite, settings, dicom_max_object_bytes=size * 2 // 3) as listener:
        assert sent(listener, ecg) == 0xA700
    with listening(sqlite, settings, dicom_max_object_bytes=size // 8) as listener, association(listener) as made:
        assert "Status" not in made.send_c_store(ecg)
        made.join(60)
        assert made.is_aborted
    assert sqlite.recordings.page().recordings == ()


@pytest.mark.parametrize(
    ("error", "status"), [(StorageFull("full"), 0xA700), (InternalError("ours"), 0x0110), (RuntimeError("bug"), 0x0110)]
)
def test_a_fault_of_ours_is_said_as_such(ecg: Dataset, error: Exception, status: int) -> None:
    def store(source: Source) -> None:
        raise error

    listener = DicomListener(store, ("127.0.0.1", 0), ae_title="PRECORDIA")
    listener.start()
    try:
        assert sent(listener, ecg) == status
    finally:
        listener.stop(5)


def test_only_allowed_callers_that_call_us_are_heard(sqlite: Ingest, settings: IngestSettings, ecg: Dataset) -> None:
    with listening(sqlite, settings, dicom_callers="CART1, CART2") as listener:
        assert sent(listener, ecg, calling="CART2") == 0
        with association(listener, calling="STRANGER") as made:
            assert made.is_rejected
        caller = AE(ae_title="CART1")
        caller.add_requested_context(Verification)
        assert caller.associate(*listener.address, ae_title="OTHER").is_rejected


def test_associations_beyond_the_limit_are_rejected(sqlite: Ingest, settings: IngestSettings) -> None:
    with listening(sqlite, settings, dicom_max_associations=1) as listener, association(listener) as first:
        assert first.is_established
        with association(listener) as second:
            assert second.is_rejected


def test_an_object_under_way_is_stored_and_answered_before_the_listener_stops(
    ecg: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_module, "_FAREWELL_S", 60.0)
    begun, stored = threading.Event(), []

    def store(source: Source) -> None:
        begun.set()
        while not listener._draining:
            time.sleep(0.01)
        stored.append(source.name)

    listener = DicomListener(store, ("127.0.0.1", 0), ae_title="PRECORDIA")
    listener.start()
    answers: list[int] = []
    sender = threading.Thread(target=lambda: answers.append(sent(listener, ecg)))
    sender.start()
    assert begun.wait(60)
    address = listener.address
    listener.stop(120)
    sender.join(60)
    assert (answers, len(stored)) == ([0], 1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=60)


def test_over_tls_a_caller_that_says_nothing_holds_up_nobody(
    sqlite: Ingest, settings: IngestSettings, ecg: Dataset, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=ingest", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    trust = ssl.create_default_context(cafile=str(certificate))
    trust.check_hostname = False
    with (
        listening(sqlite, settings, dicom_tls_certificate=certificate, dicom_tls_key=key) as listener,
        socket.create_connection(listener.address),
    ):
        assert sent(listener, ecg, tls=trust) == 0
        with socket.create_connection(listener.address, timeout=60) as plain:
            plain.sendall(b"\x01\x00\x00\x00\x00\x44\x00\x01\x00\x00" + b"PRECORDIA".ljust(16) + b"CART".ljust(16))
            with suppress(ConnectionResetError):
                assert plain.recv(1) != b"\x02"  # no A-ASSOCIATE-AC
    assert len(sqlite.recordings.page().recordings) == 1


def test_it_is_off_unless_wanted_and_open_to_everyone_never(
    sqlite: Ingest, settings: IngestSettings, caplog: pytest.LogCaptureFixture
) -> None:
    assert dicom_listener(settings, sqlite.importer, sqlite.in_flight) is None
    wide = settings.model_copy(update={"dicom_listen": "0.0.0.0:0"})
    with pytest.raises(FailedPrecondition, match="CALLERS"):
        dicom_listener(wide, sqlite.importer, sqlite.in_flight)
    named = wide.model_copy(update={"dicom_callers": "CART"})
    assert dicom_listener(named, sqlite.importer, sqlite.in_flight) is not None
    assert "UNENCRYPTED" in caplog.text


def test_an_address_that_is_taken_is_said(sqlite: Ingest, settings: IngestSettings) -> None:
    with listening(sqlite, settings) as listener:
        taken = settings.model_copy(update={"dicom_listen": f"127.0.0.1:{listener.address[1]}"})
        second = dicom_listener(taken, sqlite.importer, sqlite.in_flight)
        assert second is not None
        with pytest.raises(FailedPrecondition, match="DICOM_LISTEN"):
            second.start()


def _bytes(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def _store_as(made: Any, context_class: str, dataset: Dataset, inner: str | None, announced: str = "") -> Any:
    """A C-STORE whose request and data set disagree with the presentation context, which no honest sender sends."""
    from pynetdicom.dimse_primitives import C_STORE
    from pynetdicom.dsutils import encode

    context = next(one for one in made.accepted_contexts if one.abstract_syntax == context_class)
    if inner is not None:
        dataset.SOPClassUID = inner
    request = C_STORE()
    request.MessageID = 7
    request.AffectedSOPClassUID = announced or context_class
    request.AffectedSOPInstanceUID = dataset.SOPInstanceUID
    request.Priority = 0
    syntax = context.transfer_syntax[0]
    dataset.file_meta = None
    request.DataSet = io.BytesIO(encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian) or b"")
    made._reactor_checkpoint.clear()  # the answer is ours, not the sender's own loop's
    while not made._is_paused:
        time.sleep(0.01)
    try:
        made.dimse.send_msg(request, context.context_id)
        _, answer = made.dimse.get_msg(block=True)
    finally:
        made._reactor_checkpoint.set()
    return answer
