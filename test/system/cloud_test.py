#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Backends aws-vpc and gce in labs, whose router goes by what the agents write into a stand-in for the cloud (test/cloud): with AWS
each request is judged by botocore on its way.

usage: cloud_test.py BINARIES
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, skip, wait_for  # noqa: E402

CONFIG = "/etc/twill/network/net-conf.json"
ASK = """
import sys, urllib.request
data = sys.argv[1].encode() if len(sys.argv) > 1 else None
print(urllib.request.urlopen("http://127.0.0.1:8000/control", data).read().decode())
"""


def control(lab, **faults):
    return json.loads(lab.execute("router", "/usr/bin/python3", "-c", ASK, *([json.dumps(faults)] if faults else [])))


def routes(lab):
    """Subnet -> the node that the router sends it to."""
    return dict(re.findall(r"^(172\.16\.\S+|fd42\S+) via (\S+)", lab.execute("router", "ip", "route") +
                           lab.execute("router", "ip", "-6", "route"), re.M))


def own(lab, node):
    """A node's subnets and addresses."""
    lease = lab.status(node)["lease"]
    return {lease["subnet"]: lease["public_ip"], lease["subnet6"]: lease["public_ip6"]}


def everybody_is_reached(lab, nodes):
    lab.test()
    expected = {}
    for node in nodes:
        expected |= own(lab, node)
    assert routes(lab) == expected, (routes(lab), expected)
    assert control(lab)["wrong"] == [], control(lab)["wrong"]
    status = lab.status("node1")
    assert status["ready"] and status["cloud"]["in_place"] and not status["problems"], status
    assert status["cloud"]["routes"] >= 2, status["cloud"]  # as of its last look, before others were there
    assert 'twill_cloud_calls_total{call="' in lab.metrics("node1")
    said = lab.execute("node1", lab.twill, "status")
    assert re.search(r"^cloud .* in place", said, re.M), said


def a_killed_agent_loses_nothing(lab):
    address = lab.execute("node2/con1", "ip", "-4", "-o", "addr", "show", "eth0").split()[3].split("/")[0]
    flood = lab.background("node1/con1", "ping", "-q", "-i", "0.005", "-c", "600", address)
    before = control(lab)
    for node in ("node1", "node2"):
        lab.execute(node, "pkill", "-KILL", "-x", "twilld")
        wait_for(f"{node} is back", lambda at=node: lab.status(at)["ready"], 20)
    said = flood.communicate(timeout=30)[0]
    assert " 0% packet loss" in said, said
    after = control(lab)
    if "counts" in after:  # of AWS: what is right is not written again
        for action in ("CreateRoute", "ReplaceRoute", "DeleteRoute"):
            assert after["counts"].get(action, 0) == before["counts"].get(action, 0), after["counts"]


def change(lab, backend, nodes):
    config = json.loads(lab.execute("node1", "cat", CONFIG))
    config["Backend"] = {"Type": backend}
    done = subprocess.run([lab.twill, "lab", "exec", "--name", lab.name, "node1", "--", lab.twill, "config", "set", "-"],
                          input=json.dumps(config), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for node in nodes:
        wait_for(f"{node} has come over to {backend}", lambda at=node: lab.status(at)["ready"] and all(
            lease["backend_type"] == backend for lease in lab.status(at)["leases"]), 30)


def a_living_cluster_comes_and_goes(lab, cloud, nodes):
    address = lab.execute("node2/con1", "ip", "-4", "-o", "addr", "show", "eth0").split()[3].split("/")[0]
    flood = lab.background("node1/con1", "sh", "-c", f"echo $$; exec ping -q -i 0.01 {address}")
    pid = flood.stdout.readline().strip()
    change(lab, "vxlan", nodes)
    wait_for("the routes are gone from the cloud", lambda: routes(lab) == {}, 30)
    assert all(row["ttl"] for row in lab.rows())  # by fewer routers than the lab was made for
    control(lab, hang=0.2)  # who told peers before the cloud would lose pings now
    change(lab, cloud, nodes)
    control(lab, hang=0)
    everybody_is_reached(lab, nodes)
    lab.execute("node1", "kill", "-INT", pid)
    said = flood.communicate(timeout=30)[0]
    sent, received = (int(count) for count in re.search(r"(\d+) packets transmitted, (\d+) received", said).groups())
    print(f"{cloud}: {sent} pings while the backend changed twice, {sent - received} lost")
    assert sent > 100 and (sent - received) * 1000 <= max(sent, 1000), said[-2000:]


def nothing_secret_is_logged(lab, nodes, secrets):
    for node in nodes:
        log = lab.run("lab", "logs", node, "--name", lab.name)
        assert not any(secret in log for secret in secrets), [secret for secret in secrets if secret in log]


def aws(binaries):
    nodes = ("node1", "node2", "node3")
    with Lab(binaries, "cloud-aws", "--nodes", "3", "--containers", "1", "--segments", "2", "--ipv6", "--backend", "aws-vpc",
             "--datastore", "gossip") as lab:
        everybody_is_reached(lab, nodes)
        a_killed_agent_loses_nothing(lab)
        a_living_cluster_comes_and_goes(lab, "aws-vpc", nodes)
        nothing_secret_is_logged(lab, nodes, ("role/secret", "token-1", "metadata-i-"))
        state = control(lab)
        assert all(off is False for off in state["source_dest_check"].values()), state["source_dest_check"]
        lab.execute("node1", "ip", "route", "add", "172.16.0.0/16", "dev", "lo")
        wait_for("node1 says where packets go", lambda: any(
            "leave" in said and "not by eth0" in said for said in lab.status("node1")["problems"]))
        lab.execute("node1", "ip", "route", "del", "172.16.0.0/16", "dev", "lo")
        wait_for("node1 is content", lambda: not lab.status("node1")["problems"])
        # Somebody forbids it, and takes a route away: the agent says what to allow. Its first look after that may be a minute off.
        control(lab, deny=["CreateRoute", "DescribeRouteTables"])
        lab.execute("node1", "pkill", "-KILL", "-x", "twilld")
        wait_for("node1 says what to allow", lambda: any(
            "allow ec2:DescribeRouteTables" in said for said in lab.status("node1").get("problems", [])), 30)
        control(lab, deny=[])
        wait_for("node1 is well again", lambda: lab.status("node1")["ready"], 60)


def gce(binaries):
    nodes = ("node1", "node2")
    with Lab(binaries, "cloud-gce", "--nodes", "2", "--containers", "1", "--ipv6", "--backend", "gce", "--datastore", "file") as lab:
        everybody_is_reached(lab, nodes)
        a_killed_agent_loses_nothing(lab)
        nothing_secret_is_logged(lab, nodes, ("token-1",))


def main():
    for module in ("botocore",):
        if subprocess.run(["/usr/bin/python3", "-c", f"import {module}"], capture_output=True, check=False).returncode != 0:
            skip(f"python3-{module} is not there")
    aws(sys.argv[1])
    gce(sys.argv[1])


if __name__ == "__main__":
    main()
