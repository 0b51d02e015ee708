#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever is damaged on a node comes back without being asked, and the network works again.

usage: drift_test.py BINARIES [--bench TIMES [--json FILE]]
"""
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab  # noqa: E402

DAMAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "damage.py")
MUST_HAVE = {"route deleted", "address deleted", "bridge set down", "bridge MTU changed", "bridge MAC changed",
             "bridge deleted", "port without bridge", "port set down", "port deleted", "table flushed", "table deleted",
             "underlay flapped", "forwarding turned off"}


def damage(lab, times):
    return json.loads(lab.execute("node1", "/usr/bin/python3", DAMAGE, str(times)))


def main():
    times = int(sys.argv[sys.argv.index("--bench") + 1]) if "--bench" in sys.argv else 2
    with Lab(sys.argv[1], "drift", "--nodes", "2", "--containers", "2", "--ipv6") as lab:
        results = damage(lab, times)
        missing = MUST_HAVE - results.keys()
        assert not missing, f"nothing to damage for {missing}"
        broken = [kind for kind, measured in results.items() if measured is None]
        assert not broken, f"not repaired within 5 s: {broken}"
        lab.test()
        status = json.loads(lab.execute("node1", lab.twill, "status", "--json"))
        assert status["ready"] and status["drift"]["repairs"] > 0, status
    for kind, measured in results.items():
        print(f"{kind:<24} back after {statistics.median(measured):7.2f} ms (median of {len(measured)})")
    if "--json" in sys.argv:
        with open(sys.argv[sys.argv.index("--json") + 1], "w", encoding="utf-8") as file:
            json.dump(results, file)


main()
