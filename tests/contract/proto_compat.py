"""Whether the protos of this tree still speak to clients built from the released ones.

`python -m tests.contract.proto_compat` compares with protos/released.binpb and ends with 1 when a
change would break a client; `--release` writes the present protos there.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

ROOT = Path(__file__).resolve().parents[2]
RELEASED = ROOT / "protos" / "released.binpb"


def present() -> FileDescriptorSet:
    """Descriptors of the protos in this tree."""
    from grpc_tools import protoc

    files = sorted(str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos" / "precordia").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.binpb"
        include = str(Path(protoc.__file__).parent / "_proto")
        arguments = ["protoc", f"-I{ROOT / 'protos'}", f"-I{include}", f"--descriptor_set_out={out}", *files]
        if protoc.main(arguments) != 0:
            raise SystemExit("protoc refused the protos")
        return FileDescriptorSet.FromString(out.read_bytes())


def breaking_changes(old: FileDescriptorSet, new: FileDescriptorSet) -> list[str]:
    """What a client built from `old` would no longer find, or find with another meaning, in `new`."""
    return [
        *_compare(dict(_messages(old)), dict(_messages(new)), "message", _message),
        *_compare(dict(_enums(old)), dict(_enums(new)), "enum", _enum),
        *_compare(dict(_services(old)), dict(_services(new)), "service", _service),
    ]


def _compare(old: dict[str, Any], new: dict[str, Any], what: str, inside: Any) -> Iterator[str]:
    for name, before in old.items():
        if name not in new:
            yield f"{what} {name} is gone"
        else:
            yield from inside(name, before, new[name])


def _messages(files: FileDescriptorSet) -> Iterator[tuple[str, DescriptorProto]]:
    def walk(prefix: str, messages: Any) -> Iterator[tuple[str, DescriptorProto]]:
        for message in messages:
            yield f"{prefix}.{message.name}", message
            yield from walk(f"{prefix}.{message.name}", message.nested_type)

    for file in files.file:
        yield from walk(file.package, file.message_type)


def _enums(files: FileDescriptorSet) -> Iterator[tuple[str, EnumDescriptorProto]]:
    for file in files.file:
        for enum in file.enum_type:
            yield f"{file.package}.{enum.name}", enum
    for name, message in _messages(files):
        for enum in message.enum_type:
            yield f"{name}.{enum.name}", enum


def _services(files: FileDescriptorSet) -> Iterator[tuple[str, ServiceDescriptorProto]]:
    for file in files.file:
        for service in file.service:
            yield f"{file.package}.{service.name}", service


def _message(name: str, old: DescriptorProto, new: DescriptorProto) -> Iterator[str]:
    fields = {field.number: field for field in new.field}
    reserved = {number for span in new.reserved_range for number in range(span.start, span.end)}
    for field in old.field:
        now = fields.get(field.number)
        if now is None:
            if field.number not in reserved:
                yield f"{name}.{field.name} is gone and its number {field.number} is not reserved"
        else:
            yield from _field(f"{name}.{field.name}", field, now)


def _field(name: str, old: FieldDescriptorProto, new: FieldDescriptorProto) -> Iterator[str]:
    if old.name != new.name:
        yield f"{name} is now called {new.name}"
    if (old.type, old.type_name, old.label) != (new.type, new.type_name, new.label):
        yield f"{name} has another type"
    if old.HasField("oneof_index") != new.HasField("oneof_index"):
        yield f"{name} moved into or out of a oneof"


def _enum(name: str, old: EnumDescriptorProto, new: EnumDescriptorProto) -> Iterator[str]:
    values = {value.number: value.name for value in new.value}
    for value in old.value:
        if values.get(value.number) != value.name:
            yield f"{name}.{value.name} = {value.number} is gone or renamed"


def _service(name: str, old: ServiceDescriptorProto, new: ServiceDescriptorProto) -> Iterator[str]:
    methods = {method.name: method for method in new.method}
    for method in old.method:
        now = methods.get(method.name)
        if now is None:
            yield f"{name}/{method.name} is gone"
        elif _signature(method) != _signature(now):
            yield f"{name}/{method.name} has another signature"


def _signature(method: Any) -> tuple[str, str, bool, bool]:
    return method.input_type, method.output_type, method.client_streaming, method.server_streaming


def main() -> None:
    if "--release" in sys.argv:
        RELEASED.write_bytes(present().SerializeToString(deterministic=True))
        return
    changes = breaking_changes(FileDescriptorSet.FromString(RELEASED.read_bytes()), present())
    for change in changes:
        sys.stderr.write(f"breaking: {change}\n")
    sys.exit(1 if changes else 0)


if __name__ == "__main__":
    main()
