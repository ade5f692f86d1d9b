"""The registry's tables, as `migrations` creates them."""

from __future__ import annotations

import sqlalchemy as sa

_METADATA = sa.MetaData()

MODELS = sa.Table(
    "models",
    _METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("last_version", sa.Integer),  # stays when versions go, so that no number comes twice
)

VERSIONS = sa.Table(
    "model_versions",
    _METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String(64)),
    sa.Column("manifest", sa.Text),
    sa.Column("lineage", sa.Text),
    sa.Column("remarks", sa.Text),
    sa.Column("created_us", sa.BigInteger),
)

ARTIFACTS = sa.Table(
    "model_artifacts",
    _METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("artifact", sa.String(128), primary_key=True),
    sa.Column("position", sa.Integer),
    sa.Column("sha256", sa.String(64)),
    sa.Column("size_bytes", sa.BigInteger),
)

ALIASES = sa.Table(
    "model_aliases",
    _METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("alias", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer),
)

OPERATING_POINTS = sa.Table(
    "operating_points",
    _METADATA,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("content", sa.Text),
    sa.Column("created_us", sa.BigInteger),
)

PUBLISH_REQUESTS = sa.Table(
    "publish_requests",
    _METADATA,
    sa.Column("request_id", sa.String(128), primary_key=True),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("name", sa.String(128)),
    sa.Column("version", sa.Integer),
    sa.Column("created", sa.Boolean),
)

EVENTS = sa.Table(
    "model_events",
    _METADATA,
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("change", sa.String(32)),
    sa.Column("name", sa.String(128)),
    sa.Column("version", sa.Integer),
    sa.Column("alias", sa.String(128)),
    sa.Column("created_us", sa.BigInteger),
)

JOURNAL = sa.Table(
    "model_journal",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("last_number", sa.BigInteger),
)
