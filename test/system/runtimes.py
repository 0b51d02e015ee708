# SPDX-License-Identifier: Apache-2.0
"""For tests with real container runtimes: what they need on a lab's node, and what must be gone after them."""
import json
import os
import shutil
import subprocess

from lab import skip, wait_for

APPLETS = ("sh", "ip", "ping", "nc", "sleep")


def need(*programs):
    """Skips the test unless all of them are installed."""
    missing = [program for program in programs if not os.path.exists(program) and not shutil.which(program)]
    if missing:
        skip(f"not installed: {', '.join(missing)} (packaging/debian-packages)")


def make_files(folder):
    """A root file system with nothing but busybox in it, as an archive."""
    os.makedirs(f"{folder}/root/bin")
    shutil.copy("/bin/busybox", f"{folder}/root/bin/busybox")
    for applet in APPLETS:
        os.symlink("busybox", f"{folder}/root/bin/{applet}")
    subprocess.run(["tar", "-C", f"{folder}/root", "-cf", f"{folder}/files.tar", "."], check=True)
    return f"{folder}/files.tar"


def prepare(lab, node):
    """What the machine shares with the lab's nodes and a runtime wants for itself: podman's locks are in /dev/shm;
    crun works with either kind of cgroups, but not with both or none (as in a chroot), and all this is for the node only."""
    lab.execute(node, "mount", "-t", "tmpfs", "none", "/dev/shm")
    lab.execute(node, "sh", "-c", "! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified")
    lab.execute(node, "sh", "-c", "mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup")


def write_network(lab, node, name, *plugins):
    """A further network of the node, which comes after Twill's own in the order of the names."""
    conflist = json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": plugins})
    lab.execute(node, "sh", "-c", f"echo '{conflist}' > /etc/cni/net.d/50-{name}.conflist")


def attachments(lab, node):
    return json.loads(lab.execute(node, "twill", "attachments", "--json"))["attachments"]


def traces(lab, node):
    """All that a container may leave on a node: links, firewall, Twill's records, the runtime's results, namespaces."""
    return {
        "links": sorted(link["ifname"] for link in json.loads(lab.execute(node, "ip", "-j", "link"))),
        "routes": lab.execute(node, "ip", "route"),
        "neighbours": lab.execute(node, "ip", "neigh", "show", "nud", "permanent"),
        "firewall": lab.execute(node, "nft", "list", "ruleset"),
        "attachments": attachments(lab, node),
        "files": lab.execute(node, "sh", "-c", "find /var/lib/twill/attachments -name '*.json*'; "
                                               "find /var/lib/cni/ /run/netns -type f"),
    }


def wait_clean(lab, node, before):
    """Until the node is as it was `before`."""
    def different():
        now = traces(lab, node)
        return {kind: (before[kind], now[kind]) for kind in now if now[kind] != before[kind]}
    try:
        wait_for(f"nothing is left on {node}", lambda: not different())
    except AssertionError as error:
        raise AssertionError(f"{error}: {different()}") from None
