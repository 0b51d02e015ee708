#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nodes that hold the map themselves, over a bad network: one that is cut in two for a while, and one that loses 30 % of all
packets.

usage: gossip_cut_test.py BINARIES [SECONDS]   how long the network is cut, 40 if not said
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gossip_lab import (NODES, STATE, all_alive, ask, calm, disturb, leases, pings, problems, restart, routes, sh,  # noqa: E402
                        states)
from lab import Lab, wait_for  # noqa: E402


def picture(lab):
    """What must not change whatever the network does."""
    return {node: (leases(lab, node), routes(lab, node)) for node in NODES}


def addresses(lab):
    """Of each node's first container."""
    return {row["to"]: row["address"] for row in lab.test() if "/" in row["to"]}


def all_ping(lab, address):
    return all(pings(lab, one, address[other]) for one in address for other in address if one != other)


def healed(lab, address):
    """After how many seconds all containers reach all others, and all nodes know that the others live."""
    began = time.monotonic()
    calm(lab)
    wait_for("all pairs ping", lambda: all_ping(lab, address), 30)
    ping = time.monotonic() - began
    wait_for("all are alive", lambda: all_alive(lab), 60)
    return ping, time.monotonic() - began


def cut_in_two(lab, seconds):
    """Two nodes on one side, one on the other: nothing goes, and both say whom they miss."""
    had, address = picture(lab), addresses(lab)
    within = lab.background("node1/con1", "ping", "-q", "-i", "0.1", "-w", str(seconds), address["node2/con1"])
    began = time.monotonic()
    disturb(lab, 'iifname "node3" drop', 'oifname "node3" drop')
    assert not pings(lab, "node1/con1", address["node3/con1"]), "the network is not cut"
    missed = {"node1": ("node3",), "node2": ("node3",), "node3": ("node1", "node2")}
    wait_for("each side names whom it misses", lambda: all(
        states(lab, node).get(other) == "failed" for node, others in missed.items() for other in others), 35)
    print(f"both sides named whom they miss after {time.monotonic() - began:.0f} s")
    assert lab.status("node1")["gossip"]["members"] == {"alive": 2, "suspect": 0, "leaving": 0, "left": 0, "failed": 1}
    for node in NODES:  # a container can still be made on each side
        sh(lab, node, f"ip netns add more; {lab.twill} attach /run/netns/more")
    while time.monotonic() - began < seconds:
        now = picture(lab)
        assert now == had, f"{now} and not {had}"
        time.sleep(min(10, max(0, seconds - (time.monotonic() - began))))
    report = within.communicate(timeout=60)[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", report).groups())
    assert sent > 8 * seconds and sent - received <= 1, report  # the last one may still be under way
    ping, alive = healed(lab, address)
    print(f"cut for {seconds} s: {sent - received} of {sent} pings lost within a side; healed, all pairs ping after "
          f"{ping:.1f} s, all nodes are alive after {alive:.1f} s")
    assert ping < 10 and picture(lab) == had


def packets_are_lost(lab, seconds=30):
    """30 % in each direction: who is accused wrongly comes back, and news arrive all the same."""
    had, address = picture(lab), addresses(lab)
    disturb(lab, "numgen random mod 100 < 30 drop")
    accused, polls, began = 0, 0, time.monotonic()
    while time.monotonic() - began < seconds:
        now = picture(lab)
        assert now == had, f"{now} and not {had}"
        failed = [node for node in NODES if "failed" in states(lab, node).values()]
        accused, polls = accused + bool(failed), polls + 1
        time.sleep(0.5)
    # News of all nodes at once: another backend, and so another lease of each.
    network = sh(lab, "node2", f"{lab.twill} config get").replace("host-gw", "vxlan")
    began = time.monotonic()
    sh(lab, "node2", f"{lab.twill} config set - <<'END'\n{network}\nEND")
    told = lambda node: [lease["backend"] for lease in ask(lab, node, "leases")["leases"]]  # noqa: E731
    wait_for("all have all new leases", lambda: all(told(node) == ["vxlan"] * 3 for node in NODES), 60)
    news = time.monotonic() - began
    assert [lease for node in NODES for lease in leases(lab, node)].count(("node3", subnet(lab, "node3"))) == 3
    began = time.monotonic()
    old = subnet(lab, "node3")
    restart(lab, "node3", f"rm {STATE} /var/lib/twill/gossip.peers")
    wait_for("a new node has a subnet", lambda: subnet(lab, "node3") not in (None, old), 60)
    lease = ("node3", subnet(lab, "node3"))
    wait_for("all know it", lambda: all(lease in leases(lab, node) for node in NODES), 60)
    joined = time.monotonic() - began
    calm(lab)
    wait_for("all are alive", lambda: all_alive(lab), 30)
    assert all_ping(lab, {name: at for name, at in address.items() if name != "node3/con1"})
    assert "peer rm" in problems(lab, "node1"), "the old node3 was forgotten, and with it who has its subnet"
    print(f"30 % lost: somebody was held for failed in {accused} of {polls} looks; all leases were changed after {news:.1f} s, "
          f"a new node was known to all after {joined:.1f} s")


def subnet(lab, node):
    return (lab.status(node).get("lease") or {}).get("subnet")


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    with Lab(sys.argv[1], f"gossipcut{seconds}", "--datastore", "gossip", "--nodes", "3", "--containers", "1") as lab:
        cut_in_two(lab, seconds)
        packets_are_lost(lab)


main()
