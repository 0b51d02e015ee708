#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""twilld in flanneld's place: called by that name, with its flags and variables, with its files and CNI configuration, beside
nodes whose keys in etcd were written as flannel writes them.

usage: flannel_test.py BINARIES
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from caller import Caller  # noqa: E402
from lab import Lab, skip, wait_for  # noqa: E402

PREFIX = "/flannel/network"
CONFLIST = {"cniVersion": "0.3.1", "name": "cbr0", "type": "flannel",
            "delegate": {"hairpinMode": True, "isDefaultGateway": True}}


LISTENER = """import socket
one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
one.bind("/run/notify")
one.settimeout(20)
open("/run/notified", "w").write(one.recv(99).decode())"""


def etcdctl(lab, *words):
    return lab.execute("etcd", "env", "ETCDCTL_API=3", "etcdctl", *words)


def put(lab, key, value):
    etcdctl(lab, "put", f"{PREFIX}/{key}", json.dumps(value, separators=(",", ":")))


def replace_agent(lab, binaries, node):
    """The lab's own agent makes room, and flanneld is started as a person would, on a state of its own."""
    script = f"""
      pid=$(cat /run/twill/twilld.lock)
      kill -STOP $(ps -o ppid= -p $pid)
      kill $pid
      while [ -S /run/twill/twill.sock ]; do sleep 0.05; done
      {binaries}/twilld --cleanup >/dev/null
      rm -f /etc/twill/twilld.toml /run/twill/subnet.env /var/lib/twill/etcd.json
      ln -sf {binaries}/twilld /run/flanneld
      python3 -c '{LISTENER}' &
      while [ ! -S /run/notify ]; do sleep 0.05; done
      export NOTIFY_SOCKET=/run/notify
      FLANNELD_ETCD_PREFIX={PREFIX} FLANNELD_IFACE=eth0 setsid /run/flanneld -etcd-endpoints http://10.0.0.2:2379 \\
        --ip-masq=true -iptables-resync=5 -healthz-port 8471 -healthz-ip=127.0.0.1 >/run/flanneld.log 2>&1 &
      echo $! >/run/flanneld.pid"""
    lab.execute(node, "sh", "-ec", script)
    wait_for(f"{node}'s flanneld is ready", lambda: lab.status(node)["ready"], 20)
    wait_for(f"{node}'s flanneld has said so", lambda: "READY=1" in lab.execute(node, "cat", "/run/notified", check=False), 20)


def subnet_env(lab, node):
    return lab.execute(node, "cat", "/run/flannel/subnet.env")


def check_node(lab, node, address):
    env = dict(line.split("=", 1) for line in subnet_env(lab, node).splitlines())
    assert list(env) == ["FLANNEL_NETWORK", "FLANNEL_SUBNET", "FLANNEL_MTU", "FLANNEL_IPMASQ"], env
    assert env["FLANNEL_NETWORK"] == "10.42.0.0/16" and env["FLANNEL_MTU"] == "1450" and env["FLANNEL_IPMASQ"] == "true", env
    subnet = re.sub(r"\.1/24$", ".0-24", env["FLANNEL_SUBNET"])
    value = etcdctl(lab, "get", "--print-value-only", f"{PREFIX}/subnets/{subnet}").strip()
    assert re.fullmatch(r'\{"PublicIP":"%s","PublicIPv6":null,"BackendType":"vxlan",'
                        r'"BackendData":\{"VNI":1,"VtepMAC":"[0-9a-f:]{17}"\}\}' % re.escape(address), value), value
    health = lab.execute(node, "python3", "-c", "import urllib.request as u; "
                         "print(u.urlopen('http://127.0.0.1:8471/healthz').status, u.urlopen('http://127.0.0.1:8471/readyz').status)")
    assert health.strip() == "200 200", health
    assert "iptables-resync has no effect" in lab.execute(node, "cat", "/run/flanneld.log")
    return env["FLANNEL_SUBNET"]


def add_container(lab, caller):
    """By the plugin's own name, with flannel's configuration unchanged."""
    lab.execute("node1", "sh", "-ec", f"ln -sf {caller.plugin} /opt/cni/bin/flannel; ip netns add x1")
    status, said = caller.call("ADD", json.dumps(CONFLIST).encode(), program="/opt/cni/bin/flannel")
    assert status == 0, said
    return said["ips"][0]["address"].split("/")[0]


def main():
    if not os.access("/usr/bin/etcd", os.X_OK):
        skip("/usr/bin/etcd is not there (package etcd-server)")
    binaries = os.path.abspath(sys.argv[1])
    with Lab(binaries, "flannel", "--nodes", "2", "--containers", "0", "--datastore", "etcd") as lab:
        # A flannel cluster: its config, a node of vxlan, one of another backend, and a subnet reserved for node2.
        put(lab, "config", {"Network": "10.42.0.0/16", "Backend": {"Type": "VXLAN"}})
        put(lab, "subnets/10.42.9.0-24", {"PublicIP": "10.0.0.99", "PublicIPv6": None, "BackendType": "vxlan",
                                          "BackendData": {"VNI": 1, "VtepMAC": "0a:00:00:00:00:09"}})
        put(lab, "subnets/10.42.8.0-24", {"PublicIP": "10.0.0.98", "PublicIPv6": None, "BackendType": "extension",
                                          "BackendData": "some output"})
        put(lab, "subnets/10.42.77.0-24", {"PublicIP": "10.0.0.20", "PublicIPv6": None})
        for node in ("node1", "node2"):
            replace_agent(lab, binaries, node)
        first = check_node(lab, "node1", "10.0.0.10")
        assert check_node(lab, "node2", "10.0.0.20") == "10.42.77.1/24"

        neighbours = lab.execute("node1", "sh", "-c", "ip neigh show nud permanent; bridge fdb; ip route")
        assert "10.42.9.0 dev twill-vx1 lladdr 0a:00:00:00:00:09" in neighbours, neighbours
        assert re.search(r"0a:00:00:00:00:09 dev twill-vx1 dst 10\.0\.0\.99 self permanent", neighbours), neighbours
        assert "10.42.9.0/24 via 10.42.9.0 dev twill-vx1" in neighbours, neighbours
        assert "10.42.8.0/24" not in neighbours, neighbours

        container = add_container(lab, Caller(lab, binaries))
        assert container.rsplit(".", 1)[0] == first.rsplit(".", 1)[0], (container, first)
        lab.execute("node2", "ping", "-c1", "-W2", container)

        # flanneld keeps its subnet over a restart, and leaves the kernel as it is when it ends.
        lab.execute("node1", "sh", "-ec", "kill $(cat /run/flanneld.pid); sleep 0.5")
        lab.execute("node2", "ping", "-c1", "-W2", container)
        lab.execute("node1", "sh", "-ec", f"""FLANNELD_ETCD_PREFIX={PREFIX} FLANNELD_IFACE=eth0 FLANNELD_HEALTHZ_PORT=8471 \\
            FLANNELD_ETCD_ENDPOINTS=http://10.0.0.2:2379 setsid {binaries}/twilld --flannel -ip-masq >>/run/flanneld.log 2>&1 &
            echo $! >/run/flanneld.pid""")
        wait_for("flanneld is ready again", lambda: lab.status()["ready"], 20)
        assert f"FLANNEL_SUBNET={first}\n" in subnet_env(lab, "node1")
        lab.execute("node2", "ping", "-c1", "-W2", container)

        refused = lab.execute("node1", "sh", "-c", f"{binaries}/twilld --flannel -kube-subnet-mgr 2>&1; echo $?", check=False)
        assert "no datastore kubernetes" in refused and refused.strip().endswith("2"), refused


main()
