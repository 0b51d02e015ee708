#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Datastore bgp over two segments: BIRD and agents that are killed or hang, a config that changes, a node that dies, and two nodes
that own one subnet.

usage: bgp_test.py BINARIES
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bgp_lab import (ADDRESS, NODES, Routes, all_up, another_bird, bgp, bird_pid, config, configure, log, pid_of,  # noqa: E402
                     problems, routes, sessions, sh, subnet)
from lab import Lab, wait_for  # noqa: E402

STATE = "/var/lib/twill/bgp.json"


def flood(lab, target, seconds):
    return lab.background("node1/con1", "ping", "-q", "-i", "0.01", "-c", str(seconds * 100), target)


def lost(ping):
    report = ping.communicate(timeout=120)[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", report).groups())
    assert sent > 100, report
    return sent - received


def container_of(lab, node):
    return re.sub(r"0/24$", "2", subnet(lab, node))


def forwarding(changes):
    """Those of routes that packets go by, not of BIRD's private table."""
    return {node: [line for line in lines if "table 177" not in line] for node, lines in changes.items()}


def crashes_change_nothing(lab):
    """Neither in the kernels nor for packets."""
    ping, watch = flood(lab, container_of(lab, "node3"), 9), Routes(lab)
    for node in ("node1", "node3"):
        before = bird_pid(lab, node)
        sh(lab, node, f"kill -9 {before}")
        wait_for(f"{node}'s BIRD is back", lambda: another_bird(lab, node, before), 20)
    for node in ("node1", "node2"):
        before = pid_of(lab, node)
        sh(lab, node, f"kill -9 {before}")
        wait_for(f"{node}'s agent is back", lambda: pid_of(lab, node) != before and lab.status(node)["ready"], 20)
    gone, changes = lost(ping), watch.changes()
    print(f"BIRD killed twice, agents twice: {gone} of 900 packets lost, changes of routes: {changes}")
    assert gone == 0 and not any(changes.values()), changes


def a_restart_without_recovery_shows(lab):
    """So the test above can fail: a BIRD that forgets says so to all."""
    watch = Routes(lab)
    before = bird_pid(lab, "node2")
    sh(lab, "node2", f"kill -TERM {before}")  # in this way the others are told
    wait_for("node2's BIRD is back", lambda: another_bird(lab, "node2", before), 20)
    wait_for("all is as before", lab.passes, 20)
    assert any(watch.changes().values())


def who_hangs_is_not_dead(lab):
    """An agent, for three seconds; and BIRD, until it is replaced."""
    ping, watch = flood(lab, container_of(lab, "node3"), 20), Routes(lab)
    agent = pid_of(lab, "node3")
    sh(lab, "node3", f"kill -STOP {agent}; sleep 3; kill -CONT {agent}")
    before = bird_pid(lab, "node1")
    sh(lab, "node1", f"kill -STOP {before}")
    wait_for("node1 says so", lambda: "says nothing" in problems(lab, "node1"), 12)
    wait_for("another BIRD is there", lambda: another_bird(lab, "node1", before), 25)
    wait_for("all is well", lambda: not lab.status("node1")["problems"], 10)
    gone, changes = lost(ping), watch.changes()
    print(f"agent stopped for 3 s, BIRD until it was replaced: {gone} of 2000 packets lost, changes of routes: {changes}")
    assert gone == 0 and not any(changes.values()), changes


def a_new_peer_disturbs_nobody(lab):
    conf = config(lab)
    watch = Routes(lab)
    conf["BGP"]["Nodes"].append({"Name": "node9", "Address": "10.0.0.99"})
    configure(lab, conf)
    for node in NODES:
        wait_for(f"{node} tries to reach it", lambda: sessions(lab, node).get("node9") not in (None, "Established"), 20)
    conf["BGP"]["Nodes"].pop()
    configure(lab, conf)
    wait_for("and node9 gone", lambda: all("node9" not in sessions(lab, node) for node in NODES) and all_up(lab), 20)
    time.sleep(1)
    changes = watch.changes()
    assert not any(changes.values()), changes


def another_hold_time_takes_no_route(lab):
    """Though every session begins anew, on both sides at once: BIRD's private table may lack a route for a moment."""
    conf, watch = config(lab), Routes(lab)
    conf["BGP"]["HoldTime"] = 60
    configure(lab, conf)
    wait_for("the new hold time is there", lambda: all("hold time 60" in sh(lab, node, "cat /run/twill/bird.conf")
                                                       for node in NODES) and all_up(lab), 20)
    time.sleep(1)
    changes = forwarding(watch.changes())
    assert not any(changes.values()), changes


def flapping_sessions_take_no_route(lab):
    """Each ends in an orderly way, so that BGP withdraws what came over it, five times."""
    ping, watch = flood(lab, container_of(lab, "node3"), 8), Routes(lab)
    for _ in range(5):
        sh(lab, "node2", "birdc -s /run/twill/bird.ctl restart '\"tw_n_*\"'")
        time.sleep(1)
    wait_for("all talk again", lambda: all_up(lab), 20)
    gone, changes = lost(ping), watch.changes()
    print(f"sessions that flap: {gone} of 800 packets lost, changes of routes: {forwarding(changes)}")
    assert any(changes.values()), "nothing was withdrawn"
    changes = forwarding(changes)
    assert gone == 0 and not any(changes.values()), changes


def dead_nodes_are_left_out(lab):
    """Long before BGP notices, on every other node; and come back with the first answer."""
    there = routes(lab, "node1")
    prefix = subnet(lab, "node3")
    began = time.monotonic()
    sh(lab, "wire", "ip link set node3 down")
    wait_for("its route goes", lambda: prefix not in sh(lab, "node1", "ip route show proto 116"), 20)
    took = time.monotonic() - began
    wait_for("node2's, too", lambda: prefix not in sh(lab, "node2", "ip route show proto 116"), 20)
    print(f"the route to a dead node went after {took:.2f} s, with the test's own steps")
    assert took < 15 and ADDRESS["node3"] in problems(lab, "node1") and bgp(lab, "node1")["dead"] == [ADDRESS["node3"]]
    sh(lab, "wire", "ip link set node3 up")
    wait_for("all is as before", lambda: routes(lab, "node1") == there and lab.status("node1")["ready"] and lab.passes(), 20)


def two_owners_are_named(lab):
    """Of one subnet, by every node, and never are both used; here one whose agent is stopped cannot take another."""
    theirs, agent = subnet(lab, "node2"), pid_of(lab, "node3")
    sh(lab, "node3", f"kill -STOP {agent}; ip route add blackhole {theirs} proto 116 table 178")
    for node in ("node1", "node2"):
        wait_for(f"{node} names both", lambda: f"node2 ({theirs} at 10.0.0.20) and node3 ({theirs} at 10.0.1.10)" in
                 problems(lab, node), 20)
    ways = sh(lab, "node1", f"ip route show {theirs}").splitlines()
    assert len(ways) == 1 and "10.0.0.20" in ways[0], ways
    sh(lab, "node3", f"kill -CONT {agent}")
    wait_for("it is over", lambda: not any(lab.status(node)["problems"] for node in NODES), 20)
    assert subnet(lab, "node2") == theirs


def a_node_gives_way(lab):
    """One that comes up with a subnet that another has takes another one."""
    mine, theirs = subnet(lab, "node3"), subnet(lab, "node2")
    sh(lab, "node3", f"sed -i 's,{mine},{theirs},' {STATE}; kill -9 $(cat /run/twill/twilld.lock)")
    wait_for("it says so", lambda: "this node takes another subnet" in "\n".join(log(lab, "node3")), 20)
    wait_for("each has its own", lambda: subnet(lab, "node3") not in (None, theirs) and subnet(lab, "node2") == theirs and
             all(lab.status(node)["ready"] for node in ("node1", "node2")), 20)
    wait_for("others know it", lambda: subnet(lab, "node3") in sh(lab, "node1", "ip route show proto 116"), 5)


def reflectors_come_and_go(lab):
    """From a mesh to a reflector, which is killed, and back: sessions end and routes are withdrawn, and none goes that is used."""
    mesh = config(lab)
    ping, watch = flood(lab, container_of(lab, "node3"), 15), Routes(lab)
    conf = config(lab)
    conf["BGP"].update({"Nodes": [{"Name": "node1", "Address": ADDRESS["node1"], "Reflector": True}], "NodePrefixes": ["10.0.0.0/16"]})
    configure(lab, conf)
    clients = lambda: {row["address"] for row in bgp(lab, "node1")["sessions"] if row["state"] == "Established"}  # noqa: E731
    both = {ADDRESS["node2"], ADDRESS["node3"]}
    wait_for("node1 reflects", lambda: both <= clients() and all(set(sessions(lab, node)) & set(NODES) == {"node1"} for node in
                                                                 ("node2", "node3")), 20)
    wait_for("all have all", lambda: all(bgp(lab, node)["learned"] == 2 for node in NODES), 10)
    before = bird_pid(lab, "node1")
    sh(lab, "node1", f"kill -9 {before}")
    wait_for("it is back", lambda: bird_pid(lab, "node1") not in (before, "") and both <= clients(), 20)
    configure(lab, mesh)
    wait_for("all talk with all", lambda: all_up(lab), 20)
    gone, changes = lost(ping), forwarding(watch.changes())
    print(f"to a reflector, which was killed, and back: {gone} of 1500 packets lost, changes of routes: {changes}")
    assert gone == 0 and not any(changes.values()), changes


def a_node_without_bird_is_no_dead_node(lab):
    """Others forget its routes, by BGP; but its agent says that it has them."""
    conf = config(lab)
    conf["BGP"]["RestartTime"] = 10
    configure(lab, conf)
    wait_for("the restart time is there", lambda: all("graceful restart time 10;" in sh(lab, node, "cat /run/twill/bird.conf")
                                                      for node in NODES) and all_up(lab), 30)
    watch = Routes(lab)
    prefix = subnet(lab, "node3")
    sh(lab, "node3", "echo 'bird = \"/run/none\"' >> /etc/twill/twilld.toml; kill -9 $(cat /run/twill/twilld.lock) $(cat /run/twill/bird.pid)")
    wait_for("node1's BIRD has forgotten it", lambda: prefix not in sh(lab, "node1", "ip route show table 177"), 40)
    time.sleep(2)
    changes = forwarding(watch.changes())
    assert not any(changes.values()), changes
    sh(lab, "node3", "sed -i '$ d' /etc/twill/twilld.toml; kill $(cat /run/twill/twilld.lock)")
    wait_for("all is well", lambda: all_up(lab) and not any(lab.status(node)["problems"] for node in NODES) and lab.passes(), 30)


def main():
    with Lab(sys.argv[1], "bgp", "--datastore", "bgp", "--backend", "ipip", "--segments", "2", "--nodes", "3",
             "--containers", "1") as lab:
        wait_for("all is there", lambda: all_up(lab) and lab.passes(), 20)
        for case in (crashes_change_nothing, a_restart_without_recovery_shows, a_new_peer_disturbs_nobody,
                     another_hold_time_takes_no_route, flapping_sessions_take_no_route, dead_nodes_are_left_out,
                     who_hangs_is_not_dead, two_owners_are_named, a_node_gives_way, reflectors_come_and_go,
                     a_node_without_bird_is_no_dead_node):
            began = time.monotonic()
            case(lab)
            print(f"{case.__name__}: {time.monotonic() - began:.1f} s", flush=True)


main()
