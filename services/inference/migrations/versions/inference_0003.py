"""Kept predictions with the revision of the operating points that were in force."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; of what is there already, nobody noted it."""
    op.add_column("kept_predictions", sa.Column("operating_points_revision", sa.BigInteger(), nullable=True))
