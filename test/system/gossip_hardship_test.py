#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nodes that hold the map themselves, in bad times: packets lost, nodes cut off for long, strangers with other keys and with garbage,
packets sent twice, two nodes of one name, copied, cut and full disks, a clock that jumps.

usage: gossip_hardship_test.py BINARIES [--cut SECONDS]
"""
import datetime
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gossip_lab import KEY, NODES, STATE, all_alive, leases, metric, pid_of, restart, says, sh, states, subnets  # noqa: E402
from lab import Lab, wait_for  # noqa: E402

CONFIG = "/etc/twill/twilld.toml"

# Datagrams of all sizes, streams that are nonsense, claim 4 GB, or say nothing; prints bytes sent, bytes that came back.
STRANGER = """
import random, socket, struct, time
noise, target = random.Random(7), ("10.0.0.10", 7946)
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.bind(("10.0.0.30", 0))
end.setblocking(False)
sent = back = 0
for turn in range(5000):
    data = noise.randbytes(noise.choice((0, 1, 20, 100, 1400, 9000, 60000)))
    if turn % 3 == 0:
        data = bytes((noise.randrange(16),)) + data[1:]
    end.sendto(data, target)
    sent += len(data)
    if turn % 50 == 0:
        time.sleep(0.01)
streams = []
for turn in range(100):
    stream = socket.create_connection(target, timeout=5)
    data = (b"", b"\\x0a" + struct.pack("!I", 0xffffffff) + b"\\1" * 50, noise.randbytes(5000), b"\\x06")[turn % 4]
    stream.sendall(data)
    stream.setblocking(False)
    sent += len(data)
    streams.append(stream)
time.sleep(2)
for one in (end, *streams):
    try:
        while data := one.recv(65536):
            back += len(data)
    except OSError:
        pass
print(sent, back)
"""

# Takes what arrives at node1 from node3 for a while, and writes it down.
LISTEN = """
import json, socket, sys, time
end = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
end.bind(("eth0", 0))
end.settimeout(0.5)
heard, last = [], time.monotonic() + float(sys.argv[1])
while time.monotonic() < last:
    try:
        packet = end.recv(65536)
    except TimeoutError:
        continue
    if packet[9] == 17 and packet[12:16] == bytes((10, 0, 0, 30)) and packet[22:24] == (7946).to_bytes(2, "big"):
        heard.append(packet[28:].hex())
open("/run/heard", "w").write(json.dumps(heard))
print(len(heard))
"""
REPLAY = """
import json, socket, time
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.bind(("10.0.0.30", 0))
for packet in json.load(open("/run/heard")) * 20:
    end.sendto(bytes.fromhex(packet), ("10.0.0.10", 7946))
    time.sleep(0.0005)
"""


def pings(lab, source, target):
    return " 0% packet loss" in lab.execute(source, "ping", "-c1", "-W1", target, check=False)


def complaints(lab, node):
    """Lines in the log about what was dropped."""
    return lab.run("lab", "logs", node, "--name", lab.name).count("dropped what came from")


def nft(lab, node, rule):
    sh(lab, node, f"nft add table inet hard; nft 'add chain inet hard in {{ type filter hook prerouting priority -350; }}'; "
                  f"nft 'add rule inet hard in iifname eth0 {rule} drop'")


def heal(lab, *nodes):
    for node in nodes:
        sh(lab, node, "nft delete table inet hard")


def packets_are_lost(lab):
    """Three of ten, everywhere: nobody loses a route, and who starts anew gets in."""
    had = subnets(lab)
    for node in NODES:
        nft(lab, node, "numgen random mod 10 < 3")
    before = pid_of(lab, "node3")
    restart(lab, "node3")
    for _ in range(15):
        assert all(leases(lab, node) in (had, {}) for node in NODES), "a lease went"
        time.sleep(1)
    assert pid_of(lab, "node3") != before and subnets(lab) == had
    assert lab.execute("node1", "ip", "-N", "route").count("proto 116") == 2
    heal(lab, *NODES)
    wait_for("all are alive again", lambda: all_alive(lab), 40)
    lab.test()


def a_node_is_cut_off(lab):
    """For 20 s, or what --cut says: nothing is taken away, and all is as before as soon as the way is back."""
    seconds = int(sys.argv[sys.argv.index("--cut") + 1]) if "--cut" in sys.argv else 20
    had = subnets(lab)
    nft(lab, "node3", "ip saddr 10.0.0.0/24")
    failed = lambda node, count: f"{count} failed" in lab.execute(node, lab.twill, "status")  # noqa: E731
    wait_for("each side sees the other fail", lambda: failed("node1", 1) and failed("node3", 2), 60)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert all(leases(lab, node) == had for node in NODES), "a lease went"
        time.sleep(1)
    heal(lab, "node3")
    began = time.monotonic()
    wait_for("all pairs ping", lambda: all(row["ok"] for row in lab.rows()), 10)
    print(f"cut off for {seconds} s; all pairs ping {time.monotonic() - began:.1f} s after")
    wait_for("all are alive again", lambda: all_alive(lab), 40)
    print(f"and all are alive {time.monotonic() - began:.1f} s after")
    assert subnets(lab) == had


def a_wrong_key(lab):
    had = subnets(lab)
    said = complaints(lab, "node1")
    restart(lab, "node3", f"cp {KEY} {KEY}.right; rm {KEY}; {lab.twill} gossip keygen {KEY}")
    name = 'twill_gossip_dropped_total{reason="wrong_key"}'
    wait_for("node1 counts", lambda: metric(lab, "node1", name) >= 5, 30)
    wait_for("node3 says that nobody lets it in", lambda: "lets this one in" in says(lab, "node3"), 30)
    assert leases(lab, "node3") == had and leases(lab, "node1") == had
    time.sleep(10)
    assert complaints(lab, "node1") - said <= 2, "a flood in the log"
    restart(lab, "node3", f"mv {KEY}.right {KEY}")
    wait_for("all are alive", lambda: all_alive(lab), 40)


def memory(lab, node):
    return int(sh(lab, node, "grep VmRSS /proc/$(cat /run/twill/twilld.lock)/status").split()[1])


def a_stranger(lab):
    said, before = complaints(lab, "node1"), memory(lab, "node1")
    counted = lambda: sum(metric(lab, "node1", f'twill_gossip_dropped_total{{reason="{why}"}}')  # noqa: E731
                          for why in ("wrong_key", "malformed"))
    dropped = counted()
    sent, back = map(int, lab.execute("node3", "/usr/bin/python3", "-c", STRANGER).split())
    print(f"a stranger sent {sent} bytes and got {back}; dropped {counted() - dropped:.0f}, memory +{memory(lab, 'node1') - before} KB")
    assert back <= 2000 and counted() - dropped >= 2500
    assert complaints(lab, "node1") - said <= 1 and memory(lab, "node1") - before < 30000
    assert all_alive(lab)


def packets_come_twice(lab):
    """What node3 said before a restart comes again, many times, after it."""
    heard = lab.background("node1", "/usr/bin/python3", "-c", LISTEN, "8")
    time.sleep(1)
    restart(lab, "node3")
    assert int(heard.communicate(timeout=30)[0]) > 5
    wait_for("all are alive", lambda: all_alive(lab), 40)
    had, heard = subnets(lab), sh(lab, "node1", "cat /run/heard")
    lab.execute("node3", "/usr/bin/python3", "-c", f"open('/run/heard', 'w').write({heard!r})")
    lab.execute("node3", lab.twill, "peer", "leave")
    wait_for("it has left", lambda: states(lab, "node1").get("node3") == "left", 20)
    lab.execute("node3", "/usr/bin/python3", "-c", REPLAY)
    time.sleep(2)
    assert states(lab, "node1")["node3"] == "left", "what was said before counts again"
    restart(lab, "node3")
    wait_for("all are alive", lambda: all_alive(lab), 40)
    assert subnets(lab) == had and metric(lab, "node1", "twill_slot_conflicts_total") == 0


def one_name_twice(lab):
    had = leases(lab, "node1")
    restart(lab, "node3", f"cp {CONFIG} {CONFIG}.right; sed -i '/^node-name/d; 1i node-name = \"node2\"' {CONFIG}")
    for node in ("node2", "node3"):
        wait_for(f"{node} names both", lambda node=node: "two nodes go by the name node2" in says(lab, node), 40)
    assert leases(lab, "node1")["node2"] == had["node2"] and states(lab, "node1")["node2"] == "alive"
    restart(lab, "node3", f"mv {CONFIG}.right {CONFIG}")
    wait_for("all are alive", lambda: all_alive(lab), 60)
    assert leases(lab, "node1") == had
    lab.test()


def a_copied_disk(lab):
    """Of a machine with the same identity: both notice, and neither takes or gives subnets until one is gone."""
    had, state = subnets(lab), sh(lab, "node2", f"cat {STATE}")
    lab.execute("node3", "/usr/bin/python3", "-c", f"open('/run/copy', 'w').write({state!r})")
    restart(lab, "node3", f"mv {STATE} {STATE}.right; cp /run/copy {STATE}")
    for node in ("node2", "node3"):
        wait_for(f"{node} says so", lambda node=node: "copy of its disk" in says(lab, node), 40)
    restart(lab, "node3", f"mv {STATE}.right {STATE}")
    wait_for("all are alive", lambda: all_alive(lab) and "copy of its disk" not in says(lab, "node2"), 60)
    assert subnets(lab) == had
    lab.test()


def a_cut_file(lab):
    """Cut anywhere, it is refused by name, and the packets flow on."""
    had, size = subnets(lab), int(sh(lab, "node3", f"stat -c %s {STATE}"))
    far = next(row["address"] for row in lab.rows() if row["to"] == "node1/con1")
    sh(lab, "node3", f"cp {STATE} {STATE}.right")
    for length in (0, 30, size // 2, size - 2, size - 1):
        restart(lab, "node3", f"head -c {length} {STATE}.right > {STATE}")
        wait_for(f"a file of {length} bytes is refused", lambda: STATE in says(lab, "node3") and
                 "remove the file" in says(lab, "node3"), 20)
        assert pings(lab, "node3/con1", far)
    restart(lab, "node3", f"mv {STATE}.right {STATE}")
    wait_for("all are alive", lambda: all_alive(lab), 40)
    assert subnets(lab) == had


def a_full_disk(lab):
    """What cannot be saved is not done, and said; with room again all goes on by itself."""
    restart(lab, "node3", "cp -a /var/lib/twill /run/kept; mount -t tmpfs -o size=256k none /var/lib/twill; "
                          "cp -a /run/kept/. /var/lib/twill; dd if=/dev/zero of=/var/lib/twill/full bs=4k 2>/dev/null || true")
    wait_for("node3 runs", lambda: states(lab, "node3"), 20)
    config = sh(lab, "node1", f"{lab.twill} config get")
    changed = config.replace("{", '{"EnableIPv6": false, ', 1)
    lab.execute("node1", "sh", "-c", f"printf %s '{changed}' > /run/config; {lab.twill} config set /run/config")
    wait_for("node3 says that it cannot save", lambda: "No space left" in says(lab, "node3"), 30)
    lab.test()
    sh(lab, "node3", "rm /var/lib/twill/full")
    wait_for("it goes on by itself", lambda: "No space left" not in says(lab, "node3") and all_alive(lab), 40)
    lab.execute("node1", "sh", "-c", f"printf %s '{config}' > /run/config; {lab.twill} config set /run/config")
    restart(lab, "node3", "cp -a /var/lib/twill/. /run/kept; umount /var/lib/twill; cp -a /run/kept/. /var/lib/twill")
    wait_for("all are alive", lambda: all_alive(lab), 40)
    lab.test()


def a_clock_jumps(lab):
    """A day back and two forth: nothing goes by the wall's clock that could hurt."""
    library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
    twilld = os.path.join(os.path.dirname(lab.twill), "twilld")
    wrapper = f"#!/bin/sh\nFAKETIME_TIMESTAMP_FILE=/run/clock FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 LD_PRELOAD={library} exec /run/twilld \"$@\"\n"
    had = subnets(lab)
    lab.execute("node3", "/usr/bin/python3", "-c", f"open('/run/wrapper', 'w').write({wrapper!r})")
    restart(lab, "node3", f"cp {twilld} /run/twilld; chmod +x /run/wrapper; echo +0 > /run/clock; mount --bind /run/wrapper {twilld}")
    wait_for("all are alive", lambda: all_alive(lab), 40)
    route = sh(lab, "node3", "ip route | grep -m1 172").strip()
    for days in (-1, 1, 0):
        sh(lab, "node3", f"echo {days:+d}d > /run/clock")
        sh(lab, "node3", f"ip route del {route}")  # its repair is logged, with the time
        wait_for("the route is back", lambda: route in sh(lab, "node3", "ip route"))
        day = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).date().isoformat()
        logged = lab.run("lab", "logs", "node3", "--name", lab.name).strip().splitlines()[-1]
        assert logged.startswith(day), f"the clock should be at {day}: {logged}"
        for _ in range(4):
            assert all(leases(lab, node) == had for node in NODES), "a lease went"
            time.sleep(1)
        assert all_alive(lab), {node: states(lab, node) for node in NODES}
    restart(lab, "node3", f"umount {twilld}")
    wait_for("all are alive", lambda: all_alive(lab), 40)


def main():
    cases = [packets_are_lost, a_node_is_cut_off, a_wrong_key, a_stranger, packets_come_twice,
             one_name_twice, a_copied_disk, a_cut_file, a_full_disk, a_clock_jumps]
    with Lab(sys.argv[1], "hardship", "--datastore", "gossip", "--nodes", "3", "--containers", "1") as lab:
        for case in cases:
            began = time.monotonic()
            case(lab)
            print(f"{case.__name__}: {time.monotonic() - began:.0f} s", flush=True)


main()
