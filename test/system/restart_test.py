#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the agent and its new start change nothing in the kernel and lose no packet.

usage: restart_test.py BINARIES
"""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab  # noqa: E402

KILLS = 3


def agent_pid(lab):
    return lab.execute("node1", "cat", "/run/twill/twilld.lock").strip()


def wait_ready(lab, other_than):
    for _ in range(200):
        if agent_pid(lab) != other_than and '"ready": true' in lab.execute("node1", lab.twill, "status", "--json",
                                                                           check=False):
            return
        time.sleep(0.05)
    raise AssertionError("the agent did not come back within 10 s")


def start(lab, place, *command):
    return subprocess.Popen([lab.twill, "lab", "exec", "--name", lab.name, place, "--", *command],
                            stdout=subprocess.PIPE, text=True)


def main():
    with Lab(sys.argv[1], "restart", "--nodes", "2", "--containers", "1") as lab:
        target = next(row["address"] for row in lab.test() if row["to"] == "node2/con1")
        lab.execute("node1", "ip", "neigh", "flush", "all", check=False)
        time.sleep(3)  # until duplicate address detection on the new links is over, and the node quiet
        monitor = start(lab, "node1", "timeout", "9", "stdbuf", "-oL", "ip", "monitor", "link", "address", "route")
        flood = start(lab, "node1/con1", "ping", "-q", "-i", "0.002", "-c", "2900", target)
        for _ in range(KILLS):
            time.sleep(0.5)
            pid = agent_pid(lab)
            lab.execute("node1", "kill", "-9", pid)
            wait_ready(lab, pid)
        report = flood.communicate(timeout=30)[0]
        changes = [line for line in monitor.communicate(timeout=30)[0].splitlines() if line.strip()]
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", report).groups())
        print(f"{KILLS} kills: {sent} pings sent, {sent - received} lost, {len(changes)} changes in the kernel")
        assert sent > 1000 and sent == received, report
        assert not changes, changes
        assert json.loads(lab.execute("node1", lab.twill, "status", "--json"))["operations"]["total"] == 0


main()
