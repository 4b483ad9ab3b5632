#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules that no compiler checks: layers, guards, licence lines, length of files, files of a folder.

usage: check_sources.py TOP
"""

import os
import re
import sys

# The rooms of core/ in their order: each may use itself and those before it.
ROOMS = ["base", "math", "network", "losses", "fit", "sample", "solve", "model", "predict", "train",
         "explore", "analyse"]
CORE = ["core/" + room for room in ROOMS]
STORE = ["server/store/" + part for part in ("sqlite", "models", "data", "jobs", "care", "access")]
FORMATS = ["server/formats", "server/formats/text"]
BELOW_API = CORE + STORE + FORMATS + ["server/base", "server/access", "server/documents",
                                      "server/documents/explore", "server/documents/analyses",
                                      "server/live", "server/jobs/rows", "server/jobs/launch", "server/jobs", "server/tls",
                                      "server/http", "server/api/head"]
# A file may include from its own folder and from those in its list.
LAYERS = {
    **{folder: CORE[:place] for place, folder in enumerate(CORE)},
    "server/metrics": [],
    "server/base": CORE + ["server/metrics"],
    "server/formats": CORE + ["server/base"],
    "server/formats/text": CORE + ["server/base", "server/formats"],
    "server/documents/training": CORE + FORMATS + ["server/base"],
    "server/documents": CORE + FORMATS + ["server/base", "server/documents/training"],
    "server/documents/explore": CORE + FORMATS + ["server/base", "server/documents"],
    "server/documents/analyses": CORE + FORMATS + ["server/base", "server/documents",
                                                   "server/documents/explore"],
    "server/store/sqlite": CORE + ["server/base", "schema"],
    "server/store/models": CORE + ["server/base", "server/store/sqlite", "schema"],
    "server/store/data": CORE + ["server/base", "server/store/sqlite", "server/store/models",
                                 "schema"],
    "server/store/jobs": CORE + ["server/base", "server/store/sqlite", "server/store/models",
                                 "server/store/data", "schema"],
    "server/store/care": CORE + ["server/base", *STORE[:4], "schema"],
    "server/store/access": CORE + ["server/base", "server/access", "server/store/sqlite", "schema"],
    "server/store": CORE + ["server/base", *STORE],
    "server/live": CORE + STORE + ["server/base", "server/formats"],
    "server/outside": CORE + ["server/base", "server/formats", "server/documents", "server/jobs/rows", "server/client"],
    "server/jobs/launch": CORE + FORMATS + ["server/base", "server/documents"],
    "server/jobs/rows": CORE + STORE + ["server/base", "server/documents"],
    "server/jobs": CORE + STORE + ["server/base", "server/formats", "server/documents",
                                   "server/live", "server/jobs/rows", "server/jobs/launch",
                                   "server/documents/analyses"],
    "server/access": CORE + ["server/base"],
    "server/tls": CORE + ["server/base"],
    "server/http": CORE + ["server/base", "server/formats", "server/access", "server/tls"],
    "server/api/head": CORE + ["server/base", "server/http"],
    "server/api": BELOW_API,
    "server/api/rows": BELOW_API + ["server/api"],
    "server/api/exports": BELOW_API + ["server/api"],
    "server/api/native": BELOW_API + ["server/api", "server/api/rows", "server/api/exports", "schema"],
    "server/api/ui": BELOW_API + ["server/api", "server/ui"],
    **{folder: BELOW_API + ["server/api", "server/api/rows", "server/api/exports", "server/api/native"]
       for folder in ("server/api/umbridge", "server/api/oip", "server/api/explore", "server/api/analyses")},
    "server/plot": CORE + ["server/base", "server/formats"],
    "server/client": CORE + FORMATS + ["server/base", "server/documents", "server/plot"],
    "server/client/pieces": CORE + FORMATS + ["server/base", "server/documents", "server/client"],
    "server/client/plots": CORE + FORMATS + ["server/base", "server/documents", "server/plot", "server/client"],
    "server/client/commands": CORE + FORMATS + ["server/base", "server/documents", "server/plot", "server/client",
                                                "server/client/pieces", "server/client/plots"],
    "server/library": CORE + ["server/base", "server/formats", "server/client"],
    "server": BELOW_API + ["server/store", "server/api", "server/client"],
}
# Libraries and the only places that may know them.
OWNERS = {
    "sqlite3.h": ["server/store/sqlite/conn.h"],
    # Connections and transactions are seen below server/store alone.
    "store/sqlite/conn.h": ["server/store/", "tests/"],
    "store/sqlite/query.h": ["server/store/", "tests/"],
    "store/sqlite/db_transaction.h": ["server/store/", "tests/"],
    "microhttpd.h": ["server/http/head.c", "server/http/head_check.c", "server/http/place.c", "server/http/serve_priv.h",
                     "server/http/worker.c"],
    "jansson.h": ["server/formats/json_", "server/formats/safetensors.", "server/documents/", "server/api/", "server/client/",
                   "server/library/"],
    "cairo-": ["server/plot/cairo_api.h"],
    "curl/": ["server/client/connection.c", "server/client/transfer.h"],
    "zlib.h": ["server/formats/zlib_memory.h"],
    "gnutls/": ["server/base/digest.c", "server/tls/"],
    "sleef.h": ["tests/bench/"],
    "Random123/": ["core/base/rng.c"],
    "cblas.h": ["core/math/gemm.h"],
    "nlopt.h": ["core/explore/search.c"],
}
# Made during the build, or no header of its own: where they belong.
GENERATED = {"sql.h": "schema", "openapi.h": "schema", "ui_files.h": "server/ui", "base/version.h": "server/base",
             "math/kernels_real.inc": "core/math", "math/kernels_activation.inc": "core/math",
             "math/kernels_sweeps.inc": "core/math", "math/kernels_train.inc": "core/math",
             "math/kernels_rows.inc": "core/math", "math/kernels_back.inc": "core/math",
             "math/kernels_back_columns.inc": "core/math",
             "math/kernels_halves.inc": "core/math", "math/kernels_reduce.inc": "core/math",
             "network/plan_real.inc": "core/network", "network/plan_gradient_real.inc": "core/network",
             "network/plan_gradient_rows_real.inc": "core/network",
             "network/plan_activation_real.inc": "core/network",
             "explore/sobol_directions.inc": "core/explore"}
MAX_LINES = 600
PAGE = "server/ui"
MAX_FILES = 40
# Folders that may hold more files: one statement a file, one input of a fuzzer a file.
LARGE_FOLDERS = ("schema/queries",)
BANNED = re.compile(r"\b(malloc|calloc|realloc|strcpy|strcat|sprintf|gets|alloca)\s*\(")


def sources(top):
    for folder in ("core", "server", "client-examples", "tests"):
        for path, _, names in os.walk(os.path.join(top, folder)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".cc", ".def", ".inc")):
                    yield os.path.relpath(os.path.join(path, name), top)


def check_folders(top, complain):
    """No folder holds too many files."""
    for path, folders, names in os.walk(top):
        folders[:] = sorted(one for one in folders if not one.startswith((".", "build", "__")))
        folder = os.path.relpath(path, top)
        if len(names) > MAX_FILES and not folder.startswith(LARGE_FOLDERS):
            complain(folder, 1, f"{len(names)} files, at most {MAX_FILES} are allowed in a folder")


def check_python(top, complain):
    for folder in ("tests", "schema", "deploy", "client-examples"):
        for path, _, names in os.walk(os.path.join(top, folder)):
            for name in sorted(one for one in names if one.endswith(".py")):
                place = os.path.relpath(os.path.join(path, name), top)
                with open(os.path.join(top, place), encoding="utf-8") as file:
                    length = sum(1 for _ in file)
                if length > MAX_LINES:
                    complain(place, length, f"more than {MAX_LINES} lines: is this one idea?")


def check_page(top, complain):
    """The project's own files of the page; uplot.js is another's."""
    for name in sorted(os.listdir(os.path.join(top, PAGE))):
        if not name.endswith((".js", ".css")) or name.startswith("uplot."):
            continue
        place = f"{PAGE}/{name}"
        with open(os.path.join(top, place), encoding="utf-8") as file:
            lines = file.read().splitlines()
        if "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
            complain(place, 1, "the first line must be the SPDX line")
        if len(lines) > MAX_LINES:
            complain(place, len(lines), f"more than {MAX_LINES} lines: is this one idea?")
        for number, line in enumerate(lines, 1):
            if line.rstrip() != line or "\t" in line:
                complain(place, number, "blanks at the end, or a tab")
            if re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", line):
                complain(place, number, "text must never be read as HTML or code")


def check_map(top, complain):
    """core/README.md names each file of a room in that room's table, and no others."""
    readme = "core/README.md"
    with open(os.path.join(top, readme), encoding="utf-8") as file:
        text = file.read()
    for room in ROOMS:
        section = re.search(rf"^## {room}\n(.*?)(?=^## |\Z)", text, re.S | re.M)
        rows = re.findall(r"^\| (`.*?) \|", section.group(1), re.M) if section else []
        named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
        there = {name.split(".")[0] for name in os.listdir(os.path.join(top, "core", room))}
        for name in sorted(there - named):
            complain(readme, 1, f"core/{room}/{name} is not in the table of {room}")
        for name in sorted(named - there):
            complain(readme, 1, f"the table of {room} names {name}, which is not there")


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
        in_product = path.startswith(("core/", "server/")) and path != "core/base/mem.c"
        if in_product and BANNED.search(line) and not line.lstrip().startswith(("*", "/*")):
            complain(path, number, "memory goes through core/base/mem.h, text through sized functions")


def main():
    top = sys.argv[1]
    paths = list(sources(top))
    found = []
    headers = [p for p in paths if p.endswith((".h", ".def")) and os.path.dirname(p) in LAYERS]
    # Includes say where a file is: its path below core/ or server/.
    where = {p.split("/", 1)[1]: os.path.dirname(p) for p in headers}
    names = {}
    for path in headers:
        other = names.setdefault(os.path.basename(path), path)
        if other != path:
            found.append(f"{path}:1: {other} has the same name")
    complain = lambda p, n, what: found.append(f"{p}:{n}: {what}")
    check_folders(top, complain)
    check_python(top, complain)
    check_page(top, complain)
    check_map(top, complain)
    for path in paths:
        with open(os.path.join(top, path), encoding="utf-8") as file:
            text = file.read()
        check_includes(path, text, where, complain)
        check_text(path, text, complain)
    print("\n".join(found) or f"{len(paths)} files in order")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
