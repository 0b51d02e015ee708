# SPDX-License-Identifier: Apache-2.0
"""What the tests of datastore bgp ask of a lab's nodes, and how they change what these are told."""
import json
import re

from gossip_lab import ask, log, pid_of, problems, routes, sh  # noqa: F401

NODES = ("node1", "node2", "node3")
CONFIG = "/etc/twill/network/net-conf.json"  # one file for all nodes
ADDRESS = {"node1": "10.0.0.10", "node2": "10.0.0.20", "node3": "10.0.1.10"}


def config(lab):
    return json.loads(sh(lab, "node1", f"cat {CONFIG}"))


def configure(lab, conf):
    text = conf if isinstance(conf, str) else json.dumps(conf)
    sh(lab, "node1", f"cat > {CONFIG}.tmp <<'END'\n{text}\nEND\nmv {CONFIG}.tmp {CONFIG}")


def bgp(lab, node):
    return ask(lab, node, "bgp", "status")


def sessions(lab, node):
    return {row["node"] or row["address"]: row["state"] for row in bgp(lab, node).get("sessions", [])}


def all_up(lab, nodes=NODES):
    """Each node has a session with each other one, and with whoever else it should."""
    for node in nodes:
        seen = sessions(lab, node)
        if not {other for other in nodes if other != node} <= set(seen):
            return False
        if any(state != "Established" for state in seen.values()):
            return False
    return True


def subnet(lab, node):
    return (lab.status(node).get("lease") or {}).get("subnet")


def bird_pid(lab, node):
    """Nothing while there is none: a BIRD that ends in an orderly way takes the file with it."""
    return sh(lab, node, "cat /run/twill/bird.pid", check=False).strip()


def another_bird(lab, node, before):
    """Whether there is one, and all talk with all again."""
    return bird_pid(lab, node) not in (before, "") and all_up(lab)


class Routes:
    """Every change of the routes that Twill, or BIRD in its private table, has in the kernel of some nodes."""

    def __init__(self, lab, nodes=NODES):
        self.watches = {node: lab.background(node, "ip", "-o", "monitor", "route") for node in nodes}
        for node in nodes:
            for _ in range(100):
                if "ip\n" in lab.execute(node, "ps", "-eo", "comm"):
                    break

    def changes(self):
        """What has come since the beginning, by node; ends the watch."""
        out = {}
        for node, watch in self.watches.items():
            watch.terminate()
            said = watch.communicate(timeout=20)[0]
            out[node] = [line for line in said.splitlines() if re.search("proto (116|bird)", line)]
        return out
