#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The CNI verbs from outside, in every version: the built twill-cni and twilld on a node of a lab.

usage: verbs_test.py BINARIES
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from caller import Caller  # noqa: E402
from lab import Lab, wait_for  # noqa: E402

VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
STOCK = "/usr/lib/cni"  # of Debian's containernetworking-plugins


class Node(Caller):
    def cni(self, command, container="x1", config=None, plugin=None, **changes):
        """Exit status and what was printed, as JSON; None for nothing."""
        config = {"cniVersion": "1.1.0", "name": "net", "type": plugin or "twill-cni", **(config or {})}
        return self.call(command, json.dumps(config).encode(), container, plugin and f"{STOCK}/{plugin}",
                         **{"CNI_PATH": f"/opt/cni/bin:{STOCK}", **changes})

    def add(self, container="x1", config=None, **changes):
        status, result = self.cni("ADD", container, config, **changes)
        assert status == 0, result
        return result

    def passes(self, command, config):
        status, said = self.cni(command, config=config)
        assert (status, said) == (0, None), said

    def refused(self, code, command, container="x1", config=None, **changes):
        """The message of a call that must be refused with that code."""
        status, error = self.cni(command, container, config, **changes)
        assert status == 1 and error["code"] == code, (command, status, error)
        return error["msg"]

    def delete(self, container="x1", config=None, **changes):
        assert self.cni("DEL", container, config, **changes) == (0, None)


def versions(node):
    """Every format, and the verbs that a version does not have."""
    for version in VERSIONS:
        config = {"cniVersion": version}
        result = node.add(config=config)
        assert result["cniVersion"] == version
        if version < "0.3.0":
            assert result["ip4"]["gateway"] == "172.16.0.1" and "interfaces" not in result, result
        else:
            inside = result["interfaces"][result["ips"][0]["interface"]]
            assert inside["name"] == "eth0" and inside["sandbox"] == "/run/netns/x1", result
            assert ("version" in result["ips"][0]) == (version < "1.0.0"), result
        checked = {**config, "prevResult": result}
        if version >= "0.4.0":
            node.passes("CHECK", checked)
            node.refused(7, "CHECK", config=config)
        else:
            node.refused(1, "CHECK", config=checked)
        for verb in ("GC", "STATUS"):
            if version < "1.1.0":
                assert "1.1.0" in node.refused(1, verb, config=config)
        node.delete(config=config, CNI_NETNS="")
        node.delete(config=config)
    node.refused(1, "ADD", config={"cniVersion": "2.0.0"})
    for missing in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"):
        assert missing in node.refused(4, "CHECK", **{missing: None})
    node.refused(4, "GC", CNI_PATH=None)


def check(node):
    """What is damaged inside the container is said. The node's own side is repaired before anybody can look."""
    result = node.add()
    config = {"prevResult": result}
    for damage, words in (("ip -n x1 link set eth0 down", "is down"),
                          ("ip -n x1 link set eth0 address 02:00:00:00:00:99", "MAC"),
                          ("ip -n x1 addr flush dev eth0", "address 172.16.0."),
                          ("ip -n x1 route del default", "route to 0.0.0.0/0"),
                          ("ip -n x1 route change default via 172.16.0.9", "route to 0.0.0.0/0 via 172.16.0.1"),
                          ("ip -n x1 link set eth0 name eth9", "is gone"),
                          ("rm /var/lib/twill/attachments/net:x1:eth0.json", "restart the container")):
        node.sh(damage)
        said = node.refused(999, "CHECK", config=config)
        assert words in said, said
        node.delete()
        config = {"prevResult": node.add()}
    # What another plugin of the list has changed, it has put into the result.
    node.sh("ip -n x1 link set eth0 address 02:00:00:00:00:99")
    config["prevResult"]["interfaces"][-1]["mac"] = "02:00:00:00:00:99"
    node.passes("CHECK", config)
    config["prevResult"]["routes"].append({"dst": "10.8.0.0/16", "gw": "172.16.0.9"})
    assert "route to 10.8.0.0/16 via 172.16.0.9" in node.refused(999, "CHECK", config=config)
    node.sh("ip -n x1 route add 10.8.0.0/16 via 172.16.0.9")
    node.passes("CHECK", config)
    node.delete()
    node.refused(3, "CHECK", config=config)


def garbage(node):
    """GC keeps what is listed and what belongs to other networks."""
    for container in ("x1", "x2"):
        node.add(container)
    node.add("x2", {"name": "other"}, CNI_IFNAME="eth1")
    keys = {"cni.dev/valid-attachments": [{"containerID": "x1", "ifname": "eth0"}]}
    node.refused(7, "GC", config={"cni.dev/valid-attachments": [{"containerID": "x1"}]})
    assert node.cni("GC", config=keys, CNI_CONTAINERID=None, CNI_IFNAME=None, CNI_NETNS=None) == (0, None)
    assert {(a["network"], a["container"]) for a in node.attachments()} >= {("net", "x1"), ("other", "x2")}
    assert ("net", "x2") not in {(a["network"], a["container"]) for a in node.attachments()}
    assert node.cni("GC") == (0, None)
    assert node.cni("GC", config={"name": "other"}) == (0, None)
    assert all(a["network"] not in ("net", "other") for a in node.attachments())


def addresses(node):
    """host-local's keys, and what it left behind."""
    result = node.add(config={"ipam": {"ranges": [[{"subnet": "172.16.0.0/24", "rangeStart": "172.16.0.100",
                                                    "rangeEnd": "172.16.0.101"}]]}})
    assert result["ips"][0]["address"] == "172.16.0.100/24" and result["ips"][0]["gateway"] == "172.16.0.1", result
    small = {"ipam": {"ranges": [[{"subnet": "172.16.0.100/31"}]]}}
    assert node.add("x2", small)["ips"][0]["address"] == "172.16.0.101/24"
    assert "172.16.0.100-172.16.0.101" in node.refused(11, "ADD", "x3", small)
    node.delete("x1")
    node.delete("x2")

    config = {"ipam": {"subnet": "10.99.0.0/24", "gateway": "10.99.0.7",
                       "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.98.0.0/16", "gw": "10.99.0.9"}]}}
    result = node.add(config=config)
    assert result["ips"][0]["address"] == "10.99.0.1/24", result
    node.sh("ip netns exec x1 ping -c1 -W2 10.99.0.7")
    assert "10.98.0.0/16 via 10.99.0.9" in node.sh("ip -n x1 route")
    node.add("x2", {**config, "ipMasq": True})
    node.delete("x1")
    node.sh("ip netns exec x2 ping -c1 -W2 10.0.0.20")  # node2 knows no way back to 10.99.0.0/24
    node.sh("ip netns exec x2 ping -c1 -W2 10.99.0.7")
    node.delete("x2")
    assert "10.99.0.7" not in node.sh("ip addr")

    node.sh("mkdir -p /var/lib/cni/networks/old; cd /var/lib/cni/networks/old; printf 'o1\\r\\neth0' >172.16.0.50")
    taken = {"name": "old", "ipam": {"ranges": [[{"subnet": "172.16.0.50/31"}]]}}
    assert node.add("x1", taken)["ips"][0]["address"] == "172.16.0.51/24"
    assert "host-local" in node.refused(999, "ADD", "x2", {**taken, "args": {"cni": {"ips": ["172.16.0.50"]}}})
    node.delete("o1", taken, CNI_NETNS="")
    assert node.sh("ls /var/lib/cni/networks/old").strip() == ""
    node.delete("x1", taken)
    node.sh("printf 'nameserver 10.0.0.53\\nsearch lab\\n' >/run/resolv.conf")
    result = node.add(config={"ipam": {"resolvConf": "/run/resolv.conf"}})
    assert result["dns"] == {"nameservers": ["10.0.0.53"], "search": ["lab"]}, result
    node.delete()
    assert "/run/none" in node.refused(999, "ADD", config={"ipam": {"resolvConf": "/run/none"}})
    # What is another's is not given out; of two networks the first has the default route, until it goes.
    assert "cluster's network" in node.refused(7, "ADD", config={"ipam": {"subnet": "172.16.1.0/24"}})
    assert "where the nodes are" in node.refused(7, "ADD", config={"ipam": {"subnet": "10.0.0.0/24"}})
    for mode in ("bridge", "routed"):
        assert "gateway's" in node.refused(999, "ADD", config={"attach": mode, "args": {"cni": {"ips": ["172.16.0.1"]}}})
        config = {"cniVersion": "1.0.0", "name": "second", "attach": mode}
        first = node.add(config={"cniVersion": "1.0.0", "attach": mode})
        second = node.add(config=config, CNI_IFNAME="eth1")
        assert node.sh("ip -n x1 route get 10.0.0.20").split()[4] == "eth0"
        assert node.cni("CHECK", config={**config, "prevResult": second}, CNI_IFNAME="eth1") == (0, None)
        assert node.cni("CHECK", config={"cniVersion": "1.0.0", "prevResult": first}) == (0, None)
        assert "another network namespace" in node.refused(999, "CHECK", config={"prevResult": first},
                                                           CNI_NETNS="/run/netns/x2")
        node.delete()
        node.sh("ip netns exec x1 ping -c1 -W2 10.0.0.20")
        node.delete(config=config, CNI_IFNAME="eth1")
        port = {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
        node.add(config={"attach": mode, **port})
        node.delete()
        assert node.cni("STATUS") == (0, None)
        # Beside one another on the node, whichever came first: they have addresses of one subnet.
        node.add(config={"attach": mode})
        other = node.add("x2", {"attach": "routed" if mode == "bridge" else "bridge"})["ips"][0]["address"].split("/")[0]
        node.sh(f"ip netns exec x1 ping -c1 -W2 {other}")
        node.delete()
        node.delete("x2")
    # Attributes of routes are CNI 1.1.0's: older results do not tell of them, but the kernel has them.
    special = {"dst": "0.0.0.0/0", "mtu": 1300, "advmss": 1260, "priority": 50}
    config = {"ipam": {"routes": [special, {"dst": "10.98.0.0/16", "table": 1000}]}}
    for version in ("1.0.0", "1.1.0"):
        result = node.add(config={**config, "cniVersion": version})
        assert "default via 172.16.0.1 dev eth0 proto 116 metric 50 mtu 1300 advmss 1260" in node.sh("ip -n x1 route")
        assert "10.98.0.0/16 via 172.16.0.1" in node.sh("ip -n x1 route show table 1000")
        assert (result["routes"][0] == {**special, "gw": "172.16.0.1"}) == (version == "1.1.0"), result
        node.passes("CHECK", {**config, "cniVersion": version, "prevResult": result})
        if version == "1.0.0":
            said = node.refused(999, "ADD", config={**config, "name": "second"}, CNI_IFNAME="eth1")
            assert said.startswith("eth1 of container x1: cannot add the route to 0.0.0.0/0") and "priority 50" in said, said
        node.delete()
    assert "mtu" in node.refused(7, "ADD", config={"ipam": {"routes": [{**special, "mtu": 65521}]}})
    for ranges in ([[{"subnet": "10.99.0.0/24"}, {"subnet": "10.99.0.0/24", "rangeStart": "10.99.0.9"}]],
                   [[{"subnet": "10.99.0.0/24"}], [{"subnet": "10.99.0.128/25"}]]):
        assert "overlap" in node.refused(7, "ADD", config={"ipam": {"ranges": ranges}})
    own = {"ipam": {"subnet": "10.99.0.4/32"}}
    assert "too small" in node.refused(7, "ADD", config=own)
    assert node.add(config={**own, "attach": "routed"})["ips"][0]["address"] == "10.99.0.4/32"
    node.delete()
    for ipam in ({"ranges": [[]]}, {"ranges": "x"}, {"subnet": "x"}, {"subnet": "10.0.0.0/24", "gateway": "10.1.0.1"},
                 {"subnet": "10.0.0.0/24", "routes": [{"dst": "x"}]}, {"type": "../x"}, {"type": "none-such"}, 7):
        assert "ipam" in node.refused(7, "ADD", config={"ipam": ipam})
    assert "none-such is not in CNI_PATH" in node.refused(50, "STATUS", config={"ipam": {"type": "none-such"}})


def delegated(node):
    """Another plugin chooses, and gets back what it gave, also when the rest fails."""
    if not os.access(f"{STOCK}/host-local", os.X_OK):
        print("not tested: delegated IPAM, since containernetworking-plugins is not installed")
        return
    config = {"cniVersion": "1.0.0", "isGateway": True, "dns": {"nameservers": ["10.0.0.53"]},
              "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}
    result = node.add(config=config)
    assert result["ips"][0]["address"] == "10.77.0.2/24" and result["dns"]["nameservers"] == ["10.0.0.53"], result
    node.sh("ip netns exec x1 ping -c1 -W2 10.77.0.1")
    assert node.cni("CHECK", config={**config, "prevResult": result}) == (0, None)
    node.passes("STATUS", {**config, "cniVersion": "1.1.0"})
    assert "host-local" in node.refused(7, "ADD", "x2", {**config, "ipam": None, "IPAM": config["ipam"]})
    kept = "cd /var/lib/cni/networks/net; ls | grep '^10' || true"
    assert node.sh(kept).split() == ["10.77.0.2"]
    assert "duplicate" in node.refused(999, "ADD", config=config)
    # The interface exists, so this ADD fails, and its address goes back.
    node.sh("ip netns add y1; ip -n y1 link add eth0 type veth peer name other")
    node.refused(999, "ADD", "y1", config)
    assert node.sh(kept).split() == ["10.77.0.2"], node.sh(kept)
    node.delete(config=config, CNI_NETNS="")
    node.delete(config=config, CNI_NETNS="")
    assert node.sh(kept) == ""
    # Routes are that plugin's business, too.
    bare = {"cniVersion": "1.0.0", "isGateway": True, "ipam": {"type": "host-local", "subnet": "10.78.0.0/24"}}
    assert not node.add(config=bare).get("routes") and "default" not in node.sh("ip -n x1 route")
    node.delete(config=bare)
    static = {"cniVersion": "1.0.0", "ipam": {"type": "static", "addresses": [{"address": "172.16.0.200/24",
                                                                              "gateway": "172.16.0.1"}]}}
    assert node.add(config=static)["ips"][0]["address"] == "172.16.0.200/24"
    node.sh("ip netns exec x1 ping -c1 -W2 172.16.0.1")
    node.delete(config=static)


DHCP_SERVER = """start 172.16.0.200
end 172.16.0.201
interface eth0
lease_file /run/udhcpd.leases
pidfile /run/udhcpd.pid
option subnet 255.255.255.0
option router 172.16.0.1
"""


def leased(node):
    """A DHCP server, which is another container, chooses: the plugin asks it over the interface, so that comes first."""
    if not os.access(f"{STOCK}/dhcp", os.X_OK) or not os.access("/bin/busybox", os.X_OK):
        print("not tested: DHCP, since containernetworking-plugins or busybox-static is not installed")
        return
    config = {"cniVersion": "1.0.0", "ipam": {"type": "dhcp"}}
    assert "bridge" in node.refused(7, "ADD", config={**config, "attach": "routed"})
    assert "dhcp" in node.refused(999, "ADD", config=config)  # no daemon
    assert node.attachments() == []
    node.add("x2", {"ipam": {"ranges": [[{"subnet": "172.16.0.10/32"}]]}})
    node.sh(f"cat >/run/udhcpd.conf <<'END'\n{DHCP_SERVER}END\n"
            "touch /run/udhcpd.leases; ip netns exec x2 busybox udhcpd -S /run/udhcpd.conf\n"
            f"{STOCK}/dhcp daemon >/run/dhcp.log 2>&1 & echo $! >/run/dhcp.pid")
    wait_for("the plugin's daemon", lambda: node.sh("test -S /run/cni/dhcp.sock && echo yes || true"))
    try:
        result = node.add(config=config)
        address = result["ips"][0]["address"]
        assert address in ("172.16.0.200/24", "172.16.0.201/24"), result
        assert address in node.sh("ip -n x1 addr show eth0")
        node.sh("ip netns exec x1 ping -c1 -W2 172.16.0.10; ip netns exec x1 ping -c1 -W2 10.0.0.20")
        assert "twill:net/x1/eth0" in node.sh("ip link")
        assert node.cni("CHECK", config={**config, "prevResult": result}) == (0, None)
        node.delete(config=config)
        # The server's only other address is Twill's already: the call fails, and all is given back.
        node.add("x3", {"ipam": {"ranges": [[{"subnet": "172.16.0.200/31"}]]}})
        node.add("x4", {"ipam": {"ranges": [[{"subnet": "172.16.0.200/31"}]]}})
        assert "taken by net/x" in node.refused(999, "ADD", config=config)
        assert {a["container"] for a in node.attachments()} == {"x2", "x3", "x4"}
    finally:
        node.sh("kill $(cat /run/dhcp.pid) $(cat /run/udhcpd.pid)")
        for container in ("x1", "x2", "x3", "x4"):
            node.delete(container)


UDP = """
import socket, sys
place, port = sys.argv[1:]
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.settimeout(2)
if place == "serve":
    end.settimeout(60)
    end.bind(("", int(port)))
    while True:
        end.sendto(b"here", end.recvfrom(9)[1])
end.bind(("", 4444))
end.connect((place, int(port)))
try:
    end.send(b"who?")
    print(end.recv(9).decode())
except OSError:
    print("none")
"""


def went_on(node):
    """A client on another node that has gone on sending UDP to a host port reaches the container that gets it."""
    def config(protocol, port):
        return {"runtimeConfig": {"portMappings": [{"hostPort": port, "containerPort": 5353, "protocol": protocol}]}}

    def ask():
        return node.lab.execute("node2", "python3", "-c", UDP, "10.0.0.10", "5353").strip()

    node.add("x2", config("tcp", 8081))  # so that connections are tracked before
    assert ask() == "none"
    node.add("x1", config("udp", 5353))
    node.sh(f"cat >/run/udp.py <<'END'\n{UDP}END\n"
            "ip netns exec x1 python3 /run/udp.py serve 5353 >/dev/null 2>&1 & echo $! >/run/udp.pid")
    try:
        wait_for("an answer from the container", lambda: ask() == "here")
    finally:
        node.sh("kill $(cat /run/udp.pid)")
        node.delete("x1")
        node.delete("x2")


def chained(node):
    """What plugins before this one made stays in the result, unknown fields too."""
    before = {"cniVersion": "1.1.0", "interfaces": [{"name": "lo", "sandbox": "/run/netns/x1", "x": 1}],
              "ips": [{"interface": 0, "address": "127.0.0.1/8"}], "x": {"y": 2}}
    result = node.add(config={"prevResult": before})
    assert result["x"] == {"y": 2} and result["interfaces"][0] == before["interfaces"][0], result
    assert result["interfaces"][result["ips"][1]["interface"]]["name"] == "eth0", result
    node.delete()


def listed(node):
    """A list as a runtime runs it: plugins of Debian's package after ours take our result, our CHECK takes theirs."""
    others = {"portmap": {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}},
              "bandwidth": {"ingressRate": 8000000, "ingressBurst": 800000},
              "firewall": {"backend": "iptables"},
              "tuning": {"sysctl": {"net.ipv4.conf.eth0.arp_filter": "1"}, "mtu": 1400}}
    if not all(os.access(f"{STOCK}/{plugin}", os.X_OK) for plugin in (*others, "sbr")):
        print("not tested: chains, since containernetworking-plugins is not installed")
        return
    version = {"cniVersion": "1.0.0"}
    result = node.add(config=version)
    for plugin, config in others.items():
        status, result = node.cni("ADD", plugin=plugin, config={**version, **config, "prevResult": result})
        assert status == 0, (plugin, result)
    assert "mtu 1400" in node.sh("ip -n x1 link show eth0")
    node.passes("CHECK", {**version, "prevResult": result})
    for plugin, config in reversed(others.items()):
        answer = node.cni("DEL", plugin=plugin, config={**version, **config, "prevResult": result})
        assert answer == (0, None), (plugin, answer)
    node.delete(config=version)
    # Source based routing: a second interface answers from its own address by its own way.
    result = node.add(config=version)
    status, result = node.cni("ADD", plugin="sbr", config={**version, "prevResult": result})
    assert status == 0, result
    address = result["ips"][0]["address"].split("/")[0]
    assert f"from {address} lookup 100" in node.sh("ip -n x1 rule")
    assert "default" not in node.sh("ip -n x1 route")
    node.passes("CHECK", {**version, "prevResult": result})
    node.sh("ip -n x1 route del default table 100")
    assert "route to 0.0.0.0/0" in node.refused(999, "CHECK", config={**version, "prevResult": result})
    node.sh("ip -n x1 route add default via 172.16.0.1 table 100")
    node.sh(f"ip netns exec x1 ping -c1 -W2 -I {address} 10.0.0.20")
    assert node.cni("DEL", plugin="sbr", config={**version, "prevResult": result}) == (0, None)
    node.delete(config=version)


def away(node):
    """Without an agent, and with one that has no lease."""
    assert node.cni("STATUS") == (0, None)
    leases = "/etc/twill/network/leases.json"
    kept = node.sh(f"cat {leases}")
    assert json.loads(kept)["Leases"]
    assert node.refused(50, "STATUS", TWILL_SOCKET="/run/none", TWILL_CNI_PATIENCE_MS="100")
    assert node.refused(11, "ADD", TWILL_SOCKET="/run/none", TWILL_CNI_PATIENCE_MS="100")


def main():
    with Lab(sys.argv[1], "verbs", "--nodes", "2", "--containers", "0") as lab:
        node = Node(lab, sys.argv[1])
        for name in ("x1", "x2", "x3", "x4"):
            node.sh(f"ip netns add {name}")
        for part in (versions, check, garbage, addresses, delegated, leased, went_on, chained, listed, away):
            part(node)
            assert node.attachments() == [], part
            wait_for(f"no interface after {part.__name__}", lambda: "twill0" not in node.sh("ip link"))


main()
