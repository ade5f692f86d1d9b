"""Calls as grpcurl makes them: methods and types by reflection, messages as JSON. Run by the tests of the guide.

    grpcurl [-plaintext] [-H 'name: value'] [-d JSON | -d @] HOST:PORT SERVICE/METHOD

With `-d @` a stream of JSON objects is read from stdin. Answers are printed as JSON, one after the other.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def objects(text: str) -> Iterator[object]:
    """JSON objects one after the other."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d", default="{}")
    parser.add_argument("address")
    parser.add_argument("method")
    asked = parser.parse_args()
    service, _, method = asked.method.rpartition("/")
    headers = [tuple(part.strip() for part in header.split(":", 1)) for header in asked.H]
    with grpc.insecure_channel(asked.address) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        described = pool.FindServiceByName(service).FindMethodByName(method)
        request, answer = GetMessageClass(described.input_type), GetMessageClass(described.output_type)
        given = objects(sys.stdin.read() if asked.d == "@" else asked.d)
        messages = [json_format.ParseDict(value, request()) for value in given]
        call = channel.stream_stream(f"/{service}/{method}", request.SerializeToString, answer.FromString)
        for message in call(iter(messages), metadata=headers, timeout=60):
            sys.stdout.write(json_format.MessageToJson(message) + "\n")


if __name__ == "__main__":
    main()
