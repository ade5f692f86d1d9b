"""Predictions made for dataset splits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "dataset_predictions",
        sa.Column("operation_id", sa.String(36), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("prediction", sa.Text(), nullable=False),
        sa.Column("truth", sa.Text(), nullable=True),
    )
