# SPDX-License-Identifier: Apache-2.0
"""A lab for a test: brought up through the built `twill`, taken down whatever happens."""
import json
import os
import subprocess
import sys
import time

METRICS = """
import socket
end = socket.socket(socket.AF_UNIX)
end.connect("/run/twill/twill.sock")
end.sendall(b"GET /metrics HTTP/1.0\\r\\n\\r\\n")
print(end.makefile().read())
"""
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def skip(reason):
    """Ends the test; ctest counts it as skipped, and ./dev lists the reason."""
    print(f"SKIPPED: {reason}")
    sys.exit(SKIPPED)


def wait_for(what, holds, seconds=5):
    """Whatever holds() returns, as soon as that is true."""
    for _ in range(seconds * 20):
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Lab:
    def __init__(self, binaries, name, *arguments):
        self.twill = os.path.join(binaries, "twill")
        self.name = name
        # Most tests name subnets, which are known beforehand with this datastore.
        self.arguments = arguments if "--datastore" in arguments else ("--datastore", "file", *arguments)

    def __enter__(self):
        if os.geteuid() != 0:
            skip("needs root")
        self.run("lab", "down", "--name", self.name, check=False)
        self.run("lab", "up", "--name", self.name, *self.arguments)
        return self

    def __exit__(self, *failure):
        if failure[0] is not None:
            for node in ("node1", "node2"):
                print(self.run("lab", "logs", node, "--name", self.name, check=False), file=sys.stderr)
        self.run("lab", "down", "--name", self.name, check=False)

    def run(self, *arguments, check=True):
        """What `twill ARGUMENTS` printed; a failure shows what it said."""
        done = subprocess.run([self.twill, *arguments], capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"twill {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def status(self, node="node1"):
        """What `twill status --json` says on a node; not ready while no agent answers."""
        return json.loads(self.execute(node, self.twill, "status", "--json", check=False) or '{"ready": false}')

    def metrics(self, node):
        """What the agent there tells Prometheus, as text."""
        return self.execute(node, "/usr/bin/python3", "-c", METRICS)

    def execute(self, place, *command, check=True):
        return self.run("lab", "exec", "--name", self.name, place, "--", *command, check=check)

    def background(self, place, *command):
        """A process that runs a command in a place; what it prints can be read from its stdout."""
        return subprocess.Popen([self.twill, "lab", "exec", "--name", self.name, place, "--", *command],
                                stdout=subprocess.PIPE, text=True)

    def rows(self):
        """Of `lab test --json`, whatever they say."""
        return json.loads(self.run("lab", "test", "--name", self.name, "--json", check=False))

    def passes(self):
        rows = self.rows()
        return bool(rows) and all(row["ok"] for row in rows)

    def test(self):
        """What rows() says; all of them must be fine."""
        rows = self.rows()
        assert rows and all(row["ok"] for row in rows), [row for row in rows if not row["ok"]]
        return rows
