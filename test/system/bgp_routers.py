# SPDX-License-Identifier: Apache-2.0
"""What tests ask of BGP daemons that are not Twill's: of the router between a lab's nodes, and of what the nodes make of it."""
import ipaddress
import json
import os

from bgp_lab import NODES, ask, sh  # noqa: F401
from lab import skip


def leases(lab, node):
    return ask(lab, node, "leases").get("leases", [])


def owners(lab, node, family):
    """Subnet -> its owner's address."""
    subnet, address = ("subnet", "public_ip") if family == 4 else ("subnet6", "public_ip6")
    return {lease[subnet]: lease[address] for lease in leases(lab, node)}


def sessions(lab, node, outside):
    return [one for one in ask(lab, node, "bgp", "status").get("sessions", []) if one["outside"] == outside]


def established(lab, node):
    """Of its sessions with the other nodes, since when."""
    return {one["node"]: one["since"] for one in sessions(lab, node, False) if one["state"] == "Established"}


def refused(lab, node):
    return sum(one["routes_refused"] for one in sessions(lab, node, True))


def picture(lab, node):
    """All that must not change by what a stranger says: the leases with their data, and routes in all tables."""
    routes = [sorted(line.replace(" linkdown", "").strip() for line in
                     sh(lab, node, f"ip {family} route show table {table} {proto}", check=False).splitlines())
              for family in ("-4", "-6") for table, proto in (("main", "proto 116"), (177, ""), (178, ""))]
    return leases(lab, node), routes


def end_node(lab, node):
    """For good: not even its supervisor starts the agent again."""
    twilld = os.path.join(os.path.dirname(lab.twill), "twilld")
    sh(lab, node, f"kill -STOP $(ps -o ppid= -p $(cat /run/twill/twilld.lock)); kill $(cat /run/twill/twilld.lock); sleep 0.5; "
                  f"{twilld} --cleanup")


class Bird:
    name = "bird"

    def __init__(self, lab):
        self.lab = lab
        self.quiet = sh(lab, "router", "cat /run/bird.conf")

    def birdc(self, *words):
        return self.lab.execute("router", "birdc", "-s", "/run/bird.ctl", *words)

    def routes(self, family):
        """Prefix -> next hop, and whatever else comes with it that the nodes must keep to themselves."""
        found, secrets, prefix = {}, [], None
        for line in self.birdc("show", "route", "all", "table", f"master{family}").splitlines():
            word = line.split(" ")[0]
            prefix = word if "/" in word else prefix
            if line.strip().startswith("BGP.next_hop:"):
                found[prefix] = line.split()[1]
            if "BGP.large_community" in line or "BGP.med" in line:
                secrets.append(line.strip())
        return found, secrets

    def paths(self, family):
        return self.birdc("show", "route", "all", "table", f"master{family}").count("BGP.next_hop")

    def announce(self, prefixes, more=""):
        """`more`: a Python expression of further IPv4 prefixes, worked out there."""
        text = self.quiet.replace("export none; };\n", "export where source = RTS_STATIC; };\n")
        for family in (4, 6):
            text += f"protocol static noise{family} {{ ipv{family};\n"
            text += "".join(f"route {one} blackhole;\n" for one in prefixes if ipaddress.ip_network(one).version == family)
            text += "MORE" if family == 4 else ""
            text += "}\n"
        script = ("import sys\ntext = sys.argv[1].replace('MORE', ''.join(f'route {one} blackhole;\\n' for one in "
                  f"{more or []}))\nopen('/run/bird.conf', 'w').write(text)")
        self.lab.execute("router", "/usr/bin/python3", "-c", script, text)
        said = self.birdc("configure")
        assert "Reconfig" in said, said

    def withdraw(self, _prefixes):
        self.announce([])

    def arrives(self, prefixes, _node):
        """How many of these a node gets to see."""
        return len(prefixes)

    def lingers(self, _withdrawn, _nodes_own):
        """How many of those a node may still see when they are withdrawn."""
        return 0


class Frr:
    name = "frr"

    def __init__(self, lab):
        self.lab = lab

    def vtysh(self, *commands):
        words = [word for command in commands for word in ("-c", command)]
        return self.lab.execute("router", "vtysh", "-d", "bgpd", *words)

    def routes(self, family):
        table = json.loads(self.vtysh(f"show bgp ipv{family} unicast json"))["routes"]
        found, secrets = {}, []
        for prefix, paths in table.items():
            for path in paths:
                hops = [hop["ip"] for hop in path["nexthops"] if hop.get("scope") != "link-local"]
                if path.get("valid") and hops[0] not in ("0.0.0.0", "::"):
                    found[prefix] = hops[0]
            detail = json.loads(self.vtysh(f"show bgp ipv{family} unicast {prefix} json"))
            secrets += [path for path in detail["paths"] if "largeCommunity" in path or path.get("metric")]
        return found, secrets

    def paths(self, family):
        return sum(map(len, json.loads(self.vtysh(f"show bgp ipv{family} unicast json"))["routes"].values()))

    def say(self, word, prefixes):
        of = {family: [f"{word} {one}" for one in prefixes if ipaddress.ip_network(one).version == family] for family in (4, 6)}
        self.vtysh("configure terminal", "router bgp 65000", "address-family ipv4 unicast", *of[4], "exit-address-family",
                   "address-family ipv6 unicast", *of[6])

    def announce(self, prefixes):
        self.say("network", prefixes)

    def withdraw(self, prefixes):
        self.say("no network", prefixes)

    def arrives(self, prefixes, _node):
        return len(prefixes)

    def lingers(self, _withdrawn, _nodes_own):
        return 0


class Gobgp:
    name = "gobgp"

    def __init__(self, lab):
        self.lab = lab

    def gobgp(self, *words):
        return self.lab.execute("router", "gobgp", *words)

    def routes(self, family):
        found, secrets = {}, []
        for prefix, paths in (json.loads(self.gobgp("global", "rib", "-a", f"ipv{family}", "-j") or "{}") or {}).items():
            for path in paths:
                attributes = {one["type"]: one for one in path["attrs"]}
                hop = attributes.get(3, attributes.get(14))["nexthop"]
                if hop not in ("0.0.0.0", "::"):
                    found[prefix] = hop
                secrets += [one for kind, one in attributes.items() if kind in (4, 32)]  # MED, large communities
        return found, secrets

    def paths(self, family):
        return sum(map(len, json.loads(self.gobgp("global", "rib", "-a", f"ipv{family}", "-j")).values()))

    def say(self, word, prefixes):
        for one in prefixes:
            # Over a session of IPv4 it would give its IPv4 address as the next hop.
            more = ("-a", "ipv6", one, "nexthop", "fd00::1") if ":" in one else ("-a", "ipv4", one)
            self.gobgp("global", "rib", word, *more)

    def arrives(self, prefixes, node):
        """With that next hop BIRD takes them as routes in the first segment alone."""
        return len([one for one in prefixes if ":" not in one or node != "node3"])

    def lingers(self, withdrawn, nodes_own):
        """GoBGP does not take back what a node announces, too, and so has become its choice."""
        return len(set(withdrawn) & set(nodes_own))

    def announce(self, prefixes):
        self.say("add", prefixes)

    def withdraw(self, prefixes):
        self.say("del", prefixes)


ROUTERS = {"bird": (Bird, "/usr/sbin/bird", "bird2"), "frr": (Frr, "/usr/lib/frr/bgpd", "frr"),
           "gobgp": (Gobgp, "/usr/bin/gobgpd", "gobgpd")}


def need(program, package):
    if not os.access(program, os.X_OK):
        skip(f"needs {program}; install the package {package}")
