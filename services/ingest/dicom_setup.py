"""The DICOM listener as the settings want it: where, for whom, and how well guarded."""

from __future__ import annotations

import logging
import ssl

from precordia.catalog import checked_name
from precordia.errors import FailedPrecondition
from precordia.rpc.bind import is_loopback, parse_address
from precordia.source import Source
from services.ingest.dicom_listener import DicomListener
from services.ingest.importer import Importer
from services.ingest.inflight import InFlight
from services.ingest.settings import IngestSettings

log = logging.getLogger(__name__)

_PREFIX = "PRECORDIA_INGEST_DICOM_"


def dicom_listener(settings: IngestSettings, importer: Importer, in_flight: InFlight) -> DicomListener | None:
    """The listener, not yet started; None where the settings want none.

    Raises:
        FailedPrecondition: it would be open to everyone, or its certificate cannot be used.
        InvalidArgument: the address, or the dataset's name, cannot be one.
    """
    if not settings.dicom_listen:
        return None
    if settings.dicom_dataset:
        checked_name(settings.dicom_dataset, field=f"{_PREFIX}DATASET")
    host, port = parse_address(settings.dicom_listen)
    callers = tuple(title.strip() for title in settings.dicom_callers.split(",") if title.strip())
    tls = _tls(settings)
    _check_guarded(host, callers, tls)

    def store(source: Source) -> None:
        with in_flight.share() as share:
            share.take(len(source.content))
            importer.import_source(source, dataset=settings.dicom_dataset)

    return DicomListener(
        store,
        (host, port),
        ae_title=settings.dicom_ae_title,
        callers=callers,
        tls=tls,
        max_associations=settings.dicom_max_associations,
        max_bytes=min(settings.dicom_max_object_bytes, settings.max_source_bytes),
    )


def _check_guarded(host: str, callers: tuple[str, ...], tls: ssl.SSLContext | None) -> None:
    if is_loopback(host) or tls is not None:
        return
    if not callers:
        raise FailedPrecondition(
            f"Listening for DICOM on other than loopback needs {_PREFIX}CALLERS, or TLS with {_PREFIX}TLS_CERTIFICATE "
            f"and {_PREFIX}TLS_KEY; or let {_PREFIX}LISTEN begin with 127.0.0.1"
        )
    log.warning(
        "DICOM COMES IN UNENCRYPTED from other machines, and an AE title is no proof of who calls: "
        "keep this port inside a trusted network, or set %sTLS_CERTIFICATE and %sTLS_KEY",
        _PREFIX,
        _PREFIX,
    )


def _tls(settings: IngestSettings) -> ssl.SSLContext | None:
    certificate, key, authorities = (
        settings.dicom_tls_certificate,
        settings.dicom_tls_key,
        settings.dicom_tls_ca,
    )
    if certificate is None and key is None:
        if authorities is not None:
            raise FailedPrecondition(f"{_PREFIX}TLS_CA needs {_PREFIX}TLS_CERTIFICATE and {_PREFIX}TLS_KEY as well")
        return None
    if certificate is None or key is None:
        raise FailedPrecondition(f"Set both {_PREFIX}TLS_CERTIFICATE and {_PREFIX}TLS_KEY, or neither")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if authorities is not None:
            context.load_verify_locations(authorities)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        raise FailedPrecondition(
            f"The files named by {_PREFIX}TLS_CERTIFICATE, {_PREFIX}TLS_KEY and {_PREFIX}TLS_CA cannot be used"
        ) from error
    return context
