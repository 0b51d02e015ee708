#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The lab itself: it is what was asked for, notices what is broken, and leaves nothing behind, however it ends.

usage: lab_test.py BINARIES
"""
import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, wait_for  # noqa: E402

ROW = {"from", "to", "address", "protocol", "ok", "ttl", "seen_as", "rtt_us", "fault"}


def host():
    """What a lab must not touch."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        places = [sorted(os.listdir(path)) for path in ("/etc", "/opt", "/var/lib") if os.path.isdir(path)]
        return re.sub(r"qlen \d+", "", links), mounts.read(), places


def twill(lab, *arguments):
    return subprocess.run([lab.twill, *arguments], capture_output=True, text=True, check=False, timeout=120)


def up_is_idempotent(lab):
    pid = lab.execute("node1", "cat", "/run/twill/twilld.lock")
    lab.run("lab", "up", "--name", lab.name, *lab.arguments)
    assert lab.execute("node1", "cat", "/run/twill/twilld.lock") == pid
    refused = twill(lab, "lab", "up", "--name", lab.name, "--nodes", "5")
    assert refused.returncode == 1 and "lab down" in refused.stderr, refused


def containers_come_back(lab):
    """A runtime that lost one: up completes the lab."""
    lab.execute("node1", "sh", "-c", "echo '{\"cniVersion\":\"1.0.0\",\"name\":\"twill\"}' | CNI_COMMAND=DEL "
                "CNI_CONTAINERID=con1 CNI_NETNS=/run/netns/con1 CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin "
                "/opt/cni/bin/twill-cni")
    lab.run("lab", "up", "--name", lab.name, *lab.arguments)
    lab.test()


def words_and_statuses(lab):
    def run(*command):
        return twill(lab, "lab", "exec", "--name", lab.name, *command).returncode
    assert run("node1", "--", "sh", "-c", "exit 7") == 7
    assert run("node1/con1", "--", "no-such-program") == 127
    assert run("node1", "--", "sh", "-c", "kill -9 $$") == 137
    assert lab.execute("node2", "hostname").strip() == "node2"
    for place, word in (("node9", "node1, node2"), ("node1/con9", "con9"), ("node1/", "node1/con1"), ("a/b/c", "a/b/c")):
        wrong = twill(lab, "lab", "exec", "--name", lab.name, place, "--", "true")
        assert wrong.returncode in (1, 2) and word in wrong.stderr, wrong
    nothing = twill(lab, "lab", "test", "--name", "no-such-lab")
    assert nothing.returncode == 1 and "twill lab up --name no-such-lab" in nothing.stderr, nothing
    for arguments in (["--nodes", "0"], ["--nodes", "201"], ["--segments", "3", "--nodes", "2"], ["--backend", "pigeon"],
                      ["--name", "../x"], ["--containers", "-1"]):
        bad = twill(lab, "lab", "up", "--name", "bad", *arguments)
        assert bad.returncode == 2 and arguments[0] in bad.stderr, bad


def test_sees_what_is_broken(lab):
    rows = lab.test()
    assert len(rows) == 60 and all(set(row) == ROW for row in rows), rows[0]  # 6 places, two protocols

    def failing():
        done = twill(lab, "lab", "test", "--name", lab.name, "--json")
        assert done.returncode == 1, done
        return [row for row in json.loads(done.stdout) if not row["ok"]]

    lab.execute("wire", "ip", "link", "set", "node2", "down")
    cut = failing()
    assert cut and all(("node2" in row["from"]) != ("node2" in row["to"]) for row in cut), cut
    lab.execute("wire", "ip", "link", "set", "node2", "up")
    # Masquerading inside the cluster, which Twill's own rules never do.
    lab.execute("node1", "nft", "add table ip bad; add chain ip bad post { type nat hook postrouting priority 90; }; "
                "add rule ip bad post ip daddr 172.16.1.0/24 masquerade")
    natted = failing()
    assert natted and all("NAT" in row["fault"] and row["from"].startswith("node1/") for row in natted), natted
    lab.execute("node1", "nft", "delete table ip bad")
    lab.test()


def agents_come_back(lab):
    pid = lab.execute("node2", "cat", "/run/twill/twilld.lock")
    lab.execute("node2", "kill", "-9", pid.strip())
    wait_for("a new agent", lambda: lab.execute("node2", "cat", "/run/twill/twilld.lock") != pid and
             lab.status("node2")["ready"])
    assert "signal 9" in lab.run("lab", "logs", "node2", "--name", lab.name)


def a_second_lab(lab):
    with Lab(os.path.dirname(lab.twill), "labtest2", "--nodes", "2", "--containers", "1", "--segments", "2",
             "--ipv6") as other:
        ttls = {row["ttl"] for row in other.test()}
        assert ttls == {64, 63, 62, 61}, ttls
        lab.test()
    lab.test()


def crashes_leave_nothing(lab, before):
    """Whichever process of the lab is killed: the rest goes with it."""
    folder = f"/run/twill-lab/{lab.name}"
    for file in ("init", "lock"):
        with open(f"{folder}/{file}", encoding="utf-8") as text:
            os.kill(int(text.read()), signal.SIGKILL)
        wait_for(f"the end of the lab after its {file} was killed",
                 lambda: twill(lab, "lab", "status", "--name", lab.name).returncode == 1 and host() == before)
        lab.run("lab", "down", "--name", lab.name)
        assert not os.path.exists(folder)
        lab.run("lab", "up", "--name", lab.name, *lab.arguments)
        lab.test()


def steps(lab):
    for number, checks in ((1, 4), (2, 12), (3, 24), (4, 24)):
        said = lab.run("lab", "step", str(number))
        assert f"all {checks} checks passed" in said and "ip -n con1 address add 172.16.0." in said, said
        assert number != 4 or "172.16.1.100 answers 172.16.0.100" in said, said
        lab.run("lab", "down", "--name", f"step{number}")


def main():
    before = host()
    with Lab(sys.argv[1], "labtest", "--nodes", "2", "--containers", "2") as lab:
        for part in (up_is_idempotent, containers_come_back, words_and_statuses, test_sees_what_is_broken, agents_come_back,
                     a_second_lab, steps):
            print(part.__name__, flush=True)
            part(lab)
        print(crashes_leave_nothing.__name__, flush=True)
        crashes_leave_nothing(lab, before)
    assert host() == before
    assert not os.path.exists("/run/twill-lab/labtest")


main()
