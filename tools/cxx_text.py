# SPDX-License-Identifier: Apache-2.0
"""What the checks share: which files are ours, and their text without comments and literals."""
import re
from pathlib import Path

FOLDERS = ("src", "apps", "test", "bpf")
LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'", re.S)


def sources(root):
    """Every C++ file of the tree, sorted."""
    return sorted(path for folder in FOLDERS for path in Path(root, folder).rglob("*.[ch]pp"))


def blanked(text):
    """The text with comments and literals as blanks: offsets and line numbers stay as they were."""
    return LITERAL.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
