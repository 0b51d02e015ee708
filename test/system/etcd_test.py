#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A cluster whose map is in a real etcd, while containers ping: etcd is killed and comes back, agents start without it, a
thousand leases change at once while a node is cut off and the history is compacted, a lease is lost, a new binary takes
over. No packet may be.

usage: etcd_test.py BINARIES
"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, skip, wait_for  # noqa: E402

OUTAGE = 60  # seconds
CUT = 20
MANY = 1000
PREFIX = "/coreos.com/network"
NODES = ("node1", "node2", "node3")


class Etcd:
    """The lab's, as its machine runs it: started again when it ends, unless it is held."""

    def __init__(self, lab):
        self.lab = lab
        self.keeper = self.sh("ps -o ppid= -p $(pgrep -x etcd)").strip()

    def sh(self, script):
        return self.lab.execute("etcd", "sh", "-c", script)

    def kill(self):
        self.sh(f"kill -STOP {self.keeper}; kill -9 $(pgrep -x etcd)")

    def come_back(self):
        self.sh(f"kill -CONT {self.keeper}")

    def ctl(self, *words, stdin=""):
        script = "ETCDCTL_API=3 etcdctl " + " ".join(f"'{word}'" for word in words)
        return self.sh(f"{script} <<'END'\n{stdin}\nEND" if stdin else script)

    def put_many(self, value):
        """In a few transactions, since each takes 128 at most."""
        keys = [f"{PREFIX}/subnets/172.16.{100 + i // 16}.{i % 16 * 16}-28" for i in range(MANY)]
        for begin in range(0, MANY, 120):
            puts = "\n".join(f"put {key} {json.dumps(value(begin + i))}" for i, key in enumerate(keys[begin:begin + 120]))
            self.ctl("txn", stdin=f"\n{puts}\n\n")


def leases(lab, node):
    answer = lab.execute(node, lab.twill, "leases", "--json", check=False)
    return json.loads(answer)["leases"] if answer else []


def problems(lab, node):
    return " ".join(lab.status(node).get("problems", []))


def agent_pid(lab, node):
    return lab.execute(node, "cat", "/run/twill/twilld.lock").strip()


def outage(lab, etcd):
    """Nodes say so, go on, and one whose agent starts meanwhile goes on by what it knew."""
    time.sleep(6)  # until the picture is on disk
    etcd.kill()
    wait_for("node1 says that etcd is away", lambda: "etcd at http://10.0.0.2:2379" in problems(lab, "node1"), 15)
    pid = agent_pid(lab, "node1")
    lab.execute("node1", "kill", "-9", pid)
    wait_for("a new agent is ready without etcd", lambda: agent_pid(lab, "node1") != pid and lab.status()["ready"], 15)
    time.sleep(OUTAGE)
    etcd.come_back()
    wait_for("etcd is back", lambda: "is healthy" in etcd.sh("ETCDCTL_API=3 etcdctl endpoint health 2>&1 || true"), 20)
    began = time.monotonic()
    etcd.ctl("put", f"{PREFIX}/subnets/172.16.99.0-24", json.dumps(
        {"PublicIP": "10.9.9.9", "PublicIPv6": None, "BackendType": "vxlan",
         "BackendData": {"VNI": 1, "VtepMAC": "0a:00:00:00:00:98"}}))
    for node in NODES:
        wait_for(f"{node} hears from etcd", lambda node=node: lab.status(node)["ready"] and not problems(lab, node)
                 and any(lease["subnet"] == "172.16.99.0/24" for lease in leases(lab, node)), 15)
    print(f"{OUTAGE} s without etcd: all nodes know what is new {time.monotonic() - began:.1f} s after its return")
    etcd.ctl("del", f"{PREFIX}/subnets/172.16.99.0-24")


class CutOff:
    """A node whose packets to etcd, and back, vanish."""

    def __init__(self, etcd, address):
        self.etcd = etcd
        etcd.sh(f"nft add table inet cut; nft 'add chain inet cut in {{ type filter hook input priority 0; }}'; "
                f"nft 'add chain inet cut out {{ type filter hook output priority 0; }}'; "
                f"nft add rule inet cut in ip saddr {address} drop; nft add rule inet cut out ip daddr {address} drop")

    def heal(self):
        self.etcd.sh("nft delete table inet cut")


def partition(lab, etcd):
    """A node that is cut off goes on, and has the whole picture when it is back: a peer's MAC, and what is gone."""
    def data(node, subnet):
        return next((lease["backend_data"] for lease in leases(lab, node) if lease["subnet"] == subnet), None)

    lease = {"PublicIP": "10.9.9.1", "PublicIPv6": None, "BackendType": "vxlan"}
    for last in (1, 2):
        etcd.ctl("put", f"{PREFIX}/subnets/172.16.9{last}.0-24",
                 json.dumps({**lease, "PublicIP": f"10.9.9.{last}",
                             "BackendData": {"VNI": 1, "VtepMAC": f"0a:00:00:00:00:0{last}"}}))
    wait_for("node3 knows both", lambda: data("node3", "172.16.91.0/24") and data("node3", "172.16.92.0/24"))
    cut = CutOff(etcd, "10.0.0.30")
    macs = {"VNI": 1, "VtepMAC": "0a:00:00:00:00:99"}
    etcd.ctl("put", f"{PREFIX}/subnets/172.16.91.0-24", json.dumps({**lease, "BackendData": macs}))
    etcd.ctl("del", f"{PREFIX}/subnets/172.16.92.0-24")
    revision = json.loads(etcd.ctl("get", "x", "-w", "json"))["header"]["revision"]
    etcd.ctl("compact", str(revision))
    time.sleep(CUT)
    assert "etcd at http://10.0.0.2:2379" in problems(lab, "node3"), problems(lab, "node3")
    assert data("node1", "172.16.91.0/24") == macs
    cut.heal()
    began = time.monotonic()
    wait_for("node3 has the same picture", lambda: data("node3", "172.16.91.0/24") == macs
             and data("node3", "172.16.92.0/24") is None, 15)
    print(f"{CUT} s cut off: the same picture {time.monotonic() - began:.1f} s after")
    fdb = lab.execute("node3", "bridge", "fdb", "show", "dev", "twill-vx1")
    assert "0a:00:00:00:00:99 dst 10.9.9.1" in fdb and "0a:00:00:00:00:02" not in fdb, fdb
    etcd.ctl("del", f"{PREFIX}/subnets/172.16.91.0-24")


def many_changes(lab, etcd):
    def all_see(what, count, address):
        def holds():
            seen = [[lease for lease in leases(lab, node) if (lease["public_ip"] or "").startswith(address)]
                    for node in NODES]
            return all(len(one) == count for one in seen)
        wait_for(what, holds, 20)

    for address in ("10.1", "10.2"):
        etcd.put_many(lambda i, address=address: json.dumps(
            {"PublicIP": f"{address}.{i // 250}.{i % 250 + 1}", "PublicIPv6": None, "BackendType": "vxlan",
             "BackendData": {"VNI": 1, "VtepMAC": f"0a:00:00:00:{i // 256:02x}:{i % 256:02x}"}}))
        began = time.monotonic()
        all_see(f"all nodes see {MANY} leases at {address}", MANY, address)
        print(f"{MANY} leases at {address}: seen by all nodes within {time.monotonic() - began:.1f} s")
    routes = lab.execute("node1", "sh", "-c", "ip route show | grep -c twill-vx1").strip()
    assert int(routes) >= MANY, routes
    etcd.ctl("del", f"{PREFIX}/subnets/172.16.100", f"{PREFIX}/subnets/172.16.2")
    all_see("they are gone again", 0, "10.2")


def lost_lease(lab):
    """A reservation that is released under a running node becomes a lease of its own."""
    lab.execute("node1", lab.twill, "lease", "release", "172.16.2.0/24")

    def taken_again():
        found = [lease for lease in leases(lab, "node1") if lease["subnet"] == "172.16.2.0/24"]
        return found and found[0]["node"] == "node3" and found[0]["reserved"] is False
    wait_for("node3 takes its subnet again, on a lease", taken_again, 3)


def config(lab):
    for backend in ("udp", "vxlan", "host-gw"):  # a lease of udp does not say so in flannel's form
        lab.execute("node2", "sh", "-c", f"{lab.twill} config get | sed 's/\"Type\": \"[a-z-]*\"/\"Type\": \"{backend}\"/' | "
                                         f"{lab.twill} config set -")
        for node in NODES:
            wait_for(f"{node} changes its backend to {backend}",
                     lambda node=node: lab.status(node)["backend"] == backend and lab.status(node)["ready"], 15)
        time.sleep(1)
    bad = lab.execute("node2", "sh", "-c", f"echo '{{' | {lab.twill} config set - 2>&1; echo $?", check=False)
    assert bad.strip().endswith("2") and "not valid JSON" in bad, bad
    outside = lab.execute("node2", "sh", "-c",
                          f"echo '{{\"Network\":\"10.99.0.0/16\"}}' | {lab.twill} config set - 2>&1; echo $?", check=False)
    assert outside.strip().endswith("1") and "172.16.0.0/24 of node1" in outside, outside


def pings(lab, disturb, lost=0, interval=0.01):
    """No more than that many are lost while that happens."""
    flood = lab.background("node1/con1", "sh", "-c", f"echo $$ >/run/ping.pid; exec ping -q -i {interval} -c 240000 172.16.1.2")
    time.sleep(0.5)
    disturb()
    time.sleep(0.5)
    lab.execute("node1", "sh", "-c", "kill -INT $(cat /run/ping.pid)")
    report = flood.communicate(timeout=30)[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", report).groups())
    print(f"{sent} pings sent, {sent - received} lost")
    assert sent > 100 and sent - received <= lost, report


def restarts(lab, etcd):
    """Of an agent and of etcd, at once."""
    pid = agent_pid(lab, "node1")
    etcd.sh("kill -9 $(pgrep -x etcd)")
    lab.execute("node1", "kill", "-9", pid)
    wait_for("node1 is back", lambda: agent_pid(lab, "node1") != pid and lab.status()["ready"], 20)
    wait_for("node1 hears from etcd", lambda: not problems(lab, "node1"), 20)


def upgrade(lab, binaries):
    """Other binaries of agent and plugin in place of those that run, as a package brings them."""
    mark = f"{time.monotonic():.3f}"
    for program in ("twilld", "twill-cni"):
        path = os.path.join(binaries, program)
        lab.execute("node1", "sh", "-ec", f"cp {path} /run/{program}.{mark}; printf %s {mark} >>/run/{program}.{mark}; "
                                          f"mount --bind /run/{program}.{mark} {path}")
    pid = agent_pid(lab, "node1")
    lab.execute("node1", "kill", pid)
    wait_for("the new one is ready", lambda: agent_pid(lab, "node1") != pid and lab.status()["ready"], 20)
    runs = lab.execute("node1", "tail", "-c", str(len(mark)), f"/proc/{agent_pid(lab, 'node1')}/exe")
    assert runs == mark, runs
    assert lab.status()["operations"]["total"] == 0, lab.execute("node1", lab.twill, "operations")


def starts_anew(lab, etcd, binaries):
    """Under flood, a packet in two milliseconds."""
    pings(lab, lambda: restarts(lab, etcd), interval=0.002)
    pings(lab, lambda: upgrade(lab, binaries), interval=0.002)


def outside(binaries):
    """A lab over an etcd that was there before."""
    with tempfile.TemporaryDirectory() as directory:
        def free_port():
            with socket.socket() as one:
                one.bind(("127.0.0.1", 0))
                return one.getsockname()[1]
        url, peer = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        with subprocess.Popen(["/usr/bin/etcd", f"--data-dir={directory}/data", f"--listen-client-urls={url}",
                               f"--advertise-client-urls={url}", f"--listen-peer-urls={peer}",
                               f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
                               "--log-level=error"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                with Lab(binaries, "etcd-outside", "--nodes", "2", "--containers", "1", "--datastore", "etcd",
                         "--etcd-endpoints", f"http://127.0.0.1:1,{url}") as lab:
                    lab.test()
                keys = subprocess.run(["etcdctl", "--endpoints", url, "get", "--prefix", "/", "--keys-only"], check=True,
                                      env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True).stdout
                assert "/twill-lab/etcd-outside/subnets/172.16.1.0-24" in keys, keys
            finally:
                server.kill()


def main():
    if not os.access("/usr/bin/etcd", os.X_OK):
        skip("/usr/bin/etcd is not there (package etcd-server)")
    with Lab(sys.argv[1], "etcd", "--nodes", "3", "--containers", "1", "--backend", "vxlan", "--datastore", "etcd") as lab:
        lab.test()
        etcd = Etcd(lab)
        names = [lease["node"] for lease in leases(lab, "node1")]
        assert names == list(NODES), names

        def all_of_it():
            outage(lab, etcd)
            partition(lab, etcd)
            many_changes(lab, etcd)
            lost_lease(lab)
        pings(lab, all_of_it)
        starts_anew(lab, etcd, sys.argv[1])
        pings(lab, lambda: config(lab), lost=2)
        starts_anew(lab, etcd, sys.argv[1])
        lab.test()
    outside(sys.argv[1])


main()
