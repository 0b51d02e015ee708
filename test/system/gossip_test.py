#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nodes that hold the map themselves, in a lab: a stock Serf agent sees them, agents are killed in turn and cables cut while
containers ping, a node is lost, comes back as another, and one of another cluster is turned away.

usage: gossip_test.py BINARIES
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gossip_lab import KEY, NODES, owners, pid_of, says, sh, states, subnets  # noqa: E402
from lab import Lab, wait_for  # noqa: E402


def addresses(lab):
    """Of each node's first container."""
    return {row["to"]: row["address"] for row in lab.test() if "/" in row["to"]}


def lost(flood):
    report = flood.communicate(timeout=120)[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", report).groups())
    assert sent > 500, report
    return sent - received


def floods(lab, target, packets):
    return [lab.background(f"{node}/con1", "ping", "-q", "-i", "0.005", "-c", str(packets), target) for node in ("node2", "node3")]


def restart(lab, node):
    """As an upgrade does: the agent ends, and another one starts."""
    before = pid_of(lab, node)
    lab.execute(node, "kill", "-9", before)
    wait_for(f"{node} is back", lambda: pid_of(lab, node) != before and lab.status(node)["ready"], 20)


def rolling_restart(lab):
    had = subnets(lab)
    running = floods(lab, addresses(lab)["node1/con1"], 1500)
    for node in NODES:
        restart(lab, node)
    gone = [lost(flood) for flood in running]
    print(f"every agent killed in turn: {gone} packets lost")
    assert gone == [0, 0] and subnets(lab) == had


def stock_serf(lab):
    """An agent that is not ours shows who we are, and joining changes no map."""
    key = lab.execute("node1", "head", "-1", KEY).strip()
    agent = lab.background("node1", "timeout", "60", "serf", "agent", "-node=watcher", "-bind=127.0.0.1:7999",
                           "-rpc-addr=127.0.0.1:7373", f"-encrypt={key}", "-log-level=err")
    serf = lambda *words: lab.execute("node1", "serf", *words, check=False)  # noqa: E731
    # Only node1 can reach it on its loopback, and that is enough to be told of all.
    wait_for("the agent joins", lambda: "Successfully" in serf("join", "10.0.0.10:7946"), 20)

    def members():
        listed = json.loads(serf("members", "-format=json") or '{"members": []}')["members"]
        return {member["name"]: member for member in listed}
    wait_for("all are seen", lambda: set(NODES) <= set(members()), 20)
    for node, subnet in subnets(lab).items():
        tags = members()[node]["tags"]
        assert tags["s4"] == subnet and tags["ip"] and tags["backend"], tags
    agent.terminate()
    agent.wait()


def a_node_fails(lab):
    """It is noticed, and its route stays: it may only be slow."""
    pid = pid_of(lab, "node3")
    lab.execute("node3", "kill", "-STOP", pid)
    began = time.monotonic()
    wait_for("node3 is seen to fail", lambda: states(lab, "node1")["node3"] == "failed", 60)
    print(f"a stopped agent was noticed after {time.monotonic() - began:.0f} s")
    assert "node3" in owners(lab, "node1")
    refused = lab.execute("node1", "sh", "-c", f"{lab.twill} peer rm node3 2>&1", check=False)
    assert "10 min" in refused, refused
    lab.execute("node3", "kill", "-CONT", pid)
    wait_for("it is alive again", lambda: states(lab, "node1")["node3"] == "alive", 20)


def a_cable_is_cut(lab):
    target = addresses(lab)["node1/con1"]
    lab.execute("node3", "ip", "link", "set", "eth0", "down")
    time.sleep(25)
    lab.execute("node3", "ip", "link", "set", "eth0", "up")
    began = time.monotonic()
    wait_for("pings again", lambda: " 0% packet loss" in
             lab.execute("node3/con1", "ping", "-c1", "-W1", target, check=False), 10)
    print(f"the cable is back; a container pings after {time.monotonic() - began:.1f} s")
    wait_for("all see all", lambda: all(len(owners(lab, node)) == 3 for node in NODES), 30)
    lab.test()


def one_way_is_cut(lab):
    """Between two of three nodes: they stay members by way of the third, which can tell who cannot reach whom."""
    lab.execute("node2", "nft", "add table inet cut; add chain inet cut in { type filter hook input priority -300; }; "
                                "add rule inet cut in ip saddr 10.0.0.30 meta l4proto { tcp, udp } th dport 7946 drop")
    others = lambda: {row["node"]: row["to"] for row in  # noqa: E731
                      lab.status("node1")["gossip"]["others_without_direct_way"]}
    wait_for("node1 knows that node3 has no direct way", lambda: others().get("node3") == ["node2"], 60)
    assert "node3 says that it reaches node2" in lab.execute("node1", lab.twill, "status")
    assert all(len(owners(lab, node)) == 3 for node in NODES)
    lab.execute("node2", "nft", "delete table inet cut")
    wait_for("all have a direct way", lambda: not others(), 60)


def an_address_changes(lab):
    """The underlay gives node3 another one: it is followed, without a restart."""
    pid = pid_of(lab, "node3")
    lab.execute("node3", "ip", "addr", "add", "10.0.0.33/24", "dev", "eth0")
    lab.execute("node3", "ip", "addr", "del", "10.0.0.30/24", "dev", "eth0")
    lab.execute("node3", "ip", "addr", "add", "10.0.0.33/24", "dev", "eth0", check=False)  # a secondary goes with the first

    def seen():
        nodes = json.loads(lab.execute("node1", lab.twill, "nodes", "--json"))["leases"]
        return {row["node"]: (row["state"], row["endpoint"], row["public_ip"]) for row in nodes}["node3"]
    began = time.monotonic()
    wait_for("node1 finds it there", lambda: seen() == ("alive", "10.0.0.33:7946", "10.0.0.33"), 30)
    print(f"a new address is followed after {time.monotonic() - began:.1f} s")
    lab.test()
    lab.execute("node3", "ip", "addr", "add", "10.0.0.30/24", "dev", "eth0")
    lab.execute("node3", "ip", "addr", "del", "10.0.0.33/24", "dev", "eth0")
    lab.execute("node3", "ip", "addr", "add", "10.0.0.30/24", "dev", "eth0", check=False)
    wait_for("and back", lambda: seen() == ("alive", "10.0.0.30:7946", "10.0.0.30"), 30)
    assert pid_of(lab, "node3") == pid
    lab.test()


def a_node_leaves(lab):
    """It hands over what it can spare, is seen to have left, and is taken in again by its next start."""
    shares = lambda: {share["node"]: share for share in  # noqa: E731
                      json.loads(lab.execute("node1", lab.twill, "subnets", "--json"))["nodes"]}
    free = sum(share["free"] for share in shares().values())
    said = lab.execute("node3", lab.twill, "peer", "leave")
    assert "containers have" in said, said
    wait_for("its free subnets are another's", lambda: shares()["node3"]["free"] == 0, 20)
    assert sum(share["free"] for share in shares().values()) == free and shares()["node3"]["in_use"] == 1
    wait_for("it has left", lambda: '"left"' in lab.execute("node1", lab.twill, "nodes", "--json"), 20)
    assert "node3" in owners(lab, "node1"), "its containers are still there"
    restart(lab, "node3")
    wait_for("it is back", lambda: '"left"' not in lab.execute("node1", lab.twill, "nodes", "--json"), 20)
    lab.test()


def new_hardware(lab):
    """A disk in another machine is taken for a copy, until somebody says that it is not."""
    had = subnets(lab)
    for change in ("echo 0123456789abcdef0123456789abcdef > /run/machine-id; mount --bind /run/machine-id /etc/machine-id",
                   "umount /etc/machine-id"):
        sh(lab, "node3", f"{change}; kill -9 $(cat /run/twill/twilld.lock)")
        wait_for("it takes the disk for a copy", lambda: "twill gossip adopt" in says(lab, "node3"), 20)
        assert "goes on" in lab.execute("node3", lab.twill, "gossip", "adopt")
        wait_for("it goes on as before", lambda: lab.status("node3")["ready"] and subnets(lab) == had, 20)
    refused = sh(lab, "node3", f"{lab.twill} gossip adopt 2>&1", check=False)
    assert "already" in refused, refused
    lab.test()


def another_cluster(lab):
    """A node that lost its state and founded a cluster of its own is not merged, and both sides say why."""
    had = owners(lab, "node1")
    sh(lab, "node3", """sed -i '/^join/d' /etc/twill/twilld.toml
        rm /var/lib/twill/gossip.*; kill -9 $(cat /run/twill/twilld.lock)""")
    wait_for("node3 has its own", lambda: lab.status("node3")["ready"], 20)
    sh(lab, "node3", """sed -i '1i join = ["10.0.0.10"]' /etc/twill/twilld.toml
        kill -9 $(cat /run/twill/twilld.lock)""")
    wait_for("both say why", lambda: all("clusters do not merge" in says(lab, node) for node in ("node1", "node3")), 30)
    assert "node3" in owners(lab, "node2")
    sh(lab, "node3", "rm /var/lib/twill/gossip.*; kill -9 $(cat /run/twill/twilld.lock)")
    wait_for("it joins as a new node", lambda: "clusters do not merge" not in says(lab, "node3") and
             owners(lab, "node3").keys() >= set(NODES), 30)
    wait_for("somebody says how to free the subnet of the node3 that is no more", lambda: "peer rm" in says(lab, "node1"), 20)
    wait_for("all agree on another subnet for node3", lambda: lab.status("node3")["ready"] and
             had != owners(lab, "node1") == owners(lab, "node3"), 20)


def main():
    binaries = sys.argv[1]
    with Lab(binaries, "gossip", "--datastore", "gossip", "--nodes", "3", "--containers", "1") as lab:
        began = subnets(lab)
        assert len(set(began.values())) == 3, began
        stock_serf(lab)
        rolling_restart(lab)
        a_node_fails(lab)
        a_cable_is_cut(lab)
        one_way_is_cut(lab)
        an_address_changes(lab)
        a_node_leaves(lab)
        new_hardware(lab)
        another_cluster(lab)
    with Lab(binaries, "gossipvx", "--datastore", "gossip", "--nodes", "3", "--containers", "1", "--backend", "vxlan") as lab:
        rolling_restart(lab)


main()
