from __future__ import annotations

import numpy as np
import pytest

from precordia.client import Connection
from precordia.errors import InvalidArgument, MissingField, NotFound
from precordia.record import Hints, Unit
from precordia.source import Source
from services.ingest.ingest import Ingest

BARE = Source(
    "bare.csv",
    "\n".join(
        ",".join(f"{value:.3f}" for value in row) for row in np.random.default_rng(1).normal(0, 0.3, (600, 12))
    ).encode(),
)
SAID = Hints(sample_rate_hz=500.0, unit=Unit.MILLIVOLT)
LEADS = Hints(lead_names=("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"))


def test_a_profile_fills_what_hints_do_not_say(ingest: Ingest) -> None:
    ingest.profiles.save("cart", SAID)
    filled = ingest.profiles.fill("cart", Hints(unit=Unit.MICROVOLT, variable="x"))
    assert filled == Hints(sample_rate_hz=500.0, unit=Unit.MICROVOLT, variable="x")
    assert ingest.profiles.fill("", LEADS) == LEADS


def test_the_last_profile_of_a_name_stands(ingest: Ingest) -> None:
    ingest.profiles.save("b", SAID)
    ingest.profiles.save("a", LEADS)
    ingest.profiles.save("b", LEADS)
    assert [(one.name, one.hints) for one in ingest.profiles.all()] == [("a", LEADS), ("b", LEADS)]
    ingest.profiles.delete("a")
    assert [one.name for one in ingest.profiles.all()] == ["b"]


def test_names_that_are_not_there_and_profiles_that_say_nothing_are_refused(ingest: Ingest) -> None:
    for call in (ingest.profiles.delete, lambda name: ingest.profiles.fill(name, SAID)):
        with pytest.raises(NotFound):
            call("nobody")
    with pytest.raises(InvalidArgument) as refused:
        ingest.profiles.save("empty", Hints())
    assert refused.value.field == "hints"
    with pytest.raises(InvalidArgument):
        ingest.profiles.save("no name", SAID)


async def test_an_import_by_the_name_of_a_profile_is_one_with_its_hints(connection: Connection) -> None:
    from precordia.v1 import ingest_pb2 as pb

    with pytest.raises(MissingField):
        await connection.ingest.import_source(BARE)
    saved = await connection.ingest.save_profile("cart", Hints.from_json({**SAID.to_json(), **LEADS.to_json()}))
    assert saved == (await connection.ingest.profiles())[0]
    assert (await connection.ingest.profile("cart")).hints == saved.hints
    staged = await connection.ingest.stage(BARE)
    request = pb.StartImportRequest(
        request_id="r-1", sources=[pb.StagedSource(file_name=BARE.name, upload_id=staged.upload_id)], profile="cart"
    )
    peer = connection.ingest._peer
    answer = await peer.call(connection.ingest._stub.StartImport, request)
    done = await connection.ingest.operations.wait(answer.operation.operation_id)
    assert done.result["imported"] == 1
    (stored,) = [one async for one in connection.ingest.recordings()]
    assert (stored.hints, stored.sample_rate_hz) == (saved.hints, 500.0)
    explicit = await connection.ingest.import_source(BARE, saved.hints)
    assert not explicit.created
    await connection.ingest.delete_profile("cart")
    with pytest.raises(NotFound):
        await connection.ingest.profile("cart")


async def test_bytes_that_are_here_are_not_sent_again(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    upload = connection.ingest.upload_source

    async def counted(name: str, content: bytes) -> str:
        sent.append(name)
        return await upload(name, content)

    monkeypatch.setattr(connection.ingest, "upload_source", counted)
    hinted = Hints.from_json({**SAID.to_json(), **LEADS.to_json()})
    first = await connection.ingest.stage(BARE)
    again = await connection.ingest.stage(BARE)  # staged, not imported yet
    assert sent == [BARE.name]
    assert first.upload_id != again.upload_id
    for staged in (first, again):
        operation = await connection.ingest.start_import([staged], hinted)
        await connection.ingest.operations.wait(operation.operation_id)
    third = await connection.ingest.stage(Source("renamed.csv", BARE.content))  # kept as a source
    assert sent == [BARE.name]
    operation = await connection.ingest.start_import([third], hinted)
    assert (await connection.ingest.operations.wait(operation.operation_id)).result["existing"] == 1
    await connection.ingest.stage(Source("other.csv", BARE.content + b"\n"))
    assert sent == [BARE.name, "other.csv"]
