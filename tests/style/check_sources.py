#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules that no compiler checks: layers, guards, licence lines, length of files.

usage: check_sources.py TOP
"""

import os
import re
import sys

# A file may include from its own folder and from those in its list.
LAYERS = {
    "core": [],
    "server/base": ["core"],
    "server/store": ["core", "server/base", "schema"],
    "server/live": ["core", "server/base", "server/store"],
    "server/jobs": ["core", "server/base", "server/store", "server/live"],
    "server/http": ["core", "server/base"],
    "server/api": ["core", "server/base", "server/store", "server/live", "server/jobs", "server/http"],
    "server/client": ["core", "server/base"],
    "server": ["core", "server/base", "server/store", "server/live", "server/jobs", "server/http",
               "server/api", "server/client"],
}
# Libraries and the only places that may know them.
OWNERS = {
    "sqlite3.h": ["server/store/"],
    "microhttpd.h": ["server/http/daemon.c"],
    "jansson.h": ["server/api/", "server/http/json_", "server/client/"],
    "curl/": ["server/client/connection.c", "server/client/transfer.h"],
    "gnutls/": ["server/store/digest.c"],
    "sleef.h": ["tests/bench/"],
    "Random123/": ["core/rng.c"],
    "cblas.h": ["core/gemm.h"],
}
GENERATED = {"sql.h": "schema", "version.h": "server/base", "kernels_real.inc": "core",
             "kernels_train.inc": "core", "plan_real.inc": "core"}
MAX_LINES = 600
BANNED = re.compile(r"\b(malloc|calloc|realloc|strcpy|strcat|sprintf|gets|alloca)\s*\(")


def sources(top):
    for folder in ("core", "server", "client-examples", "tests"):
        for path, _, names in os.walk(os.path.join(top, folder)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".cc", ".def")):
                    yield os.path.relpath(os.path.join(path, name), top)


def check_includes(path, text, where, complain):
    folder = os.path.dirname(path)
    if folder not in LAYERS:
        if folder.split("/")[0] in ("core", "server"):
            complain(path, 1, f"{folder} has no place in LAYERS: say what it may include")
        return
    allowed = [folder] + LAYERS[folder]
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        name = match.group(2)
        if match.group(1) == '"':
            home = GENERATED.get(name) or where.get(name)
            if home is None:
                complain(path, number, f'"{name}" is no header of the project')
            elif home not in allowed:
                complain(path, number, f'"{name}" is of {home}, which {folder} may not use')
        for library, owners in OWNERS.items():
            if name.startswith(library) and not any(path.startswith(owner) for owner in owners):
                complain(path, number, f"<{name}> belongs to {', '.join(owners)}")


def check_text(path, text, complain):
    lines = text.splitlines()
    if path.endswith((".c", ".h", ".cc")) and "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
        complain(path, 1, "the first line must be the SPDX line")
    if path.endswith(".h"):
        guard = re.sub(r"\W", "_", os.path.basename(path)).upper()
        if f"#ifndef {guard}" not in text or f"#define {guard}" not in text:
            complain(path, 1, f"the include guard must be {guard}")
    if len(lines) > MAX_LINES:
        complain(path, len(lines), f"more than {MAX_LINES} lines: is this one idea?")
    if not text.endswith("\n"):
        complain(path, len(lines), "no newline at the end")
    for number, line in enumerate(lines, 1):
        if line.rstrip() != line or "\t" in line:
            complain(path, number, "blanks at the end, or a tab")
        if len(line) > 110:
            complain(path, number, "longer than 110 characters")
        if re.search(r"TODO(?!\(\w+\): )", line):
            complain(path, number, "a TODO reads TODO(name): text")
        in_product = path.startswith(("core/", "server/")) and path != "core/mem.c"
        if in_product and BANNED.search(line) and not line.lstrip().startswith(("*", "/*")):
            complain(path, number, "memory goes through core/mem.h, text through sized functions")


def main():
    top = sys.argv[1]
    paths = list(sources(top))
    found = []
    headers = [p for p in paths if p.endswith((".h", ".def")) and os.path.dirname(p) in LAYERS]
    where = {os.path.basename(p): os.path.dirname(p) for p in headers}
    for path in headers:
        if where[os.path.basename(path)] != os.path.dirname(path):
            found.append(f"{path}:1: {where[os.path.basename(path)]} has a file of this name")
    for path in paths:
        with open(os.path.join(top, path), encoding="utf-8") as file:
            text = file.read()
        complain = lambda p, n, what: found.append(f"{p}:{n}: {what}")
        check_includes(path, text, where, complain)
        check_text(path, text, complain)
    print("\n".join(found) or f"{len(paths)} files in order")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
