#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Functions fit on a screen and take few parameters.

usage: check_functions.py TOP

A function has at most MAX_LINES lines, from its first line to its closing brace, and at most MAX_PARAMETERS
parameters besides its `struct err *`. Before it reads the sources, the program
checks itself on samples with known offenders.
"""

import os
import re
import sys

FOLDERS = ("core", "server", "client-examples", "tests/support")
MAX_LINES = 60
MAX_PARAMETERS = 5

BLAS = "shaped as BLAS is: dimensions and pointers"
# Why a file, or a function as path:name, may have more parameters.
EXEMPT = {
    "core/math/gemm.h": BLAS,
    "core/math/kernels_real.inc": BLAS,
    "core/math/kernels_train.inc": BLAS,
    "core/math/kernels_back.inc": BLAS,
    "core/math/kernels_back_columns.inc": BLAS,
    "core/network/plan_real.inc": BLAS,
    "core/network/resnet_tape.c:tape_product": BLAS,
    "core/network/resnet_tape.c:tape_product_back": BLAS,
    "core/network/resnet_tape.c:tape_outer": BLAS,
    "server/http/library.c:retrieve_certificate": "GnuTLS fixes the parameters of its callback",
    "server/http/serve.c:serve_request": "libmicrohttpd fixes the parameters of its callback",
}


def without_comments(text):
    """The text with comments and the contents of literals blank, so that places stay."""
    def blank(match):
        piece = match.group(0)
        if piece[0] in "\"'":
            return piece[0] + " " * (len(piece) - 2) + piece[0]
        return re.sub(r"[^\n]", " ", piece)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def split_parameters(text):
    """Splits at commas that stand in no parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    parts = [" ".join(part.split()) for part in parts]
    return [] if parts in ([""], ["void"]) else parts


def opening(text, end):
    """Where the parenthesis opens that is closed at `end`."""
    depth = 0
    for at in range(end, -1, -1):
        depth += (text[at] == ")") - (text[at] == "(")
        if depth == 0:
            return at
    return -1


def read_signature(text):
    """Name and parameters of `type name(parameters)`; the name may be a macro's call, F(name)."""
    text = text.rstrip()
    if not text.endswith(")"):
        return None
    begin = opening(text, len(text) - 1)
    head = text[:begin].rstrip()
    if head.endswith(")"):
        at = opening(head, len(head) - 1)
        before = re.search(r"\w+$", head[:at])
        name = before.group(0) + head[at:] if before else None
    else:
        match = re.search(r"\w+$", head)
        name = match.group(0) if match else None
    return (name, split_parameters(text[begin + 1:-1])) if name else None


def functions(text):
    """(line, name, number of lines, parameters) of each function that is defined in the text."""
    lines = without_comments(text).split("\n")
    for brace, line in enumerate(lines):
        if line != "{" and not re.match(r"(?!struct )\w.*\) \{$", line):
            continue
        first = brace
        while first > 0 and lines[first - 1].strip() and \
                not re.search(r"[;}]\s*$|^#|\\$", lines[first - 1]):
            first -= 1
        signature = read_signature(" ".join(lines[first:brace] + [line[:-1]]))
        if signature is None:
            continue
        last = brace
        while last + 1 < len(lines) and lines[last] != "}":
            last += 1
        yield first + 1, signature[0], last - first + 1, signature[1]


def offences(text):
    """(line, name, what is wrong) for each function that is too long or takes too much."""
    for line, name, length, parameters in functions(text):
        parameters = [one for one in parameters if not re.match(r"struct err \*\w*$", one)]
        if length > MAX_LINES:
            yield line, name, f"{length} lines, at most {MAX_LINES} are allowed"
        if len(parameters) > MAX_PARAMETERS:
            yield line, name, f"{len(parameters)} parameters, at most {MAX_PARAMETERS} are allowed"


def sample(signature, lines=1):
    return f"{signature}\n{{\n" + "    x++;\n" * lines + "}\n"


# Signature, lines of the body, and how many offences the function is.
SAMPLES = [
    ("void f(int a, int b, int c, int d, int e)", 1, 0),
    ("void f(int a, int b, int c, int d, int e, int g)", 1, 1),
    ("static int f(int a, int b, int c, int d,\n             int e, struct err *err)", 1, 0),
    ("static int f(int a, int b, int c, int d, int e,\n             int g, struct err *err)", 1, 1),
    ("int f(struct err *err, int a, int b, int c, const char *fmt, ...)", 1, 0),
    ("int f(struct err *err, int a, int b, int c, int d, const char *fmt, ...)", 1, 1),
    ("int f(int a, int b, int c, int d, int e, const struct err *err)", 1, 1),
    ("void f(int a, void (*done)(void *ctx, int b, int c, int d), void *ctx)", 1, 0),
    ("void f(const char *const names[4], int (*table)[3], int c, int d, int e, int g)", 1, 1),
    ("static inline void F(f)(int a, int b, int c, int d, int e, int g)", 1, 1),
    ("static void f(int a, /* one, two */ int b, int c, int d, int e)", 1, 0),
    ("int f(void)", 57, 0),
    ("int f(void)", 58, 1),
    ("int f(\n    int a)", 57, 1),
    ("struct s f(int a, int b, int c, int d, int e, int g)", 60, 2),
]


def check_self():
    """What the samples show of this program's mistakes."""
    for signature, lines, expected in SAMPLES:
        text = "int before;\n\n" + sample(signature, lines) + "\n" + sample("int after(void)")
        found = list(offences(text))
        if len(found) != expected:
            yield f"{signature!r} with {lines} lines: {expected} offences expected, not {found}"
    if len(list(offences("int f(int a, int b, int c, int d, int e, int g) {\n    x++;\n}\n"))) != 1:
        yield "a brace at the end of the signature hides a function"
    text = 'const char *s = "{\\"";\n/*\n{\n}\n*/\nstruct t f(int a)\n{\n    /* } */\n}\n'
    if [function[1] for function in functions(text)] != ["f"]:
        yield "comments and literals are read as code"


def sources(top):
    for folder in FOLDERS:
        for path, _, names in sorted(os.walk(os.path.join(top, folder))):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".cc", ".inc")):
                    yield os.path.relpath(os.path.join(path, name), top)


def main():
    found = list(check_self())
    exempted = set()
    count = 0
    for path in sources(sys.argv[1]):
        with open(os.path.join(sys.argv[1], path), encoding="utf-8") as file:
            text = file.read()
        count += sum(1 for _ in functions(text))
        for line, name, what in offences(text):
            reasons = [key for key in (path, f"{path}:{name}") if key in EXEMPT]
            exempted.update(reasons)
            if not reasons or "lines" in what:
                found.append(f"{path}:{line}: {name}: {what}")
    for key in sorted(set(EXEMPT) - exempted):
        found.append(f"{key} is exempt but is no offender")
    print("\n".join(found) or f"{count} functions in order")
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main())
