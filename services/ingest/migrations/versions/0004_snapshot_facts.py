"""Snapshots say what is in each of their splits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Snapshots so far did not count."""
    op.add_column("snapshots", sa.Column("facts", sa.Text(), nullable=False, server_default="[]"))
