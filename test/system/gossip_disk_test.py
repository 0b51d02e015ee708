#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What can happen to the disk and the clock of a node that holds the map: a state that is cut off, a copy of another's, no space,
and a clock that jumps. Containers ping all the while.

usage: gossip_disk_test.py BINARIES
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gossip_lab import NODES, STATE, all_alive, ask, calm, disturb, leases, problems, restart, routes, sh  # noqa: E402
from lab import Lab, skip, wait_for  # noqa: E402

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def picture(lab):
    return {node: (leases(lab, node), routes(lab, node)) for node in NODES}


class Flood:
    """Pings from a container on node1 to one on another node, until it is counted."""

    def __init__(self, lab, target):
        self.process = lab.background("node1/con1", "sh", "-c", f"echo $$; exec ping -q -i 0.02 {target}")
        self.lab, self.pid = lab, self.process.stdout.readline().strip()

    def lost(self):
        self.lab.execute("node1", "kill", "-INT", self.pid)
        report = self.process.communicate(timeout=20)[0]
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", report).groups())
        assert sent > 50, report
        assert sent - received <= 1, report  # the last one may still be under way
        return f"{sent - received} of {sent} pings lost"


def addresses(lab):
    return {row["to"]: row["address"] for row in lab.test() if "/" in row["to"]}


def well(lab, node, had):
    wait_for(f"{node} is well again", lambda: lab.status(node)["ready"] and all_alive(lab) and picture(lab) == had, 30)


def state_cut_off(lab):
    """At any byte: the agent takes no part, says which file and what to do, and leaves it as it is."""
    had, flood = picture(lab), Flood(lab, addresses(lab)["node2/con1"])
    sh(lab, "node2", f"cp {STATE} /run/whole")
    size = int(sh(lab, "node2", "stat -c %s /run/whole"))
    for at in (0, 1, 13, 40, 60, size // 4, size // 2, size * 3 // 4, size - 2, size - 1):
        time.sleep(2)  # or its supervisor takes it for one that fails, and waits for up to 5 s
        restart(lab, "node2", f"head -c {at} /run/whole > {STATE}")
        said = wait_for(f"it is refused when cut at {at}",
                        lambda: STATE in (text := problems(lab, "node2")) and text, 20)
        assert "cut off" in said and "remove the file to start as a new node" in said and "twill peer rm" in said, said
        assert int(sh(lab, "node2", f"stat -c %s {STATE}")) == at, "it was written to"
        assert routes(lab, "node2") == had["node2"][1]
    restart(lab, "node2", f"cp /run/whole {STATE}")
    well(lab, "node2", had)
    print(f"state of {size} bytes cut at 10 places and put back: {flood.lost()}")


def disk_cloned(lab):
    """node1's state on node3, which is another machine or seems to be the same one."""
    had, flood = picture(lab), Flood(lab, addresses(lab)["node2/con1"])
    clone = sh(lab, "node1", f"cat {STATE}")
    sh(lab, "node3", f"cp {STATE} /run/own; cat > /run/clone <<'END'\n{clone}END")
    restart(lab, "node3", f"cp /run/clone {STATE}")
    for node in ("node1", "node3"):
        wait_for(f"{node} names the copy", lambda: "another machine runs as" in (said := problems(lab, node)) and
                 "gossip.json" in said and "Stop the copy" in said, 30)
    assert leases(lab, "node2") >= {lease for lease in had["node2"][0] if lease[0] != "node3"}
    sh(lab, "node3", "cp /etc/machine-id /run/machine-id; head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n' > /etc/machine-id")
    restart(lab, "node3")
    refusal = ("written on another machine (machine-id", STATE, "remove the file to start as a new node")
    wait_for("node3 sees that it is another machine", lambda: all(part in problems(lab, "node3") for part in refusal), 20)
    wait_for("node1 is rid of its copy", lambda: "another machine runs" not in problems(lab, "node1"), 30)
    assert routes(lab, "node1") == had["node1"][1]
    restart(lab, "node3", "cp /run/own " + STATE + "; cp /run/machine-id /etc/machine-id")
    well(lab, "node3", had)
    print(f"node1's state was on node3: {flood.lost()}")


def machine_cloned(lab):
    """The whole of node1 on node3, its name and its machine-id too: the copy takes no part, and no route moves."""
    had, flood = picture(lab), Flood(lab, addresses(lab)["node2/con1"])
    clone, config = sh(lab, "node1", f"cat {STATE}"), "/etc/twill/twilld.toml"
    sh(lab, "node3", f"cp {STATE} {config} /run/; cat > /run/clone <<'END'\n{clone}END")
    operations = lab.status("node2")["operations"]["total"]
    restart(lab, "node3", f"cp /run/clone {STATE}; sed -i '/^node-name/d; 1i node-name = \"node1\"' {config}")
    for node in ("node1", "node3"):
        wait_for(f"{node} names the copy", lambda: "another machine runs as" in problems(lab, node), 30)
    time.sleep(5)
    assert not lab.status("node3")["ready"] and picture(lab)["node2"] == had["node2"]
    assert lab.status("node2")["operations"]["total"] == operations, "a route came and went"
    restart(lab, "node3", f"cp /run/gossip.json {STATE}; cp /run/twilld.toml {config}")
    wait_for("node3 is well again", lambda: lab.status("node3")["ready"] and all_alive(lab) and picture(lab) == had, 60)
    print(f"node1 was on node3 as well: {flood.lost()}")


def clock_jumps(lab):
    """By a day, back and forward, while the agent runs; only what it reads as wall clock, as when somebody sets it."""
    if not os.path.exists(FAKETIME):
        skip(f"needs {FAKETIME} (faketime)")
    had, flood = picture(lab), Flood(lab, addresses(lab)["node2/con1"])
    sh(lab, "node3", f"""
        pid=$(cat /run/twill/twilld.lock); ps -o ppid= -p $pid > /run/keeper
        kill -STOP $(cat /run/keeper); kill $pid
        while [ -S /run/twill/twill.sock ]; do sleep 0.05; done
        echo +0 > /run/shift
        FAKETIME_TIMESTAMP_FILE=/run/shift FAKETIME_CACHE_DURATION=1 DONT_FAKE_MONOTONIC=1 LD_PRELOAD={FAKETIME} \\
          setsid {os.path.dirname(lab.twill)}/twilld > /run/shifted.log 2>&1 &""")
    well(lab, "node3", had)
    for shift in ("-1d", "+1d", "+0"):
        sh(lab, "node3", f"echo {shift} > /run/shift")
        until = time.monotonic() + 6
        while time.monotonic() < until:
            assert all_alive(lab) and picture(lab) == had and lab.status("node3")["ready"]
            time.sleep(0.5)
        sh(lab, "node3", f"ip route del {routes(lab, 'node3')[0]}")  # so that it logs something, by its clock
        wait_for("the route is back", lambda: picture(lab) == had, 10)
    days = sorted({line[:10] for line in sh(lab, "node3", "cat /run/shifted.log").splitlines()})
    assert len(days) == 3, days
    sh(lab, "node3", "kill $(cat /run/twill/twilld.lock); kill -CONT $(cat /run/keeper)")
    well(lab, "node3", had)
    print(f"an agent's clock jumped, its log is of {days}: {flood.lost()}")


def disk_full(lab):
    """Nothing is promised that cannot be saved, and when there is space it goes on by itself."""
    had, flood = picture(lab), Flood(lab, addresses(lab)["node2/con1"])
    restart(lab, "node2", "cp -a /var/lib/twill /run/saved; mount -t tmpfs -o size=100k tmpfs /var/lib/twill; "
            "cp -a /run/saved/. /var/lib/twill")
    well(lab, "node2", had)
    sh(lab, "node2", "cat /dev/zero > /var/lib/twill/filler 2>/dev/null", check=False)
    whole = sh(lab, "node2", f"cat {STATE}")
    network = sh(lab, "node1", f"{lab.twill} config get").replace('"172.16.0.0"', '"172.16.0.0", "SubnetMax": "172.16.255.0"')
    sh(lab, "node1", f"{lab.twill} config set - <<'END'\n{network}\nEND")
    wait_for("node2 says so", lambda: "cannot be saved" in (said := problems(lab, "node2")) and STATE in said and
             "No space" in said, 20)
    assert sh(lab, "node2", f"cat {STATE}") == whole, "the old state was damaged"
    assert routes(lab, "node2") == had["node2"][1] and leases(lab, "node2") == had["node2"][0]
    # A new node that none but node2 could give a subnet to. node1's pings go on.
    disturb(lab, "ip saddr 10.0.0.10 meta l4proto { tcp, udp } drop", "ip daddr 10.0.0.10 meta l4proto { tcp, udp } drop")
    free = lambda: {share["node"]: share["free"] for share in ask(lab, "node2", "subnets")["nodes"]}["node2"]  # noqa: E731
    before = free()
    restart(lab, "node3", f"rm {STATE}")
    wait_for("node3 waits", lambda: "in no cluster yet" in (said := problems(lab, "node3")) or "waits for a subnet" in said, 20)
    time.sleep(5)
    assert free() == before and not lab.status("node3").get("lease"), "node2 gave away what it could not write down"
    sh(lab, "node2", "rm /var/lib/twill/filler")
    wait_for("node2 goes on by itself", lambda: "cannot be saved" not in problems(lab, "node2") and
             "SubnetMax" in sh(lab, "node2", f"cat {STATE}"), 30)
    wait_for("node3 has its subnet", lambda: lab.status("node3")["ready"] and free() < before, 60)
    calm(lab)
    print(f"full disk: {flood.lost()}")


def main():
    with Lab(sys.argv[1], "gossipdisk", "--datastore", "gossip", "--nodes", "3", "--containers", "1") as lab:
        state_cut_off(lab)
        disk_cloned(lab)
        machine_cloned(lab)
        clock_jumps(lab)
        disk_full(lab)


main()
