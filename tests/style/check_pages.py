#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pages against the program: lists, defaults, paths and links.

A page that lists what a .def file lists says so with a comment, and the table (or the paragraph) below it
holds the names, each between backticks, in its first column:

    <!-- list: server/base/config.def -->
    | setting | default | meaning |
    |---|---|---|
    | `listen` | `127.0.0.1:8080` | .. |

Several tables may share a list. A name that is missing on the page is reported, and so is one that only the
page has. Where a column is headed "default" its cells begin with the default of the .def file,
where one is headed "status" they are the HTTP status of the error.

Paths in the text of a page must exist, seen from the top or from the page's folder; capital letters in a
name (solver_NAME.c) and braces stand for anything. Links must lead to files and headings that are there.

usage: check_pages.py TOP      the pages, and then planted faults, each of which must be found
"""

import fnmatch
import functools
import os
import re
import sys

README_BYTES = 8192
# Each is found from README in one step.
LINKED = ["schema/API.md", "core/SOLVERS.md", "deploy/README.md", "client-examples/README.md",
          ".github/CONTRIBUTING.md", ".github/CHANGELOG.md", "tests/bench/RESULTS.md"]
SOURCE_NAME = re.compile(r"`([\w-]+\.(?:c|cc|h|def|inc|py|sh|sql|md|build|service|conf|supp))`")
PATH = re.compile(r"(?<![\w/.:@~$%-])((?:\.github|\.ci|[A-Za-z][\w-]*)/[\w./*{},<>-]*)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Tree:
    """The files below a folder, some of them as they are not (changes: path to text, None: gone)."""

    def __init__(self, top):
        self.texts = {}
        for path, folders, names in os.walk(top):
            folders[:] = [f for f in folders if f not in (".git", "__pycache__") and
                          not (path == top and f.startswith("build"))]
            for name in names:
                full = os.path.join(path, name)
                self.texts[os.path.relpath(full, top)] = full
        self.given = {}
        self.find_folders()

    def find_folders(self):
        self.folders = {folder for path in self.texts for folder in parents(path)}
        self.names = {os.path.basename(path) for path in self.texts}
        self.matched = {}  # pattern -> is there such a path

    def changed(self, changes):
        tree = object.__new__(Tree)
        tree.texts = {path: full for path, full in {**self.texts, **changes}.items() if full is not None}
        tree.given = {**self.given, **changes}
        if tree.texts.keys() == self.texts.keys():
            tree.folders, tree.names, tree.matched = self.folders, self.names, self.matched
        else:
            tree.find_folders()
        return tree

    def read(self, path):
        if self.given.get(path) is None:
            with open(self.texts[path], encoding="utf-8") as file:
                self.given[path] = file.read()
        return self.given[path]

    def has(self, path):
        return path in self.texts or path in self.folders

    def matches(self, pattern):
        if pattern not in self.matched:
            like = re.compile(fnmatch.translate(pattern)).match
            self.matched[pattern] = any(map(like, self.texts)) or any(map(like, self.folders))
        return self.matched[pattern]

    def pages(self):
        return sorted(path for path in self.texts if path.endswith(".md"))


def parents(path):
    while path := os.path.dirname(path):
        yield path


# ---- what the program has: name -> {column: value} ----

def entries(text, macro):
    """The arguments of each MACRO(..) that begins a line, as text."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    quoted, parens = r"\"(?:[^\"\\]|\\.)*\"", r"\((?:[^()]|\([^()]*\))*\)"
    found = re.findall(rf"(?m)^{macro}\(((?:{quoted}|[^\"()]|{parens})*)\)", text)
    return [[a.strip() for a in re.findall(rf"((?:{quoted}|{parens}|[^,])+)", f)] for f in found]


def unquote(text):
    return text.strip('"')


def routes(tree):
    return {f"{method} {unquote(path)}": {} for method, path, *_ in
            entries(tree.read("server/api/routes.def"), "ROUTE")}


def first_text(path, macro):
    """A list whose names are the first strings of its lines."""
    def read(tree):
        return {unquote(next(a for a in line if a.startswith('"'))): {}
                for line in entries(tree.read(path), macro)}
    return read


def first_word(path, macro):
    def read(tree):
        return {line[0].lower(): {} for line in entries(tree.read(path), macro)}
    return read


def settings(tree):
    text = tree.read("core/solve/solver_settings.def")
    found = {}
    for name, _, _, default, *_ in entries(text, "SETTING_INT") + entries(text, "SETTING_REAL"):
        found[name] = {"default": default}
    for name, default, *_ in entries(text, "SETTING_FLAG"):
        found[name] = {"default": default}
    for name, choices, default, *_ in entries(text, "SETTING_CHOICE"):
        found[name] = {"default": unquote(choices).split("|")[int(default)]}
    return found


def config(tree):
    text = tree.read("server/base/config.def")
    return {name: {"default": unquote(default)}
            for name, default, *_ in entries(text, "CONFIG_(?:TEXT|INT|BOOL)")}


def metrics(tree):
    """Those of the list, and those with labels, which metrics.c writes."""
    text = tree.read("server/base/metrics.def") + tree.read("server/base/metrics.c")
    names = set(re.findall(r'"[^"]*?(surrogated_\w+)', text))
    return {re.sub(r"_(bucket|sum|count)$", "", name): {} for name in names}


def errors(tree):
    """Titles of the errors, with the status that they are answered with."""
    status = {}
    codes = []
    for code, value in re.findall(r"case ERR_(\w+):|return (\d+);", tree.read("server/api/errors.c")):
        if code:
            codes.append(code)
        else:
            status.update(dict.fromkeys(codes, value))
            codes = []
    return {unquote(title): {"status": status.get(code, "none")} for code, title in
            entries(tree.read("core/base/err.def"), "ERR") if code != "OK"}


def warned_codes(tree):
    """Codes of the warnings that trainings leave with their versions."""
    codes = set()
    for path in tree.texts:
        if re.match(r"core/(solve|train)/\w+\.c$", path):
            codes.update(re.findall(r'report_warn\([^;"]*"(\w+)"', tree.read(path)))
    return codes


def check_warnings(tree):
    """core/base/warnings.def against the places that warn."""
    listed = warnings(tree).keys()
    for code in sorted(warned_codes(tree) - listed):
        yield f"core/base/warnings.def: {code} is missing"
    for code in sorted(listed - warned_codes(tree)):
        yield f"core/base/warnings.def: nothing warns of {code}"


def locks(tree):
    """Every lock of the server, with the struct that has it."""
    found = {}
    for path in sorted(tree.texts):
        if not re.match(r"server/.*\.[ch]$", path) or path.startswith("server/base/wake."):
            continue
        for struct, body in re.findall(r"(?ms)^struct (\w+) \{\n(.*?)^\}", tree.read(path)):
            fields = re.findall(r"(?m)^    (?:pthread_mutex_t|struct wake) (\w+);", body)
            found.update({f"{struct}.{field}": {} for field in fields})
    return found


def arguments(text, start):
    """The arguments of the call whose parenthesis opens at `start`, split at its own commas."""
    found, depth, quoted, at = [""], 1, False, start + 1
    while depth > 0:
        char = text[at]
        if quoted and char == "\\":
            found[-1] += text[at:at + 2]
            at += 2
            continue
        quoted ^= char == '"'
        depth += 0 if quoted else (char == "(") - (char == ")")
        if char == "," and depth == 1 and not quoted:
            found.append("")
        elif depth > 0:
            found[-1] += char
        at += 1
    return [argument.strip() for argument in found]


def log_keys(tree):
    """Every key of a log line: those of each call, of lines about a job, of all lines."""
    of_job = re.findall(r'"(\w+)", ', tree.read("server/jobs/job_log.h"))
    keys = set(re.findall(r'put_pair\(\w+, [\w.>-]+, "(\w+)"|put_pair\(&line, [\w.>-]+, "(\w+)"',
                          tree.read("server/base/log.c")))
    keys = {key for pair in keys for key in pair if key}
    for path in tree.texts:
        text = tree.read(path) if re.match(r"server/.*\.c$", path) else ""
        for call in re.finditer(r"\blog_(debug|info|warn|error|line|each)(?=\()", text):
            given = arguments(text, call.end())
            pairs = given[3 if call.group(1) in ("line", "each") else 2:]
            if pairs and pairs[0].startswith("JOB_LOG("):
                keys.update(of_job)
                pairs = pairs[1:]
            keys.update(unquote(key) for key in pairs[::2] if key.startswith('"'))
    return dict.fromkeys(keys, {})


warnings = first_text("core/base/warnings.def", "WARNING")

LISTS = [
    ("server/api/routes.def", routes, "schema/API.md"),
    ("core/predict/results.def", first_text("core/predict/results.def", "RESULT"), "schema/API.md"),
    ("core/base/err.def", errors, "schema/API.md"),
    ("server/api/umbridge/umbridge_outputs.def", first_text("server/api/umbridge/umbridge_outputs.def", "OUTPUT"),
     "schema/API.md"),
    ("core/network/wpfn.def", first_text("core/network/wpfn.def", "WPFN"), "schema/API.md"),
    ("core/solve/solver.def", first_text("core/solve/solver.def", "SOLVER"), "core/SOLVERS.md"),
    ("core/solve/solver_settings.def", settings, "core/SOLVERS.md"),
    ("core/base/warnings.def", warnings, "core/SOLVERS.md"),
    ("core/base/warnings.def", warnings, "schema/API.md"),
    ("server/base/config.def", config, "deploy/README.md"),
    ("server/base/log.h", log_keys, "deploy/README.md"),
    ("server/base/metrics.def", metrics, "deploy/README.md"),
    ("server/base/wake.h", locks, "server/README.md"),
    ("server/client/commands.def", first_word("server/client/commands.def", "COMMAND"), "README.md"),
]


# ---- what a page has ----

def read_list(text, name):
    """Names below the marks of a list, with their cells by column; None: there is no mark."""
    found = {}
    parts = text.split(f"<!-- list: {name} -->\n")
    for part in parts[1:]:
        lines = part.split("\n\n", 1)[0].split("\n")
        if not lines[0].startswith("|"):
            found.update(dict.fromkeys(re.findall(r"`([^`]+)`", " ".join(lines)), {}))
            continue
        table = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                 for line in lines if line.startswith("|")]
        for row in table[2:]:
            for item in re.findall(r"`([^`]+)`", row[0]):
                found[item] = dict(zip(table[0], row))
    return found if len(parts) > 1 else None


def same(cell, value):
    """Does a cell begin with the value?"""
    begin = re.match(r'[`"]*([^`"\s(;]+)', cell)
    text = begin.group(1).rstrip(",") if begin else ""
    try:
        return float(text) == float(value)
    except ValueError:
        return text == value


def check_list(tree, name, read, page):
    wanted = read(tree)
    if not wanted:
        yield f"{name}: no names were found in it"
    shown = read_list(tree.read(page), name) if tree.has(page) else None
    if shown is None:
        yield f"{page}: no list is marked <!-- list: {name} -->"
        return
    for item in sorted(wanted.keys() - shown.keys()):
        yield f"{page}: {item} of {name} is missing"
    for item in sorted(shown.keys() - wanted.keys()):
        yield f"{page}: {item} is not in {name}"
    for item in sorted(wanted.keys() & shown.keys()):
        for column, value in wanted[item].items():
            if column in shown[item] and not same(shown[item][column], value):
                yield f"{page}: the {column} of {item} is {shown[item][column]}, {name} says {value}"


def check_conf(tree):
    """deploy/surrogated.conf: every setting, with its default where the line is commented out."""
    path = "deploy/surrogated.conf"
    wanted = config(tree)
    lines = re.findall(r"(?m)^(# ?)?([a-z_]+) =(?: +([^\s#]\S*))?", tree.read(path))
    names = [name for _, name, _ in lines]
    for name in sorted(wanted.keys() - set(names)):
        yield f"{path}: the setting {name} is missing"
    for name in sorted(set(names) - wanted.keys()):
        yield f"{path}: there is no setting {name}"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{path}: {name} stands there twice"
    for comment, name, value in lines:
        if comment and name in wanted and not same(value, wanted[name]["default"]):
            yield f"{path}: {name} = {value}, the default is {wanted[name]['default']}"


# ---- paths and links ----

def expand(path):
    """a{b,c}d is abd and acd; other braces, <..> and capital letters stand for anything."""
    match = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if match:
        return [e for part in match.group(1).split(",")
                for e in expand(path[:match.start()] + part + path[match.end():])]
    return [path]


def is_there(tree, folder, path):
    plain = os.path.normpath(path)
    wild = re.sub(r"\{[^{}]*\}|<[^<>]*>|[A-Z]{2,}", "*", plain)
    return any(tree.has(at) or tree.matches(at + ".*") or ("*" in at and tree.matches(at))
               for name in (plain, wild) for at in (name, os.path.join(folder, name)))


def check_paths(tree, page):
    text = re.sub(r"(?:https?:)?//\S+|<!--.*?-->", "", tree.read(page))
    folder = os.path.dirname(page)
    roots = {path.split("/")[0] for path in tree.folders}
    if folder:
        roots |= {path[len(folder) + 1:].split("/")[0] for path in tree.folders if path.startswith(folder + "/")}
    for found in sorted(set(PATH.findall(LINK.sub(" ", text)))):
        for path in expand(found.rstrip("./,-")):
            if path.split("/")[0] in roots and not is_there(tree, folder, path):
                yield f"{page}: there is no {path}"
    # What the page's own examples make is not in the tree.
    made = set(re.findall(r"(?m)^# (\S+\.py)$", text))
    for name in sorted(set(SOURCE_NAME.findall(text)) - made - tree.names):
        if not fnmatch.filter(tree.names, re.sub(r"[A-Z]{2,}", "*", name)):
            yield f"{page}: there is no file {name}"


@functools.lru_cache(maxsize=None)
def anchors(text):
    text = re.sub(r"(?ms)^```.*?^```$", "", text)
    found = set()
    for head in re.findall(r"(?m)^#+ (.*)$", text):
        head = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head)
        slug = re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
        found.add(slug if slug not in found else slug + "-1")
    return found


def check_links(tree, page):
    text = re.sub(r"(?ms)^```.*?^```$", "", tree.read(page))
    for target in sorted(set(LINK.findall(text))):
        path, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        to = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        if not tree.has(to):
            yield f"{page}: the link {target} leads nowhere"
        elif anchor and to.endswith(".md") and anchor not in anchors(tree.read(to)):
            yield f"{page}: {to} has no heading #{anchor}"


def check_readme(tree):
    text = tree.read("README.md")
    if len(text.encode()) > README_BYTES:
        yield f"README.md: {len(text.encode())} bytes, at most {README_BYTES} are allowed"
    links = {os.path.normpath(target.partition("#")[0]) for target in LINK.findall(text)}
    for page in sorted(set(LINKED) - links):
        yield f"README.md: no link to {page}"


def check(tree):
    """Everything that is wrong."""
    found = []
    for name, read, page in LISTS:
        found += check_list(tree, name, read, page)
    found += check_warnings(tree)
    found += check_conf(tree)
    found += check_readme(tree)
    for page in tree.pages():
        found += check_paths(tree, page)
        found += check_links(tree, page)
    return found


# ---- faults that must be found ----

def faults(tree):
    """(what is wrong, the words that must be said of it, changes)"""
    for name, read, page in LISTS:
        text = tree.read(page)
        mark = f"<!-- list: {name} -->\n"
        for item, row in list(read(tree).items())[:2]:
            yield f"{item} dropped", f"{page}: {item} of {name} is missing", {page: drop(text, mark, item)}
            for column, value in row.items():
                if column in read_list(text, name)[item]:
                    yield (f"{column} of {item}", f"{page}: the {column} of {item}",
                           spoil_source(tree, name, item, value))
        yield "a list without its mark", f"marked <!-- list: {name}", {page: text.replace(mark, "")}
        yield "a stray name", f"{page}: no_such_name is not in {name}", {page: add(text, mark)}
    conf = tree.read("deploy/surrogated.conf")
    yield "a setting dropped", "follow_ms is missing", {
        "deploy/surrogated.conf": conf.replace("# follow_ms =", "# ")}
    yield "a stray setting", "no setting speed", {"deploy/surrogated.conf": conf + "# speed = 1\n"}
    yield "another default", "the default is 1000", {
        "deploy/surrogated.conf": conf.replace("follow_ms = 1000", "follow_ms = 900")}
    codes = tree.read("core/base/warnings.def")
    yield "a code dropped", "warnings.def: few_rows is missing", {
        "core/base/warnings.def": codes.replace('WARNING("few_rows", true)', "")}
    yield "a stray code", "nothing warns of no_such_code", {
        "core/base/warnings.def": codes + 'WARNING("no_such_code", true)\n'}
    readme = tree.read("README.md")
    for word, text in [("there is no server/api/nothing.c", "`server/api/nothing.c`"),
                       ("there is no tests/nothing/", "in tests/nothing/x.c"),
                       ("there is no file nothing.def", "`nothing.def`"),
                       ("nothing.md leads nowhere", "[x](schema/nothing.md)"),
                       ("no heading #nothing", "[x](schema/API.md#nothing)"),
                       ("bytes, at most", "long " * README_BYTES)]:
        yield text[:40], word, {"README.md": readme + text + "\n"}
    yield "a missing link", "no link to schema/API.md", {
        "README.md": readme.replace("(schema/API.md", "(schema/model.schema.json")}
    yield "a file gone", "there is no deploy/quickstart.sh", {"deploy/quickstart.sh": None}


def spoil_source(tree, name, item, value):
    """Another value of an item in the list itself (or where errors have their statuses)."""
    if name == "core/base/err.def":
        path = "server/api/errors.c"
        return {path: tree.read(path).replace(f"return {value};", "return 299;")}
    text = tree.read(name)
    line = re.search(rf"(?m)^\w+\({item},.*$", text).group(0)
    changed = line.replace(f'"{value}"', '"other"') if f'"{value}"' in line else (
        re.sub(r"\b(true|false|\d[\d.e-]*)(?=, *(?:\"|SOLVER|\())", "77777", line))
    return {name: text.replace(line, changed)}


def below_mark(text, mark, change):
    """Changes the table or paragraph below the last mark of a list."""
    before, found, after = text.rpartition(mark)
    block, gap, rest = after.partition("\n\n")
    return before + found + change(block) + gap + rest


def drop(text, mark, item):
    return "".join(part if i == 0 else below_mark(mark + part, mark, lambda block: block.replace(f"`{item}`", "`-`"))
                   for i, part in enumerate(text.split(mark)))


def add(text, mark):
    return below_mark(text, mark, lambda block: block.rstrip("\n") + (
        "\n| `no_such_name` | | | |" if block.startswith("|") else " `no_such_name`"))


def missed_faults(tree):
    for what, words, changes in faults(tree):
        if not any(words in complaint for complaint in check(tree.changed(changes))):
            yield f"a planted fault was not found: {what} ({words})"


def main():
    tree = Tree(sys.argv[1])
    found = check(tree) or list(missed_faults(tree))
    print("\n".join(found) or f"{len(tree.pages())} pages in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
