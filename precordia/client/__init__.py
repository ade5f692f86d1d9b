"""The client: every service through value types and our own errors.

Asynchronous: `async with connect() as precordia: ...`. For notebooks and scripts: `with Precordia() as precordia: ...`.
"""

from precordia.client.addresses import Addresses
from precordia.client.batch import BatchImport, FileVerdict
from precordia.client.connection import Connection, ServiceHealth, connect
from precordia.client.files import Found, SourceFile, find_sources, sources_from_paths
from precordia.client.inference import InferenceClient
from precordia.client.ingest import ExportedFile, ImportAnswer, IngestClient, Page, StagedSource
from precordia.client.notebook import DEFAULT_MODEL, Precordia
from precordia.client.operations import OperationsClient
from precordia.client.registry import RegistryClient
from precordia.client.trainer import TrainerClient

__all__ = [
    "DEFAULT_MODEL",
    "Addresses",
    "BatchImport",
    "Connection",
    "ExportedFile",
    "FileVerdict",
    "Found",
    "ImportAnswer",
    "InferenceClient",
    "IngestClient",
    "OperationsClient",
    "Page",
    "Precordia",
    "RegistryClient",
    "ServiceHealth",
    "SourceFile",
    "StagedSource",
    "TrainerClient",
    "connect",
    "find_sources",
    "sources_from_paths",
]
