# SPDX-License-Identifier: Apache-2.0
"""What the build leaves to an attacker: checked in the binary itself, by readelf."""

import os
import re
import shutil
import subprocess
import unittest

from harness import BINARY, PATIENCE

READELF = shutil.which("readelf")
SANITIZED = os.environ.get("SANITIZER", "none") != "none"


@unittest.skipUnless(READELF, "readelf is missing: apt-get install binutils")
class Binary(unittest.TestCase):
    def read(self, *options):
        return subprocess.run([READELF, "-W", *options, BINARY], capture_output=True, text=True,
                              timeout=PATIENCE, check=True).stdout

    def test_it_is_loaded_anywhere(self):
        self.assertRegex(self.read("-h"), r"Type:\s+DYN")

    def test_tables_of_functions_are_read_only(self):
        self.assertIn("GNU_RELRO", self.read("-l"))
        self.assertRegex(self.read("-d"), r"BIND_NOW|Flags:.*NOW")

    def test_the_stack_is_not_executable(self):
        self.assertRegex(self.read("-l"), r"GNU_STACK.* RW +0x")

    @unittest.skipIf(SANITIZED, "sanitizers check the stack and lengths by themselves")
    def test_the_stack_and_lengths_are_checked(self):
        symbols = set(re.findall(r" UND (\w+)", self.read("--dyn-syms")))
        self.assertIn("__stack_chk_fail", symbols)
        self.assertTrue({"__snprintf_chk", "__vsnprintf_chk", "__memcpy_chk"} & symbols, symbols)


if __name__ == "__main__":
    unittest.main()
