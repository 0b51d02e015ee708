#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that was put back breaks the one promise of the datastore gossip: two nodes get one subnet. It is found out when they meet:
all agree on one of them, and the other takes another subnet and cuts off the containers that it has in the old one.

usage: quarantine_test.py BINARIES
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gossip_lab import STATE, restart, says, sh, subnet  # noqa: E402
from lab import Lab, wait_for  # noqa: E402


def anew(lab, node):
    """A node that was never in a cluster, with a container; its subnet."""
    restart(lab, node, f"rm {STATE} /var/lib/twill/gossip.peers")
    wait_for(f"{node} has a subnet", lambda: lab.status(node)["ready"], 60)
    sh(lab, node, f"{lab.twill} detach con1; ip netns add new; {lab.twill} attach /run/netns/new")
    return subnet(lab, node)


def pings(lab, node, address, container=False):
    prefix = ("ip", "netns", "exec", "new") if container else ()
    return " 0% packet loss" in lab.execute(node, *prefix, "ping", "-c1", "-W1", address, check=False)


def plug(lab, node, state):
    sh(lab, node, f"ip link set eth0 {state}")


def main():
    with Lab(sys.argv[1], "quarantine", "--datastore", "gossip", "--nodes", "3", "--containers", "1") as lab:
        plug(lab, "node2", "down")
        plug(lab, "node3", "down")
        restart(lab, "node1", f"rm {STATE} /var/lib/twill/gossip.peers")
        wait_for("node1 founds", lambda: lab.status("node1")["ready"], 20)
        sh(lab, "node1", f"cp {STATE} {STATE}.old")
        plug(lab, "node2", "up")
        mine = anew(lab, "node2")
        plug(lab, "node2", "down")
        restart(lab, "node1", f"mv {STATE}.old {STATE}; rm -f /var/lib/twill/gossip.peers")
        plug(lab, "node3", "up")
        assert anew(lab, "node3") == mine, "the old state should give the same subnet away again"
        plug(lab, "node2", "up")
        nodes = ("node2", "node3")
        wait_for("they differ", lambda: subnet(lab, "node2") != subnet(lab, "node3"), 60)
        loser, winner = nodes if subnet(lab, "node3") == mine else reversed(nodes)
        wait_for("the loser cut its container off", lambda: "is cut off" in says(lab, loser), 20)
        # Its first container: the first address is the bridge's.
        theirs = mine.replace(".0/24", ".2")
        wait_for("all reach the winner's container", lambda: pings(lab, "node1", theirs) and pings(lab, loser, theirs), 20)
        assert pings(lab, winner, "10.0.0.10", container=True)
        assert not pings(lab, loser, "10.0.0.10", container=True), "a container in quarantine reaches a node"
        sh(lab, loser, f"{lab.twill} detach /run/netns/new")
        wait_for("the trouble goes with the container", lambda: "cut off" not in says(lab, loser), 20)
        sh(lab, loser, f"{lab.twill} attach /run/netns/new")
        assert pings(lab, loser, "10.0.0.10", container=True) and pings(lab, loser, theirs, container=True)
        print(f"{mine} went to {winner}; {loser} has {subnet(lab, loser)} now")


main()
