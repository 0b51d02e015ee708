#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""podman with its CNI backend on two nodes: containers reach each other, get the address that they ask for, may have
further plugins behind Twill's, and leave nothing behind.

usage: podman_test.py BINARIES
"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, wait_for  # noqa: E402
from runtimes import (attachments, make_files, need, prepare, traces,  # noqa: E402
                      wait_clean, write_network)

IMAGE = "localhost/busybox:1"
ADDRESS, MAC = "172.16.1.77", "02:00:00:00:00:77"
NODE2 = "10.0.0.20"
SERVER = ("/bin/sh", "-c", "while :; do echo hello | nc -l -p 80; done")
# Without CAP_SYS_RESOURCE crun may not raise limits to podman's defaults.
SETTINGS = """[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin", "/usr/lib/cni"]
network_config_dir = "/etc/cni/net.d"
default_network = "twill"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
"""


class Podman:
    """podman on the nodes of a lab, with its storage on each node's /run."""

    def __init__(self, lab, folder):
        self.lab = lab
        self.settings = f"{folder}/containers.conf"
        with open(self.settings, "w", encoding="utf-8") as file:
            file.write(SETTINGS)
        files = make_files(folder)
        for node in ("node1", "node2"):
            prepare(lab, node)
            self.podman(node, "import", "-q", files, IMAGE)

    def podman(self, node, *arguments, check=True):
        return self.lab.execute(node, "env", f"CONTAINERS_CONF={self.settings}", "podman", "--root", "/run/containers/all",
                                "--runroot", "/run/containers/run", "--tmpdir", "/run/containers/tmp",
                                "--storage-driver", "vfs", *arguments, check=check)

    def start(self, node, name, *command, network="twill", options=()):
        """A container in the background; cgroups are the machine's, so it has none."""
        self.podman(node, "run", "-d", "--cgroups=disabled", "--name", name, "--network", network, *options, IMAGE,
                    *command)

    def inside(self, node, name, *command):
        return self.podman(node, "exec", name, *command)

    def remove(self, node, name):
        self.podman(node, "rm", "-f", "-t", "0", name)


def answers(lab, node, address, port):
    return lab.execute(node, "timeout", "2", "busybox", "nc", address, str(port), check=False) == "hello\n"


def reach_each_other(lab, podman):
    """Also: the address and the MAC that were asked for, again after a stop and a start."""
    podman.start("node1", "one", "/bin/sleep", "600")
    podman.start("node2", "two", "/bin/sleep", "600", network=f"twill:ip={ADDRESS},mac={MAC}")
    for _ in range(2):
        said = podman.inside("node2", "two", "/bin/ip", "addr", "show", "eth0")
        assert f"inet {ADDRESS}/24 " in said and f"link/ether {MAC} " in said, said
        said = podman.inside("node1", "one", "/bin/ping", "-c", "1", "-W", "2", ADDRESS)
        assert "ttl=62" in said, said  # over two nodes, each of which routes
        (one,) = attachments(lab, "node1")
        own = one["addresses"][0].split("/")[0]
        assert "ttl=62" in podman.inside("node2", "two", "/bin/ping", "-c", "1", "-W", "2", own)
        podman.podman("node2", "stop", "-t", "0", "two")
        wait_for("no interface of a stopped container", lambda: not attachments(lab, "node2"))
        podman.podman("node2", "start", "two")
    podman.remove("node1", "one")
    podman.remove("node2", "two")


def a_taken_address_is_refused(_, podman):
    podman.start("node2", "two", "/bin/sleep", "600", network=f"twill:ip={ADDRESS}")
    try:
        podman.start("node2", "three", "/bin/sleep", "600", network=f"twill:ip={ADDRESS}")
    except AssertionError as error:
        assert ADDRESS in str(error) and "twill/" in str(error), error
    else:
        raise AssertionError("two containers have one address")
    podman.remove("node2", "three")
    podman.remove("node2", "two")


def a_command_that_does_not_exist(lab, podman):
    """podman calls ADD, fails to start the command, and calls DEL."""
    podman.podman("node1", "run", "--rm", "--cgroups=disabled", "--network", "twill", IMAGE, "/bin/nothing", check=False)
    assert not attachments(lab, "node1")


def host_ports(lab, podman):
    write_network(lab, "node2", "ports", {"type": "twill-cni", "capabilities": {"portMappings": True}})
    podman.start("node2", "web", *SERVER, network="ports", options=("-p", "8080:80"))
    for node, address in (("node1", NODE2), ("node2", NODE2), ("node2", "127.0.0.1")):
        wait_for(f"{node} reaches {address}:8080", lambda at=node, to=address: answers(lab, at, to, 8080))
    podman.remove("node2", "web")
    assert not answers(lab, "node1", NODE2, 8080)


def two_networks(lab, podman):
    """podman asks each of a container's networks for all of its host ports: one of them has them."""
    for name in ("front", "back"):
        write_network(lab, "node2", name, {"type": "twill-cni", "capabilities": {"portMappings": True}})
    podman.start("node2", "both", *SERVER, network="front,back", options=("-p", "8080:80"))
    assert len(attachments(lab, "node2")) == 2
    wait_for("the port answers", lambda: answers(lab, "node1", NODE2, 8080))
    podman.remove("node2", "both")
    assert not answers(lab, "node1", NODE2, 8080)


def limited(lab, podman):
    """A token bucket on each end of the veth."""
    write_network(lab, "node2", "limited", {"type": "twill-cni", "ingressRate": 8000000, "ingressBurst": 800000,
                                            "egressRate": 16000000, "egressBurst": 4294967295})
    podman.start("node2", "two", "/bin/sleep", "600", network="limited")
    (two,) = attachments(lab, "node2")
    ingress = lab.execute("node2", "tc", "qdisc", "show", "dev", two["host_ifname"])
    egress = lab.execute("node2", "nsenter", f"--net={two['netns']}", "tc", "qdisc", "show", "dev", "eth0")
    assert "tbf" in ingress and "rate 8Mbit burst 100000b" in ingress, ingress
    assert "tbf" in egress and "rate 16Mbit" in egress, egress
    assert two["ingress"] == {"bits_per_second": 8000000, "burst_bits": 800000}, two
    assert two["egress"]["bits_per_second"] == 16000000, two
    podman.remove("node2", "two")


def chained(lab, podman):
    """The stock plugins find what they need in our result: the address for portmap, the node's end for bandwidth."""
    write_network(lab, "node2", "chained", {"type": "twill-cni"},
                  {"type": "portmap", "capabilities": {"portMappings": True}},
                  {"type": "bandwidth", "ingressRate": 8000000, "ingressBurst": 800000})
    podman.start("node2", "web", *SERVER, network="chained", options=("-p", "8080:80"))
    wait_for("node1 reaches the port", lambda: answers(lab, "node1", NODE2, 8080))
    (web,) = attachments(lab, "node2")
    shaped = lab.execute("node2", "tc", "qdisc", "show", "dev", web["host_ifname"])
    assert "qdisc tbf" in shaped and "rate 8Mbit" in shaped, shaped
    podman.remove("node2", "web")
    firewall = lab.execute("node2", "nft", "list", "ruleset")
    assert "dnat to" not in firewall and "CNI-DN-" not in firewall, firewall
    # Its three chains for all containers stay, which is portmap's way; nothing else may.
    for table in ("ip", "ip6"):
        lab.execute("node2", "nft", "delete", "table", table, "nat", check=False)


def main():
    need("podman", "crun", "conmon", "/bin/busybox", "/usr/lib/cni/portmap", "/usr/lib/cni/bandwidth", "iptables", "nft",
         "tc")
    binaries = sys.argv[1]
    parts = [reach_each_other, a_taken_address_is_refused, a_command_that_does_not_exist, host_ports, two_networks,
             limited, chained]
    with tempfile.TemporaryDirectory(prefix="twill-podman-") as folder, \
            Lab(binaries, "podman", "--nodes", "2", "--containers", "0") as lab:
        podman = Podman(lab, folder)
        before = {node: traces(lab, node) for node in ("node1", "node2")}
        for part in parts:
            print(part.__name__, flush=True)
            part(lab, podman)
            for node, state in before.items():
                wait_clean(lab, node, state)


main()
