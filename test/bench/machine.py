# SPDX-License-Identifier: Apache-2.0
"""What a benchmark ran on, in a line. A process that carries packets pays for system calls, an agent with many peers for new
memory; both cost ten times as much in some virtual machines as in others, so that ratios to the kernel's own way differ."""
import mmap
import os
import time

CALLS = 200_000
PAGES = 8192


def system_call_ns():
    begin = time.perf_counter()
    for _ in range(CALLS):
        os.getppid()
    return (time.perf_counter() - begin) / CALLS * 1e9


def new_page_us():
    with mmap.mmap(-1, PAGES * mmap.PAGESIZE) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        begin = time.perf_counter()
        for at in range(0, PAGES * mmap.PAGESIZE, mmap.PAGESIZE):
            memory[at] = 1
        return (time.perf_counter() - begin) / PAGES * 1e6


def line():
    return (f"Linux {os.uname().release}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, a system call "
            f"{system_call_ns():.0f} ns, a new page of memory {new_page_us():.1f} us (both with Python's own part)")
