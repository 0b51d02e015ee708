#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Backend ipip by programs, in two segments: what is on the wire where, who may send what, its MTU, an agent that is killed, programs that are
taken away, and a change to and from another backend.

usage: ipip_test.py BINARIES
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, wait_for  # noqa: E402

# What goes through the router, as "source destination protocol", until none came for a second.
CAPTURE = """
import socket, sys
end = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
end.settimeout(1)
print("ready", flush=True)
seen = set()
for _ in range(20000):
    try:
        packet, where = end.recvfrom(65536)
    except TimeoutError:
        break
    if where[1] == 0x0800:
        seen.add(" ".join((socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]), str(packet[9]))))
print("\\n".join(sorted(seen)))
"""

# An IPIP packet to node1 with an ICMP echo request inside, from an address that the kernel fills in.
INJECT = """
import socket, struct, sys
def total(data):
    part = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while part >> 16:
        part = (part & 0xffff) + (part >> 16)
    return ~part & 0xffff
source, target, tos = socket.inet_aton(sys.argv[1]), socket.inet_aton(sys.argv[2]), int(sys.argv[3])
echo = struct.pack("!BBHHH", 8, 0, 0, 7, 7) + bytes(32)
echo = echo[:2] + struct.pack("!H", total(echo)) + echo[4:]
header = struct.pack("!BBHHHBBH4s4s", 0x45, int(sys.argv[4]), 20 + len(echo), 1, 0, 64, 1, 0, source, target)
header = header[:10] + struct.pack("!H", total(header)) + header[12:]
end = socket.socket(socket.AF_INET, socket.SOCK_RAW, 4)
end.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
for _ in range(10):
    end.sendto(header + echo, ("10.0.0.10", 0))
"""


def run_python(lab, place, program, *arguments):
    return lab.execute(place, "/usr/bin/python3", "-c", program, *map(str, arguments))


def reaches(lab, place, target):
    return " 0% packet loss" in lab.execute(place, "ping", "-c1", "-W1", target, check=False)


def ping(lab, place, target, *options):
    return lab.execute(place, "ping", "-c2", "-i0.2", "-W1", *options, target, check=False)


def on_the_wire(lab):
    """Through the router go packets of the nodes alone, with IPIP inside; in a segment containers' own."""
    capture = lab.background("router", "/usr/bin/python3", "-c", CAPTURE)
    assert capture.stdout.readline() == "ready\n"
    assert " 0% " in ping(lab, "node1/con1", "172.16.2.2") and " 0% " in ping(lab, "node1/con1", "172.16.1.2")
    seen = set(capture.communicate(timeout=60)[0].split("\n")) - {""}
    assert {"10.0.0.10 10.0.1.10 4", "10.0.1.10 10.0.0.10 4"} <= seen, seen
    assert not any(line.startswith("172.16.") for line in seen), seen
    routes = lab.execute("node1", "ip", "route")
    assert "172.16.1.0/24 via 10.0.0.20 dev eth0" in routes and "172.16.2.0/24 dev twill-ipip" in routes, routes


def sizes(lab):
    """All 1500 bytes inside a segment, 1480 across, of which ICMP tells the container."""
    assert " 0% " in ping(lab, "node1/con1", "172.16.1.2", "-Mdo", "-s1472")
    across = ping(lab, "node1/con1", "172.16.2.2", "-Mdo", "-s1472")
    assert "mtu=1480" in across or "mtu = 1480" in across, across
    assert " 0% " in ping(lab, "node1/con1", "172.16.2.2", "-Mdo", "-s1452")
    assert " 0% " in ping(lab, "node1/con1", "172.16.2.2", "-s4000")
    lab.execute("node3/con1", "iperf3", "-s", "-1", "-D")
    sent = json.loads(lab.execute("node1/con1", "iperf3", "-c", "172.16.2.2", "-n", "50M", "-J"))
    assert sent["end"]["sum_received"]["bytes"] >= 25_000_000, sent["end"]


def large_packets_pass_whole(lab):
    """A bridge would cut what was inside another packet: up to the container they stay as the sender made them."""
    received = lambda: json.loads(lab.execute("node3/con1", "ip", "-s", "-j", "link", "show", "eth0"))[0]["stats64"]["rx"]  # noqa: E731
    before = received()
    lab.execute("node3/con1", "iperf3", "-s", "-1", "-D")
    lab.execute("node1/con1", "iperf3", "-c", "172.16.2.2", "-n", "100M")
    after = received()
    size = (after["bytes"] - before["bytes"]) / (after["packets"] - before["packets"])
    print(f"packets of {size:.0f} bytes at the container")
    assert size > 10_000


# What a router would say of a packet of node1's to 10.0.1.10 by IPIP: to whom, about whose packet, its size, the next link's MTU.
SAY_TOO_BIG = """
import socket, struct, sys
def total(data):
    part = sum(struct.unpack(f"!{len(data) // 2}H", data))
    part = (part & 0xffff) + (part >> 16)
    return ~(part + (part >> 16)) & 0xffff
source, target, size, mtu = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, 0, 0x4000, 63, 4, 0, socket.inet_aton(source), socket.inet_aton(target))
said = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted + bytes(8)
said = said[:2] + struct.pack("!H", total(said)) + said[4:]
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(said, ("10.0.0.10", 0))
"""


def path_mtu(lab):
    """A router that takes less than the nodes' links: what it says gets to the sender's node, and so to containers."""
    path = lambda: lab.status("node1")["ipip"]["path_mtu"]  # noqa: E731
    for lie in (("10.0.0.10", "10.0.9.9", 1500, 1400), ("10.0.0.20", "10.0.1.10", 1500, 1400), ("10.0.0.10", "10.0.1.10", 1500, 500),
                ("10.0.0.10", "10.0.1.10", 1500, 1500), ("10.0.0.10", "10.0.1.10", 1300, 1400)):
        run_python(lab, "router", SAY_TOO_BIG, *lie)
    assert " 0% " in ping(lab, "node1/con1", "172.16.2.2", "-Mdo", "-s1452")
    assert path() == {}, path()
    lab.execute("router", "ip", "link", "set", "eth2", "mtu", "1400")
    ping(lab, "node1/con1", "172.16.2.2", "-Mdo", "-s1452")
    wait_for("what the router said is known", lambda: path() == {"10.0.1.10": 1400})
    routes = lab.execute("node1", "ip", "route")
    assert re.search("172.16.2.0/24 dev twill-ipip .*metric 2002 .*mtu 1380", routes), routes
    ping(lab, "node1/con1", "172.16.2.2", "-Mdo", "-s1452")
    known = lab.execute("node1/con1", "ip", "route", "get", "172.16.2.2")
    assert "mtu 1380" in known, known
    assert " 0% " in ping(lab, "node1/con1", "172.16.2.2", "-Mdo", "-s1352")
    assert " 0% " in ping(lab, "node1/con1", "172.16.1.2", "-Mdo", "-s1472")
    for sender, receiver, target in (("node1/con1", "node3/con1", "172.16.2.2"), ("node3/con1", "node1/con1", "172.16.0.2")):
        lab.execute(receiver, "iperf3", "-s", "-1", "-D")
        sent = json.loads(lab.execute(sender, "iperf3", "-c", target, "-n", "100M", "-J"))
        assert sent["end"]["sum_received"]["bytes"] >= 50_000_000, sent["end"]
    lab.execute("router", "ip", "link", "set", "eth2", "mtu", "1500")


def trace_sees_it(lab):
    """What is inside the tunnel, its road, and where a packet ends that nobody takes out."""
    found = json.loads(lab.run("trace", "--lab", lab.name, "--json", "node1/con1", "node3/con1"))
    tunnel = found["hops"][1]["tunnel"]
    assert (found["outcome"], tunnel["type"], tunnel["protocol"]) == ("delivered", "ipip", 4), found
    assert (tunnel["src"], tunnel["dst"], tunnel["added"], tunnel["mtu"]) == ("10.0.0.10", "10.0.1.10", 20, 1500), tunnel
    assert [hop["place"] for hop in tunnel["road"]["hops"]] == ["node1", "router", "node3"], tunnel
    lab.execute("router", "ip", "link", "set", "eth2", "mtu", "1400")
    narrow = json.loads(lab.run("trace", "--lab", lab.name, "--json", "--size", "1480", "node1/con1", "node3/con1",
                                check=False))
    lab.execute("router", "ip", "link", "set", "eth2", "mtu", "1500")
    assert narrow["reason"] == "mtu" and "1400 at router" in narrow["text"], narrow
    assert "twill-ipip no carrier" not in lab.run("diagram", "--lab", lab.name)


def who_may_send(lab):
    """node3 from its own containers' addresses; nothing else gets in, and is counted."""
    numbers = lambda: lab.status("node1")["ipip"]  # noqa: E731
    before = numbers()
    run_python(lab, "node3", INJECT, "172.16.2.2", "172.16.0.2", 0, 0)
    wait_for("a peer's packets come in", lambda: numbers()["received"]["packets"] >= before["received"]["packets"] + 10)
    assert numbers()["strangers_dropped"] == before["strangers_dropped"]
    for inner in ("172.16.1.2", "8.8.8.8", "172.16.0.3"):
        before = numbers()
        run_python(lab, "node3", INJECT, inner, "172.16.0.2", 0, 0)
        wait_for(f"{inner} is no address of node3's", lambda b=before: numbers()["strangers_dropped"] == b["strangers_dropped"] + 10)
    before = numbers()
    run_python(lab, "router", INJECT, "172.16.2.2", "172.16.0.2", 0, 0)
    wait_for("the router is no peer", lambda: numbers()["strangers_dropped"] == before["strangers_dropped"] + 10)
    assert numbers()["received"] == before["received"]


def congestion(lab):
    """RFC 6040: a mark of congestion on the way gets to a packet that can bear it, and else ends the packet."""
    watch = lab.background("node1/con1", "timeout", "20", "tcpdump", "-nvl", "-c", "4", "-i", "eth0", "icmp[0] == 8")
    wait_for("tcpdump listens", lambda: len(lab.execute("node1/con1", "cat", "/proc/net/packet").splitlines()) > 1, 10)
    run_python(lab, "node3", INJECT, "172.16.2.2", "172.16.0.2", 3, 2)
    seen = watch.communicate(timeout=30)[0]
    assert "tos 0x3,CE" in seen, seen
    before = lab.status("node1")["ipip"]["strangers_dropped"]
    run_python(lab, "node3", INJECT, "172.16.2.2", "172.16.0.2", 3, 0)
    wait_for("what cannot be marked is dropped", lambda: lab.status("node1")["ipip"]["strangers_dropped"] == before + 10)


def lost(flood):
    report = flood.communicate(timeout=120)[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", report).groups())
    assert sent > 300, report
    return sent - received


def troubles(lab):
    flood = lab.background("node1/con1", "ping", "-q", "-i", "0.005", "-c", "800", "172.16.2.2")
    before = lab.execute("node1", "cat", "/run/twill/twilld.lock")
    lab.execute("node1", "kill", "-9", before.strip())
    wait_for("the agent is back", lambda: lab.execute("node1", "cat", "/run/twill/twilld.lock") != before and
             lab.status("node1")["ready"], 20)
    gone = lost(flood)
    print(f"agent killed: {gone} of 800 packets lost")
    assert gone == 0
    for link, side, program in (("eth0", "ingress", "twill_ipip_"), ("twill-ipip", "egress", "twill_ipip_"),
                                ("twill0", "egress", "twill_port")):
        lab.execute("node1", "tc", "qdisc", "del", "dev", link, "clsact")
        wait_for(f"the program at {link} is back",
                 lambda at=link, way=side, name=program: name in lab.execute("node1", "tc", "filter", "show", "dev", at, way), 3)
        assert reaches(lab, "node1/con1", "172.16.2.2")
    lab.execute("node1", "ip", "link", "del", "twill-ipip")
    wait_for("the device is back", lambda: reaches(lab, "node1/con1", "172.16.2.2"), 3)
    lab.test()


def other_backends(lab):
    for backend in ("vxlan", "ipip"):
        config = json.dumps({"Network": "172.16.0.0/16", "Backend": {"Type": backend} | ({"Engine": "ebpf"} if backend == "ipip" else {})})
        flood = lab.background("node1/con1", "ping", "-q", "-i", "0.01", "-c", "500", "172.16.2.2")
        lab.execute("node1", "sh", "-c", f"echo '{config}' > /run/config; {lab.twill} config set /run/config")
        for node in ("node1", "node2", "node3"):
            wait_for(f"{node} has {backend}", lambda n=node, b=backend: lab.status(n)["backend"] == b, 20)
        gone = lost(flood)
        print(f"to {backend}: {gone} of 500 packets lost")
        assert gone <= 5
        lab.test()


def nothing_is_left(lab):
    lab.execute("node2", "sh", "-c", "kill -STOP $(ps -o ppid= -p $(cat /run/twill/twilld.lock)); "
                                     f"kill $(cat /run/twill/twilld.lock); sleep 1; {os.path.dirname(lab.twill)}/twilld --cleanup")
    assert "twill-ipip" not in lab.execute("node2", "ip", "link")
    assert "twill_ipip" not in lab.execute("node2", "tc", "filter", "show", "dev", "eth0", "ingress")
    assert "twill_port" not in lab.execute("node2", "tc", "filter", "show", "dev", "twill0", "egress", check=False)


def main():
    with Lab(sys.argv[1], "ipip", "--backend", "ipip", "--engine", "ebpf", "--segments", "2", "--nodes", "3", "--containers", "1") as lab:
        wait_for("all is there", lab.passes, 20)
        for case in (on_the_wire, sizes, large_packets_pass_whole, trace_sees_it, who_may_send, congestion, troubles, other_backends, path_mtu, nothing_is_left):
            case(lab)


main()
