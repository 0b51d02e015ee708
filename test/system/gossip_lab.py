# SPDX-License-Identifier: Apache-2.0
"""What the tests of the datastore gossip ask nodes of a lab, and do to them."""
import json

NODES = ("node1", "node2", "node3")
KEY = "/etc/twill/network/gossip.key"
STATE = "/var/lib/twill/gossip.json"


def sh(lab, node, script, check=True):
    return lab.execute(node, "sh", "-c", script, check=check)


def pid_of(lab, node):
    return lab.execute(node, "cat", "/run/twill/twilld.lock").strip()


def restart(lab, node, meanwhile="true"):
    """What is done while no agent runs there, as its supervisor starts the next one at once."""
    sh(lab, node, f"pid=$(cat /run/twill/twilld.lock); kill -STOP $pid; {meanwhile}; kill -9 $pid")


def subnet(lab, node):
    return (lab.status(node).get("lease") or {}).get("subnet")


def subnets(lab):
    return {node: subnet(lab, node) for node in NODES}


def leases(lab, node):
    answer = lab.execute(node, lab.twill, "leases", "--json", check=False)
    return {lease["node"]: lease["subnet"] for lease in json.loads(answer)["leases"]} if answer else {}


def states(lab, node):
    """What it says of each: alive, failed, ..."""
    answer = lab.execute(node, lab.twill, "nodes", "--json", check=False)
    return {row["node"]: row["state"] for row in json.loads(answer)["leases"]} if answer else {}


def says(lab, node):
    return json.dumps(lab.status(node))


def all_alive(lab):
    return all(states(lab, node) == dict.fromkeys(NODES, "alive") for node in NODES)


def metric(lab, node, name):
    """The value of a metric, named with its labels."""
    return sum(float(line.split()[-1]) for line in lab.metrics(node).splitlines() if line.startswith(name + " "))
