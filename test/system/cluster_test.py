#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nodes follow the map and their underlay: leases that come, go and move, addresses that change.

usage: cluster_test.py BINARIES
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, wait_for  # noqa: E402

LEASES = "/etc/twill/network/leases.json"


def leases(lab):
    return {lease["Node"]: lease for lease in json.loads(lab.execute("node1", "cat", LEASES))["Leases"]}


def next_hop(lab, node, subnet):
    route = lab.execute(node, "ip", "route", "show", subnet, check=False)
    return route.split(" via ")[1].split()[0] if " via " in route else None


def nodes_publish_themselves(lab):
    """Without a hand-written map each node takes the subnet that it had, or a free one."""
    before = leases(lab)
    lab.execute("node1", "sh", "-c", f"echo '{{\"Leases\": []}}' > {LEASES}")
    wait_for("all leases are back", lambda: leases(lab).keys() == before.keys())
    assert {node: lease["Subnet"] for node, lease in leases(lab).items()} == \
        {node: lease["Subnet"] for node, lease in before.items()}
    wait_for("all nodes are well", lambda: all(lab.status(node)["ready"] for node in before))
    lab.test()


def a_node_moves(lab):
    """Another address on the underlay, without a restart: the others follow."""
    subnet = leases(lab)["node3"]["Subnet"]
    lab.execute("node3", "sh", "-c", "ip addr del 10.0.0.30/24 dev eth0 && ip addr add 10.0.0.77/24 dev eth0")
    wait_for("node1 goes by the new address", lambda: next_hop(lab, "node1", subnet) == "10.0.0.77")
    wait_for("the node itself is well", lambda: lab.status("node3")["ready"])
    lab.test()


def a_node_leaves(lab):
    """A lease that somebody deletes takes its routes along, if its node is not there to publish it again."""
    subnet = leases(lab)["node3"]["Subnet"]
    agent = lab.execute("node3", "cat", "/run/twill/twilld.lock").strip()
    lab.execute("node3", "kill", "-STOP", agent)
    rest = [lease for node, lease in leases(lab).items() if node != "node3"]
    lab.execute("node1", "sh", "-c", f"printf '%s' '{json.dumps({'Leases': rest})}' > {LEASES}.new && mv {LEASES}.new {LEASES}")
    for node in ("node1", "node2"):
        wait_for(f"{node} has no route to node3's subnet", lambda at=node: next_hop(lab, at, subnet) is None)
    lab.execute("node3", "kill", "-CONT", agent)
    wait_for("node3 takes its subnet back", lambda: next_hop(lab, "node1", subnet) == "10.0.0.77")
    lab.test()


def foreign_routes_stay(lab):
    """A route of somebody else in the way is named, once, and left alone."""
    subnet = leases(lab)["node2"]["Subnet"]
    lab.execute("node1", "ip", "route", "add", subnet, "via", "10.0.0.77", "proto", "static")
    named = wait_for("the foreign route is named",
                     lambda: [p for p in lab.status("node1")["problems"] if subnet in p and "10.0.0.77" in p])
    assert len(named) == 1, named
    assert "10.0.0.77" in lab.execute("node1", "ip", "route", "show", subnet, "proto", "static")
    log = lab.run("lab", "logs", "node1", "--name", lab.name)
    assert log.count(named[0].split(": ", 1)[1]) == 1, log
    lab.execute("node1", "ip", "route", "del", subnet, "proto", "static")
    wait_for("all is well again", lambda: lab.status("node1")["ready"] and not lab.status("node1")["problems"])


def subnet_env(lab):
    text = lab.execute("node1", "cat", "/run/twill/subnet.env")
    assert text == ("FLANNEL_NETWORK=172.16.0.0/16\nFLANNEL_SUBNET=172.16.0.1/24\nFLANNEL_MTU=1500\nFLANNEL_IPMASQ=true\n"), text


def main():
    with Lab(sys.argv[1], "cluster", "--nodes", "3", "--containers", "1") as lab:
        for part in (subnet_env, nodes_publish_themselves, a_node_moves, a_node_leaves, foreign_routes_stay):
            print(part.__name__, flush=True)
            part(lab)


main()
