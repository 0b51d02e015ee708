# SPDX-License-Identifier: Apache-2.0
"""node1 of a lab as a container runtime on it sees it: it calls CNI plugins."""
import json
import os
import subprocess


class Caller:
    def __init__(self, lab, binaries):
        self.lab = lab
        self.plugin = os.path.join(binaries, "twill-cni")

    def sh(self, script):
        return self.lab.execute("node1", "sh", "-ec", script)

    def attachments(self):
        return json.loads(self.sh(f"{self.lab.twill} attachments --json"))["attachments"]

    def start(self, command, stdin, container="x1", program=None, **changes):
        """A plugin at work on any bytes; its process id on the machine is that of the process returned. `changes`: of its
        variables; None leaves one out."""
        variables = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_NETNS": f"/run/netns/{container}",
                     "CNI_IFNAME": "eth0", "CNI_PATH": "/opt/cni/bin", **changes}
        process = subprocess.Popen(
            [self.lab.twill, "lab", "exec", "--name", self.lab.name, "node1", "--", "env",
             *(f"{name}={value}" for name, value in variables.items() if value is not None), program or self.plugin],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.stdin.write(stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has read enough
        process.stdin = None
        return process

    def call(self, command, stdin, container="x1", program=None, **changes):
        """Exit status and what was printed, as JSON; None for nothing."""
        process = self.start(command, stdin, container, program, **changes)
        said, complaint = process.communicate(timeout=60)
        assert program or complaint == b"", complaint
        return process.returncode, json.loads(said) if said else None
