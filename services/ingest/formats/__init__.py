"""File readers: bytes in, recordings out."""

from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.preview import SourcePreview, preview_source
from services.ingest.formats.reader import READERS, Reader, read_source, sniff

__all__ = ["READERS", "Limits", "Reader", "ReaderContext", "SourcePreview", "preview_source", "read_source", "sniff"]
