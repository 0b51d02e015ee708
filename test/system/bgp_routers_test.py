#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nodes of datastore bgp and a router between them that is not ours, BIRD, FRR or GoBGP: it gets the cluster's subnets and nothing
that the nodes tell each other, and nothing that it says gets in, however much that is.

usage: bgp_routers_test.py BINARIES [ROUTER...]
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bgp_lab import config, configure  # noqa: E402
from bgp_routers import NODES, ROUTERS, end_node, established, need, owners, picture, refused, sessions, sh  # noqa: E402
from lab import Lab, wait_for  # noqa: E402


def all_established(lab):
    return all(len(established(lab, node)) == len(NODES) - 1 and
               all(one["state"] == "Established" for one in sessions(lab, node, True)) for node in NODES)


def gets_what_the_cluster_has(lab, router):
    for family in (4, 6):
        wanted = owners(lab, "node1", family)
        assert len(wanted) == len(NODES), wanted
        wait_for(f"{router.name} has exactly the cluster's IPv{family} subnets",
                 lambda f=family, w=wanted: router.routes(f)[0] == w, 10)
        assert not router.routes(family)[1], router.routes(family)[1]


def gets_all_from_each(lab, router):
    """What a node has learned of others comes with what these tell the nodes, which is not for routers."""
    told = lambda node: sum(one["routes_out"] for one in sessions(lab, node, True))  # noqa: E731
    own, whole = config(lab), config(lab)
    for peer in whole["BGP"]["Peers"]:
        peer["WholeCluster"] = True
    configure(lab, whole)
    for node in NODES:
        wait_for(f"{node} tells all", lambda n=node: told(n) == 2 * len(NODES), 15)
    for family in (4, 6):
        wait_for("the router has each subnet from each node", lambda f=family: router.paths(f) >= len(NODES) ** 2, 10)
        assert not router.routes(family)[1], router.routes(family)[1]
    configure(lab, own)
    gets_what_the_cluster_has(lab, router)


def noise_of(lab):
    """What an operator's slip or a stranger may announce."""
    mine, others = list(owners(lab, "node1", 4))[:2]
    mine6 = next(iter(owners(lab, "node1", 6)))
    free = next(f"172.16.{i}.0/24" for i in range(256) if f"172.16.{i}.0/24" not in owners(lab, "node1", 4))
    longer, longer6 = mine.replace(".0/24", ".128/25"), mine6.replace("/64", "/80")
    return ["0.0.0.0/0", "::/0", "192.0.2.0/24", "2001:db8::/32", mine, others, mine6, longer, longer6, free, "172.16.0.0/16",
            "10.0.0.0/8", "10.0.0.0/24", "10.0.0.20/32", "10.9.0.0/16", "fd00::/64"]


def refuses_noise(lab, router):
    before = {node: (picture(lab, node), established(lab, node)) for node in NODES}
    noise = noise_of(lab)
    router.announce(noise)
    for node in NODES:
        wait_for(f"{node} counts the routes as refused", lambda n=node: refused(lab, n) == router.arrives(noise, n), 15)
    assert {node: (picture(lab, node), established(lab, node)) for node in NODES} == before
    router.withdraw(noise)
    rest = router.lingers(noise, owners(lab, "node1", 4) | owners(lab, "node1", 6))
    for node in NODES:
        wait_for(f"{node} has none to refuse", lambda n=node: refused(lab, n) <= rest, 15)
    assert {node: (picture(lab, node), established(lab, node)) for node in NODES} == before
    gets_what_the_cluster_has(lab, router)


def memory(lab, node):
    """Resident, of its BIRD, in MB."""
    status = sh(lab, node, "cat /proc/$(cat /run/twill/bird.pid)/status")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def refuses_masses(lab, router):
    before = {node: (picture(lab, node), established(lab, node)) for node in NODES}
    small = {node: memory(lab, node) for node in NODES}
    for number in (5000, 100_000):
        router.announce([], f"[f'172.16.{{i}}.0/24' for i in range(256)] + "
                            f"[f'{{11 + i // 65536}}.{{i // 256 % 256}}.{{i % 256}}.0/24' for i in range({number} - 256)]")
        for node in NODES:
            wait_for(f"{node} has refused what it looks at of {number}", lambda n=node: refused(lab, n) >= 1000, 20)
        wait_for("the router has said all",
                 lambda n=number: f"{n} exported" in router.birdc("show", "protocols", "all", "node1"), 20)
        large = {node: memory(lab, node) for node in NODES}
        print(f"{number} routes from outside: BIRD has {max(large.values()):.1f} MB, had {max(small.values()):.1f}; "
              f"{refused(lab, 'node1')} counted as refused")
        assert all(large[node] - small[node] < 8 for node in NODES), (small, large)
        assert {node: (picture(lab, node), established(lab, node)) for node in NODES} == before
    router.withdraw([])
    for node in NODES:
        wait_for(f"{node} has none to refuse", lambda n=node: refused(lab, n) == 0, 20)
    lab.test()


def loses_what_a_node_withdraws(lab, router):
    gone = {family: {subnet for subnet, owner in owners(lab, "node1", family).items() if owner in ("10.0.1.10", "fd00:0:0:1::10")}
            for family in (4, 6)}
    end_node(lab, "node3")
    for family in (4, 6):
        assert gone[family]
        wait_for(f"{router.name} has lost node3's IPv{family} subnet and no other",
                 lambda f=family: len(router.routes(f)[0]) == 2 and not gone[f] & router.routes(f)[0].keys(), 10)
    wait_for("node1 has lost it", lambda: len(owners(lab, "node1", 4)) == 2, 10)


def main():
    for name in sys.argv[2:] or ROUTERS:
        make, program, package = ROUTERS[name]
        need(program, package)
        with Lab(sys.argv[1], f"bgp{name}", "--datastore", "bgp", "--router", name, "--nodes", "3", "--containers", "1",
                 "--segments", "2", "--backend", "ipip", "--ipv6") as lab:
            router = make(lab)
            wait_for("all sessions are up", lambda: all_established(lab), 20)
            gets_what_the_cluster_has(lab, router)
            gets_all_from_each(lab, router)
            refuses_noise(lab, router)
            if name == "bird":
                refuses_masses(lab, router)
            loses_what_a_node_withdraws(lab, router)


main()
