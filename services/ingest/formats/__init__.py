"""File readers: bytes in, recordings out."""

from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.reader import READERS, Reader, read_source, sniff

__all__ = ["READERS", "Limits", "Reader", "ReaderContext", "read_source", "sniff"]
