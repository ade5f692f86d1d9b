"""The DICOM listener: ECG objects that electrocardiographs and archives send arrive as any file does.

A storage SCP with verification (C-ECHO). Every association has a thread of its own, and the answer
to a C-STORE is given once the recording is durable. What was sent twice is stored once, because the
same bytes are the same recording.
"""

from __future__ import annotations

import logging
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import
from pynetdicom.transport import ThreadedAssociationServer

from precordia.errors import FailedPrecondition, Overloaded, PrecordiaError, TooLarge
from precordia.source import Source
from services.ingest.dicom_objects import ECG_CLASSES, TRANSFER_SYNTAXES, SentObject
from services.ingest.dicom_statuses import StoreStatus, status_of

log = logging.getLogger(__name__)

Store = Callable[[Source], None]
"""Imports a source; raises our errors."""

_HANDSHAKE_S = 10.0
_NEGOTIATION_S = 10
_IDLE_S = 60
_FAREWELL_S = 1.0  # for callers to release by themselves when the listener stops
_WAITING_MESSAGES = 4  # senders wait for each answer; one that does not is cut off
_OVERRUN = 2  # times the limit, at which a transfer is cut off instead of answered
_COMMENT = 64  # characters of (0000,0902) Error Comment


class DicomListener:
    """Listens for associations and stores what they send.

    Args:
        store: where objects go.
        address: host and port; port 0 takes a free one.
        ae_title: our own; callers must call it.
        callers: AE titles that may call; empty = any.
        tls: wraps every connection where given.
        max_associations: at the same time.
        max_bytes: of one object.
    """

    def __init__(
        self,
        store: Store,
        address: tuple[str, int],
        *,
        ae_title: str,
        callers: tuple[str, ...] = (),
        tls: ssl.SSLContext | None = None,
        max_associations: int = 8,
        max_bytes: int = 64 << 20,
    ) -> None:
        self._store = store
        self._address = address
        self._tls = tls
        self._max_bytes = max_bytes
        self._ae = _entity(ae_title, callers, max_associations, max_bytes)
        self._server: _Server | None = None
        self._work = threading.Condition()
        self._owed: set[Any] = set()  # associations that wait for an answer
        self._draining = False

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._address if self._server is None else self._server.server_address[:2]

    def start(self) -> None:
        """Listen.

        Raises:
            FailedPrecondition: the address cannot be listened on.
        """
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_PDU_RECV, self._on_pdu),
            (evt.EVT_PDU_SENT, self._on_answered),
            (evt.EVT_CONN_CLOSE, self._on_answered),
            (evt.EVT_REJECTED, _on_rejected),
        ]
        _quiet()
        try:
            self._server = _Server(
                self._ae, self._address, self._ae.ae_title, self._ae.supported_contexts, self._tls, handlers
            )
        except OSError as error:
            raise FailedPrecondition(
                "The DICOM address cannot be listened on: another program has it, or it is no address of this "
                "machine; set PRECORDIA_INGEST_DICOM_LISTEN"
            ) from error
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="dicom-listener", daemon=True).start()
        log.info("DICOM is listened for on %s:%d as %s", *self.address, self._ae.ae_title)

    def stop(self, grace_s: float) -> None:
        """Take no more objects, let those under way be stored and answered, then close."""
        if self._server is None:
            return
        self._server.close()
        until = time.monotonic() + grace_s
        with self._work:
            self._draining = True
            self._work.wait_for(lambda: not self._owed, timeout=grace_s)
        # An abort at the heels of an answer can overtake it: who was just answered hears it and releases first.
        self._wait_for_releases(min(until, time.monotonic() + _FAREWELL_S))
        for association in self._ae.active_associations:
            association.network_timeout = 1
            association.abort()
        self._wait_for_releases(until)
        self._server = None

    def _wait_for_releases(self, until: float) -> None:
        while self._ae.active_associations and time.monotonic() < until:
            time.sleep(0.02)

    def _on_store(self, event: evt.Event) -> Dataset:
        try:
            self._begin(event.assoc)
            status, comment = self._stored(event), ""
        except PrecordiaError as error:
            status, comment = status_of(error), error.message
        except Exception:  # the sender must hear a status whatever happens
            log.exception("an object that was sent could not be stored")
            status, comment = StoreStatus.PROCESSING_FAILURE, "The service failed; its log has the cause"
        log.info("C-STORE from %r: status 0x%04X", event.assoc.requestor.ae_title, status)
        return _answer(status, comment)

    def _begin(self, association: Any) -> None:
        with self._work:
            if self._draining:
                raise Overloaded("The service is about to stop; send again later.", retry_after_s=30)
            self._owed.add(association)

    def _on_answered(self, event: evt.Event) -> None:
        """An answer has gone out, or nobody is there to hear it."""
        with self._work:
            self._owed.discard(event.assoc)
            self._work.notify_all()

    def _stored(self, event: evt.Event) -> StoreStatus:
        sent = _object(event)
        if sent.sop_class not in ECG_CLASSES or sent.sop_class != event.context.abstract_syntax:
            return StoreStatus.SOP_CLASS_NOT_SUPPORTED
        if len(sent.data) > self._max_bytes:
            raise TooLarge(f"Objects of {self._max_bytes} bytes at most are taken.", limit=self._max_bytes)
        source = sent.to_source()
        if not sent.matches_its_class(source):
            return StoreStatus.DOES_NOT_MATCH_SOP_CLASS
        self._store(source)
        return StoreStatus.SUCCESS

    def _on_pdu(self, event: evt.Event) -> None:
        """Cut off who sends far more than one object's worth: it is all held in memory."""
        dimse = event.assoc.dimse
        message = dimse.message
        held = message.data_set.tell() if message is not None and message.data_set is not None else 0
        if held > _OVERRUN * self._max_bytes or dimse.msg_queue.qsize() > _WAITING_MESSAGES:
            log.warning("an association of %r sent too much and is cut off", event.assoc.requestor.ae_title)
            dimse.message = None
            event.assoc.dul.event_queue.put("Evt19")  # as for an invalid PDU: the peer gets an A-ABORT


class _Server(ThreadedAssociationServer):
    """Shakes hands in the connection's own thread: a caller that says nothing holds up nobody else."""

    daemon_threads = True

    def get_request(self) -> Any:
        assert self.socket is not None  # it is bound
        return self.socket.accept()

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.ssl_context is not None:
            request.settimeout(_HANDSHAKE_S)
            request = self.ssl_context.wrap_socket(request, server_side=True)
            request.settimeout(None)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.warning("a DICOM connection ended before its association began")

    def close(self) -> None:
        """No further connections; associations go on."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()


def _entity(ae_title: str, callers: tuple[str, ...], max_associations: int, max_bytes: int) -> AE:
    entity = AE(ae_title=ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = list(callers)
    entity.maximum_associations = max_associations
    entity.acse_timeout = _NEGOTIATION_S
    entity.dimse_timeout = entity.network_timeout = _IDLE_S
    entity.add_supported_context(Verification)
    for uid in ECG_CLASSES:
        entity.add_supported_context(uid, TRANSFER_SYNTAXES)
    return entity


def _object(event: evt.Event) -> SentObject:
    request: Any = event.request
    data = request.DataSet.getvalue() if request.DataSet is not None else b""
    return SentObject(
        str(request.AffectedSOPClassUID),
        str(request.AffectedSOPInstanceUID),
        str(event.context.transfer_syntax),
        data,
    )


def _answer(status: StoreStatus, comment: str) -> Dataset:
    answer = Dataset()
    answer.Status = int(status)
    if comment:
        answer.ErrorComment = comment[:_COMMENT]
    return answer


def _on_rejected(event: evt.Event) -> None:
    log.warning("an association that %r asked for was rejected", event.assoc.requestor.ae_title)


def _quiet() -> None:
    """The library's own log names what it sends and receives; ours says enough."""
    _config.LOG_HANDLER_LEVEL = "none"
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
