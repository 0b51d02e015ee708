#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Datastore bgp and what it cannot use: configs that make no sense, that BIRD refuses, passwords that differ, a BIRD of another
version, and something at BIRD's socket that is none. Each is named with what to do; routes and leases stay; and it is over when
its cause is. Then sessions over IPv6.

usage: bgp_bad_test.py BINARIES
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bgp_lab import (NODES, all_up, bgp, bird_pid, config, configure, pid_of, problems, routes, sessions,  # noqa: E402
                     sh)
from lab import Lab, wait_for  # noqa: E402

NOT_BIRD = """
import os, socket, sys
path = "/run/twill/bird.ctl"
if os.path.exists(path):
    os.unlink(path)
end = socket.socket(socket.AF_UNIX)
end.bind(path)
end.listen(20)
print("listening", flush=True)
while True:
    other, _ = end.accept()
    try:
        other.sendall(b"HTTP/1.1 400 Bad Request\\r\\n\\r\\n")
    except OSError:
        pass
    other.close()
"""


def told(lab, node, *words):
    return lambda: all(word in problems(lab, node) for word in words)


def well(lab):
    return all_up(lab) and not any(lab.status(node)["problems"] for node in NODES)


def picture(lab):
    return {node: routes(lab, node) for node in NODES}


def configs_that_make_no_sense(lab):
    had, good = picture(lab), config(lab)
    for change, words in (({"AS": 0}, ("BGP: AS is 0",)), ({"Exports": []}, ("Exports is no key here",)),
                          ({"Nodes": ["127.0.0.1"]}, ("the address of a node or router",)),
                          ({"PasswordFile": "/run/none"}, ("/run/none",))):
        bad = json.loads(json.dumps(good))
        bad["BGP"].update(change)
        configure(lab, bad)
        wait_for(f"node2 names {words}", told(lab, "node2", *words), 20)
    configure(lab, "{")
    wait_for("node2 names the file", told(lab, "node2", "net-conf.json"), 20)
    assert picture(lab) == had and all_up(lab)
    configure(lab, good)
    wait_for("all is well", lambda: well(lab), 20)
    assert picture(lab) == had


def what_bird_refuses(lab):
    """The old config stays in force, and the error comes with its line."""
    had, before = picture(lab), bird_pid(lab, "node1")
    sh(lab, "node1", "mkdir -p /etc/twill/bird.d; echo 'protocol static { rout; }' > /etc/twill/bird.d/own.conf")
    wait_for("node1 says so", told(lab, "node1", "does not take its new configuration, and keeps the old one",
                                   "/etc/twill/bird.d/own.conf:1:", "syntax error"), 20)
    assert bird_pid(lab, "node1") == before and all_up(lab) and picture(lab) == had
    sh(lab, "node1", "echo 'protocol static { ipv4; route 192.0.2.0/24 blackhole; }' > /etc/twill/bird.d/own.conf")
    wait_for("all is well", lambda: well(lab), 20)
    assert "192.0.2.0/24" in sh(lab, "node1", "birdc -s /run/twill/bird.ctl show route") and bird_pid(lab, "node1") == before
    assert picture(lab) == had
    sh(lab, "node1", "rm /etc/twill/bird.d/own.conf")


def passwords(lab):
    """One for all nodes, in without a lost packet; then another one on one of them."""
    good = config(lab)
    for node in NODES:
        sh(lab, node, "umask 077; echo 'a good one' > /etc/twill/bgp.password")
    sh(lab, "node3", "chmod 644 /etc/twill/bgp.password")
    conf = config(lab)
    conf["BGP"]["PasswordFile"] = "/etc/twill/bgp.password"
    configure(lab, conf)
    wait_for("node3 wants it secret", told(lab, "node3", "chmod 600 /etc/twill/bgp.password"), 20)
    sh(lab, "node3", "chmod 600 /etc/twill/bgp.password; echo 'a bad one' > /etc/twill/bgp.password")
    wait_for("node3 is out", lambda: sessions(lab, "node1").get("node3") not in (None, "Established") and
             sessions(lab, "node1")["node2"] == "Established", 40)
    said = json.dumps([bgp(lab, node) for node in NODES]) + "".join(lab.run("lab", "logs", node, "--name", lab.name) for node in NODES)
    assert "a good one" not in said and "a bad one" not in said
    sh(lab, "node3", "echo 'a good one' > /etc/twill/bgp.password")
    wait_for("all is well", lambda: well(lab), 40)
    lab.test()
    configure(lab, good)
    wait_for("and without", lambda: well(lab) and not any("password" in sh(lab, node, "cat /run/twill/bird.conf") for node in NODES), 40)


def who_is_not_bird(lab):
    """At its socket; the routes stay, and BIRD comes back once that is gone."""
    had = picture(lab)
    before = pid_of(lab, "node2")
    stranger = lab.background("node2", "/usr/bin/python3", "-c", NOT_BIRD)
    assert stranger.stdout.readline() == "listening\n"
    sh(lab, "node2", f"kill -9 {bird_pid(lab, 'node2')} {before}")
    wait_for("node2 says so", told(lab, "node2", "what answers at /run/twill/bird.ctl is not BIRD"), 20)
    time.sleep(2)
    assert picture(lab) == had
    stranger.kill()
    sh(lab, "node2", "pkill -9 -f '[H]TTP/1.1 400 Bad'", check=False)
    wait_for("all is well", lambda: well(lab), 40)
    assert picture(lab) == had


def another_version(lab):
    """Nothing is started, and routes stay."""
    had = picture(lab)
    sh(lab, "node2", """printf '#!/bin/sh\\necho "BIRD version 1.6.8" >&2\\n' > /run/oldbird; chmod +x /run/oldbird
        echo 'bird = "/run/oldbird"' >> /etc/twill/twilld.toml; kill -9 $(cat /run/twill/bird.pid); rm /run/twill/bird.conf
        kill -9 $(cat /run/twill/twilld.lock)""")
    wait_for("node2 says so", told(lab, "node2", "this is BIRD 1.6.8", "needs 2.0.12", "bird2"), 20)
    assert picture(lab) == had
    sh(lab, "node2", "sed -i '$ s,.*,bird = \"/run/none\",' /etc/twill/twilld.toml; kill $(cat /run/twill/twilld.lock)")
    wait_for("node2 says so", told(lab, "node2", "/run/none", "bird2", "--bird"), 20)
    assert picture(lab) == had
    sh(lab, "node2", "sed -i '$ d' /etc/twill/twilld.toml; kill $(cat /run/twill/twilld.lock)")
    wait_for("all is well", lambda: well(lab), 40)
    assert picture(lab) == had
    lab.test()


def sessions_over_ipv6(lab):
    """By what the config says; subnets of both families go over them."""
    good = config(lab)
    conf = json.loads(json.dumps(good).replace('"10.0.0.', '"fd00::'))
    assert conf != good
    configure(lab, conf)
    wait_for("all talk IPv6", lambda: well(lab) and all(row["address"].startswith("fd00::") for node in NODES
                                                        for row in bgp(lab, node)["sessions"]), 40)
    lab.test()
    conf["BGP"]["Nodes"][1]["Address"] = "fd00::99"
    configure(lab, conf)
    wait_for("node2 has another address", told(lab, "node2", "BGP.Nodes has node2 at fd00::99", "10.0.0.20"), 20)
    configure(lab, good)
    wait_for("all is well", lambda: well(lab), 40)


def main():
    with Lab(sys.argv[1], "bgpbad", "--datastore", "bgp", "--nodes", "3", "--containers", "1", "--ipv6", "--backend", "vxlan") as lab:
        wait_for("all is there", lambda: well(lab) and lab.passes(), 20)
        for case in (configs_that_make_no_sense, what_bird_refuses, passwords, who_is_not_bird, another_version,
                     sessions_over_ipv6):
            began = time.monotonic()
            case(lab)
            print(f"{case.__name__}: {time.monotonic() - began:.1f} s", flush=True)


main()
