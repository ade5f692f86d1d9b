"""Sources, recordings, uploads, datasets and snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "sources",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "source_files",
        sa.Column(
            "source_sha256", sa.String(64), sa.ForeignKey("sources.sha256", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_source_files_sha256", "source_files", ["sha256"])
    op.create_table(
        "recordings",
        sa.Column("seq", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("recording_id", sa.String(32), nullable=False, unique=True),
        sa.Column("source_sha256", sa.String(64), sa.ForeignKey("sources.sha256"), nullable=False),
        sa.Column("source_index", sa.Integer(), nullable=False),
        sa.Column("source_name", sa.Text(), nullable=False),
        sa.Column("source_record", sa.Text(), nullable=False),
        sa.Column("variable", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("blob", sa.String(64), nullable=False),
        sa.Column("blob_offset", sa.BigInteger(), nullable=False),
        sa.Column("blob_bytes", sa.BigInteger(), nullable=False),
        sa.Column("blob_crc32", sa.BigInteger(), nullable=False),
        sa.Column("supersedes", sa.String(32), nullable=False),
        sa.Column("superseded_by", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_recordings_source_sha256", "recordings", ["source_sha256"])
    op.create_index("ix_recordings_blob", "recordings", ["blob"])
    op.create_table(
        "requests",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.String(40), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_uploads_sha256", "uploads", ["sha256"])
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])
    op.create_table(
        "datasets",
        sa.Column("seq", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(128), nullable=False, unique=True),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "members",
        sa.Column("dataset_seq", sa.BigInteger(), sa.ForeignKey("datasets.seq", ondelete="CASCADE"), primary_key=True),
        sa.Column(
            "recording_seq", sa.BigInteger(), sa.ForeignKey("recordings.seq", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("labelled", sa.Boolean(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("fold", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("numeric", sa.Text(), nullable=False),
    )
    op.create_index("ix_members_recording_seq", "members", ["recording_seq"])
    op.create_table(
        "snapshots",
        sa.Column("seq", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("snapshot_id", sa.String(32), nullable=False, unique=True),
        sa.Column("made_us", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("dataset", sa.String(128), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("splits", sa.Text(), nullable=False),
        sa.Column("label_groups", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_snapshots_dataset", "snapshots", ["dataset"])
    op.create_table(
        "shards",
        sa.Column("shard_id", sa.String(40), primary_key=True),
        sa.Column(
            "snapshot_id", sa.String(32), sa.ForeignKey("snapshots.snapshot_id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("split", sa.String(128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.UniqueConstraint("snapshot_id", "position", name="uq_shards_position"),
    )
    op.create_index("ix_shards_snapshot_id", "shards", ["snapshot_id"])
    op.create_index("ix_shards_sha256", "shards", ["sha256"])
