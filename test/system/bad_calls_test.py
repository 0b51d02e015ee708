#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CNI calls that are wrong, or far too many: each gets a code and a message that says what, where and what to do, and
leaves nothing behind.

usage: bad_calls_test.py BINARIES
"""
import collections
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from caller import Caller  # noqa: E402
from lab import Lab, wait_for  # noqa: E402

CONFIG = {"cniVersion": "1.0.0", "name": "net", "type": "twill-cni"}
MANY = 500


class Node(Caller):
    def add(self, container="x1", **keys):
        status, result = self.call("ADD", json.dumps({**CONFIG, **keys}).encode(), container)
        assert status == 0, result
        return result

    def delete(self):
        assert self.call("DEL", json.dumps(CONFIG).encode()) == (0, None)


def wrong(node):
    """One thing is wrong with each."""
    def config(**keys):
        return json.dumps({**CONFIG, **keys}).encode()

    deep = b'{"cniVersion":"1.0.0","name":"net","type":"twill-cni","x":' + b"[" * 10000 + b"]" * 10000 + b"}"
    cases = [
        ("nothing", b"", {}, 6, ()),
        ("half of it", config()[:30], {}, 6, ()),
        ("no UTF-8", b'{"cniVersion":"1.0.0","name":"n\xff","type":"twill-cni"}', {}, 6, ("UTF-8",)),
        ("10,000 deep", deep, {}, 6, ("deep",)),
        ("more than 1 MB", config(x="y" * 1100000), {}, 6, ("stdin", "bytes")),
        ("a list", b"[]", {}, 6, ("object",)),
        ("a version that is a number", config(cniVersion=1), {}, 7, ("cniVersion: 1 ", "1.0.0")),
        ("a wrong type", config(mtu="big"), {}, 7, ("mtu", "big")),
        ("another wrong type", config(runtimeConfig={"portMappings": 7}), {}, 7, ("portMappings",)),
        ("a host port of ::1", config(runtimeConfig={"portMappings": [{"hostPort": 80, "containerPort": 80, "hostIP": "::1"}]}),
         {}, 7, ("hostIP", "::1", "127.0.0.1")),
        ("MTU out of range", config(mtu=-3), {}, 7, ("mtu", "-3")),
        ("a name of 16 characters", config(), {"CNI_IFNAME": "eth0123456789abc"}, 4, ("CNI_IFNAME", "eth0123456789abc")),
        ("a name that leads elsewhere", config(), {"CNI_IFNAME": "../x"}, 4, ("CNI_IFNAME",)),
        ("a container that leads elsewhere", config(), {"CNI_CONTAINERID": "../../x"}, 4, ("CNI_CONTAINERID",)),
        ("an interface that exists", config(), {"CNI_IFNAME": "lo"}, 999,
         ("lo of container x1: /run/netns/x1 has an interface lo already",)),
        ("no such namespace", config(), {"CNI_NETNS": "/run/netns/none"}, 8, ("/run/netns/none",)),
        ("no namespace at all", config(), {"CNI_NETNS": "/etc/hostname"}, 8, ("/etc/hostname",)),
        ("the node's own namespace", config(), {"CNI_NETNS": "/proc/self/ns/net"}, 8, ("/proc/self/ns/net", "own")),
        ("the node's own namespace, insisted on", config(), {"CNI_NETNS": "/proc/self/ns/net", "CNI_NETNS_OVERRIDE": "true"}, 8,
         ("own", "CNI_NETNS_OVERRIDE does not change that")),
        ("no namespace, insisted on", config(), {"CNI_NETNS": "/run/netns/none", "CNI_NETNS_OVERRIDE": "1"}, 8, ("/run/netns/none",)),
        ("an address elsewhere", config(args={"cni": {"ips": ["10.1.2.3"]}}), {}, 7, ("10.1.2.3", "range")),
    ]
    def traces():
        return node.sh("ip -o link; ls /var/lib/twill/attachments | grep json || true")

    before = traces()
    for what, stdin, changes, code, words in cases:
        status, said = node.call("ADD", stdin, **changes)
        text = said["msg"] + " " + said.get("details", "")
        print(f"  {what}: {said['code']}: {text[:200]}")
        assert status == 1 and said["code"] == code and all(word in text for word in words), (what, said)
        assert len(text) < 1000, f"{what}: {len(text)} characters to say it"
    wait_for("nothing is left behind", lambda: traces() == before)
    assert node.add(x={"y": [1, None]})["ips"], "unknown keys are accepted"
    node.delete()
    status, result = node.call("ADD", config(x="y" * 900000))
    assert status == 0, result
    node.delete()


def taken(node):
    """The other's name is said, and the other keeps what it has."""
    port = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    address = node.add(runtimeConfig=port)["ips"][0]["address"].split("/")[0]
    for keys, words in (({"runtimeConfig": port}, ("8080", "net/x1/eth0")),
                        ({"args": {"cni": {"ips": [address]}}}, (address, "net/x1/eth0"))):
        status, said = node.call("ADD", json.dumps({**CONFIG, **keys}).encode(), "x2")
        print(f"  {said['msg']}")
        assert status == 1 and all(word in said["msg"] for word in words), said
    assert [a["container"] for a in node.attachments()] == ["x1"]
    node.delete()


def at_once(node, calls, config):
    """What calls of (container, interface) in parallel print, in no order."""
    script = "".join(
        f"CNI_COMMAND=ADD CNI_CONTAINERID={container} CNI_NETNS=/run/netns/{container} CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin "
        f"{node.plugin} </run/config >/run/out/{number} &\n" for number, container in enumerate(calls))
    node.sh("rm -rf /run/out; mkdir /run/out; cat >/run/config <<'END'\n" + json.dumps(config) + "\nEND")
    node.sh("cat >/run/all.sh <<'END'\n" + script + "wait\nEND\nsh /run/all.sh")
    return [json.loads(text) for text in node.sh("cd /run/out; for f in *; do cat $f; echo ,,,; done").split(",,,\n") if text]


def same_twice(node):
    """One wins, the others are told that it is there."""
    for _ in range(5):
        said = at_once(node, ["x1"] * 4, CONFIG)
        assert sorted("ips" in one for one in said) == [False, False, False, True], said
        assert all("has an interface eth0 in network net already" in one["msg"] for one in said if "msg" in one), said
        assert len(node.attachments()) == 1
        node.sh("ip -n x1 addr show eth0 | grep -q 'inet 172.16.0.'")
        node.delete()


def a_flood(node):
    """More at once than there are addresses: as many are served as can be, and nobody gets another's."""
    node.sh("".join(f"ip netns add m{number}\n" for number in range(MANY)))
    config = {**CONFIG, "ipam": {"ranges": [[{"subnet": "172.16.0.0/24"}]]}}
    said = at_once(node, [f"m{number}" for number in range(MANY)], config)
    assert len(said) == MANY
    codes = collections.Counter(one.get("code", 0) for one in said)
    addresses = {one["ips"][0]["address"] for one in said if "ips" in one}
    assert codes == {0: 253, 11: MANY - 253} and len(addresses) == 253, codes
    assert {a["addresses"][0] for a in node.attachments()} == addresses
    assert node.lab.status()["ready"]
    # GC with nothing that is valid: all of them go together.
    keys = {**CONFIG, "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    assert node.call("GC", json.dumps(keys).encode()) == (0, None)
    wait_for("no interface is left", lambda: " tw" not in node.sh("ip -o link"), 30)
    assert node.attachments() == []

    wide = {**CONFIG, "ipam": {"ranges": [[{"subnet": "10.50.0.0/22"}]]}}
    said = at_once(node, [f"m{number}" for number in range(MANY)], wide)
    assert len({one["ips"][0]["address"] for one in said}) == MANY
    assert node.call("GC", json.dumps(keys).encode()) == (0, None)
    wait_for("no interface is left", lambda: " tw" not in node.sh("ip -o link"), 30)


def too_small_for_ipv6(binaries):
    """The tunnel leaves less than IPv6 needs."""
    with Lab(binaries, "badcalls", "--nodes", "1", "--containers", "0", "--backend", "vxlan", "--ipv6", "--mtu", "1280") as lab:
        node = Node(lab, binaries)
        node.sh("ip netns add x1")
        status, said = node.call("ADD", json.dumps(CONFIG).encode())
        print(f"  {said['msg']}")
        assert status == 1 and said["code"] == 7, said
        assert all(word in said["msg"] for word in ("1210", "1280", "RFC 8200", "raise the MTU of the underlay")), said
        assert node.attachments() == []


def main():
    too_small_for_ipv6(sys.argv[1])
    with Lab(sys.argv[1], "badcalls", "--nodes", "2", "--containers", "0") as lab:
        node = Node(lab, sys.argv[1])
        node.sh("ip netns add x1; ip netns add x2")
        for part in (wrong, taken, same_twice, a_flood):
            print(part.__name__)
            part(node)
        wait_for("nothing is wrong", lambda: not lab.status()["problems"] and lab.status()["ready"])


main()
