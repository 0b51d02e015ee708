#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A lab of somebody who is not root, in a user namespace.

usage: rootless_test.py BINARIES
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import skip  # noqa: E402

# A machine on which a runtime, Twill and a plugin are installed. Nobody else sees it.
INSTALLED = ["unshare", "-m", "sh", "-ec", """
mount -t tmpfs none /mnt
for directory in /etc /var/lib /opt; do
  mkdir -p /mnt$directory /mnt/work$directory
  mount -t overlay -o lowerdir=$directory,upperdir=/mnt$directory,workdir=/mnt/work$directory none $directory
done
mkdir -p /etc/cni/net.d /etc/twill/network /var/lib/cni /var/lib/twill/attachments /opt/cni/bin
touch /etc/cni/net.d/05-another.conflist /etc/twill/twilld.toml /opt/cni/bin/twill-cni
exec "$@"
""", "sh"]
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "-u", "XDG_RUNTIME_DIR"]


def main():
    who = NOBODY if os.geteuid() == 0 else []
    if subprocess.run([*who, "unshare", "-Urnmpf", "--mount-proc", "true"], capture_output=True, check=False).returncode:
        skip("this system does not let users make user namespaces")
    with tempfile.TemporaryDirectory(prefix="twill-rootless-") as folder:
        # The build may lie where only root can look.
        os.chmod(folder, 0o755)
        for program in ("twill", "twilld", "twill-cni"):
            shutil.copy(os.path.join(sys.argv[1], program), folder)

        def twill(*arguments, machine=()):
            done = subprocess.run([*machine, *who, f"{folder}/twill", *arguments], capture_output=True, text=True, check=False,
                                  cwd="/", timeout=120)
            assert done.returncode == 0, done
            return done.stdout

        twill("lab", "down", "--name", "rootless")
        try:
            twill("lab", "up", "--name", "rootless", "--nodes", "2", "--containers", "1", "--ipv6",
                  machine=INSTALLED if who else ())
            said = twill("lab", "test", "--name", "rootless")
            assert "all 48 checks passed" in said, said
            assert twill("lab", "exec", "--name", "rootless", "node1", "--", "id", "-u").strip() == "0"
            lists = twill("lab", "exec", "--name", "rootless", "node1", "--", "ls", "/etc/cni/net.d")
            assert lists.split() == ["10-twill.conflist"], lists
            assert "delivered" in twill("trace", "--lab", "rootless", "node1/con1", "node2/con1")
        finally:
            twill("lab", "down", "--name", "rootless")
    assert not os.path.exists("/tmp/twill-lab-65534/rootless")


main()
