#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Wrong input gets an error that says what and where, and loses nothing: the network works on all the while.

usage: bad_input_test.py BINARIES
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, wait_for  # noqa: E402

LEASES = "/etc/twill/network/leases.json"
NET_CONF = "/etc/twill/network/net-conf.json"


def write(lab, path, text):
    """In place, as an editor that does not rename would: half of it first."""
    script = 'printf %s "$2" >"$1"; printf %s "$3" >>"$1"'
    half = len(text) // 2
    lab.execute("node1", "sh", "-c", script, "sh", path, text[:half], text[half:])


def expect_problem(lab, *words):
    """A problem in `twill status` that has all of the words; returns it."""
    def find():
        return [p for p in lab.status()["problems"] if all(word in p for word in words)]
    return wait_for(f"a problem with {words}; there is {lab.status()['problems']}", find)[0]


def expect_well(lab):
    wait_for("no problems", lambda: not lab.status()["problems"] and lab.status()["ready"])
    lab.test()


def bad_files(lab):
    good_leases = lab.execute("node1", "cat", LEASES)
    good_config = lab.execute("node1", "cat", NET_CONF)
    leases = json.loads(good_leases)["Leases"]
    config = json.loads(good_config)

    def leases_with(**changes):
        return json.dumps({"Leases": [leases[0], {**leases[1], **changes}]})

    def config_with(**changes):
        return json.dumps({**config, **changes})

    cases = [
        (LEASES, good_leases[:len(good_leases) // 2], ("leases.json",)),
        (LEASES, "\xff\xfe garbage", ("leases.json",)),
        (LEASES, "[" * 100000, ("leases.json",)),
        (LEASES, leases_with(Subnet="172.16.1.0/99"), ("leases.json", "node2", "Subnet", "172.16.1.0/99")),
        (LEASES, leases_with(Subnet=leases[0]["Subnet"]), ("node1", "node2", leases[0]["Subnet"])),
        (LEASES, leases_with(Subnet="172.16.0.0/20"), ("node1", "node2", "172.16.0.0/20")),
        (LEASES, leases_with(Subnet="192.168.0.0/24"), ("node2", "192.168.0.0/24", config["Network"])),
        (NET_CONF, config_with(Network=7), ("net-conf.json", "Network", "7")),
        (NET_CONF, config_with(SubnetLen=40), ("net-conf.json", "SubnetLen", "40")),
        (NET_CONF, config_with(Backend={"Type": "carrier-pigeon"}), ("carrier-pigeon", "host-gw")),
    ]
    for path, text, words in cases:
        write(lab, path, text)
        print("  " + expect_problem(lab, *words))
        if path == LEASES and "node1" not in words and "192.168.0.0/24" not in words:
            lab.test()  # the last good file is in force
        write(lab, path, good_leases if path == LEASES else good_config)
        expect_well(lab)


def bad_start(lab):
    """What an operator gets to see when the agent cannot start or has nothing to work with."""
    twilld = os.path.join(os.path.dirname(lab.twill), "twilld")
    pid = lab.execute("node1", "cat", "/run/twill/twilld.lock").strip()

    def refused(words, *command):
        done = subprocess.run([lab.twill, "lab", "exec", "--name", lab.name, "node1", "--", "timeout", "5", *command],
                              capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode not in (0, 124) and all(word in said for word in words), (command, done.returncode, said)
        print("  " + said.strip().splitlines()[-1])

    refused(["twilld.lock", pid], twilld)
    refused(["--datastore"], twilld, "--datastore", "papyrus")
    refused(["--public-ip"], twilld, "--public-ip", "10.0.0.999")
    lab.execute("node1", "sh", "-c", "echo 'ifcae = \"eth1\"' > /run/misspelt.toml")
    refused(["ifcae"], twilld, "--config", "/run/misspelt.toml")
    refused(["/proc/nowhere"], twilld, "--run-dir", "/proc/nowhere")
    refused(["denied", "run twilld as root"], "setpriv", "--reuid", "65534", "--clear-groups", twilld)


def full_disk(lab):
    """A container cannot be recorded: the runtime is told why, and nothing is left behind."""
    lab.execute("node1", "sh", "-c", "mount -t tmpfs -o size=4k,nr_inodes=2 none /var/lib/twill/attachments")
    lab.execute("node1", "ip", "netns", "add", "late")
    before = lab.execute("node1", "ip", "-o", "link")
    config = '{"cniVersion":"1.0.0","name":"twill","type":"twill-cni"}'
    script = ("echo '" + config + "' | CNI_COMMAND=ADD CNI_CONTAINERID=late CNI_NETNS=/run/netns/late CNI_IFNAME=eth0 "
              "CNI_PATH=/opt/cni/bin /opt/cni/bin/twill-cni")
    fill = "dd if=/dev/zero of=/var/lib/twill/attachments/fill bs=4k count=1 2>/dev/null || true; "
    said = json.loads(lab.execute("node1", "sh", "-c", fill + script, check=False))
    assert said["code"] and "/var/lib/twill" in said["msg"] + said.get("details", ""), said
    print("  " + said["msg"])
    assert lab.execute("node1", "ip", "-o", "link") == before
    lab.execute("node1", "umount", "/var/lib/twill/attachments")
    added = json.loads(lab.execute("node1", "sh", "-c", script))
    assert added["ips"], added
    lab.execute("node1", "sh", "-c", script.replace("=ADD", "=DEL"))
    assert lab.execute("node1", "ip", "-o", "link") == before


def main():
    with Lab(sys.argv[1], "badinput", "--nodes", "2", "--containers", "1") as lab:
        expect_well(lab)
        bad_files(lab)
        bad_start(lab)
        full_disk(lab)
        expect_well(lab)


main()
