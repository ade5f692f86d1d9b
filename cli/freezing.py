"""Work on a dataset rests on a frozen snapshot; where there is none yet, one is made, and said."""

from __future__ import annotations

from cli.output import Output
from precordia.client import Connection
from precordia.dataset import Dataset, Snapshot, SplitRef
from precordia.errors import SnapshotNotFound


async def frozen(precordia: Connection, output: Output, split: SplitRef) -> SplitRef:
    """The split, pinned to one snapshot: the dataset's newest, or, for a whole dataset without any, a new one.

    Raises:
        SnapshotNotFound: a named split, and the dataset has no snapshot.
        DatasetNotFound: no dataset has this name.
    """
    if split.snapshot_id:
        return split
    dataset = await precordia.ingest.get_dataset(split.dataset)
    known = await precordia.ingest.snapshots(split.dataset)
    if known:
        newest = known[0]
        if _changed_since(dataset, newest):
            output.say(
                f"The dataset has changed since {newest.snapshot_id} was frozen, which is used; "
                f"`precordia datasets snapshot {split.dataset}` freezes it as it is now.",
                "yellow",
            )
    elif split.split:
        raise SnapshotNotFound(
            "The dataset has no splits yet; make them with `precordia datasets snapshot NAME --split NAME=RULE`."
        )
    else:
        newest = await precordia.ingest.create_snapshot(split.dataset)
        output.say(f"The dataset had no snapshot; it was frozen as {newest.snapshot_id}.")
    return SplitRef(split.dataset, split.split, newest.snapshot_id)


def _changed_since(dataset: Dataset, snapshot: Snapshot) -> bool:
    return bool(dataset.updated_at and snapshot.created_at and dataset.updated_at > snapshot.created_at)
