"""The record of models, on every database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from precordia.catalog import Artifact, Lineage, ModelChange, ModelEvent, ModelRef
from precordia.errors import AliasNotFound, InUse, ModelNotFound, RequestReused
from precordia.manifest import Manifest
from precordia.record import Remark
from precordia.storage.database import open_database
from services.registry.store import ModelStore, NewVersion
from tests.precordia.databases import database_url as database_url
from tests.services.registry.graphs import manifest


@pytest.fixture
def store(database_url: str) -> Iterator[ModelStore]:
    engine = open_database(database_url, "services.registry.migrations")
    yield ModelStore(engine)
    engine.dispose()


def new(content: str = "a", *, name: str = "net", contract: Manifest | None = None, **facts: object) -> NewVersion:
    artifact = Artifact("model.onnx", content * 64, 10)
    version = NewVersion(name, contract or manifest(), (artifact,), Lineage("trained", training_job="job"))
    return replace(version, **facts)


def test_a_version_comes_back_as_it_was_recorded(store: ModelStore) -> None:
    remark = Remark("assumed_unit", "millivolts")
    added, created = store.add(new(aliases=("prod",), remarks=(remark,)))

    found = store.get(ModelRef("net"))

    assert created
    assert found == added
    assert (found.version, found.manifest, found.aliases, found.remarks) == (1, manifest(), ("prod",), (remark,))
    assert found.lineage == Lineage("trained", training_job="job")
    assert found.artifacts == (Artifact("model.onnx", "a" * 64, 10),)
    assert found.created_at is not None


def test_the_same_content_is_the_same_version(store: ModelStore) -> None:
    first, _ = store.add(new("a"))
    store.add(new("b"))

    again, created = store.add(new("a", aliases=("best",)))

    assert (again.version, again.digest, created, again.aliases) == (first.version, first.digest, False, ("best",))


def test_another_manifest_is_another_version(store: ModelStore) -> None:
    one, _ = store.add(new())
    two, created = store.add(new(contract=manifest(("A", "B", "C"))))

    assert (two.version, created) == (2, True)
    assert one.digest != two.digest


def test_a_request_that_comes_again_gets_its_first_answer(store: ModelStore) -> None:
    first = store.add(new(request_id="one"))

    assert store.add(new(request_id="one")) == first
    with pytest.raises(RequestReused):
        store.add(new("b", request_id="one"))
    with pytest.raises(RequestReused):
        store.add(new(request_id="one", aliases=("prod",)))


def test_a_version_number_never_comes_twice(store: ModelStore) -> None:
    store.add(new("a"))
    store.add(new("b"))
    store.delete("net", 2)

    again, created = store.add(new("b"))

    assert (again.version, created) == (3, True)
    assert store.known_names() == {"net"}


def test_a_reference_means_a_version_an_alias_or_the_latest(store: ModelStore) -> None:
    store.add(new("a", aliases=("prod",)))
    store.add(new("b"))

    assert store.get(ModelRef("net")).version == 2
    assert store.get(ModelRef("net", alias="latest")).version == 2
    assert store.get(ModelRef("net", alias="prod")).version == 1
    assert store.get(ModelRef("net", 1)).version == 1
    with pytest.raises(AliasNotFound):
        store.get(ModelRef("net", alias="beta"))
    for ref in (ModelRef("net", 3), ModelRef("other"), ModelRef("other", alias="prod")):
        with pytest.raises(ModelNotFound):
            store.get(ref)


def test_an_alias_moves_and_protects_its_version(store: ModelStore) -> None:
    store.add(new("a", aliases=("prod",)))
    with pytest.raises(InUse, match="prod"):
        store.delete("net", 1)

    store.add(new("b", aliases=("prod",)))
    store.delete("net", 1)

    assert [version.version for version in store.versions("net", limit=10)] == [2]
    store.delete_alias("net", "prod")
    with pytest.raises(AliasNotFound):
        store.delete_alias("net", "prod")


def test_deleting_takes_everything_beside_the_version_along(store: ModelStore) -> None:
    store.add(new(request_id="one"))
    store.set_operating_points("net", 1, "{}")

    store.delete("net", 1)

    assert not store.uses("a" * 64)
    with pytest.raises(ModelNotFound):
        store.versions("net", limit=10)
    with pytest.raises(ModelNotFound):
        store.delete("net", 1)


def test_pages_follow_names_and_versions(store: ModelStore) -> None:
    for name in ("c", "a", "b"):
        store.add(new("1", name=name))
        store.add(new("2", name=name))

    assert [(model.name, model.version) for model in store.models(limit=2)] == [("a", 2), ("b", 2)]
    assert [model.name for model in store.models(limit=2, after="b")] == ["c"]
    assert [model.version for model in store.versions("a", limit=1)] == [2]
    assert [model.version for model in store.versions("a", limit=9, before=2)] == [1]
    assert store.versions("a", limit=9, before=1) == []


def test_operating_points_have_revisions_of_their_own(store: ModelStore) -> None:
    published, _ = store.add(new())

    store.set_operating_points("net", 1, '{"temperature":2}')
    same = store.set_operating_points("net", 1, '{"temperature":2}')
    last = store.set_operating_points("net", 1, '{"temperature":3}')

    assert (same.operating_points_revision, last.operating_points_revision) == (1, 2)
    assert (last.operating_points_json, last.digest) == ('{"temperature":3}', published.digest)


def test_a_version_is_there_with_its_operating_points(store: ModelStore) -> None:
    points = '{"temperature":2}'
    asked = new(aliases=("prod",), request_id="one", operating_points_json=points)
    seen: list[tuple[int, str]] = []

    def look() -> None:
        while not seen or seen[-1][0] < 20:
            try:
                found = store.get(ModelRef("net", alias="prod"))
            except (ModelNotFound, AliasNotFound):
                continue
            seen.append((found.version, found.operating_points_json))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    for number in range(20):
        contract = manifest((f"{number}A", "B", "C"))
        version, _ = store.add(replace(asked, manifest=contract, request_id=str(number)))
        assert (version.operating_points_revision, version.operating_points_json) == (1, points)
    watcher.join(30)
    assert {said for _, said in seen} == {points}  # no reader ever saw the alias at a version without them
    assert store.events(0)[:3] == [
        ModelEvent(1, ModelChange.VERSION_PUBLISHED, "net", 1),
        ModelEvent(2, ModelChange.OPERATING_POINTS_SET, "net", 1),
        ModelEvent(3, ModelChange.ALIAS_SET, "net", 1, "prod"),
    ]


def test_operating_points_are_published_once_and_never_over_those_of_a_user(store: ModelStore) -> None:
    asked = new(request_id="one", operating_points_json='{"temperature":2}')
    first, _ = store.add(asked)
    assert store.add(asked) == (first, True)  # the author died before it noted so
    with pytest.raises(RequestReused):
        store.add(replace(asked, operating_points_json='{"temperature":3}'))
    tuned = store.set_operating_points("net", 1, '{"temperature":4}')
    assert store.add(asked) == (tuned, True)
    again, created = store.add(replace(asked, request_id="two"))
    assert (again, created) == (tuned, False)
    assert (again.operating_points_revision, again.operating_points_json) == (2, '{"temperature":4}')


def test_content_that_had_no_operating_points_gets_those_it_is_published_with(store: ModelStore) -> None:
    store.add(new())
    found, created = store.add(new(operating_points_json='{"temperature":2}'))
    assert (found.version, created, found.operating_points_json) == (1, False, '{"temperature":2}')
    assert store.events(1) == [ModelEvent(2, ModelChange.OPERATING_POINTS_SET, "net", 1)]


def test_every_change_is_an_event_in_order(store: ModelStore) -> None:
    store.add(new("a", aliases=("prod",)))
    store.add(new("a"))
    store.set_alias("net", "beta", 1)
    store.set_alias("net", "beta", 1)
    store.delete_alias("net", "beta")
    store.set_operating_points("net", 1, "{}")
    store.delete_alias("net", "prod")
    store.delete("net", 1)

    assert store.events(0) == [
        ModelEvent(1, ModelChange.VERSION_PUBLISHED, "net", 1),
        ModelEvent(2, ModelChange.ALIAS_SET, "net", 1, "prod"),
        ModelEvent(3, ModelChange.ALIAS_SET, "net", 1, "beta"),
        ModelEvent(4, ModelChange.ALIAS_DELETED, "net", 1, "beta"),
        ModelEvent(5, ModelChange.OPERATING_POINTS_SET, "net", 1),
        ModelEvent(6, ModelChange.ALIAS_DELETED, "net", 1, "prod"),
        ModelEvent(7, ModelChange.VERSION_DELETED, "net", 1),
    ]
    assert [event.number for event in store.events(5)] == [6, 7]


def test_concurrent_authors_get_numbers_without_gaps(store: ModelStore) -> None:
    def publish(author: int) -> None:
        for content in "0123":
            store.add(new(content, contract=manifest((f"{author}A", "B", "C"))))

    authors = [threading.Thread(target=publish, args=(author,)) for author in range(4)]
    for author in authors:
        author.start()
    for author in authors:
        author.join()

    assert [version.version for version in store.versions("net", limit=99)] == list(range(16, 0, -1))
    assert [event.number for event in store.events(0)] == list(range(1, 17))


def test_equal_content_from_concurrent_authors_is_one_version(store: ModelStore) -> None:
    answers: list[tuple[int, bool]] = []

    def publish() -> None:
        version, created = store.add(new())
        answers.append((version.version, created))

    authors = [threading.Thread(target=publish) for _ in range(6)]
    for author in authors:
        author.start()
    for author in authors:
        author.join()

    assert sorted(answers) == [(1, False)] * 5 + [(1, True)]
