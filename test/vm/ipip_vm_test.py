#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Backend ipip against the kernel's own drivers: a virtual machine with `ipip` and `sit` is a peer of the lab's nodes, which have
ipip by programs. Pings and TCP both ways, sizes, checksums.

usage: ipip_vm_test.py BINARIES CACHE
"""
import json
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine  # noqa: E402
from lab import Lab, wait_for  # noqa: E402

LEASES = "/etc/twill/network/leases.json"
# The machine is the third node, in the second segment, and its own container.
VM = {"Node": "vm", "Subnet": "172.16.77.0/24", "IPv6Subnet": "fd42:0:0:77::/64", "PublicIP": "10.0.1.77", "BackendType": "ipip"}
SET_UP = (
    "ip link set eth0 up; ip address add 10.0.1.77/24 dev eth0; ip route add default via 10.0.1.1",
    # What Calico gives its driver.
    "ip link add twipip type ipip local 10.0.1.77 ttl inherit pmtudisc; ip link set twipip up",
    "ip link add twsit type sit local 10.0.1.77 ttl inherit pmtudisc; ip link set twsit up",
    "ip address add 172.16.77.2/32 dev lo; ip -6 address add fd42:0:0:77::2/128 dev lo",
    "ip route add 172.16.0.0/24 via 10.0.0.10 dev twipip onlink src 172.16.77.2",
    "ip route add 172.16.1.0/24 via 10.0.1.10 src 172.16.77.2",
    "ip -6 route add fd42::/64 via ::10.0.0.10 dev twsit src fd42:0:0:77::2",
    "iperf3 -s -D; sleep 1",
)
CONTAINER, MACHINE = ("172.16.0.2", "fd42::2"), ("172.16.77.2", "fd42:0:0:77::2")
MTU = 1480


def add_lease(lab):
    have = json.loads(lab.execute("node1", "cat", LEASES))["Leases"]
    text = json.dumps({"Leases": [*have, VM]})
    lab.execute("node1", "sh", "-c", f"printf '%s' '{text}' > {LEASES}.new && mv {LEASES}.new {LEASES}")
    wait_for("node1 has the machine as a peer in another segment",
             lambda: "172.16.77.0/24 dev twill-ipip" in lab.execute("node1", "ip", "route"), 10)
    wait_for("node2 has it on its own",
             lambda: "172.16.77.0/24 via 10.0.1.77 dev eth0" in lab.execute("node2", "ip", "route"), 10)


def pings(lab, vm):
    for target in MACHINE:
        for place in ("node1/con1", "node1"):
            said = lab.execute(place, "ping", "-c3", "-i0.2", "-W2", target, check=False)
            assert " 0% packet loss" in said, (place, said)
    assert " 0% " in lab.execute("node2/con1", "ping", "-c3", "-i0.2", "-W2", MACHINE[0], check=False)
    for target in (*CONTAINER, "172.16.1.2"):
        said = vm.run(f"ping -c3 -i0.2 -W2 {target}", check=False)
        assert " 0% packet loss" in said, said


def sizes(lab, vm):
    """Exactly the path MTU passes, and one byte more is answered, each way and in both families."""
    for target, source, headers in zip(MACHINE, CONTAINER, (28, 48)):
        fits, over = str(MTU - headers), str(MTU - headers + 1)
        assert " 0% " in lab.execute("node1/con1", "ping", "-Mdo", "-c2", "-i0.2", "-W2", "-s", fits, target, check=False)
        said = lab.execute("node1/con1", "ping", "-Mdo", "-c2", "-i0.2", "-W2", "-s", over, target, check=False)
        assert re.search(rf"mtu ?[=:] ?{MTU}", said) and " 0% " not in said, said
        assert " 0% " in vm.run(f"ping -Mdo -c2 -i0.2 -W2 -s {fits} {source}", check=False)
        said = vm.run(f"ping -Mdo -c2 -i0.2 -W2 -s {over} {source}", check=False)
        assert re.search(rf"mtu ?[=:] ?{MTU}", said) and " 0% " not in said, said


def stream(lab, target, amount, *options):
    """What iperf3 says of one from the container; between two of them its server does not listen for a moment."""
    for _ in range(20):
        said = json.loads(lab.execute("node1/con1", "iperf3", "-c", target, "-n", amount, "-J", *options, check=False))
        if "refused" not in said.get("error", ""):
            break
        time.sleep(0.5)
    assert "error" not in said, said["error"]
    return said["end"]


def checksums(lab, vm):
    """Nothing is left to anybody's network card, so that the wire shows what each side makes of headers and checksums."""
    words = "tx off tso off gso off gro off"
    lab.execute("node1/con1", "sh", "-c", f"ethtool -K eth0 {words}")
    vm.run(f"ethtool -K eth0 {words}")
    for target, protocol, inner in zip(MACHINE, ("4", "41"), (r"IP \(", "IP6")):
        watch = lab.background("wire", "timeout", "60", "tcpdump", "-nvvl", "-c300", "-ivm0", f"ip proto {protocol}")
        wait_for("tcpdump listens", lambda: "tcpdump" in lab.execute("node1", "ps", "-e"), 10)
        time.sleep(0.5)
        lab.execute("node1/con1", "ping", "-c2", "-i0.2", "-W2", target)
        for way in ((), ("-R",)):
            stream(lab, target, "200K", *way)
        lab.execute("node1/con1", "ping", "-q", "-c150", "-i0.01", "-W2", target)  # until there are 300
        seen = watch.communicate(timeout=90)[0]
        for outer in ("10.0.0.10 > 10.0.1.77", "10.0.1.77 > 10.0.0.10"):
            assert re.search(rf"{outer}: {inner}", seen), (outer, inner, seen[-3000:])
        assert seen.count("(correct)") > 100, seen[-3000:]
        for wrong in ("incorrect", "bad cksum", "truncated", "bad length", "bad-len"):
            assert wrong not in seen, [line for line in seen.split("\n") if wrong in line][:5]
    lab.execute("node1/con1", "sh", "-c", f"ethtool -K eth0 {words.replace('off', 'on')}")
    vm.run(f"ethtool -K eth0 {words.replace('off', 'on')}", check=False)


def errors(text):
    """Checksums and headers that /proc/net/snmp and snmp6 say were wrong."""
    lines = text.splitlines()
    found = {}
    for names, values in zip(lines, lines[1:]):
        if names.split(":")[0] == values.split(":")[0]:
            found |= {names.split(":")[0] + name: value for name, value in zip(names.split()[1:], values.split()[1:])}
    return {name: found[name] for name in ("TcpInCsumErrors", "TcpInErrs", "IpInHdrErrors", "UdpInCsumErrors")}


def large(lab, vm):
    before = vm.run("cat /proc/net/snmp"), lab.execute("node1/con1", "cat", "/proc/net/snmp")
    for target in MACHINE:
        for way in ([], ["-R"]):
            end = stream(lab, target, "100M", *way)
            got = end["sum_received"]
            assert got["bytes"] >= 90_000_000, end
            print(f"{'from' if way else 'to'} {target}: {got['bits_per_second'] / 1e9:.2f} Gbit/s, "
                  f"{end['sum_sent']['retransmits']} retransmits")
    after = vm.run("cat /proc/net/snmp"), lab.execute("node1/con1", "cat", "/proc/net/snmp")
    assert [errors(one) for one in before] == [errors(one) for one in after], after
    assert lab.status("node1")["ipip"]["strangers_dropped"] == 0


def main():
    machine.need("iperf3", "tcpdump", "ethtool", "ping")
    os.makedirs(sys.argv[2], exist_ok=True)
    linux = machine.kernel(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder, \
            Lab(sys.argv[1], "vm", "--backend", "ipip", "--engine", "ebpf", "--segments", "2", "--nodes", "2", "--containers", "1", "--ipv6") as lab:
        lab.execute("wire", "sh", "-ec", "ip tuntap add vm0 mode tap; ip link set vm0 master seg2 up")
        vm = machine.Machine(lab, "wire", "vm0", linux, folder, ("ipip", "sit"), ("ip", "ping", "iperf3", "ethtool"))
        try:
            print(f"the machine has Linux {vm.run('uname -r').strip()}")
            for line in SET_UP:
                vm.run(line)
            add_lease(lab)
            for case in (pings, sizes, checksums, large):
                case(lab, vm)
        finally:
            vm.stop()


if __name__ == "__main__":
    main()
