#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The backend vxlan from outside: over segments, damaged, intruded upon, changed to another backend and back.

usage: vxlan_test.py BINARIES
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, wait_for  # noqa: E402

CONFIG = "/etc/twill/network/net-conf.json"
LEASES = "/etc/twill/network/leases.json"
DAMAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "damage.py")
KINDS = {"tunnel deleted", "tunnel set down", "entry deleted", "entry to another node", "entry too many", "rule deleted",
         "rule's routes deleted", "tunnel's neighbour deleted"}
# A VXLAN packet of VNI 1 with an ICMP echo request inside, to where the arguments say: node, source, destination, VTEP's MAC.
INTRUDER = """
import socket, struct, sys
node, source, destination, mac = sys.argv[1:]
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
echo = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 1, 0, socket.inet_aton(source), socket.inet_aton(destination))
ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
frame = bytes.fromhex(mac.replace(":", "")) + b"\\x02\\0\\0\\0\\0\\x01" + b"\\x08\\0" + ip + echo
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3):
    end.sendto(struct.pack("!BBHI", 8, 0, 0, 1 << 8) + frame, (node, 8472))
"""

# A megabyte that has to come as it went.
SERVER = """
import socket
peer = socket.create_server(("0.0.0.0", 7000)).accept()[0]
data = b"".join(iter(lambda: peer.recv(65536), b""))
assert data == bytes(range(256)) * 4096, len(data)
peer.sendall(b"well")
"""
CLIENT = """
import socket, sys
end = socket.create_connection((sys.argv[1], 7000), timeout=10)
end.sendall(bytes(range(256)) * 4096)
end.shutdown(socket.SHUT_WR)
assert end.recv(16) == b"well"
"""

METRICS = """
import socket
end = socket.socket(socket.AF_UNIX)
end.connect("/run/twill/twill.sock")
end.sendall(b"GET /metrics HTTP/1.1\\r\\nHost: twill\\r\\nConnection: close\\r\\n\\r\\n")
while data := end.recv(65536):
    print(data.decode(), end="")
"""


def requests_seen(lab, place):
    """How many ICMP echo requests a place has been asked."""
    words = lab.execute(place, "sh", "-c", "grep ^Icmp: /proc/net/snmp").splitlines()
    return int(dict(zip(words[0].split(), words[1].split()))["InEchos"])


def dropped(lab, node):
    """Packets that were kept out of the tunnel."""
    return lab.status(node)["tunnel"]["strangers_dropped"]


def intrude(lab, where, node, source, destination, of="node1"):
    mac = json.loads(lab.execute(of, "ip", "-j", "link", "show", "twill-vx1"))[0]["address"]
    lab.execute(where, "/usr/bin/python3", "-c", INTRUDER, node, source, destination, mac)


def only_peers_get_in(lab):
    before, seen = dropped(lab, "node1"), requests_seen(lab, "node1/con1")
    intrude(lab, "router", "10.0.0.10", "172.16.2.2", "172.16.0.2")  # from an address that has no lease
    intrude(lab, "node3", "10.0.0.10", "172.16.1.2", "172.16.0.2")   # a peer, with a source that is another's
    intrude(lab, "node3", "10.0.0.10", "8.8.8.8", "172.16.0.2")
    wait_for("what is not theirs is dropped", lambda: dropped(lab, "node1") == before + 9)
    assert requests_seen(lab, "node1/con1") == seen
    assert f"twill_tunnel_strangers_total {before + 9}" in lab.execute("node1", "/usr/bin/python3", "-c", METRICS)
    intrude(lab, "node3", "10.0.0.10", "172.16.2.2", "172.16.0.2")   # its own: this is what gets in
    wait_for("what is theirs gets in", lambda: requests_seen(lab, "node1/con1") == seen + 3)


def put_leases(lab, text):
    lab.execute("node1", "sh", "-c", 'printf %s "$1" >"$0.new" && mv "$0.new" "$0"', LEASES, text)


def a_subnet_of_another_length_is_kept_to(lab):
    """The first peer whose subnet is not a /24: half of one, at the router's address. Nobody else loses what is theirs."""
    lease = {"Node": "node9", "Subnet": "172.16.9.0/25", "PublicIP": "10.0.0.1", "BackendType": "vxlan",
             "BackendData": {"VNI": 1, "VtepMAC": "0a:58:00:00:00:09"}}
    text = lab.execute("node1", "cat", LEASES)
    leases = json.loads(text)
    leases["Leases"].append(lease)
    put_leases(lab, json.dumps(leases))
    wait_for("its route is there", lambda: lab.execute("node1", "ip", "route", "show", "172.16.9.0/25") and lab.status()["ready"])
    before, seen = dropped(lab, "node1"), requests_seen(lab, "node1/con1")
    intrude(lab, "router", "10.0.0.10", "172.16.9.128", "172.16.0.2")  # the other half
    wait_for("what is not theirs is dropped", lambda: dropped(lab, "node1") == before + 3)
    assert requests_seen(lab, "node1/con1") == seen
    intrude(lab, "router", "10.0.0.10", "172.16.9.127", "172.16.0.2")
    intrude(lab, "node3", "10.0.0.10", "172.16.2.128", "172.16.0.2")
    wait_for("what is theirs gets in", lambda: requests_seen(lab, "node1/con1") == seen + 6)
    assert dropped(lab, "node1") == before + 3
    put_leases(lab, text)
    wait_for("it is gone", lambda: not lab.execute("node1", "ip", "route", "show", "172.16.9.0/25"))
    lab.test()


def containers_do_not_get_in(lab):
    """Masqueraded, at an address of a peer that no lease names, a container would look like its node."""
    lab.execute("node2", "ip", "addr", "add", "10.0.0.21/24", "dev", "eth0")
    before, seen = dropped(lab, "node1"), requests_seen(lab, "node2/con1")
    intrude(lab, "node1/con1", "10.0.0.21", "172.16.0.3", "172.16.1.2", of="node2")
    wait_for("its own node drops it", lambda: dropped(lab, "node1") == before + 3)
    assert requests_seen(lab, "node2/con1") == seen
    lab.execute("node2", "ip", "addr", "del", "10.0.0.21/24", "dev", "eth0")


def near_ones_are_routed_to(lab):
    """DirectRouting: a plain route on the segment, the tunnel beyond it, each with its own MTU."""
    lab.execute("node1", "sed", "-i", 's/"Type": "vxlan"/"Type": "vxlan", "DirectRouting": true/', CONFIG)
    for node in ("node1", "node2", "node3"):
        wait_for(f"{node} has come over", lambda at=node: lab.status(at)["mtu"] == 1500 and lab.status(at)["ready"])
    assert "dev eth0" in lab.execute("node1", "ip", "route", "show", "172.16.1.0/24")
    assert "dev twill-vx1" in lab.execute("node1", "ip", "route", "show", "172.16.2.0/24")
    lab.test()
    lab.execute("node1", "sed", "-i", 's/, "DirectRouting": true//', CONFIG)
    for family, subnet, device in (("-4", "172.16.1.0/24", "twill-vx1"), ("-6", "fd42:0:0:1::/64", "twill6vx1")):
        wait_for("the tunnel is back", lambda v=family, s=subnet, d=device:
                 f"dev {d}" in lab.execute("node1", "ip", v, "route", "show", s))


def damage_is_repaired(lab):
    results = json.loads(lab.execute("node1", "/usr/bin/python3", DAMAGE, "1"))
    assert not KINDS - results.keys(), f"nothing to damage for {KINDS - results.keys()}"
    broken = [kind for kind, measured in results.items() if measured is None]
    assert not broken, f"not repaired within 5 s: {broken}"
    lab.test()


def the_road_is_shown(lab):
    trace = json.loads(lab.run("trace", "--lab", lab.name, "--json", "node1/con1", "node3/con1"))
    tunnel = next(hop["tunnel"] for hop in trace["hops"] if hop["tunnel"])
    assert trace["outcome"] == "delivered" and trace["symmetric"], trace
    assert (tunnel["dst"], tunnel["added"]) == ("10.0.1.10", 50), tunnel
    assert [hop["place"] for hop in tunnel["road"]["hops"]] == ["node1", "router", "node3"], tunnel


def a_packet_is_taken_apart(lab):
    """The same echo request before it gets into the tunnel, inside it, and as it crosses the underlay."""
    names = {}
    for link in ("twill0", "twill-vx1", "eth0"):
        with lab.background("node1/con1", "ping", "-i", "0.2", "-w", "10", "172.16.2.2") as ping:
            seen = lab.run("lab", "capture", "--name", lab.name, "--json", "--host", "172.16.2.2", "--link", link, "node1")
            ping.terminate()
        names[link] = [layer["name"] for layer in json.loads(seen)[0]["layers"]]
    inside = ["Ethernet", "IPv4", "ICMP", "data"]
    assert names == {"twill0": inside, "twill-vx1": inside, "eth0": ["Ethernet", "IPv4", "UDP", "VXLAN"] + inside}, names


def full_packets_fit(lab):
    """The containers' MTU is what the tunnel takes, in each family, and not a byte less than it could be."""
    for address, header in (("172.16.2.2", 28), ("fd42:0:0:2::2", 48)):
        ping = ["ping", "-c1", "-W2", "-M", "do"]
        lab.execute("node1/con1", *ping, "-s", str(1430 - header), address)


def a_node_moves(lab):
    """Another address on the underlay, without a restart: the device is made anew over it, and the others follow."""
    lab.execute("node2", "sh", "-c", "ip addr del 10.0.0.20/24 dev eth0 && ip addr add 10.0.0.77/24 dev eth0 && "
                "ip route replace default via 10.0.0.1")
    wait_for("node1 sends to the new address", lambda: "dst 10.0.0.77" in
             lab.execute("node1", "bridge", "fdb", "show", "dev", "twill-vx1"))
    for node in ("node1", "node2", "node3"):
        wait_for(f"{node} is well", lambda at=node: lab.status(at)["ready"])
    assert "local 10.0.0.77" in lab.execute("node2", "ip", "-d", "link", "show", "twill-vx1")
    trace = json.loads(lab.run("trace", "--lab", lab.name, "--json", "node3/con1", "node2/con1"))
    assert trace["outcome"] == "delivered" and trace["symmetric"], trace
    lab.execute("node3/con1", "ping", "-c1", "-W2", "172.16.1.2")
    lab.execute("node2/con1", "ping", "-c1", "-W2", "10.0.1.10")


def the_port_moves(lab):
    """What a device was made with it keeps: there is another one at once."""
    lab.execute("node1", "sed", "-i", 's/"Type": "vxlan"/"Type": "vxlan", "Port": 4789/', CONFIG)
    for node in ("node1", "node2", "node3"):
        wait_for(f"{node} listens there", lambda at=node: "dstport 4789" in
                 lab.execute(at, "ip", "-d", "link", "show", "twill-vx1", check=False))
        wait_for(f"{node} is well", lambda at=node: lab.status(at)["ready"])
    lab.test()


def offload_shown(lab):
    words = lab.execute("node1", "/usr/sbin/ethtool", "-k", "twill-vx1")
    return re.search(r"tx-checksum-ip-generic: (\w+)", words).group(1)


def the_checksum_offload_is_switched(lab):
    """Without it TCP still passes, and whoever turns it on is undone."""
    assert offload_shown(lab) == "on" and lab.status()["vxlan"]["checksum_offload"], lab.status()["vxlan"]
    lab.execute("node1", "sh", "-c", "echo 'vxlan-checksum-offload = \"off\"' >>/etc/twill/twilld.toml && "
                "kill $(cat /run/twill/twilld.lock)")
    wait_for("it is off", lambda: offload_shown(lab) == "off", seconds=10)
    wait_for("node1 is well", lambda: lab.status()["ready"])
    assert "checksum offload is off: --vxlan-checksum-offload is off" in lab.execute("node1", lab.twill, "status")
    server = lab.background("node3/con1", "/usr/bin/python3", "-c", SERVER)
    wait_for("the server listens", lambda: ":7000" in lab.execute("node3/con1", "ss", "-Hltn"))
    lab.execute("node1/con1", "/usr/bin/python3", "-c", CLIENT, "172.16.2.2")
    server.communicate(timeout=20)
    lab.execute("node1", "/usr/sbin/ethtool", "-K", "twill-vx1", "tx-checksum-ip-generic", "on")
    wait_for("it is off again", lambda: offload_shown(lab) == "off")


def step_four_teaches(binaries):
    lab = Lab(binaries, "step4")
    try:
        said = lab.run("lab", "step", "4")
        assert "all 24 checks passed" in said and "VXLAN     VNI 1" in said and "bridge fdb replace" in said, said
    finally:
        lab.run("lab", "down", "--name", "step4")


def main():
    with Lab(sys.argv[1], "vxlan", "--backend", "vxlan", "--segments", "2", "--ipv6") as lab:
        lab.test()
        full_packets_fit(lab)
        the_road_is_shown(lab)
        a_packet_is_taken_apart(lab)
        only_peers_get_in(lab)
        a_subnet_of_another_length_is_kept_to(lab)
        containers_do_not_get_in(lab)
        near_ones_are_routed_to(lab)
        damage_is_repaired(lab)
        the_port_moves(lab)
        a_node_moves(lab)
        the_checksum_offload_is_switched(lab)
    step_four_teaches(sys.argv[1])


main()
