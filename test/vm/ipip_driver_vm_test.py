#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Backend ipip by the kernel's drivers: twilld in a virtual machine, whose kernel has `ipip` and `sit`, is a peer of the lab's nodes,
which have ipip by programs. Which engine it takes, what it makes of it, who may send, what is repaired, changes of the engine.

usage: ipip_driver_vm_test.py BINARIES CACHE
"""
import json
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine  # noqa: E402
from ipip_vm_test import CONTAINER, MACHINE, VM, add_lease, large, pings, sizes  # noqa: E402
from lab import Lab, wait_for  # noqa: E402

FOLDER = "/etc/twill/network"
MODULES = ("nf_tables", "nft_objref", "tun", "sch_ingress", "cls_bpf")  # what twilld asks for where there is no modprobe
SET_UP = (
    "hostname vm; ip link set eth0 up; ip address add 10.0.1.77/24 dev eth0; ip address add fd00:0:0:1::77/64 dev eth0 nodad",
    "ip route add default via 10.0.1.1",
    f"ip address add {MACHINE[0]}/32 dev lo; ip -6 address add {MACHINE[1]}/128 dev lo",
    f"mkdir -p {FOLDER}; iperf3 -s -D",
)
# Ten IPIP packets to the machine with an ICMP echo request inside.
INJECT = """
import socket, struct, sys
inner = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 1, 0, *map(socket.inet_aton, sys.argv[1:3]))
total = sum(struct.unpack("!10H", inner))
inner = inner[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + inner[12:]
end = socket.socket(socket.AF_INET, socket.SOCK_RAW, 4)
for _ in range(10):
    end.sendto(inner + struct.pack("!BBHHH", 8, 0, 0xf7ff, 0, 0), ("10.0.1.77", 0))
"""


def status(vm):
    return json.loads(vm.run("twill status --json"))


def configure(vm, lab, engine):
    config = json.loads(lab.execute("node1", "cat", f"{FOLDER}/net-conf.json"))
    config["Backend"]["Engine"] = engine
    vm.run(f"echo '{json.dumps(config)}' > {FOLDER}/new; mv {FOLDER}/new {FOLDER}/net-conf.json")


def start(vm):
    vm.run("(twilld --iface eth0 >> /run/log 2>&1 &)")
    vm.run("for i in $(seq 60); do twill status --json 2>/dev/null | grep -q '\"ready\": true' && break; sleep 1; done")
    assert status(vm)["ready"]


def stop(vm):
    vm.run("kill $(cat /run/twill/twilld.lock); while [ -d /proc/$(cat /run/twill/twilld.lock) ]; do sleep 0.1; done", check=False)


def engine_is(vm, engine, reason=""):
    found = wait_for(f"engine {engine}", lambda: (one := status(vm))["ready"] and one["ipip"]["engine"] == engine and one["ipip"], 30)
    assert reason in found["engine_reason"], found


def without_driver(lab, vm):
    """Programs, and why; what was asked for and cannot be had is a problem."""
    start(vm)
    engine_is(vm, "ebpf", "the kernel has no driver ipip")
    assert " 0% " in lab.execute("node1/con1", "ping", "-c3", "-i0.2", "-W2", MACHINE[0], check=False)
    configure(vm, lab, "driver")
    wait_for("it is said", lambda: any("modprobe" in text for text in status(vm)["problems"]), 30)
    configure(vm, lab, "auto")
    stop(vm)


def with_driver(lab, vm):
    """A later start finds it, and takes over from the programs."""
    vm.run("for name in $(ls /modules); do case $name in order) ;; *) insmod /modules/$name 2>/dev/null;; esac; done; "
           "insmod /modules/ipip.ko 2>/dev/null; insmod /modules/sit.ko 2>/dev/null; ip link show tunl0; ip link show sit0")
    start(vm)
    engine_is(vm, "driver", "the kernel has it")
    links = vm.run("ip -d link")
    assert re.search(r"ipip (ipip )?remote any local 10.0.1.77 ttl 64 tos inherit pmtudisc", links), links
    assert re.search(r"sit (ip6ip )?remote any local 10.0.1.77 ttl 64 tos inherit pmtudisc", links), links
    assert "twill-ipip:" not in links, links
    routes = vm.run("ip route; ip -6 route")
    assert "172.16.0.0/24 via 10.0.0.10 dev twill-ipip4" in routes and "fd42::/64 via ::10.0.0.10 dev twill-ipip6" in routes, routes
    assert "172.16.1.0/24 via 10.0.1.10 dev eth0" in routes, routes
    assert not status(vm)["problems"], status(vm)["problems"]


def strangers(lab, vm):
    """A peer from its own addresses, to this node's; nothing else gets in, and is counted."""
    count = lambda: status(vm)["tunnel"]["strangers_dropped"]  # noqa: E731
    echoes = lambda: int(re.search(r"Icmp: (?:\S+ ){8}(\d+)", vm.run("grep '^Icmp: [0-9]' /proc/net/snmp"))[1])  # noqa: E731
    before, heard = count(), echoes()
    lab.execute("node1", "/usr/bin/python3", "-c", INJECT, CONTAINER[0], MACHINE[0])
    wait_for("a peer's packets come in", lambda: echoes() >= heard + 10)
    assert count() == before
    for place, source, target in (("node1", "172.16.1.2", MACHINE[0]), ("node1", "8.8.8.8", MACHINE[0]),
                                  ("router", CONTAINER[0], MACHINE[0]), ("node1", CONTAINER[0], "172.16.1.2"),
                                  ("node1", CONTAINER[0], "8.8.8.8")):
        before, heard = count(), echoes()
        lab.execute(place, "/usr/bin/python3", "-c", INJECT, source, target)
        wait_for(f"{source} at {place} to {target} is dropped", lambda b=before: count() == b + 10)
        assert echoes() == heard, (place, source, target)
    lost = vm.run("ping -6 -c2 -W1 ::10.0.1.10", check=False)
    assert "100% packet loss" in lost or "not permitted" in lost, lost


def repairs(lab, vm):
    def heals(damage, link):
        index = vm.run(f"cat /sys/class/net/{link}/ifindex")
        vm.run(damage)
        wait_for(f"{link} is made again", lambda: vm.run(f"cat /sys/class/net/{link}/ifindex", check=False) not in (index, ""), 20)
        wait_for("it is ready", lambda: status(vm)["ready"], 20)

    heals("ip link del twill-ipip4", "twill-ipip4")
    heals("ip link set twill-ipip4 type ipip ttl 5", "twill-ipip4")
    heals("ip link del twill-ipip6", "twill-ipip6")
    pings(lab, vm)


def changes(lab, vm):
    """Of the engine, while packets go both ways."""
    for engine in ("ebpf", "driver"):
        flood = lab.background("node1/con1", "ping", "-q", "-i", "0.01", "-c", "1000", MACHINE[0])
        configure(vm, lab, engine)
        engine_is(vm, engine, "the network config says so")
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", flood.communicate(timeout=120)[0]).groups())
        links = vm.run("ip link")
        assert ("twill-ipip:" in links) == (engine == "ebpf") and ("twill-ipip4" in links) == (engine == "driver"), links
        print(f"to {engine}: {sent - received} of {sent} packets lost")
        assert sent == 1000 and sent - received <= 100, "an emulated machine stands still while it does anything, but not for a second"


def nothing_is_left(vm):
    stop(vm)
    vm.run("twilld --cleanup")
    assert "twill" not in vm.run("ip link; ip route; ip -6 route; ip rule")


def main():
    machine.need("iperf3", "ping")
    os.makedirs(sys.argv[2], exist_ok=True)
    linux = machine.kernel(sys.argv[2])
    programs = ("ip", "ping", "iperf3", *(os.path.join(sys.argv[1], name) for name in ("twilld", "twill")))
    with tempfile.TemporaryDirectory() as folder, \
            Lab(sys.argv[1], "vmdriver", "--backend", "ipip", "--engine", "ebpf", "--segments", "2", "--nodes", "2", "--containers", "1", "--ipv6") as lab:
        lab.execute("wire", "sh", "-ec", "ip tuntap add vm0 mode tap; ip link set vm0 master seg2 up")
        vm = machine.Machine(lab, "wire", "vm0", linux, folder, MODULES, programs, later=("ipip", "sit"))
        try:
            for line in SET_UP:
                vm.run(line)
            add_lease(lab)
            vm.run(f"echo '{lab.execute('node1', 'cat', f'{FOLDER}/leases.json')}' > {FOLDER}/leases.json")
            assert VM["PublicIP"] in vm.run(f"cat {FOLDER}/leases.json")
            configure(vm, lab, "auto")
            without_driver(lab, vm)
            with_driver(lab, vm)
            for case in (pings, sizes, large, strangers, repairs, changes):
                case(lab, vm)
            nothing_is_left(vm)
        except AssertionError:
            print(vm.run("cat /run/log; twill status", check=False))
            raise
        finally:
            vm.stop()


main()
