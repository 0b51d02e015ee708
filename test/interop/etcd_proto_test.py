#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""proto/etcd.proto against the .proto files that etcd itself ships (Debian's golang-etcd-server-dev): each service, method,
message, field and enum of ours is there with the same numbers, types and labels."""

import os
import re
import subprocess
import sys
import tempfile

try:
    from google.protobuf import descriptor_pb2
except ImportError:
    descriptor_pb2 = None

SKIPPED = 77
THEIRS = "/usr/share/gocode/src/go.etcd.io/etcd"
FILES = {"etcd/etcdserver/etcdserverpb/rpc.proto": "etcdserver/etcdserverpb/rpc.proto",
         "etcd/mvcc/mvccpb/kv.proto": "mvcc/mvccpb/kv.proto",
         "etcd/auth/authpb/auth.proto": "auth/authpb/auth.proto"}


def stripped(text):
    """Without others' options, which need others' files."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r'import "(gogoproto|google)/[^"]*";', "", text)
    text = re.sub(r"option \([\w.]+\) = \{[^}]*(\{[^}]*\}[^}]*)*\};", "", text)
    text = re.sub(r"option \([\w.]+\) = [^;{]*;", "", text)
    return re.sub(r"\[\s*\(gogoproto[^\]]*\]", "", text)


def descriptors(directory, files):
    out = os.path.join(directory, "set")
    subprocess.run(["protoc", f"--proto_path={directory}", f"--descriptor_set_out={out}", *files], check=True)
    result = descriptor_pb2.FileDescriptorSet()
    with open(out, "rb") as file:
        result.ParseFromString(file.read())
    return result


def short(name):
    return name.rsplit(".", 1)[-1]


def items(descriptor_set):
    """Everything that matters on the wire, as {name: meaning}."""
    found = {}

    def add_enum(prefix, enum):
        for value in enum.value:
            found[f"enum {prefix}{enum.name}.{value.name}"] = value.number

    def add_message(prefix, message):
        name = prefix + message.name
        for field in message.field:
            in_oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
            found[f"{name} {field.number}"] = (field.type, field.label, short(field.type_name), bool(in_oneof))
        for enum in message.enum_type:
            add_enum(name + ".", enum)
        for nested in message.nested_type:
            add_message(name + ".", nested)

    for file in descriptor_set.file:
        for message in file.message_type:
            add_message("", message)
        for enum in file.enum_type:
            add_enum("", enum)
        for service in file.service:
            for method in service.method:
                found[f"rpc {file.package}.{service.name}.{method.name}"] = (
                    short(method.input_type), short(method.output_type), method.client_streaming,
                    method.server_streaming)
    return found


def main():
    source = sys.argv[1]
    if not os.path.isdir(THEIRS):
        print(f"SKIPPED: {THEIRS} is not there (package golang-etcd-server-dev)")
        return SKIPPED
    if descriptor_pb2 is None:
        print("SKIPPED: Python has no google.protobuf (package python3-protobuf)")
        return SKIPPED
    with tempfile.TemporaryDirectory() as directory:
        for there, name in FILES.items():
            os.makedirs(os.path.join(directory, os.path.dirname(there)), exist_ok=True)
            with open(os.path.join(THEIRS, name), encoding="utf-8") as file, \
                    open(os.path.join(directory, there), "w", encoding="utf-8") as copy:
                copy.write(stripped(file.read()))
        theirs = items(descriptors(directory, FILES))
        with open(os.path.join(source, "proto/etcd.proto"), encoding="utf-8") as file, \
                open(os.path.join(directory, "own.proto"), "w", encoding="utf-8") as copy:
            copy.write(file.read())
        own = items(descriptors(directory, ["own.proto"]))
    wrong = [f"{name}: ours {meaning}, etcd's {theirs.get(name, 'none')}" for name, meaning in own.items()
             if theirs.get(name) != meaning]
    print("\n".join(wrong))
    print(f"{len(own)} items compared, {len(wrong)} differ")
    return 1 if wrong or len(own) < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
