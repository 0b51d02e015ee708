#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""containerd on two nodes, with `ctr run --cni`: containers reach each other and leave nothing behind, also when they
are killed. At DEL such a container's namespace is gone already.

usage: containerd_test.py BINARIES
"""
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, skip, wait_for  # noqa: E402
from runtimes import attachments, make_files, need, prepare, traces, wait_clean  # noqa: E402

IMAGE = "localhost/busybox:1"
CGROUP = "twill-test-containerd"
SETTINGS = """version = 2
root = "/run/containerd-root"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/containerd-opt"
"""


def make_image(folder):
    """An image as `docker save` writes it."""
    files = make_files(folder)
    with open(files, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = {"architecture": architecture, "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    with open(f"{folder}/manifest.json", "w", encoding="utf-8") as file:
        json.dump([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["files.tar"]}], file)
    subprocess.run(["tar", "-C", folder, "-cf", f"{folder}/image.tar", "manifest.json", "config.json", "files.tar"],
                   check=True)
    return f"{folder}/image.tar"


class Containerd:
    """containerd on the nodes of a lab, with its storage on each node's /run. It ends with the lab."""

    def __init__(self, lab, folder):
        self.lab = lab
        with open(f"{folder}/containerd.toml", "w", encoding="utf-8") as file:
            file.write(SETTINGS)
        image = make_image(folder)
        for node in ("node1", "node2"):
            prepare(lab, node)
            lab.execute(node, "sh", "-c",
                        f"setsid -f containerd -c {folder}/containerd.toml >/run/containerd.log 2>&1 </dev/null")
            wait_for(f"containerd on {node}", lambda at=node: "Server:" in self.ctr(at, "version", check=False))
            self.ctr(node, "image", "import", "--snapshotter", "native", image)

    def ctr(self, node, *arguments, check=True):
        return self.lab.execute(node, "ctr", *arguments, check=check)

    def options(self, name):
        return ("--snapshotter", "native", "--rm", "--cni", "--cgroup", f"{CGROUP}-{name}", IMAGE, name)

    def run(self, node, name, *command, check=True):
        return self.ctr(node, "run", *self.options(name), *command, check=check)

    def start(self, node, name, *command):
        """The running `ctr run`, which calls DEL when the container ends, and the container's attachment."""
        process = subprocess.Popen([self.lab.twill, "lab", "exec", "--name", self.lab.name, node, "--", "ctr", "run",
                                    *self.options(name), *command], stdout=subprocess.DEVNULL)
        key = f"default-{name}"
        return process, wait_for(f"{key} is attached", lambda: next(
            (entry for entry in attachments(self.lab, node) if entry["container"] == key), None), seconds=10)


def reach_each_other(_, containerd):
    process, two = containerd.start("node2", "two", "/bin/sleep", "600")
    address = two["addresses"][0].split("/")[0]
    said = containerd.run("node1", "one", "/bin/sh", "-c", f"ip -o addr; ping -c 1 -W 2 {address}")
    assert "ttl=62" in said, said  # over two nodes, each of which routes
    assert re.search(r"eth0\s+inet 172\.16\.0\.\d+/24 ", said), said
    containerd.ctr("node2", "task", "kill", "-s", "KILL", "two")
    process.wait(timeout=20)


def one_after_the_other(_, containerd):
    """A freed address rests: the next container has another one."""
    seen = [re.search(r"inet (172\.16\.0\.\d+)/24", containerd.run("node1", f"c{n}", "/bin/ip", "-o", "addr")).group(1)
            for n in range(3)]
    assert len(set(seen)) == 3, seen


def an_agent_that_is_away(lab, containerd):
    """The agent dies while a container lives, and the container ends before the next one is ready."""
    process, _ = containerd.start("node1", "one", "/bin/sleep", "600")
    agent = lab.execute("node1", "cat", "/run/twill/twilld.lock").strip()
    lab.execute("node1", "kill", "-9", agent)
    containerd.ctr("node1", "task", "kill", "-s", "KILL", "one")
    assert process.wait(timeout=20) == 128 + 9, process.returncode
    wait_for("the node is well", lambda: lab.status("node1")["ready"], seconds=10)


def remove_cgroups():
    """Those of containers that went down with a failed test's lab: cgroups are the machine's."""
    for path in glob.glob(f"/sys/fs/cgroup/{CGROUP}*") + glob.glob(f"/sys/fs/cgroup/*/{CGROUP}*"):
        os.rmdir(path)


def main():
    if not os.path.ismount("/sys/fs/cgroup"):
        skip("no cgroups are mounted here, and runc wants their controllers")
    need("containerd", "ctr", "containerd-shim-runc-v2", "runc", "/bin/busybox", "nft")
    with tempfile.TemporaryDirectory(prefix="twill-containerd-") as folder:
        try:
            with Lab(sys.argv[1], "containerd", "--nodes", "2", "--containers", "0") as lab:
                containerd = Containerd(lab, folder)
                before = {node: traces(lab, node) for node in ("node1", "node2")}
                for part in (reach_each_other, one_after_the_other, an_agent_that_is_away):
                    print(part.__name__, flush=True)
                    part(lab, containerd)
                    for node, state in before.items():
                        wait_clean(lab, node, state)
        finally:
            remove_cgroups()


main()
