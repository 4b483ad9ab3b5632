#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are the sources laid out as .clang-format says?  usage: check_format.py CLANG_FORMAT TOP"""

import os
import subprocess
import sys

tool, top = sys.argv[1:]
paths = [os.path.join(path, name)
         for folder in ("core", "server", "client-examples", "tests")
         for path, _, names in os.walk(os.path.join(top, folder))
         for name in names if name.endswith((".c", ".h"))]
sys.exit(subprocess.run([tool, "--dry-run", "--Werror", *sorted(paths)], check=False).returncode)
