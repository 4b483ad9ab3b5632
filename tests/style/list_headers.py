#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the project's headers, one a line, for the test that each compiles alone."""

import os
import sys

for folder in ("core", "server"):
    for path, _, names in sorted(os.walk(os.path.join(sys.argv[1], folder))):
        for name in sorted(names):
            if name.endswith(".h"):
                print(os.path.relpath(os.path.join(path, name), os.path.join(sys.argv[1], folder)))
