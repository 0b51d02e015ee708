#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What reaches the gossip port and is none of the cluster's: garbage of a stranger, datagrams of before, a node with another key
and one with another's name. All of it is counted and named, and nothing comes of it.

usage: gossip_hostile_test.py BINARIES
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gossip_lab import (NODES, all_alive, ask, dropped, leases, log, pid_of, problems, python, restart, routes,  # noqa: E402
                        sh, states)
from lab import Lab, wait_for  # noqa: E402

# What node1 gets by UDP, frame by frame.
CAPTURE = """
import socket, sys, time
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
end.bind(("eth0", 0x800))
end.settimeout(0.2)
until = time.monotonic() + float(sys.argv[1])
print("listening", flush=True)
while time.monotonic() < until:
    try:
        frame, (_, _, kind, _, _) = end.recvfrom(65536)
    except TimeoutError:
        continue
    if kind != socket.PACKET_OUTGOING and frame[23] == 17 and frame[36:38] == (7946).to_bytes(2, "big"):
        print(frame.hex(), flush=True)
"""
REPLAY = """
import socket, sys, time
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
end.bind(("node1", 0))
frames = [bytes.fromhex(line) for line in open("/run/frames").read().split()]
for sent in range(int(sys.argv[1])):
    end.send(frames[sent % len(frames)])
    if sent % 50 == 49:
        time.sleep(0.01)
print(len(set(frames)))
"""
# Prints the bytes of payload that were sent and that came back.
ATTACK = """
import random, socket, struct, sys, time
target, datagrams, streams = ("10.0.0.10", 7946), int(sys.argv[1]), int(sys.argv[2])
real = [bytes.fromhex(line)[42:] for line in open("/run/frames").read().split()]
dice = random.Random(1)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("10.0.0.99", 0))
udp.setblocking(False)
sent = back = 0

def garbage():
    kind = dice.randrange(5)
    if kind == 0:
        return dice.randbytes(dice.randrange(1, 1400))
    if kind == 1:
        return bytes([dice.randrange(16)]) + dice.randbytes(dice.randrange(200))
    packet = dice.choice(real)
    if kind == 2:
        return packet[:dice.randrange(len(packet))]
    at = dice.randrange(len(packet))
    return packet[:at] + bytes([packet[at] ^ 1 << dice.randrange(8)]) + packet[at + 1:] + bytes(kind == 4)

for number in range(datagrams):
    data = dice.randbytes(65507) if number % 1000 == 0 else garbage()
    sent += len(data)
    try:
        udp.sendto(data, target)
    except BlockingIOError:
        pass
    if number % 50 == 49:
        time.sleep(0.01)
held = []
for number in range(streams):
    end = socket.create_connection(target, timeout=5)
    kind = number % 4
    # Nothing at all, noise, plain text that claims to be a state of 4 GB, and a sealed one that does.
    data = (b"", dice.randbytes(3000), b"\\x06" + bytes(3) + b"\\xff" * 200,
            b"\\x0a\\xff\\xff\\xff\\xff" + dice.randbytes(60000))[kind]
    try:
        end.sendall(data)
        sent += len(data)
    except OSError:
        pass
    held.append(end)
time.sleep(1)
for end in held:
    end.settimeout(0.01)
    try:
        back += len(end.recv(1 << 20))
    except OSError:
        pass
while True:
    try:
        back += len(udp.recv(65536))
    except BlockingIOError:
        break
print(sent, back)
"""


def memory(lab, node):
    """The most that the agent ever had, in MB."""
    return int(sh(lab, node, f"grep VmHWM /proc/{pid_of(lab, node)}/status").split()[1]) / 1024


def picture(lab):
    return {node: (leases(lab, node), routes(lab, node)) for node in NODES}


def hand_over(lab, heard):
    """What was captured, to the switch; an argument of a program has its limit."""
    frames = heard.removeprefix("listening\n").split()[:200]
    sh(lab, "wire", "rm -f /run/frames")
    for at in range(0, len(frames), 30):
        sh(lab, "wire", "cat >> /run/frames <<'END'\n" + "\n".join(frames[at:at + 30]) + "\nEND")


def strangers_send_garbage(lab):
    capture = lab.background("node1", "/usr/bin/python3", "-c", CAPTURE, "4")
    hand_over(lab, capture.communicate()[0])
    sh(lab, "wire", "ip address add 10.0.0.99/24 dev seg1")
    had, lines, before, began = picture(lab), len(log(lab, "node1")), memory(lab, "node1"), time.monotonic()
    sent, back = map(int, python(lab, "wire", ATTACK, 20000, 200).split())
    seconds = time.monotonic() - began
    counted = dropped(lab, "node1", "wrong_key") + dropped(lab, "node1", "garbage")
    said, grown = log(lab, "node1")[lines:], memory(lab, "node1") - before
    print(f"{sent >> 20} MB of garbage in {seconds:.0f} s: {counted:.0f} counted, {back} bytes came back, "
          f"{len(said)} lines in the log, {grown:.0f} MB more memory")
    assert back <= sent / 100 and counted > 10000 and len(said) <= 5 and grown < 64, said
    assert any("10.0.0.99" in line for line in said), said
    assert picture(lab) == had and all_alive(lab)
    restart(lab, "node2")  # whose start is news, and needs a connection
    wait_for("gossip goes on", lambda: lab.status("node2")["ready"] and all_alive(lab), 30)


def old_datagrams_come_again(lab):
    """Those of a time when node3 lived and all leases were others; then those of a time when it had left."""
    capture = lab.background("node1", "/usr/bin/python3", "-c", CAPTURE, "9")
    assert capture.stdout.readline() == "listening\n"
    restart(lab, "node3")  # so that there is news to catch
    wait_for("node3 is back", lambda: lab.status("node3")["ready"] and all_alive(lab), 30)
    network = sh(lab, "node2", f"{lab.twill} config get").replace("host-gw", "vxlan")
    time.sleep(3)
    sh(lab, "node2", f"{lab.twill} config set - <<'END'\n{network}\nEND")
    backends = lambda: {lease["backend"] for lease in ask(lab, "node1", "leases")["leases"]}  # noqa: E731
    wait_for("all have another lease", lambda: backends() == {"vxlan"}, 30)
    lab.execute("node3", lab.twill, "peer", "leave")
    wait_for("node3 has left", lambda: states(lab, "node1")["node3"] == "left", 20)
    hand_over(lab, capture.communicate()[0])
    had = picture(lab)
    unread = lambda: dropped(lab, "node1", "wrong_key") + dropped(lab, "node1", "garbage")  # noqa: E731
    before = unread()
    frames = int(python(lab, "wire", REPLAY, 10000))
    assert frames > 5 and unread() == before, "they were not what node1 can read"
    assert states(lab, "node1")["node3"] == states(lab, "node2")["node3"] == "left", "old news brought it back"
    assert picture(lab) == had and backends() == {"vxlan"}
    restart(lab, "node3")
    wait_for("node3 is back", lambda: lab.status("node3")["ready"] and all_alive(lab), 30)
    had = picture(lab)
    python(lab, "wire", REPLAY, 10000)
    wait_for("nobody is taken for gone", lambda: all_alive(lab), 5)
    assert picture(lab) == had and backends() == {"vxlan"}
    print(f"{frames} datagrams of before came 20,000 times, and nothing went back")


def another_key(lab):
    """Both sides say so and what to do, and not with each packet."""
    had, counted = picture(lab), {node: dropped(lab, node, "wrong_key") for node in NODES}
    lines = {node: len(log(lab, node)) for node in NODES}
    restart(lab, "node3", "head -c 32 /dev/urandom | base64 > /run/other.key; chmod 600 /run/other.key; "
            "sed -i s,/etc/twill/network/gossip.key,/run/other.key, /etc/twill/twilld.toml")
    wait_for("node3 says why", lambda: "a node with another key" in problems(lab, "node3"), 20)
    time.sleep(25)
    more = {node: dropped(lab, node, "wrong_key") - counted[node] for node in ("node1", "node2")}
    said = [line for node in ("node1", "node2") for line in log(lab, node)[lines[node]:] if "10.0.0.30" in line and "key" in line]
    print(f"another key: {more} counted, {len(said)} lines in two logs")
    assert all(more.values()) and 0 < len(said) <= 4 and "give it a copy of this node's key file" in said[0], said
    assert len(log(lab, "node3")[lines["node3"]:]) < 20
    assert picture(lab) == had, "leases or routes went"
    restart(lab, "node3", "sed -i s,/run/other.key,/etc/twill/network/gossip.key, /etc/twill/twilld.toml")
    wait_for("node3 is back", lambda: lab.status("node3")["ready"] and all_alive(lab) and picture(lab) == had, 30)


def one_name_twice(lab):
    """The one that comes second is refused and changes nothing, and both are named."""
    had = picture(lab)
    restart(lab, "node3", "sed -i '1i node-name = \"node2\"' /etc/twill/twilld.toml")
    for node in ("node2", "node3"):
        wait_for(f"{node} says so", lambda: "two nodes go by the name node2" in (said := problems(lab, node)) and
                 "10.0.0.20" in said and "10.0.0.30" in said and "--node-name" in said, 20)
    time.sleep(3)
    now = picture(lab)
    assert now["node1"] == had["node1"] and now["node2"] == had["node2"] and now["node3"][1] == had["node3"][1], now
    assert not lab.status("node3")["ready"] and lab.status("node2")["ready"]
    restart(lab, "node3", "sed -i '/^node-name/d' /etc/twill/twilld.toml")
    wait_for("all is as before", lambda: lab.status("node3")["ready"] and all_alive(lab) and picture(lab) == had, 30)


def main():
    with Lab(sys.argv[1], "gossiphostile", "--datastore", "gossip", "--nodes", "3", "--containers", "1") as lab:
        strangers_send_garbage(lab)
        another_key(lab)
        one_name_twice(lab)
        old_datagrams_come_again(lab)


main()
