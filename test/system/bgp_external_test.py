#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nodes whose BGP daemon is the operator's own, BIRD or FRR, configured as docs/bgp-external.md says: it meets twilld in two
routing tables. It is killed and comes back, one node goes, and what has no business in the table changes nothing.

usage: bgp_external_test.py BINARIES [DAEMON...]
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bgp_routers import NODES, ask, end_node, need, picture, sh  # noqa: E402
from gossip_lab import calm, disturb  # noqa: E402
from lab import Lab, wait_for  # noqa: E402

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/bgp-external.md")


class Bird:
    name = "bird"
    needs = ("/usr/sbin/bird", "bird2")
    lab = ("--segments", "2", "--backend", "ipip")
    addresses = ("10.0.0.10", "10.0.0.20", "10.0.1.10")
    start = "bird -c /run/own.conf -s /run/own.ctl -P /run/own.pid"
    restart = start + " -R"
    kill = "kill -9 $(cat /run/own.pid)"
    alive = "kill -0 $(cat /run/own.pid)"
    knows = ("birdc -s /run/own.ctl show route count table twill_all", "3 of 3 routes")


class Frr:
    name = "frr"
    needs = ("/usr/lib/frr/bgpd", "frr")
    lab = ("--backend", "host-gw")
    addresses = ("10.0.0.10", "10.0.0.20", "10.0.0.30")
    restart = "/usr/lib/frr/bgpd -d -A 127.0.0.1 -f /dev/null && vtysh -f /run/own.conf"
    start = "mkdir -p /run/frr && chown frr:frr /run/frr && /usr/lib/frr/zebra -d -A 127.0.0.1 -f /dev/null && " + restart
    kill = "kill -9 $(cat /run/frr/bgpd.pid)"
    alive = "kill -0 $(cat /run/frr/bgpd.pid)"
    knows = ("vtysh -d bgpd -c 'show bgp ipv4 unicast'", "Displayed  3 routes")


def configuration(daemon, number):
    """The page's, which is the first node's, for another node."""
    text = re.search(rf"```{daemon.name}\n(.*?)```", open(PAGE, encoding="utf-8").read(), re.S)[1]
    first, own = daemon.addresses[0], daemon.addresses[number]
    assert all(address in text for address in daemon.addresses)
    return text.replace(first, "FIRST").replace(own, first).replace("FIRST", own)


def go_external(lab, daemon):
    """All at once, so that no old table or BIRD of Twill's is left anywhere to learn from."""
    for node in NODES:
        sh(lab, node, """echo 'bgp-external = true' >> /etc/twill/twilld.toml
            ps -o ppid= -p $(cat /run/twill/twilld.lock) > /run/keeper; kill -STOP $(cat /run/keeper)
            kill -9 $(cat /run/twill/twilld.lock) $(cat /run/twill/bird.pid)""")
    for node in NODES:
        sh(lab, node, "ip route flush table 177; ip route flush table main proto 116; kill -CONT $(cat /run/keeper)", check=False)
    for node in NODES:
        wait_for(f"{node} is external", lambda n=node: ask(lab, n, "bgp", "status").get("external") is True, 10)
        assert ask(lab, node, "bgp", "status")["learned"] == 0
        assert "ready" not in sh(lab, node, "birdc -s /run/twill/bird.ctl show status 2>&1", check=False)
    for number, node in enumerate(NODES):
        sh(lab, node, f"cat > /run/own.conf <<'END'\n{configuration(daemon, number)}\nEND\n{daemon.start} >/run/own.log 2>&1")


def wait_for_all(lab, daemon):
    """The daemons, too: one that was killed leaves its routes in the table and learns them again."""
    command, answer = daemon.knows
    for node in NODES:
        wait_for(f"{node}'s daemon knows all", lambda n=node: answer in sh(lab, n, command, check=False), 30)
        wait_for(f"{node} has learned the others' subnets",
                 lambda n=node: ask(lab, n, "bgp", "status").get("learned") == len(NODES) - 1 and lab.status(n)["ready"], 30)
    wait_for("everybody reaches everybody", lab.passes, 20)


def crashes(lab, daemon):
    before = {node: picture(lab, node) for node in NODES}
    assert all(len(shown[0]) == len(NODES) for shown in before.values()), before
    time.sleep(8)  # seen with FRR: of a session that has just begun routes are not kept when a neighbour is killed
    sh(lab, "node1", daemon.kill)
    for _ in range(6):
        time.sleep(0.5)
        assert {node: picture(lab, node) for node in NODES} == before
    sh(lab, "node1", f"{daemon.restart} >/run/own.log 2>&1")
    wait_for_all(lab, daemon)


def strangers(lab):
    """In the table, as a filter that was forgotten would let them in."""
    main = lambda: picture(lab, "node1")[1][0]  # noqa: E731
    before = main()
    mine = ask(lab, "node1", "bgp", "status")["announced"][0]
    prefixes = ("default", "192.0.2.0/24", "10.0.0.0/8", "172.16.0.0/16", mine.replace(".0/24", ".128/25"))
    for prefix in prefixes:
        sh(lab, "node1", f"ip route add {prefix} via 10.0.0.1 dev eth0 onlink table 177")
    says = lambda: json.dumps(lab.status("node1"))  # noqa: E731
    wait_for("node1 says so", lambda: "first of 5: left alone" in says())
    assert main() == before, (before, main())
    assert lab.status("node1")["ready"]
    lab.test()
    for prefix in prefixes:
        sh(lab, "node1", f"ip route del {prefix} via 10.0.0.1 dev eth0 table 177")
    wait_for("and no longer", lambda: "left alone" not in says())


def a_node_is_cut_off(lab):
    """Neither daemon has noticed yet: twilld asks the nodes itself."""
    subnet = ask(lab, "node2", "bgp", "status")["announced"][0]
    main = lambda: picture(lab, "node1")[1][0]  # noqa: E731
    before = main()
    disturb(lab, "ip saddr 10.0.0.20 drop", "ip daddr 10.0.0.20 drop")
    began = time.monotonic()
    wait_for("node2's route is out", lambda: not any(subnet in route for route in main()), 4)
    print(f"a node that is cut off is out after {time.monotonic() - began:.1f} s")
    assert subnet in sh(lab, "node1", "ip route show table 177")
    assert ask(lab, "node1", "bgp", "status")["dead"] == ["10.0.0.20"]
    calm(lab)
    wait_for("it is back", lambda: main() == before, 10)


def a_node_goes(lab, daemon):
    gone = ask(lab, "node3", "bgp", "status")["announced"][0]
    end_node(lab, "node3")
    for node in ("node1", "node2"):
        wait_for(f"{node} has lost {gone}", lambda n=node: gone not in lab.execute(n, "ip", "route", "show", "table", "all"), 15)
        assert ask(lab, node, "bgp", "status")["learned"] == 1
    sh(lab, "node3", daemon.alive)


def main():
    for name in sys.argv[2:] or ("bird", "frr"):
        daemon = {"bird": Bird, "frr": Frr}[name]
        need(*daemon.needs)
        with Lab(sys.argv[1], f"bgpext{name}", "--datastore", "bgp", "--nodes", "3", "--containers", "1", *daemon.lab) as lab:
            go_external(lab, daemon)
            wait_for_all(lab, daemon)
            crashes(lab, daemon)
            strangers(lab)
            a_node_is_cut_off(lab)
            a_node_goes(lab, daemon)


main()
