# SPDX-License-Identifier: Apache-2.0
"""A virtual machine with Debian's cloud kernel, for tests against drivers that this machine's kernel may lack. Its root is an
initramfs of busybox, some of this machine's programs, and modules; commands go by its second serial port. Nothing is installed: the
kernel's package is downloaded into a cache and unpacked there."""
import os
import re
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
from lab import skip  # noqa: E402

QEMU = "qemu-system-x86_64"
PACKAGE = "linux-image-cloud-amd64"  # depends on the newest one
DRIVERS = ("virtio_pci", "virtio_net")
INIT = """#!/bin/sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /run /tmp /etc
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
for module in $(cat /modules/order); do insmod /modules/$module; done
ip link set lo up
. /programs
stty -F /dev/ttyS1 raw -echo
exec <>/dev/ttyS1 >&0 2>&1
printf '\\004ready\\n'
while read -r line; do (eval "$line"); printf '\\004%d\\n' $?; done
"""


def need(*programs):
    """Skips the test unless all of them, and what makes a machine, are installed."""
    if os.uname().machine != "x86_64":
        skip("the virtual machine is one of x86_64")
    missing = [program for program in (QEMU, "busybox", *programs) if not shutil.which(program)]
    if missing:
        skip(f"not installed: {', '.join(missing)} (apt-get install qemu-system-x86 busybox-static)")


def kernel(cache):
    """The folder of an unpacked kernel package."""
    asked = subprocess.run(["apt-cache", "depends", PACKAGE], capture_output=True, text=True, check=False).stdout
    name = re.search(r"Depends: (linux-image-\S+)", asked)
    if not name:
        skip(f"apt knows no {PACKAGE} (apt-get update)")
    folder = os.path.join(cache, name[1])
    if os.path.isdir(folder):
        return folder
    os.makedirs(folder + ".new", exist_ok=True)
    done = subprocess.run(["apt-get", "download", name[1]], cwd=cache, capture_output=True, text=True, check=False)
    packages = [file for file in os.listdir(cache) if file.startswith(name[1] + "_") and file.endswith(".deb")]
    if done.returncode != 0 or not packages:
        skip(f"{name[1]} cannot be downloaded: {done.stderr.strip()[-200:]}")
    subprocess.run(["dpkg-deb", "-x", os.path.join(cache, packages[0]), folder + ".new"], check=True)
    os.remove(os.path.join(cache, packages[0]))
    os.rename(folder + ".new", folder)
    return folder


def files_below(folder, suffix):
    for path, _, names in os.walk(folder):
        yield from (os.path.join(path, name) for name in names if name.endswith(suffix))


def in_order(modules, wanted):
    """Paths of these modules, each after those that it needs. One that is not there is part of the kernel."""
    out = []

    def add(name):
        path = modules.get(name.replace("-", "_"))
        if path is None or path in out:
            return
        with open(path, "rb") as file:
            needs = re.search(rb"\0depends=([^\0]*)\0", file.read())
        for other in filter(None, needs[1].decode().split(",")):
            add(other)
        out.append(path)

    for name in wanted:
        add(name)
    return out


def copy_program(program, root):
    """With its libraries, each where it was."""
    path = shutil.which(program)
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    for file in (path, *re.findall(r"(/\S+) \(0x", listed)):
        target = root + file
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(file, target)
    return path


def make_initramfs(folder, linux, modules, programs, later):
    root = os.path.join(folder, "root")
    for name in ("bin", "modules"):
        os.makedirs(os.path.join(root, name))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "bin/busybox"))
    os.symlink("busybox", os.path.join(root, "bin/sh"))
    with open(os.path.join(root, "programs"), "w", encoding="ascii") as file:
        for program in programs:  # as functions, since busybox would take its own
            file.write(f'{os.path.basename(program)}() {{ {copy_program(program, root)} "$@"; }}\n')
    there = {os.path.basename(path)[:-3].replace("-", "_"): path for path in files_below(linux, ".ko")}
    order = in_order(there, (*DRIVERS, *modules))
    for path in {*order, *in_order(there, later)}:
        shutil.copy(path, os.path.join(root, "modules"))
    with open(os.path.join(root, "modules/order"), "w", encoding="ascii") as file:
        file.write("\n".join(os.path.basename(path) for path in order))
    with open(os.path.join(root, "init"), "w", encoding="ascii") as file:
        file.write(INIT)
    os.chmod(os.path.join(root, "init"), 0o755)
    image = os.path.join(folder, "initramfs")
    subprocess.run(f"find . | busybox cpio -o -H newc > {image}", shell=True, cwd=root, check=True, stderr=subprocess.DEVNULL)
    return image


class Machine:
    """A machine whose network card is a TAP device, already there, of a place of a lab. `folder`: empty, for its files.
    `later`: modules that are there, in /modules, and not loaded."""

    def __init__(self, lab, place, tap, linux, folder, modules, programs, later=()):
        image = make_initramfs(folder, linux, modules, programs, later)
        vmlinuz = next(path for path in map(lambda name: os.path.join(linux, "boot", name), os.listdir(f"{linux}/boot"))
                       if "vmlinuz" in path)
        self.console = os.path.join(folder, "console")
        for accelerator in ("kvm", "tcg"):
            port = os.path.join(folder, f"shell-{accelerator}")
            self.process = lab.background(
                place, QEMU, "-M", "pc", "-accel", accelerator, "-cpu", "max", "-m", "1024", "-nodefaults", "-no-reboot",
                "-display", "none", "-kernel", vmlinuz, "-initrd", image, "-append", "console=ttyS0 panic=-1 quiet",
                "-serial", f"file:{self.console}", "-serial", f"unix:{port},server=on,wait=off",
                "-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no", "-device", "virtio-net-pci,netdev=net,romfile=")
            if self.starts(port):
                print(f"the machine runs by {accelerator}")
                return
            print(f"no machine by {accelerator}: it ends, or nothing comes of it")
            self.stop()
        raise AssertionError(f"the machine does not start: {self.said()}")

    def starts(self, port, seconds=60):
        """KVM inside of another virtual machine may be there and not work: the process ends, or nothing comes of it."""
        for _ in range(seconds * 10):
            if os.path.exists(port) or self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.end, self.rest = socket.socket(socket.AF_UNIX), b""
        self.end.settimeout(seconds)
        try:
            self.end.connect(port)
            if self.answer()[1] != "ready":
                return False
        except (OSError, AssertionError):
            return False
        self.end.settimeout(180)
        return True

    def said(self):
        """The end of what the kernel wrote to its console."""
        with open(self.console, encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def answer(self):
        while not (found := re.search(rb"\x04(\w+)\n", self.rest)):
            more = self.end.recv(65536)
            if not more:
                raise AssertionError(f"the machine is gone: {self.said()}")
            self.rest += more
        text, self.rest = self.rest[:found.start()], self.rest[found.end():]
        return text.decode(errors="replace").replace("\r", ""), found[1].decode()

    def run(self, command, check=True):
        """What a line of its shell printed."""
        self.end.sendall(command.encode() + b"\n")
        text, status = self.answer()
        if check and status != "0":
            raise AssertionError(f"in the machine: {command}: exit {status}\n{text}")
        return text

    def stop(self):
        self.end.close()
        self.process.terminate()
        for _ in range(50):
            if self.process.poll() is not None:
                return
            time.sleep(0.1)
        self.process.kill()
        self.process.wait()
