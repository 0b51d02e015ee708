#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Another backend in the network config of a living cluster: make before break, under a flood of pings and a TCP stream.

usage: change_test.py BINARIES
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, wait_for  # noqa: E402

CONFIG = "/etc/twill/network/net-conf.json"
SECONDS = 16      # of each flood; a change takes well below one
ALLOWED = 1000    # one in so many pings may be lost
SERVER = """
import socket
ear = socket.create_server(("0.0.0.0", 7000))
end = ear.accept()[0]
while data := end.recv(65536):
    end.sendall(data)
"""
CLIENT = """
import socket, sys, time
end = socket.create_connection((sys.argv[1], 7000), timeout=5)
until, rounds, longest = time.monotonic() + float(sys.argv[2]), 0, 0.0
while time.monotonic() < until:
    begin = time.monotonic()
    end.sendall(b"x" * 4000)
    left = 4000
    while left > 0:
        left -= len(end.recv(left))
    rounds, longest = rounds + 1, max(longest, time.monotonic() - begin)
print(rounds, longest)
"""


def change(lab, backend):
    """In every node's config at once, as it is one file; then waits until all have come over."""
    config = json.loads(lab.execute("node1", "cat", CONFIG))
    config["Backend"] = backend
    lab.execute("node1", "sh", "-c", f"printf '%s' '{json.dumps(config)}' >{CONFIG}.new && mv {CONFIG}.new {CONFIG}")
    for node in ("node1", "node2"):
        wait_for(f"{node} has come over to {backend}", lambda at=node: lab.status(at)["ready"] and all(
            lease["backend_type"] == backend["Type"] for lease in lab.status(at)["leases"]))


def under_load(lab, changes):
    """Carries out the changes under load, and looks at what was lost."""
    server = lab.background("node2/con1", "/usr/bin/python3", "-c", SERVER)
    wait_for("the server listens", lambda: ":7000" in lab.execute("node2/con1", "ss", "-Hltn"))
    stream = lab.background("node1/con1", "/usr/bin/python3", "-c", CLIENT, "172.16.1.2", str(SECONDS))
    floods = [lab.background("node1/con1", "ping", "-q", "-i", "0.002", "-c", str(SECONDS * 480), address)
              for address in ("172.16.1.2", "fd42:0:0:1::2")]
    time.sleep(1)
    for backend in changes:
        change(lab, backend)
        time.sleep(1)
    said = [flood.communicate(timeout=SECONDS + 60)[0] for flood in floods]
    rounds, longest = stream.communicate(timeout=SECONDS + 60)[0].split()
    server.wait(timeout=10)
    print(f"{rounds} rounds of the stream, the longest took {float(longest):.3f} s")
    for one in said:
        sent, received = (int(count) for count in re.search(r"(\d+) packets transmitted, (\d+) received", one).groups())
        print(f"{sent} pings, {sent - received} lost")
        assert (sent - received) * ALLOWED <= sent, one


def who_cannot_come_over_goes_on(lab):
    """A node that cannot have the new tunnel keeps the old road, and its peers theirs to it."""
    wait_for("its tunnel of before has ended", lambda: "twill-udp" not in lab.execute("node2", "ip", "link"))
    lab.execute("node2", "mount", "--bind", "/dev/null", "/dev/net/tun")
    config = json.loads(lab.execute("node1", "cat", CONFIG))
    config["Backend"] = {"Type": "udp"}
    lab.execute("node1", "sh", "-c", f"printf '%s' '{json.dumps(config)}' >{CONFIG}.new && mv {CONFIG}.new {CONFIG}")
    wait_for("node1 has come over", lambda: any(
        lease["backend_type"] == "udp" for lease in lab.status("node1")["leases"] if lease["node"] == "node1"))
    wait_for("node2 says why not", lambda: any(said.startswith("tunnel:") for said in lab.status("node2")["problems"]))
    time.sleep(4)  # longer than an old tunnel is kept for nothing
    lab.execute("node1/con1", "ping", "-c", "3", "-i", "0.2", "-W", "1", "172.16.1.2")
    lab.execute("node2/con1", "ping", "-c", "3", "-i", "0.2", "-W", "1", "172.16.0.2")
    lab.execute("node2", "umount", "/dev/net/tun")
    for node in ("node1", "node2"):
        wait_for(f"{node} has come over", lambda at=node: lab.status(at)["ready"] and all(
            lease["backend_type"] == "udp" for lease in lab.status(at)["leases"]), 40)
    lab.test()
    change(lab, {"Type": "host-gw"})


def main():
    with Lab(sys.argv[1], "change", "--nodes", "2", "--containers", "1", "--ipv6") as lab:
        changes = [{"Type": "vxlan"}, {"Type": "host-gw"}, {"Type": "udp"}, {"Type": "host-gw"},
                   {"Type": "vxlan", "DirectRouting": True}, {"Type": "udp"}, {"Type": "vxlan"}, {"Type": "host-gw"}]
        under_load(lab, changes)
        lab.test()
        who_cannot_come_over_goes_on(lab)
        for node in ("node1", "node2"):
            wait_for("the tunnels' devices go", lambda at=node: not any(
                kind in lab.execute(at, "ip", "-d", "link") for kind in ("vxlan", "twill-udp")))
            assert "116" not in lab.execute(node, "ip", "rule") + lab.execute(node, "ip", "-6", "rule"), "the tunnel's rule stays"


main()
