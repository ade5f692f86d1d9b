"""Times. On the wire they are UTC; a value without a zone is written as if it were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_to_proto(value: datetime | None) -> Timestamp | None:
    """A timestamp, to the microsecond; None stays unset."""
    if value is None:
        return None
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    passed = aware - _EPOCH
    seconds = passed // timedelta(seconds=1)
    return Timestamp(seconds=seconds, nanos=(passed - timedelta(seconds=seconds)).microseconds * 1000)


def time_from_proto(message: Message, field: str) -> datetime | None:
    """The time in a field of a message, in UTC; None where it is unset."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
