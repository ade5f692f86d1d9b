"""Snapshots say which records of their dataset they took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Snapshots so far took everything."""
    op.add_column("snapshots", sa.Column("only", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("snapshots", sa.Column("left_out", sa.BigInteger(), nullable=False, server_default="0"))
