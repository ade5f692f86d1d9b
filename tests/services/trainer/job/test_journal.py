from pathlib import Path

from services.trainer.job.journal import JOURNAL, JournalWriter, read_journal


def test_lines_are_read_from_where_a_reader_left(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, 1)
    writer.report("log", {"message": "one"})
    first = read_journal(tmp_path)
    writer.report("epoch", {"epoch": 1})
    assert [entry.payload for entry in first] == [{"message": "one"}]
    assert [(entry.kind, entry.attempt) for entry in read_journal(tmp_path, first[-1].end)] == [("epoch", 1)]
    writer.close()


def test_a_line_still_being_written_waits_and_a_later_worker_cuts_it_off(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, 1)
    writer.report("log", {"message": "whole"})
    writer.close()
    with (tmp_path / JOURNAL).open("ab") as opened:
        opened.write(b'{"attempt": 1, "kin')
    assert len(read_journal(tmp_path)) == 1
    later = JournalWriter(tmp_path, 2)
    later.report("log", {"message": "more"})
    assert [entry.payload["message"] for entry in read_journal(tmp_path)] == ["whole", "more"]
    later.close()


def test_networks_of_one_model_have_epochs_of_their_own(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, 1)
    for member, epoch in ((1, 1), (1, 2), (2, 1), (2, 1), (1, 2)):
        writer.report("epoch", {"member": member, "epoch": epoch})
    said = [(entry.payload["member"], entry.payload["epoch"]) for entry in read_journal(tmp_path)]
    assert said == [(1, 1), (1, 2), (2, 1)]
    writer.close()


def test_an_epoch_is_said_once_whoever_says_it(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, 1)
    writer.report("epoch", {"epoch": 1, "loss": 0.5})
    writer.close()
    later = JournalWriter(tmp_path, 2)
    later.catch_up([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.4}])  # the second was safe and not yet said
    later.report("epoch", {"epoch": 3, "loss": 0.3})
    assert [entry.payload["epoch"] for entry in read_journal(tmp_path)] == [1, 2, 3]
    later.close()
