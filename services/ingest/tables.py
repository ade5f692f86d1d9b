"""The tables of ingest: what lies in the database. Samples and source bytes lie in the blob store.

`seq` columns number rows in order of arrival, which makes page tokens that stay right while rows
are added. Facts that are only shown, never searched, are kept as JSON text.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

# SQLite numbers rows by itself only for columns of type INTEGER.
_SERIAL = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

sources = Table(
    "sources",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

source_files = Table(
    "source_files",
    metadata,
    Column("source_sha256", String(64), ForeignKey("sources.sha256", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),  # 0 is the source itself, then its companions
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
)

recordings = Table(
    "recordings",
    metadata,
    Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    Column("recording_id", String(32), nullable=False, unique=True),
    Column("source_sha256", String(64), ForeignKey("sources.sha256"), nullable=False, index=True),
    Column("source_index", Integer, nullable=False),
    Column("source_name", Text, nullable=False),
    Column("source_record", Text, nullable=False),
    Column("variable", Text, nullable=False),  # of the hints: which array of the source was read
    Column("patient_key", Text, nullable=False),
    Column("facts", Text, nullable=False),  # JSON: services.ingest.facts
    Column("device", Text, nullable=False),  # JSON: what the device said; lists leave it out
    Column("blob", String(64), nullable=False, index=True),  # samples: services.ingest.samples
    Column("blob_offset", BigInteger, nullable=False),
    Column("blob_bytes", BigInteger, nullable=False),
    Column("blob_crc32", BigInteger, nullable=False),
    Column("supersedes", String(32), nullable=False),
    Column("superseded_by", String(32), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)

profiles = Table(
    "profiles",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("hints", Text, nullable=False),  # JSON of precordia.record.Hints
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("columns", Text, nullable=False),  # JSON: [[group, [label, ...]], ...] in column order
    Column("summary", Text, nullable=False),  # JSON of counts; empty = to be counted again
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)

members = Table(
    "members",
    metadata,
    Column("dataset_seq", BigInteger, ForeignKey("datasets.seq", ondelete="CASCADE"), primary_key=True),
    Column("recording_seq", BigInteger, ForeignKey("recordings.seq", ondelete="CASCADE"), primary_key=True),
    Column("labelled", Boolean, nullable=False),
    Column("patient", Text, nullable=False),  # of the label table; empty = the recording's own key
    Column("fold", Text, nullable=False),
    Column("labels", Text, nullable=False),  # JSON: {group: [label, ...]}
    Column("numeric", Text, nullable=False),  # JSON: {name: number}
    Index("ix_members_recording_seq", "recording_seq"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    Column("snapshot_id", String(32), nullable=False, unique=True),
    Column("made_us", BigInteger, nullable=False, unique=True),  # orders them; renewed when made again
    Column("dataset", String(128), nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("splits", Text, nullable=False),  # JSON: [[name, records, patients], ...]
    Column("label_groups", Text, nullable=False),  # JSON: [[group, [[label, records], ...]], ...]
    Column("only", Text, nullable=False, server_default="{}"),  # JSON: services.ingest.record_filter
    Column("left_out", BigInteger, nullable=False, server_default="0"),
    Column("facts", Text, nullable=False, server_default="[]"),  # JSON: services.ingest.snapshot_facts
    Column("created_at", DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)

shards = Table(
    "shards",
    metadata,
    Column("shard_id", String(40), primary_key=True),
    Column(
        "snapshot_id", String(32), ForeignKey("snapshots.snapshot_id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("split", String(128), nullable=False),  # empty = records that no named split holds
    Column("position", Integer, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    UniqueConstraint("snapshot_id", "position", name="uq_shards_position"),
)
