#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Usage: tools/batches.py <LINES

Which C++ sources can be compiled as one. Of each line "NAME SOURCE..." it makes one for each batch. Most of a compiler's
time goes into the headers of the libraries, and into templates that one file after the other makes anew."""
import re
import sys
from pathlib import Path

LARGEST = 10  # files: more save little, and keep a second processor from taking part


def names_of(path):
    """What a file declares for itself or by a using declaration, roughly, and the namespaces that it opens: files that have
    such a name in common, or see different namespaces, cannot be looked at as one."""
    names, opened, inside = set(), set(), False
    for line in path.read_text().splitlines():
        if line.startswith("using namespace "):
            opened.add(line)
        elif line.startswith("using "):
            names.add(re.split(r"::|\s", line.rstrip(";").split(" =")[0])[-1])
        elif line == "namespace {":
            inside = True
        elif line == "}  // namespace":
            inside = False
        elif inside and re.match(r"[A-Za-z]", line):
            declared = re.search(r"\b(?:struct|class|enum) (\w+)|(\w+)(?=\(|\{| =|;)", line)
            names.update(declared.groups() if declared else ())
    return names - {None}, opened


def batches(jobs, path_of=Path):
    """Jobs that do not get in each other's way, together."""
    out = []
    for job in jobs:
        names, opened = names_of(path_of(job))
        for batch, taken, visible in out:
            if len(batch) < LARGEST and visible == opened and not taken & names:
                break
        else:
            batch, taken = [], set()
            out.append((batch, taken, opened))
        batch.append(job)
        taken |= names
    return [batch for batch, _, _ in out]


if __name__ == "__main__":
    for line in sys.stdin:
        name, *sources = line.split()
        for batch in batches(sources):
            print(name, *batch)
