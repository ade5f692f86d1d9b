from __future__ import annotations

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.contract.proto_compat import RELEASED, breaking_changes, present


def _edited(edit: str) -> FileDescriptorSet:
    files = present()
    types = next(file for file in files.file if file.name.endswith("types.proto"))
    signal = next(message for message in types.message_type if message.name == "Signal")
    if edit == "remove":
        del signal.field[0]
    elif edit == "retype":
        signal.field[1].type = signal.field[1].TYPE_STRING
    elif edit == "rename":
        signal.field[1].name = "sample_count"
    elif edit == "add":
        signal.field.add(name="comment", number=99, type=9, label=1)
    elif edit == "method":
        ingest = next(file for file in files.file if file.name.endswith("ingest.proto"))
        del ingest.service[0].method[0]
    elif edit == "enum":
        types.enum_type[0].value[1].name = "SAMPLE_TYPE_SINGLE"
    return files


def test_the_protos_speak_to_released_clients() -> None:
    assert breaking_changes(FileDescriptorSet.FromString(RELEASED.read_bytes()), present()) == []


def test_what_breaks_clients_is_named() -> None:
    old = present()
    assert breaking_changes(old, _edited("remove")) == [
        "precordia.v1.Signal.lead_names is gone and its number 1 is not reserved"
    ]
    assert breaking_changes(old, _edited("retype")) == ["precordia.v1.Signal.samples has another type"]
    assert breaking_changes(old, _edited("rename")) == ["precordia.v1.Signal.samples is now called sample_count"]
    assert breaking_changes(old, _edited("method")) == ["precordia.v1.IngestService/ImportRecording is gone"]
    assert breaking_changes(old, _edited("enum")) == [
        "precordia.v1.SampleType.SAMPLE_TYPE_FLOAT32 = 1 is gone or renamed"
    ]


def test_additions_break_nothing() -> None:
    assert breaking_changes(present(), _edited("add")) == []
