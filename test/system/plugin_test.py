#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""twill-cni alone: what it answers when the agent is away, dies, or is not needed.

usage: plugin_test.py BINARIES
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

CONFIG = '{"cniVersion": "0.4.0", "name": "net", "type": "twill-cni"}'
DONE = b"HTTP/1.1 200 OK\r\nTwill-Exit: 0\r\nContent-Length: 0\r\n\r\n"


class Agent:
    """Answers one connection after the other with the given bytes; with nothing it just closes."""

    def __init__(self, path, answers):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.answers = answers
        self.served = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        for answer in self.answers:
            connection, _ = self.listener.accept()
            request = b""
            while b"\r\n\r\n" + CONFIG.encode() not in request:
                request += connection.recv(65536)
            self.served += 1
            connection.sendall(answer)
            connection.close()


def call(binaries, path, patience=5000, config=CONFIG, **changes):
    """Exit status, what was printed as JSON (None for nothing), and the seconds it took."""
    variables = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/c1", "CNI_IFNAME": "eth0",
                 "CNI_PATH": "/opt/cni/bin", "TWILL_SOCKET": path, "TWILL_CNI_PATIENCE_MS": str(patience), **changes}
    start = time.monotonic()
    done = subprocess.run([os.path.join(binaries, "twill-cni")], input=config, capture_output=True, text=True,
                          env={name: value for name, value in variables.items() if value is not None}, check=False,
                          timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, time.monotonic() - start


def by_hand(binaries):
    """What a person is told who calls it without CNI_COMMAND; a runtime's call is one whatever the arguments."""
    def run(*words, **variables):
        done = subprocess.run([os.path.join(binaries, "twill-cni"), *words], input="", capture_output=True, text=True,
                              env=variables, check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr

    status, said, complaint = run()
    assert status == 0 and said == "" and "0.1.0 to 1.1.0" in complaint, complaint
    for word in ("--help", "-h"):
        status, said, complaint = run(word)
        assert status == 0 and complaint == "", complaint
        assert all(part in said for part in ("CNI_COMMAND=", "twill-cni install --bin-dir", "man 8 twill-cni")), said
    status, said, complaint = run("--version")
    assert status == 0 and said.startswith("twill-cni ") and said.count("\n") == 1, said
    status, said, complaint = run("dance")
    assert status == 2 and said == "" and "dance" in complaint and "twill-cni install" in complaint, complaint
    for word in ("install", "--help", "dance"):
        status, said, _ = run(word, CNI_COMMAND="VERSION")
        assert status == 0 and "1.1.0" in json.loads(said)["supportedVersions"], said


def main():
    binaries = sys.argv[1]
    by_hand(binaries)
    with tempfile.TemporaryDirectory(prefix="twill-plugin-") as folder:
        nobody = os.path.join(folder, "nobody")
        for changes, code in (({"CNI_IFNAME": None}, 4), ({"CNI_COMMAND": "DANCE"}, 4), ({"CNI_ARGS": "A=\x01"}, 4),
                              ({"config": CONFIG.replace("net\"", "/\"")}, 7)):
            status, said, took = call(binaries, nobody, **changes)
            assert status == 1 and said["code"] == code and said["cniVersion"] == "0.4.0", said
            assert took < 2, f"{changes}: waited for an agent that is not needed: {took} s"

        status, said, took = call(binaries, nobody, patience=300)
        assert status == 1 and said["code"] == 11 and said["cniVersion"] == "0.4.0" and took > 0.3, (said, took)

        for number, cut in enumerate((b"", DONE[:20])):
            path = os.path.join(folder, f"del{number}")
            agent = Agent(path, [cut, cut, DONE])
            status, said, _ = call(binaries, path, CNI_COMMAND="DEL")
            assert status == 0 and said is None and agent.served == 3, (status, said, agent.served)

            path = os.path.join(folder, f"add{number}")
            agent = Agent(path, [cut, DONE])
            status, said, _ = call(binaries, path)
            assert status == 1 and said["code"] == 11 and "DEL" in said["msg"] and agent.served == 1, (said, agent.served)


main()
