#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs surrogated.mod, which Meson does not: compilers write it beside the objects.

usage: install_module.py MODULE FOLDER   (below the prefix)
"""

import os
import shutil
import sys


def main():
    module, folder = sys.argv[1:]
    to = os.path.join(os.environ["MESON_INSTALL_DESTDIR_PREFIX"], folder)
    os.makedirs(to, exist_ok=True)
    shutil.copy(module, to)


if __name__ == "__main__":
    main()
