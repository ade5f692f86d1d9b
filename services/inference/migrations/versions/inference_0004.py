"""Operations whose predictions were removed for their age."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "removed_predictions",
        sa.Column("operation_id", sa.String(36), primary_key=True),
        sa.Column("days", sa.BigInteger(), nullable=False),  # that they were kept for
    )
