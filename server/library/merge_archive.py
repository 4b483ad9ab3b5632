#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The static library: one object with all that libsurrogated needs of this project, whose only global
names are surr_*, so that they cannot meet names of the program that it is linked into.

usage: merge_archive.py OUT.a LD OBJCOPY AR LIBRARY.a OTHER.a ..

All of LIBRARY.a is taken, and of the others what it needs.
"""

import os
import subprocess
import sys
import tempfile


def main():
    out, ld, objcopy, ar, library, *others = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        merged = os.path.join(folder, "surrogated.o")
        subprocess.run([ld, "-r", "-o", merged, "--whole-archive", library, "--no-whole-archive",
                        "--start-group", *others, "--end-group"], check=True)
        subprocess.run([objcopy, "--wildcard", "--keep-global-symbol=surr_*", merged], check=True)
        if os.path.exists(out):
            os.unlink(out)
        subprocess.run([ar, "crs", out, merged], check=True)


if __name__ == "__main__":
    main()
