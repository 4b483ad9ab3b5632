#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns migrations and queries into C, after running them: bad SQL does not compile.

The migrations NNN_name.sql are applied in order to an empty database; then each query, one
statement a file, is explained against it. Out come an enum of the queries and two tables of text.

usage: embed.py OUT.h OUT.c FILE.sql ...
"""

import os
import re
import sqlite3
import sys


def fail(path, reason):
    sys.exit(f"{path}: {reason}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def c_text(text):
    lines = text.splitlines() or [""]
    quote = lambda line: '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'
    return "\n    ".join(quote(line) for line in lines)


def apply_migrations(database, paths):
    migrations = []
    for number, path in enumerate(paths, start=1):
        name = os.path.basename(path)
        if not name.startswith(f"{number:03d}_"):
            fail(path, f"migration {number:03d} is expected here")
        text = read(path) + f"\nPRAGMA user_version = {number};\n"
        try:
            database.executescript(text)
        except sqlite3.Error as error:
            fail(path, error)
        migrations.append(text)
    return migrations


def check_query(database, path):
    text = read(path)
    lines = text.splitlines()
    if not lines or not lines[0].startswith("-- Used by: "):
        fail(path, "the first line must say who uses it: -- Used by: ...")
    statement = "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()
    if statement.count(";") != 1 or not statement.endswith(";"):
        fail(path, "exactly one statement, ended by ';', is needed")
    if re.search(r"\?|@\w|\$\w", statement):
        fail(path, "parameters must be named, as in :name")
    names = set(re.findall(r":(\w+)", statement))
    try:
        database.execute("EXPLAIN " + statement, {name: None for name in names})
    except sqlite3.Error as error:
        fail(path, error)
    return statement[:-1]


def main():
    header, source, *paths = sys.argv[1:]
    is_migration = lambda path: re.match(r"\d{3}_", os.path.basename(path))
    database = sqlite3.connect(":memory:", isolation_level=None)
    migrations = apply_migrations(database, sorted(filter(is_migration, paths)))
    queries = {}
    for path in sorted(path for path in paths if not is_migration(path)):
        name = os.path.splitext(os.path.basename(path))[0].upper()
        queries[name] = check_query(database, path)

    with open(header, "w", encoding="utf-8") as out:
        out.write("/* Made by schema/embed.py. */\n#ifndef SQL_H\n#define SQL_H\n\n")
        out.write("enum sql_query {\n")
        out.writelines(f"    SQL_{name},\n" for name in queries)
        out.write("    SQL_N_QUERIES\n};\n\n")
        out.write("extern const char *const sql_queries[SQL_N_QUERIES];\n\n")
        out.write("/* Migration i brings user_version from i to i + 1. */\n")
        out.write(f"#define SQL_N_MIGRATIONS {len(migrations)}\n")
        out.write("extern const char *const sql_migrations[SQL_N_MIGRATIONS];\n\n#endif\n")
    with open(source, "w", encoding="utf-8") as out:
        out.write('/* Made by schema/embed.py. */\n#include "sql.h"\n\n')
        out.write("const char *const sql_queries[SQL_N_QUERIES] = {\n")
        for name, text in queries.items():
            out.write(f"    [SQL_{name}] =\n    {c_text(text)},\n")
        out.write("};\n\nconst char *const sql_migrations[SQL_N_MIGRATIONS] = {\n")
        for text in migrations:
            out.write(f"    {c_text(text)},\n")
        out.write("};\n")


if __name__ == "__main__":
    main()
