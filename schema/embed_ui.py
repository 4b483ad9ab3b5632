#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the files of the page (server/ui) into C: each as it is and as gzip, with its type and digest.

Nothing is renamed, joined or made smaller. What a file asks for must be in the list, or the build ends: an
import, a script or a style that is not part of the program would be missing where there is no network.

usage: embed_ui.py OUT.h OUT.c FILE ...
"""

import gzip
import hashlib
import os
import re
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
# Licences of what others wrote are served as text.
PLAIN = "text/plain; charset=utf-8"
PIECE = 80  # bytes of a line in C
FOREIGN = re.compile(rb"(?:src|href)=\"(?:https?:)?//|import[^;]*[\"']https?:|@import|url\(\s*[\"']?(?:https?:)?//")
WANTED = re.compile(r"(?:from\s+|import\s*\(?\s*)[\"']\./([\w.]+)[\"']|(?:src|href)=\"([\w.]+)\"")


def c_bytes(data):
    """A string literal; digits behind an octal escape are written as escapes too."""
    lines = []
    for at in range(0, len(data), PIECE):
        line, escaped = "", False
        for byte in data[at:at + PIECE]:
            plain = 32 <= byte < 127 and byte not in b'"\\?' and not (escaped and 48 <= byte < 58)
            line += chr(byte) if plain else f"\\{byte:o}"
            escaped = not plain
        lines.append(f'    "{line}"')
    return "\n".join(lines) or '    ""'


def check(path, data, names):
    if FOREIGN.search(data):
        sys.exit(f"{path}: it names a foreign host")
    if not path.endswith((".html", ".js")):
        return
    for pair in WANTED.findall(data.decode("utf-8")):
        wanted = pair[0] or pair[1]
        if wanted not in names:
            sys.exit(f"{path}: it asks for {wanted}, which is not in the list of server/ui/meson.build")


def main():
    header, source, *paths = sys.argv[1:]
    names = sorted(os.path.basename(path) for path in paths)
    entries = []
    for number, path in enumerate(sorted(paths, key=os.path.basename)):
        with open(path, "rb") as file:
            data = file.read()
        check(path, data, names)
        packed = gzip.compress(data, 9, mtime=0)
        kind = TYPES.get(os.path.splitext(path)[1], PLAIN)
        entries.append((number, os.path.basename(path), kind, hashlib.sha256(data).hexdigest(), data, packed))
    with open(header, "w", encoding="utf-8") as out:
        out.write("/* Made by schema/embed_ui.py. */\n#ifndef UI_FILES_H\n#define UI_FILES_H\n\n#include <stddef.h>\n\n"
                  "struct ui_file {\n    const char *name; /* below /ui/ */\n    const char *type;\n"
                  "    const char *digest; /* SHA-256 of the plain text */\n    const char *plain;\n"
                  "    size_t n_plain;\n    const char *packed; /* as gzip */\n    size_t n_packed;\n};\n\n"
                  f"#define UI_N_FILES {len(entries)}\n\n"
                  "/* In ascending order of their names. */\n"
                  "extern const struct ui_file ui_files[UI_N_FILES];\n\n#endif\n")
    with open(source, "w", encoding="ascii") as out:
        out.write('/* Made by schema/embed_ui.py. */\n#include "ui_files.h"\n\n')
        for number, _, _, _, data, packed in entries:
            for what, content in (("plain", data), ("packed", packed)):
                out.write(f"static const char {what}_{number}[{len(content) + 1}] =\n{c_bytes(content)};\n\n")
        out.write("const struct ui_file ui_files[UI_N_FILES] = {\n")
        for number, name, kind, digest, data, packed in entries:
            out.write(f'    {{"{name}", "{kind}",\n     "{digest}",\n'
                      f"     plain_{number}, {len(data)}, packed_{number}, {len(packed)}}},\n")
        out.write("};\n")


if __name__ == "__main__":
    main()
