#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Several networks in one daemon, each with a backend of its own, over a real etcd, while containers of all of them ping:
the agent is killed, one network changes its backend, another gets a config that cannot be, one more is named that is not
there yet. No packet may be lost.

usage: networks_test.py BINARIES
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, skip, wait_for  # noqa: E402

CONFIGS = {"blue": {"Network": "10.10.0.0/16", "Backend": {"Type": "vxlan", "VNI": 10}},
           "red": {"Network": "10.20.0.0/16", "Backend": {"Type": "vxlan", "VNI": 20}},
           "green": {"Network": "10.30.0.0/16", "Backend": {"Type": "host-gw"}},
           "a-long-name": {"Network": "10.40.0.0/16", "Backend": {"Type": "udp"}}}
NODES = ("node1", "node2")


def put(lab, network, config):
    lab.execute("etcd", "env", "ETCDCTL_API=3", "etcdctl", "put", f"/coreos.com/network/{network}/config", json.dumps(config))


def agent(lab, node):
    return lab.execute(node, "cat", "/run/twill/twilld.lock").strip()


def start_with(lab, node, networks):
    """A new agent, in these networks."""
    before = agent(lab, node)
    lab.execute(node, "sh", "-c", f"sed -i '/^networks/d' /etc/twill/twilld.toml; "
                                  f"echo 'networks = {json.dumps(networks)}' >>/etc/twill/twilld.toml; kill -9 {before}")
    wait_for(f"{node} has a new agent", lambda: agent(lab, node) != before and lab.status(node).get("networks"), 20)


def all_ready(lab):
    for node in NODES:
        wait_for(f"{node} is ready", lambda node=node: lab.status(node)["ready"], 20)


def of(lab, node, network):
    return next(one for one in lab.status(node)["networks"] if one["name"] == network)


def fill(lab):
    """A container in each network on each node; its addresses."""
    addresses = {}
    for node in NODES:
        for network in CONFIGS:
            lab.execute(node, "ip", "netns", "add", network)
            result = json.loads(lab.execute(node, lab.twill, "attach", network, "--in", network, "--json"))
            addresses[node, network] = result["ips"][0]["address"].split("/")[0]
            assert addresses[node, network].startswith(CONFIGS[network]["Network"][:6]), addresses
    return addresses


def see_one_another(lab, addresses):
    """Both under the addresses that they have."""
    for network in CONFIGS:
        lab.execute("node2", "ip", "netns", "exec", network, "sh", "-c",
                    "nft add table inet seen; nft 'add chain inet seen in { type filter hook input priority 0; }'; "
                    f"nft add rule inet seen in ip saddr {addresses['node1', network]} counter")
        lab.execute("node1", "ip", "netns", "exec", network, "ping", "-q", "-c", "2", "-i", "0.1", "-W", "2",
                    addresses["node2", network])
        seen = lab.execute("node2", "ip", "netns", "exec", network, "nft", "list", "table", "inet", "seen")
        assert "counter packets 2 " in seen, seen


def pings(lab, addresses, disturb):
    floods = {network: lab.background("node1", "ip", "netns", "exec", network, "sh", "-c",
                                      f"echo $$ >/run/ping.{network}; exec ping -i 0.01 -c 24000 "
                                      f"{addresses['node2', network]}") for network in CONFIGS}
    time.sleep(0.5)
    disturb()
    time.sleep(1)
    for network, flood in floods.items():
        lab.execute("node1", "sh", "-c", f"kill -INT $(cat /run/ping.{network})")
        report = flood.communicate(timeout=30)[0]
        # What is on its way at the end is not lost.
        came = {int(number) for number in re.findall(r"icmp_seq=(\d+)", report)}
        print(f"{network}: {max(came)} pings sent, {max(came) - len(came)} lost")
        assert max(came) > 50 and max(came) == len(came), report[-2000:]


def killed(lab):
    for node in NODES:
        start_with(lab, node, list(CONFIGS))
    all_ready(lab)
    for node in NODES:
        assert lab.status(node)["operations"]["total"] == 0, lab.execute(node, lab.twill, "operations")


def one_changes(lab):
    lab.execute("node1", "sh", "-c", f"{lab.twill} config get --network green | sed s/host-gw/vxlan/ | "
                                     f"{lab.twill} config set - --network green")
    for node in NODES:
        wait_for(f"{node} takes green over", lambda node=node: of(lab, node, "green")["backend"] == "vxlan"
                 and lab.status(node)["ready"], 20)


def refused(lab):
    """What blue has red cannot have, whether it is asked for or simply written."""
    taken = json.dumps({**CONFIGS["red"], "Backend": {"Type": "vxlan", "VNI": 10}})
    said = lab.execute("node1", "sh", "-c", f"echo '{taken}' | {lab.twill} config set - --network red 2>&1; echo $?", check=False)
    assert said.strip().endswith("1") and "Backend.VNI 10 is that of network blue" in said, said
    put(lab, "red", {**CONFIGS["red"], "Backend": {"Type": "vxlan", "VNI": 10}})
    for node in NODES:
        wait_for(f"{node} says why not", lambda node=node:
                 any("network red: config: Backend.VNI 10 is that of network blue" in said
                     for said in lab.status(node)["problems"]))
    put(lab, "red", CONFIGS["red"])
    for node in NODES:
        wait_for(f"{node} is content again", lambda node=node: not lab.status(node)["problems"])


def one_more(lab):
    """A network that has no config yet does not keep the others from working."""
    for node in NODES:
        start_with(lab, node, [*CONFIGS, "late"])
        wait_for(f"{node} waits for its config", lambda node=node:
                 any("network late: " in said for said in lab.status(node)["problems"]))
        assert not lab.status(node)["ready"]
    routes = lab.execute("node1", "ip", "route", "show", "root", "10.10.0.0/16").strip()
    lab.execute("node1", "ip", "route", "flush", "root", "10.10.0.0/16", "proto", "116")
    wait_for("what is lost is put back all the same",
             lambda: lab.execute("node1", "ip", "route", "show", "root", "10.10.0.0/16").strip(), 5)
    put(lab, "late", {"Network": "10.50.0.0/16", "Backend": {"Type": "host-gw"}})
    all_ready(lab)
    assert of(lab, "node1", "late")["lease"], routes


def commands(lab):
    said = lab.execute("node1", "sh", "-c", f"{lab.twill} nodes 2>&1", check=False)
    assert "several networks; name one of blue, red, green, a-long-name" in said, said
    leases = json.loads(lab.execute("node1", lab.twill, "leases", "--network", "red", "--json"))["leases"]
    assert {lease["node"] for lease in leases} == set(NODES), leases
    for network, config in CONFIGS.items():
        text = lab.execute("node1", "cat", f"/run/twill/networks/{network}.env")
        assert f"FLANNEL_NETWORK={config['Network']}" in text, text
    metrics = lab.metrics("node1")
    assert 'twill_leases{network="red"} 2' in metrics, metrics


def nothing_is_left(lab):
    lab.execute("node2", "sh", "-c", "kill -STOP $(ps -o ppid= -p $(cat /run/twill/twilld.lock)); "
                                     "kill $(cat /run/twill/twilld.lock); sleep 0.5")
    lab.execute("node2", os.path.join(os.path.dirname(lab.twill), "twilld"), "--cleanup")
    links = lab.execute("node2", "ip", "-o", "link")
    assert "tw" not in re.sub(r"link-netns\S* \S+", "", links), links
    assert not lab.execute("node2", "ip", "route", "show", "table", "all", "proto", "116").strip()
    assert "lookup 116" not in lab.execute("node2", "ip", "rule")
    left = lab.execute("node2", "find", "/run/twill", "/var/lib/twill", "-mindepth", "1", check=False).strip()
    assert not left, left
    assert ":8285" not in lab.execute("node2", "ss", "-uln")


def main():
    if not os.access("/usr/bin/etcd", os.X_OK):
        skip("/usr/bin/etcd is not there (package etcd-server)")
    with Lab(sys.argv[1], "networks", "--nodes", "2", "--containers", "0", "--datastore", "etcd") as lab:
        for network, config in CONFIGS.items():
            put(lab, network, config)
        for node in NODES:
            start_with(lab, node, list(CONFIGS))
        all_ready(lab)
        addresses = fill(lab)
        see_one_another(lab, addresses)
        commands(lab)
        for disturb in (killed, one_changes, refused):
            pings(lab, addresses, lambda disturb=disturb: disturb(lab))
        one_more(lab)
        see_one_another(lab, addresses)
        nothing_is_left(lab)


main()
