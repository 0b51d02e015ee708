# SPDX-License-Identifier: Apache-2.0
"""What the checks must find, and what they must leave alone."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).parent
ROOMS = """
twill_room(base   LINK fmt::fmt)
twill_room(net    USES base)  # USES sister
twill_room(sister USES base
                  LINK other)
twill_room(top    USES net)
"""


class Checks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("CMakeLists.txt", ROOMS)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run_check(self, name):
        return subprocess.run([sys.executable, TOOLS / name, self.root], capture_output=True, text=True)

    def assert_passes(self, name):
        result = self.run_check(name)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def assert_fails(self, name, *words):
        result = self.run_check(name)
        self.assertEqual(result.returncode, 1, result.stdout)
        for word in words:
            self.assertIn(word, result.stdout + result.stderr)


class Layers(Checks):
    def test_a_room_may_include_itself_and_what_lies_below_at_any_depth(self):
        self.write("src/top/a.cpp", '#include "top/a.hpp"\n#include "net/b.hpp"\n#include "base/c.hpp"\n#include <vector>\n')
        self.assert_passes("check_layers")

    def test_a_room_above_is_refused_by_file_and_line(self):
        self.write("src/net/a.hpp", '// first\n#include "top/b.hpp"\n')
        self.assert_fails("check_layers", "src/net/a.hpp:2", "top/b.hpp", "may use only base")

    def test_a_sister_is_refused_in_angle_brackets_too(self):
        self.write("src/net/a.hpp", "#  include <sister/b.hpp>\n")
        self.assert_fails("check_layers", "sister/b.hpp")

    def test_a_path_that_names_no_room_is_refused(self):
        self.write("src/net/a.hpp", '#include "b.hpp"\n')
        self.assert_fails("check_layers", "names no room")

    def test_only_a_test_may_include_from_the_test_folder(self):
        self.write("test/help.hpp", "")
        self.write("src/net/a_test.cpp", '#include "help.hpp"\n')
        self.assert_passes("check_layers")
        self.write("src/net/a.cpp", '#include "help.hpp"\n')
        self.assert_fails("check_layers", "src/net/a.cpp:1")

    def test_a_folder_that_is_no_room_is_refused(self):
        self.write("src/attic/a.hpp", "")
        self.assert_fails("check_layers", "src/attic is not a room")

    def test_a_room_must_stand_above_its_users(self):
        self.write("CMakeLists.txt", "twill_room(net USES base)\ntwill_room(base)\n")
        self.assert_fails("check_layers", "not declared above")


class CoAwait(Checks):
    def test_a_named_operand_passes(self):
        self.write("src/net/a.cpp", 'if (co_await run(x)) { y[0]; }\nauto z = T{co_await run("{["), 1}; w[co_await i];\n')
        self.assert_passes("check_coawait")

    def test_a_lambda_is_refused_on_any_line_of_the_expression(self):
        self.write("src/net/a.cpp", "co_await run(x,\n  // why\n  [x] { return x; });\n")
        self.assert_fails("check_coawait", "a.cpp:3", "`[`")

    def test_an_aggregate_is_refused(self):
        self.write("apps/twilld/main.cpp", "auto r = co_await run(Options{1});\n")
        self.assert_fails("check_coawait", "`{`")

    def test_comments_and_literals_do_not_count(self):
        self.write("src/net/a.cpp", "// co_await f({});\nauto s = R\"(co_await f({});)\"; co_await f('{', 1'000, \"\\\"[\" /* { */);\n")
        self.assert_passes("check_coawait")


if __name__ == "__main__":
    unittest.main()
