#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A lab's cables: segments of different MTU, packets that are late, packets that are lost.

usage: shaper_test.py BINARIES
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, skip, wait_for  # noqa: E402

SERVER = """
import hashlib, socket
listener = socket.create_server(("", 5001))
print("listening", flush=True)
connection, _ = listener.accept()
digest, total = hashlib.sha256(), 0
while data := connection.recv(65536):
    digest.update(data)
    total += len(data)
connection.sendall(f"{total} {digest.hexdigest()}".encode())
"""
CLIENT = """
import hashlib, random, socket, sys
data = random.Random(1).randbytes(int(sys.argv[2]))
connection = socket.create_connection((sys.argv[1], 5001), timeout=60)
connection.sendall(data)
connection.shutdown(socket.SHUT_WR)
said = connection.recv(1000).decode()
assert said == f"{len(data)} {hashlib.sha256(data).hexdigest()}", said
"""

# A broadcast frame of an experimental type (IEEE 802) in VLAN 7, and who sees it with what the kernel says of its tag.
SEND_TAG = """
import socket, struct
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
end.bind(("eth0", 0))
end.send(b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\x01" + struct.pack("!HHH", 0x8100, 0x6007, 0x88b5) + b"tagged" + bytes(50))
"""
SEE_TAG = """
import socket, struct
PACKET_AUXDATA, ALL, VALID = 8, 3, 0x10
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
end.bind(("eth0", ALL))
end.setsockopt(263, PACKET_AUXDATA, 1)
end.settimeout(5)
print("listening", flush=True)
while True:
    frame, beside, _, _ = end.recvmsg(2048, 256)
    status, _, _, _, _, tag, kind = struct.unpack("=IIIHHHH", beside[0][2])
    if frame[12:14] == b"\\x88\\xb5":
        print(kind, tag if status & VALID else None, frame[14:20])
        break
"""


def transfer(lab, source, destination, address, size):
    """What one sends by TCP the other has, byte for byte."""
    with lab.background(destination, "/usr/bin/python3", "-c", SERVER) as server:
        assert server.stdout.readline() == "listening\n"
        lab.execute(source, "/usr/bin/python3", "-c", CLIENT, address, str(size))
        assert server.wait(timeout=10) == 0


def ping(lab, source, address, *options):
    """How many of them came back, and the shortest round trip in ms."""
    said = lab.execute(source, "ping", "-q", *options, address, check=False)
    times = re.search(r"= ([\d.]+)/", said)
    return int(re.search(r"(\d+) received", said)[1]), float(times[1]) if times else None


def mtus(lab, place):
    return {link["ifname"]: link["mtu"] for link in json.loads(lab.execute(place, "ip", "-j", "link"))}


def segments_differ(binaries):
    """Between segments of different MTU the router says what is too large, and connections go on."""
    with Lab(binaries, "shpmtu", "--nodes", "3", "--containers", "1", "--segments", "2", "--mtu", "1500,1400",
             "--backend", "vxlan") as lab:
        expected = {"seg1": 1500, "node1": 1500, "node2": 1500, "router1": 1500, "seg2": 1400, "node3": 1400, "router2": 1400}
        wire = mtus(lab, "wire")
        assert {name: wire[name] for name in expected} == expected, wire
        router = mtus(lab, "router")
        assert (router["eth1"], router["eth2"]) == (1500, 1400), router
        assert (mtus(lab, "node1")["eth0"], mtus(lab, "node3")["eth0"]) == (1500, 1400)
        assert "seg2 10.0.1.0/24 MTU 1400" in lab.run("lab", "status", "--name", lab.name)
        lab.test()
        said = lab.execute("node1", "ping", "-c1", "-W2", "-M", "do", "-s", "1472", "10.0.1.10", check=False)
        assert "From 10.0.0.1" in said and re.search(r"mtu ?= ?1400", said), said
        for source, destination, address in (("node1/con1", "node3/con1", "172.16.2.2"), ("node3/con1", "node1/con1", "172.16.0.2")):
            transfer(lab, source, destination, address, 16 << 20)
        lab.run("lab", "up", "--name", lab.name, *lab.arguments)  # the same once more is fine


def packets_are_late(binaries):
    with Lab(binaries, "shpdelay", "--nodes", "2", "--containers", "1", "--backend", "vxlan", "--delay", "20") as lab:
        for source, address in (("node1", "10.0.0.20"), ("node1/con1", "172.16.1.2")):
            count, least = ping(lab, source, address, "-c", "5", "-i", "0.2")
            assert count == 5 and 80 <= least < 300, (count, least)  # two cables, there and back
        lab.test()
        for size in ("56", "1422"):
            assert ping(lab, "node1/con1", "172.16.1.2", "-c", "20", "-i", "0.01", "-M", "do", "-s", size)[0] == 20
        assert "20 ms each way" in lab.run("lab", "status", "--name", lab.name)
        trace = json.loads(lab.run("trace", "--lab", lab.name, "--json", "node1/con1", "node2/con1"))
        assert trace["outcome"] == "delivered" and trace["symmetric"], trace
        tags_stay_on(lab)
        lab.execute("wire", "ip", "link", "set", "node2", "down")
        assert ping(lab, "node1", "10.0.0.20", "-c", "2", "-i", "0.2", "-W", "1")[0] == 0
        lab.execute("wire", "ip", "link", "set", "node2", "up")
        wait_for("the cable is in order again", lambda: ping(lab, "node1", "10.0.0.20", "-c", "1", "-W", "1")[0] == 1)


def tags_stay_on(lab):
    """The kernel takes a VLAN tag out of a frame before a packet socket sees it: the shaper puts it back."""
    with lab.background("node2", "/usr/bin/python3", "-c", SEE_TAG) as seen:
        assert seen.stdout.readline() == "listening\n"
        lab.execute("node1", "/usr/bin/python3", "-c", SEND_TAG)
        assert seen.communicate(timeout=10)[0] == "33024 24583 b'tagged'\n"  # 0x8100, priority 3 and VLAN 7


def packets_are_lost(binaries):
    with Lab(binaries, "shploss", "--nodes", "2", "--containers", "0", "--loss", "30") as lab:
        for node, other, address in (("node1", "node2", "10.0.0.20"), ("node2", "node1", "10.0.0.10")):
            mac = json.loads(lab.execute(other, "ip", "-j", "link", "show", "eth0"))[0]["address"]
            lab.execute(node, "ip", "neigh", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent")
        count, _ = ping(lab, "node1", "10.0.0.20", "-c", "200", "-i", "0.005", "-W", "1")
        # Four times a packet may be lost, two cables there and back: 48 answers on average, give or take 6.
        assert 12 <= count <= 96, count
        assert "30 % loss each way" in lab.run("lab", "status", "--name", lab.name)


def connections_get_through(binaries, backend):
    """Through tunnels, over cables that are slow and lose a little: late, and all of it."""
    with Lab(binaries, f"shp{backend}", "--nodes", "2", "--containers", "1", "--backend", backend, "--delay", "2",
             "--loss", "0.5") as lab:
        transfer(lab, "node1/con1", "node2/con1", "172.16.1.2", 4 << 20)
        transfer(lab, "node2", "node1", "10.0.0.10", 1 << 20)


def nothing_is_left(name):
    running = subprocess.run(["pgrep", "-f", f"lab up --name {name}"], capture_output=True, text=True, check=False).stdout
    assert not running, running


def wrong_words_are_refused(binaries):
    for arguments in (["--mtu", "500"], ["--mtu", "1500,1400"], ["--mtu", "1500,x"], ["--mtu", "1279", "--ipv6"],
                      ["--loss", "101"], ["--loss", "-1"], ["--delay", "1001"], ["--delay", "nan"]):
        bad = subprocess.run([os.path.join(binaries, "twill"), "lab", "up", "--name", "shpbad", *arguments],
                             capture_output=True, text=True, check=False, timeout=120)
        assert bad.returncode == 2 and arguments[0] in bad.stderr, bad


def main():
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip("/dev/net/tun is not there")
    binaries = sys.argv[1]
    wrong_words_are_refused(binaries)
    for part in (segments_differ, packets_are_late, packets_are_lost):
        print(part.__name__, flush=True)
        part(binaries)
    nothing_is_left("shpdelay")
    for backend in ("vxlan", "udp"):
        print(connections_get_through.__name__, backend, flush=True)
        connections_get_through(binaries, backend)


main()
