#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The backend udp, in labs: every check, who gets in, flannel's bytes on the wire, and a tunnel that is killed.

usage: udp_test.py BINARIES [ENGINE...]
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, skip, wait_for  # noqa: E402

# One ICMP echo request as flannel's udp would send it: the bare packet in a datagram from port 8285 to port 8285.
PEER = """
import socket, struct, sys
outer, source, destination, count = sys.argv[1:]
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
icmp = struct.pack("!BBHHH", 8, 0, 0, 7, 7) + b"x" * 8
icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
head = struct.pack("!BBHHHBBH4s4s", 69, 0, 20 + len(icmp), 1, 0, 64, 1, 0, socket.inet_aton(source), socket.inet_aton(destination))
head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if count == "answer":
    end.bind(("", 8285))
    end.settimeout(3)
    end.sendto(head + icmp, (outer, 8285))
    packet, peer = end.recvfrom(2048)
    print(peer[0], peer[1], packet[0] >> 4, packet[8], packet[9], packet[20], socket.inet_ntoa(packet[12:16]))
else:
    for _ in range(int(count)):
        end.sendto(head + icmp, (outer, 8285))
    for junk in (b"", b"x", b"E" + b"\\0" * 18, b"\\x60" + b"\\xff" * 60, bytes(range(256)) * 5):
        end.sendto(junk, (outer, 8285))
"""


def dropped(lab, node):
    return lab.status(node)["tunnel"]["process"]["dropped"]


def requests_seen(lab, place):
    """How many ICMP echo requests a place has been asked."""
    words = lab.execute(place, "sh", "-c", "grep ^Icmp: /proc/net/snmp").splitlines()
    return int(dict(zip(words[0].split(), words[1].split()))["InEchos"])


def send(lab, where, *arguments):
    return lab.execute(where, "/usr/bin/python3", "-c", PEER, *arguments)


def trace_shows_the_outer_packet(lab):
    hops = json.loads(lab.run("trace", "--lab", lab.name, "--json", "node1/con1", "node3/con1"))["hops"]
    tunnel = next(hop["tunnel"] for hop in hops if hop["tunnel"])
    assert (tunnel["type"], tunnel["dst"], tunnel["port"], tunnel["added"]) == ("udp", "10.0.1.10", 8285, 28), tunnel
    assert tunnel["road"]["outcome"] == "delivered", tunnel


def a_capture_looks_inside(lab):
    ping = lab.background("node1/con1", "ping", "-q", "-i", "0.1", "-w", "6", "172.16.2.2")
    seen = json.loads(lab.run("lab", "capture", "--name", lab.name, "--json", "--host", "172.16.2.2", "node1"))
    names = [layer["name"] for layer in seen[0]["layers"]]
    assert names[:5] == ["Ethernet", "IPv4", "UDP", "IPv4", "ICMP"], seen
    ping.communicate(timeout=20)


def only_peers_get_in(lab):
    before, seen = dropped(lab, "node1"), requests_seen(lab, "node1/con1")
    send(lab, "router", "10.0.0.10", "172.16.2.2", "172.16.0.2", "3")  # from an address that has no lease
    send(lab, "node3", "10.0.0.10", "172.16.1.2", "172.16.0.2", "3")   # a peer, with a source that is another's
    send(lab, "node3", "10.0.0.10", "172.16.2.2", "172.16.1.2", "3")   # for somebody else: it would go in circles
    send(lab, "node3", "10.0.0.10", "172.16.2.2", "224.0.0.1", "3")
    wait_for("what is not theirs is dropped", lambda: dropped(lab, "node1")["strangers"] == before["strangers"] + 6)
    wait_for("nor what is not for here", lambda: dropped(lab, "node1")["misdirected"] == before["misdirected"] + 6)
    assert dropped(lab, "node1")["malformed"] > before["malformed"]
    assert requests_seen(lab, "node1/con1") == seen
    send(lab, "node3", "10.0.0.10", "172.16.2.2", "172.16.0.2", "3")   # its own: this is what gets in
    wait_for("what is theirs gets in", lambda: requests_seen(lab, "node1/con1") == seen + 3)


def full_packets_fit(lab):
    """The containers' MTU is what the tunnel takes, and not a byte less than it could be."""
    for address, header in (("172.16.2.2", 28), ("fd42:0:0:2::2", 48)):
        lab.execute("node1/con1", "ping", "-c1", "-W2", "-M", "do", "-s", str(1472 - header), address)
    assert lab.status("node1")["mtu"] == 1472


def flannel_is_understood(lab):
    """Another node, in node3's place, that speaks as flannel's udp does: it is answered in the same bytes."""
    lab.execute("node3", "sh", "-c", "kill -STOP $(cat /run/twill/twilld.lock) && kill $(cat /run/twill/tunnel.sock.lock)")
    wait_for("its port is free", lambda: ":8285" not in lab.execute("node3", "ss", "-Hlun"))
    said = send(lab, "node3", "10.0.0.10", "172.16.2.2", "172.16.0.2", "answer").split()
    assert said == ["10.0.0.10", "8285", "4", "63", "1", "0", "172.16.0.2"], said
    lab.execute("node3", "sh", "-c", "kill -CONT $(cat /run/twill/twilld.lock)")
    wait_for("node3 is back", lambda: lab.status("node3")["ready"])


def counted(lab, node):
    """Packets and bytes of the only counter of the table count, which goes."""
    words = lab.execute(node, "nft", "list", "table", "inet", "count").split()
    lab.execute(node, "nft", "delete", "table", "inet", "count")
    return int(words[words.index("packets") + 1]), int(words[words.index("bytes") + 1])


def segments_are_put_together(lab):
    """Packets of 1500 bytes on the wire, from programs to programs, so that no process has sent them: behind the tunnel there
    are larger ones."""
    lab.execute("node1", "ethtool", "-K", "eth0", "tso", "off", "gso", "off", "tx-udp_tnl-segmentation", "off")
    v6 = [one["local"] for link in json.loads(lab.execute("node2/con1", "ip", "-j", "address", "show", "dev", "eth0"))
          for one in link["addr_info"] if one["family"] == "inet6" and one["scope"] == "global"]
    for address in ("172.16.1.2", *v6):
        lab.execute("node2", "nft", "table inet count { chain c { type filter hook prerouting priority 0; "
                                    "iifname twill-udp meta l4proto tcp counter; }; }")
        lab.execute("node1", "nft", "table inet count { chain c { type filter hook output priority 0; udp dport 8285 counter; }; }")
        lab.execute("node2/con1", "iperf3", "-s", "-1", "-D")
        lab.execute("node1/con1", "iperf3", "-c", address, "-n", "100M")
        packets, size = counted(lab, "node2")
        by_process = counted(lab, "node1")[1]
        print(f"segments to {address} are put together: {packets} packets of {size / packets:.0f} bytes; of 100 MB the process "
              f"has sent {by_process / 1e6:.2f}")
        assert packets > 1000 and size / packets > 3000 and by_process < 5e6
    assert v6
    lab.execute("node1", "ethtool", "-K", "eth0", "tso", "on", "gso", "on", "tx-udp_tnl-segmentation", "on")


def a_killed_tunnel_is_back(lab):
    """Each second, under a flood of pings, with the agent and without a change in the kernel."""
    before = lab.status("node1")["operations"]["total"]
    flood = lab.background("node1/con1", "ping", "-q", "-i", "0.01", "-c", "500", "172.16.2.2")
    for _ in range(3):
        time.sleep(1.2)
        lab.execute("node1", "sh", "-c", "kill -9 $(cat /run/twill/tunnel.sock.lock)")
    said = flood.communicate(timeout=20)[0]
    sent, received = (int(n) for n in re.search(r"(\d+) packets transmitted, (\d+) received", said).groups())
    print(f"3 kills: {sent} pings each 10 ms, {sent - received} lost")
    assert sent - received <= 60, said
    wait_for("the node is well", lambda: lab.status("node1")["ready"])
    assert lab.status("node1")["operations"]["total"] == before, "something in the kernel was touched"


def the_tunnel_outlives_the_agent(lab):
    tunnel = lab.execute("node1", "cat", "/run/twill/tunnel.sock.lock")
    flood = lab.background("node1/con1", "ping", "-q", "-i", "0.005", "-c", "800", "172.16.2.2")
    time.sleep(1)
    agent = lab.execute("node1", "cat", "/run/twill/twilld.lock").strip()
    lab.execute("node1", "kill", "-9", agent)
    wait_for("the agent is back", lambda: lab.execute("node1", "cat", "/run/twill/twilld.lock").strip() != agent)
    said = flood.communicate(timeout=20)[0]
    assert " 0% packet loss" in said, said
    wait_for("the node is well", lambda: lab.status("node1")["ready"])
    assert lab.execute("node1", "cat", "/run/twill/tunnel.sock.lock") == tunnel, "another process"


def a_lost_device_is_back(lab):
    lab.execute("node1", "ip", "link", "del", "twill-udp")
    wait_for("the device is back", lambda: "twill-udp" in lab.execute("node1", "ip", "link"))
    wait_for("packets pass", lambda: " 0% packet loss" in
             lab.execute("node1/con1", "ping", "-c1", "-W1", "172.16.2.2", check=False))
    wait_for("the node is well", lambda: lab.status("node1")["ready"])


def a_smaller_path_is_learned(lab):
    """A router between the nodes takes less: the sender of what is too large is told, as by any router, and what may be cut
    arrives all the same."""
    for place, link in (("router", ""), ("node3", "eth0")):
        name = link or json.loads(lab.execute(place, "ip", "-j", "route", "get", "10.0.1.10"))[0]["dev"]
        lab.execute(place, "ip", "link", "set", name, "mtu", "1400")
    ping = ("ping", "-c3", "-i0.2", "-W1", "-s", "1444", "172.16.2.2")
    said = lab.execute("node1/con1", *ping[:1], "-M", "do", *ping[1:], check=False)
    assert "mtu = 1372" in said or "mtu=1372" in said, said
    assert dropped(lab, "node1")["too_large"] > 0
    lab.execute("node1/con1", "ip", "route", "flush", "cache")
    said = lab.execute("node1/con1", *ping[:1], "-M", "dont", *ping[1:])
    assert " 0% packet loss" in said, said
    for place, link in (("router", ""), ("node3", "eth0")):
        name = link or json.loads(lab.execute(place, "ip", "-j", "route", "get", "10.0.1.10"))[0]["dev"]
        lab.execute(place, "ip", "link", "set", name, "mtu", "1500")
    lab.execute("node1", "ip", "route", "flush", "cache")


def the_port_moves(lab):
    """There is another pump: a socket stays at the port that it was made for."""
    lab.execute("node1", "sed", "-i", 's/"Type": "udp"/"Type": "udp", "Port": 8286/', "/etc/twill/network/net-conf.json")
    for node in ("node1", "node2", "node3"):
        wait_for(f"{node} listens there, and nowhere else", lambda at=node:
                 ":8286" in (ports := lab.execute(at, "ss", "-Hlun")) and ":8285" not in ports)
        wait_for(f"{node} is well", lambda at=node: lab.status(at)["ready"])


def a_lost_program_is_back(lab):
    """What somebody takes away from the underlay's link is put back by event."""
    lab.execute("node1", "tc", "filter", "del", "dev", "eth0", "ingress")
    wait_for("the program is back", lambda: "twill_udp" in lab.execute("node1", "tc", "filter", "show", "dev", "eth0", "ingress"))


# Twenty megabytes whose digest both ends know, one way.
TAKE = """
import hashlib, socket
end = socket.create_server(("::", 7001), family=socket.AF_INET6, dualstack_ipv6=True)
peer, _ = end.accept()
digest = hashlib.sha256()
while data := peer.recv(1 << 20):
    digest.update(data)
peer.sendall(digest.hexdigest().encode())
"""
GIVE = """
import hashlib, socket, sys, time
for _ in range(50):
    try:
        peer = socket.create_connection((sys.argv[1], 7001), timeout=20)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
data = bytes(i * i % 251 for i in range(1 << 16)) * 320
for at in range(0, len(data), 77777):  # large packets, and small ones between them
    peer.sendall(data[at:at + 77777])
peer.shutdown(socket.SHUT_WR)
assert peer.recv(64).decode() == hashlib.sha256(data).hexdigest()
"""


def a_stream_is_whole(lab, source, sink, address):
    server = lab.background(sink, "/usr/bin/python3", "-c", TAKE)
    lab.execute(source, "/usr/bin/python3", "-c", GIVE, address)
    server.communicate(timeout=20)


def engine_of(lab, node):
    return lab.status(node)["tunnel"]["process"]["engine"]


TOLD = """
import socket
end = socket.socket(socket.AF_UNIX)
end.connect("/run/twill/tunnel.sock")
print(end.makefile().read())
"""


def engines_meet():
    """Three nodes with an engine each: all of them speak the same."""
    with Lab(sys.argv[1], "udp", "--backend", "udp", "--ipv6", "--containers", "1") as lab:
        for node, engine in (("node2", "user"), ("node3", "kernel")):
            # The network config is one for all nodes: it is the agent's word to its process that is another.
            lab.execute(node, "sh", "-c", "kill -STOP $(cat /run/twill/twilld.lock)")
            lab.execute(node, "sed", "-i", f's/"engine": "auto"/"engine": "{engine}"/', "/run/twill/tunnel.json")
            wait_for("it is that", lambda at=node, wanted=engine: f'"engine": "{wanted}"' in
                     lab.execute(at, "/usr/bin/python3", "-c", TOLD))
        assert engine_of(lab, "node1") == "kernel and user"
        lab.test()
        for one in (1, 2, 3):
            for other in (1, 2, 3):
                if one != other:
                    a_stream_is_whole(lab, f"node{one}/con1", f"node{other}/con1", f"172.16.{other - 1}.2")
        a_stream_is_whole(lab, "node1/con1", "node2/con1", "fd42:0:0:1::2")
        a_stream_is_whole(lab, "node3/con1", "node1/con1", "fd42::2")


def a_refused_engine_is_a_problem(lab):
    """A tunnel that may not load programs, in the place of the agent's own, which takes it over."""
    lab.execute("node1", "sh", "-c", "kill -STOP $(cat /run/twill/twilld.lock)")
    before = lab.execute("node1", "cat", "/run/twill/tunnel.sock.lock").strip()
    lab.execute("node1", "kill", before)
    # It is the stopped agent's to wait for.
    wait_for("the agent's own has ended", lambda: "Z" in lab.execute("node1", "ps", "-o", "stat=", "-p", before, check=False))
    program = os.path.join(sys.argv[1], "twill-tunnel")
    tunnel = lab.background("node1", "/usr/bin/setpriv", "--bounding-set", "-bpf,-sys_admin", program)
    wait_for("it is there", lambda: "engine" in lab.execute("node1", "/usr/bin/python3", "-c", TOLD, check=False))
    lab.execute("node1", "sh", "-c", "kill -CONT $(cat /run/twill/twilld.lock)")
    said = wait_for("it is a problem", lambda: "".join(lab.status()["problems"]))
    assert '"kernel", but packets go by user space' in said and "CAP_BPF" in said, said
    assert lab.status()["ready"]
    lab.execute("node1", "sh", "-c", "kill $(cat /run/twill/tunnel.sock.lock)")
    tunnel.communicate(timeout=20)
    wait_for("the agent's own is well", lambda: lab.status()["ready"] and not lab.status()["problems"])


def what_passes_is_counted(lab):
    peers = lab.status("node1")["tunnel"]["process"]["peers"]
    assert {peer["name"] for peer in peers} == {"node2", "node3"}, peers
    assert all(peer["sent_packets"] > 0 and peer["received_packets"] > 0 for peer in peers), peers


def main():
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip("/dev/net/tun is not there")
    for engine in sys.argv[2:] or ("user", "kernel", "auto"):
        everything(engine)
    engines_meet()


def everything(engine):
    print(f"engine {engine}", flush=True)
    with Lab(sys.argv[1], "udp", "--backend", "udp", "--engine", engine, "--segments", "2", "--ipv6") as lab:
        expected = {"user": "user", "kernel": "kernel", "auto": "kernel and user"}[engine]
        assert engine_of(lab, "node1") == expected, lab.status("node1")["tunnel"]
        lab.test()
        full_packets_fit(lab)
        trace_shows_the_outer_packet(lab)
        a_capture_looks_inside(lab)
        only_peers_get_in(lab)
        flannel_is_understood(lab)
        a_killed_tunnel_is_back(lab)
        the_tunnel_outlives_the_agent(lab)
        a_lost_device_is_back(lab)
        if engine != "user":
            a_lost_program_is_back(lab)
            segments_are_put_together(lab)
        if engine == "kernel":
            a_refused_engine_is_a_problem(lab)
        a_smaller_path_is_learned(lab)
        the_port_moves(lab)
        lab.test()
        what_passes_is_counted(lab)


main()
