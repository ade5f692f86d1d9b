"""Predictions that were given for stored recordings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "kept_predictions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("recording_id", sa.String(64), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("model_digest", sa.String(64), nullable=False),
        sa.Column("predicted_at", sa.BigInteger(), nullable=False),  # microseconds since 1970, UTC
        sa.Column("input_sha256", sa.String(64), nullable=False),
        sa.Column("scores", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("prediction", sa.Text(), nullable=False),
        sa.Column("operation_id", sa.String(36), nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    for column in ("recording_id", "model", "predicted_at", "operation_id"):
        op.create_index(f"kept_predictions_by_{column}", "kept_predictions", [column])
