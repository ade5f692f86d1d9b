"""A source's identity: bytes, and companions by name."""

import hashlib

from precordia.source import Source


def test_a_file_alone_has_the_hash_of_its_bytes() -> None:
    assert Source("a.dcm", b"ecg").sha256() == hashlib.sha256(b"ecg").hexdigest()


def test_the_files_own_name_is_no_part_of_its_identity() -> None:
    assert Source("a.dcm", b"ecg").sha256() == Source("b.dcm", b"ecg").sha256()


def test_companions_count_by_name_and_content() -> None:
    hashes = {
        Source("a.hea", b"h").sha256(),
        Source("a.hea", b"h", {"a.dat": b"1"}).sha256(),
        Source("a.hea", b"h", {"a.dat": b"2"}).sha256(),
        Source("a.hea", b"h", {"b.dat": b"1"}).sha256(),
        Source("a.hea", b"h", {"a.dat": b"1", "b.dat": b"1"}).sha256(),
    }
    assert len(hashes) == 5


def test_the_order_of_companions_does_not_count() -> None:
    one = Source("a.hea", b"h", {"a.dat": b"1", "b.dat": b"2"})
    other = Source("a.hea", b"h", {"b.dat": b"2", "a.dat": b"1"})
    assert one.sha256() == other.sha256()
