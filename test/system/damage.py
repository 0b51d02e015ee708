# SPDX-License-Identifier: Apache-2.0
"""Runs inside a lab node: damages what the agent made, kind by kind, and measures how long until it is back.

usage: damage.py TIMES  ->  {"route deleted": [ms, ...], ...} on stdout; a kind that did not come back within 5 s is null

A time runs from the kernel's first notification about the damage to its last one about the repair, as seen by a socket
of this program; whether all is back is decided by comparing what ip and nft show with what they showed before.
"""
import json
import re
import socket
import subprocess
import sys
import threading
import time

LIMIT = 5.0
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_NETFILTER = 270, 1, 12
# linux/rtnetlink.h RTNLGRP_*: LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV4_NETCONF
ROUTE_GROUPS = (1, 3, 5, 7, 8, 9, 11, 24)
NFTABLES_GROUP = 7  # linux/netfilter/nfnetlink.h NFNLGRP_NFTABLES


class Events:
    """When the kernel said that something changed."""

    def __init__(self):
        self.times = []
        for protocol, groups in ((socket.NETLINK_ROUTE, ROUTE_GROUPS), (NETLINK_NETFILTER, (NFTABLES_GROUP,))):
            events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
            events.bind((0, 0))
            for group in groups:
                events.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
            threading.Thread(target=self.listen, args=(events,), daemon=True).start()

    def listen(self, events):
        while True:
            events.recv(1 << 20)
            self.times.append(time.monotonic())


def run(command):
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=False).stdout


def snapshot():
    """Everything of ours that damage may touch, in an order that does not depend on when it was made."""
    links = []
    for link in json.loads(run("ip -d -j link show") or "[]"):
        if link.get("ifalias", "").startswith("twill:"):
            links.append((link["ifname"], link["address"], link["mtu"], link.get("master", ""), "UP" in link["flags"]))
    addresses = sorted(line.split()[1] + " " + line.split()[3] for line in run("ip -o addr show").splitlines()
                       if " twill" in line and " fe80:" not in line)
    routes = sorted(line for family in ("-4", "-6")
                    for line in run(f"ip {family} route show table all proto 116").splitlines()
                    + run(f"ip {family} rule show table 116").splitlines())
    routes = [route.replace(" linkdown", "").strip() for route in routes]
    neighbours = sorted(line for line in run("ip neigh show nud permanent").splitlines() if " tw" in line)
    neighbours += sorted(run("bridge fdb show | grep ' dev twill'").splitlines())
    # Counters of what was dropped go on, and start anew.
    rules = re.sub(r"packets \d+ bytes \d+", "", run("nft list table inet twill"))
    rules = re.sub(r"elements = {(.*?)}", lambda match: str(sorted(match[1].replace(",", "").split("\n"))), rules, flags=re.DOTALL)
    forward = run("sysctl -n net.ipv4.ip_forward")
    return [sorted(links), addresses, routes, neighbours, rules, forward]


def kinds():
    """Name and damaging command of all kinds that this node has something for."""
    route = run("ip route show proto 116 | grep ' via ' | head -1 | cut -d' ' -f1").strip()
    port = run("ip -o link show master twill0 2>/dev/null | head -1 | cut -d: -f2 | cut -d@ -f1").strip()
    neighbour = run("ip neigh show nud permanent | grep ' tw' | head -1").split()
    address = run("ip -o -4 addr show dev twill0 2>/dev/null | awk '{print $4; exit}'").strip()
    found = []
    if route:
        found.append(("route deleted", f"ip route del {route}"))
        found.append(("route replaced", f"ip route change {run('ip route show ' + route).strip()} mtu 1000"))
    if address:
        found.append(("address deleted", f"ip addr del {address} dev twill0"))
        found.append(("bridge set down", "ip link set twill0 down"))
        found.append(("bridge MTU changed", "ip link set twill0 mtu 1300"))
        found.append(("bridge MAC changed", "ip link set twill0 address 02:00:00:00:00:01"))
        found.append(("bridge deleted", "ip link del twill0"))
    if port:
        found.append(("port without bridge", f"ip link set {port} nomaster"))
        found.append(("port set down", f"ip link set {port} down"))
        found.append(("port deleted", f"ip link del {port}"))
    if neighbour:
        found.append(("neighbour deleted", f"ip neigh del {neighbour[0]} dev {neighbour[2]}"))
    tunnel = run("ip -o link show type vxlan | head -1 | cut -d: -f2").strip()
    if tunnel:
        entry = run(f"bridge fdb show dev {tunnel} | head -1").split()
        found.append(("tunnel deleted", f"ip link del {tunnel}"))
        found.append(("tunnel set down", f"ip link set {tunnel} down"))
        found.append(("tunnel MAC changed", f"ip link set {tunnel} address 02:00:00:00:00:01"))
        found.append(("tunnel without addresses", f"ip addr flush dev {tunnel}"))
        found.append(("entry deleted", f"bridge fdb del {entry[0]} dev {tunnel} dst {entry[2]} self"))
        found.append(("entry to another node", f"bridge fdb replace {entry[0]} dev {tunnel} dst 10.0.0.99 self permanent"))
        found.append(("entry too many", f"bridge fdb append 00:00:00:00:00:00 dev {tunnel} dst 10.0.0.99 self permanent"))
        found.append(("tunnel's neighbour deleted", f"ip neigh flush nud permanent dev {tunnel}"))
        found.append(("rule deleted", "ip rule del table 116"))
        found.append(("rule's routes deleted", "ip route flush table 116"))
    if run("nft list table inet twill"):
        found.append(("table flushed", "nft flush table inet twill"))
        found.append(("table deleted", "nft delete table inet twill"))
    # The way out of the segment is not Twill's, so that nobody else would bring it back.
    out = [(family, run(f"ip {family} route show default").strip()) for family in ("-4", "-6")]
    back = "".join(f"; ip {family} route add {route}" for family, route in out if route)
    found.append(("underlay flapped", f"ip link set eth0 down; ip link set eth0 up{back}"))
    found.append(("forwarding turned off", "sysctl -qw net.ipv4.ip_forward=0"))
    return found


def measure(events, command, before):
    events.times.clear()
    begin = time.monotonic()
    run(command)
    while time.monotonic() - begin < LIMIT:
        if events.times and snapshot() == before:
            return (max(events.times) - min(events.times)) * 1000
        time.sleep(0.01)
    return None


def main():
    events = Events()
    before = snapshot()
    results = {}
    for name, command in kinds():
        times = []
        for _ in range(int(sys.argv[1])):
            times.append(measure(events, command, before))
            time.sleep(0.1)  # stragglers of this repair are not the next one's beginning
        results[name] = None if None in times else times
        if results[name] is None:
            print(f"{name}: not back\nbefore: {before}\nafter:  {snapshot()}", file=sys.stderr)
    json.dump(results, sys.stdout)


main()
