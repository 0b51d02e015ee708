#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""status, diff, operations, trace, diagram and the HTTP endpoints, as a person or a script uses them.

usage: look_test.py BINARIES
"""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab  # noqa: E402


def trace(lab, *arguments, status=0):
    done = subprocess.run([lab.twill, "trace", "--lab", lab.name, "--json", *arguments], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == status, done
    return json.loads(done.stdout)


def traces(lab):
    there = trace(lab, "node1/con1", "node2/con1")
    assert [hop["place"] for hop in there["hops"]] == ["node1/con1", "node1", "node2", "node2/con1"], there
    assert there["outcome"] == "delivered" and there["hops"][-1]["ttl"] == 62, there
    classes = [hop["route"]["class"] for hop in there["hops"][:3]]
    assert classes == ["default", "dynamic", "connected"], classes
    assert trace(lab, "-6", "node1/con1", "node2/con1")["outcome"] == "delivered"
    assert trace(lab, "node1", "192.0.2.1", status=1)["reason"] == "no_route"
    lab.execute("node2", "ip", "route", "add", "blackhole", "172.16.0.2/32")
    back = trace(lab, "node1/con1", "node2/con1", status=1)["back"]
    assert back["outcome"] == "dropped" and back["reason"] == "blackhole", back
    lab.execute("node2", "ip", "route", "del", "blackhole", "172.16.0.2/32")
    here = json.loads(lab.execute("node1", lab.twill, "trace", "--json", "con1", "172.16.1.2"))
    assert here["outcome"] == "leaves", here


def diagrams(lab):
    with tempfile.NamedTemporaryFile(suffix=".svg") as file:
        lab.run("diagram", "--lab", lab.name, "-o", file.name)
        svg = ElementTree.parse(file.name).getroot()
    places = {element.get("data-place") for element in svg.iter() if element.get("data-place")}
    assert {"node1", "node2", "node1/con1", "node2/con1"} <= places, places
    ElementTree.fromstring(lab.execute("node1", lab.twill, "diagram"))


def statuses(lab):
    status = lab.status()
    assert status["ready"] and status["backend"] == "host-gw" and status["lease"]["subnet"] == "172.16.0.0/24", status
    assert "no difference" in lab.execute("node1", lab.twill, "diff")
    assert "ip route add 172.16.1.0/24" in lab.execute("node1", lab.twill, "operations")
    assert "172.16.0.2/24" in lab.execute("node1", lab.twill, "attachments")
    whole = json.loads(lab.run("lab", "status", "--name", lab.name, "--json"))
    assert [node["ready"] for node in whole["nodes"]] == [True, True], whole


def endpoints(lab):
    """Over TCP there is health and nothing else."""
    lab.execute("node1", "sh", "-c", "echo 'listen = \"127.0.0.1:9116\"' >> /etc/twill/twilld.toml; "
                "kill -9 $(cat /run/twill/twilld.lock)")
    script = """
import http.client, sys, time
def get(path):
    for _ in range(100):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", 9116, timeout=5)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionRefusedError:
            time.sleep(0.05)
assert get("/healthz")[0] == 200
for _ in range(100):
    if get("/readyz")[0] == 200: break
    time.sleep(0.05)
assert get("/readyz") == (200, "ready\\n"), get("/readyz")
status, text = get("/metrics")
assert status == 200 and "twill_ready 1" in text and "twill_leases 2" in text, text
assert get("/v1/status")[0] in (403, 404), get("/v1/status")
"""
    lab.execute("node1", "/usr/bin/python3", "-c", script)


def main():
    with Lab(sys.argv[1], "look", "--nodes", "2", "--containers", "1", "--ipv6") as lab:
        for part in (traces, diagrams, statuses, endpoints):
            print(part.__name__, flush=True)
            part(lab)


main()
