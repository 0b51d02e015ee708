# SPDX-License-Identifier: Apache-2.0
"""What the tests of datastore gossip ask of a lab's nodes, and how they break the network between them."""
import json
import re

from lab import wait_for

NODES = ("node1", "node2", "node3")
KEY = "/etc/twill/network/gossip.key"
STATE = "/var/lib/twill/gossip.json"


def sh(lab, node, script, check=True):
    return lab.execute(node, "sh", "-c", script, check=check)


def python(lab, place, script, *arguments):
    return lab.execute(place, "/usr/bin/python3", "-c", script, *map(str, arguments))


def ask(lab, node, *words):
    """The answer of the agent to `twill WORDS --json`; nothing while there is none."""
    return json.loads(lab.execute(node, lab.twill, *words, "--json", check=False) or "{}")


def leases(lab, node):
    return {(lease["node"], lease["subnet"]) for lease in ask(lab, node, "leases").get("leases", [])}


def owners(lab, node):
    return dict(leases(lab, node))


def subnet(lab, node):
    return (lab.status(node).get("lease") or {}).get("subnet")


def subnets(lab):
    return {node: subnet(lab, node) for node in NODES}


def says(lab, node):
    return json.dumps(lab.status(node))


def states(lab, node):
    return {row["node"]: row["state"] for row in ask(lab, node, "nodes").get("leases", []) if "state" in row}


def all_alive(lab, nodes=NODES):
    return all(states(lab, node).get(other) == "alive" for node in nodes for other in nodes)


def problems(lab, node):
    return json.dumps(lab.status(node).get("problems", []))


def routes(lab, node):
    """What the agent put there; how far a route leads is up to the link."""
    return sorted(line.replace(" linkdown", "").strip() for line in
                  lab.execute(node, "ip", "route", "show", "proto", "116").splitlines())


def metric(lab, node, name):
    found = re.search(re.escape(name) + r" ([\d.e+]+)", lab.metrics(node))
    return float(found[1]) if found else 0


def dropped(lab, node, reason):
    return metric(lab, node, f'twill_gossip_dropped_total{{reason="{reason}"}}')


def log(lab, node):
    return lab.run("lab", "logs", node, "--name", lab.name).splitlines()


def pid_of(lab, node):
    return sh(lab, node, "cat /run/twill/twilld.lock").strip()


def restart(lab, node, meanwhile=""):
    """What is done while no agent runs, as its supervisor starts the next one at once."""
    before = pid_of(lab, node)
    sh(lab, node, f"kill -STOP {before}; {meanwhile or 'true'}; kill -9 {before}")
    wait_for(f"{node} has another agent", lambda: pid_of(lab, node) not in ("", before), 20)


def pings(lab, place, address):
    return " 0% packet loss" in lab.execute(place, "ping", "-c1", "-W1", address, check=False)


def disturb(lab, *rules):
    """What happens to the packets that cross the switch, as statements of nft."""
    calm(lab)
    chain = "\n".join(("type filter hook forward priority 0;", *rules))
    sh(lab, "wire", f"nft -f - <<'END'\ntable bridge hardship {{ chain cross {{\n{chain}\n}}\n}}\nEND")


def calm(lab):
    sh(lab, "wire", "nft delete table bridge hardship 2>/dev/null", check=False)
