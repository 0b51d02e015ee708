#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A kill -9 of the agent or of the plugin, at any moment of an ADD or DEL: after the runtime's DEL nothing is left, and
the next ADD works.

usage: kill_test.py BINARIES
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from caller import Caller  # noqa: E402
from lab import Lab, wait_for  # noqa: E402

CONFIG = json.dumps({"cniVersion": "1.0.0", "name": "net", "type": "twill-cni", "capabilities": {"portMappings": True},
                     "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}).encode()
ROUNDS = 6
STEP = 0.002  # seconds; an ADD takes about 3 ms, after as much for the way into the node
SETTLED = 2.1  # seconds after which the lab's supervisor starts an agent again without delay


class Node(Caller):
    def kill_agent(self):
        self.sh("kill -9 $(cat /run/twill/twilld.lock)")

    def leftovers(self):
        return self.sh(f"""{self.lab.twill} attachments --json | grep -o '"container":"[^"]*"' || true
            ip -o link show type veth | grep -o 'tw[a-z2-7]*@' || true
            ip -n x1 -o link show eth0 2>/dev/null || true
            ls /var/lib/twill/attachments | grep json || true
            nft list ruleset | grep -E '8080|elements = .*tw' || true""")


def check_round(node, what):
    """The runtime cleans up, whatever it was told; then all is as before, and works."""
    status, said = node.call("DEL", CONFIG)
    assert status == 0, (what, said)
    wait_for(f"nothing left: {what}", lambda: node.leftovers() == "")
    status, said = node.call("ADD", CONFIG)
    assert status == 0, (what, said)
    node.sh("ip netns exec x1 ping -c1 -W2 172.16.0.1")
    status, said = node.call("DEL", CONFIG)
    assert status == 0, (what, said)
    wait_for(f"nothing left after all: {what}", lambda: node.leftovers() == "")


def main():
    with Lab(sys.argv[1], "kill", "--nodes", "1", "--containers", "0") as lab:
        node = Node(lab, sys.argv[1])
        node.sh("ip netns add x1")
        for number in range(ROUNDS):
            for command in ("ADD", "DEL"):
                if command == "DEL":
                    status, said = node.call("ADD", CONFIG)
                    assert status == 0, said
                time.sleep(SETTLED)
                process = node.start(command, CONFIG)
                time.sleep(number * STEP)
                node.kill_agent()
                process.communicate(timeout=60)
                check_round(node, f"agent killed {number * STEP * 1000:.1f} ms into {command}")
            process = node.start("ADD", CONFIG)
            time.sleep(number * STEP)
            process.kill()
            process.communicate(timeout=60)
            check_round(node, f"plugin killed {number * STEP * 1000:.1f} ms into ADD")


main()
