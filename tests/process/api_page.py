# SPDX-License-Identifier: Apache-2.0
"""The commands that schema/API.md shows, and whether an answer is the one that stands below them.

A ```sh block of the page is a terminal: a line that begins with "$ " is a command (with the lines
that complete it: after a backslash or a bar, within quotes, a here-document), what follows it is the answer.
Answers are JSON, laid out freely; a head of HTTP and a body (curl -i); events; or plain lines.

Everything printed is compared, members and their order, except for the few things that must differ
from run to run:

    times, digests in ETags and of versions that were trained, the program's version,
    ids that the server gives to requests             must have the same form
    sizes, durations, ids of events                   must be numbers
    numbers that come out of a fit (FITTED)           must be numbers, in answers about a trained
                                                      model; of a registered one they agree to 1e-12
    a job that has begun already when its request is  is turned back to what it was when it was
    answered                                          queued
    what the server has seen of a new policy          may be there where the page has null

Two abbreviations keep the page short, and neither leaves a member unchecked:

    {...}             the object that stood under this name in an earlier answer, unchanged
    [1, 2, ...]       more elements, each of the form of the last one printed
"""

import json
import math
import re
import shlex
from dataclasses import dataclass, field

# Members whose numbers a fit gives: they differ between processors and compilers.
FITTED = {
    "mean", "std", "variance", "total_variance", "values", "lower", "upper", "covariance", "samples",
    "jacobian", "loss", "validation_loss", "relative_error", "rmse", "nll", "nll_draws", "crps",
    "coverage", "width", "calibration", "observed", "candidate", "served", "standard_error", "better",
    "members.best_loss", "members.best_epoch", "estimate", "sampling_error", "surrogate_error",
}
# What a request says comes back unchanged, whatever its members are called.
SAID = {"request", "settings", "architecture", "policy"}
MEASURED = {"bytes", "eta_s", "fraction"}
# Told of a policy as soon as the server has looked at it.
LOOKED = ["looked", "waiting", "job", "drift_score", "drift_baseline"]
# How far a job has come when it is answered.
PROGRESS = {"member", "step"}
FORMS = [re.compile(form) for form in (
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
    r'"?sha256-[0-9a-f]{64}"?', r"\d+\.\d+\.\d+", r"[0-9a-f]{16}")]
SHA256 = re.compile(r"[0-9a-f]{64}")
# Below a heading a line of its own says which routes a section is about.
ROUTE = re.compile(r"`(GET|POST|PUT|DELETE) (/[^`\s]*)`")
ROUTES = re.compile(rf"{ROUTE.pattern}(, {ROUTE.pattern})*".replace("(GET", "(?:GET").replace("(/[", "(?:/["))
# The answer of a version repeats the request of its job under another name.
SAME_AS = {"settings": "request"}


class Mismatch(AssertionError):
    pass


@dataclass
class Command:
    text: str
    line: int
    answer: list = field(default_factory=list)
    routes: list = field(default_factory=list)    # of the section it stands in: (method, path)
    statuses: set = field(default_factory=set)    # that the section lists


# ---- the page ----

def is_complete(text):
    """Would a shell run it, or wait for more lines?"""
    here = re.search(r"<<\s*'?(\w+)'?", text.split("\n", 1)[0])
    if here:
        return text.split("\n")[-1] == here.group(1)
    try:
        shlex.split(text)
    except ValueError:
        return False
    return not text.endswith(("\\", "|"))


def read_commands(page):
    """The commands of the page in their order, each with its answer."""
    commands = []
    fence = None
    routes, statuses = [], set()
    for number, line in enumerate(page.splitlines(), 1):
        if line.startswith("```"):
            if fence == "sh" and commands and not is_complete(commands[-1].text):
                raise Mismatch(f"line {number}: the command of line {commands[-1].line} has no end")
            fence = line[3:].strip() if fence is None else None
        elif fence is None and re.match("###? ", line):
            routes, statuses = [], set()
        elif fence is None and ROUTES.fullmatch(line):
            routes += ROUTE.findall(line)
        elif fence is None and line.startswith("Statuses:"):
            statuses |= {int(code) for code in re.findall(r"\b\d{3}\b", line)}
        elif fence == "sh":
            take_line(commands, Command(line[2:], number, [], routes, statuses), line)
    return commands


def take_line(commands, new, line):
    if commands and not is_complete(commands[-1].text):
        commands[-1].text += "\n" + line
    elif line.startswith("$ "):
        commands.append(new)
    elif commands:
        commands[-1].answer.append(line)
    else:
        raise Mismatch(f"line {new.line}: an answer without a command")


def described_routes(page):
    """Every (method, path) that begins a section of the page."""
    return [route for line in page.splitlines() if ROUTES.fullmatch(line) for route in ROUTE.findall(line)]


def blocks(page, language):
    """The text of the fenced blocks in a language."""
    return re.findall(rf"(?m)^```{language}\n(.*?)^```$", page, re.S)


# ---- answers ----

MORE = "..."
STRING_OR_DOTS = re.compile(r'"(?:[^"\\]|\\.)*"|\{\s*\.\.\.\s*\}|\.\.\.')


def parse(text):
    """JSON with the two abbreviations."""
    def replace(match):
        piece = match.group(0)
        return piece if piece[0] == '"' else '{"...": null}' if piece[0] == "{" else '"..."'

    def once(pairs):
        if len({name for name, _ in pairs}) < len(pairs):
            raise Mismatch(f"a member stands there twice: {[name for name, _ in pairs]}")
        return dict(pairs)

    return json.loads(STRING_OR_DOTS.sub(replace, text), object_pairs_hook=once)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def turn_back(job):
    """A job as it was when it was queued, if it has only begun since."""
    if isinstance(job, dict) and job.get("state") == "running":
        return {**job, "state": "queued", "attempts": job["attempts"] - 1, "progress": None,
                "started_from": None, "training_data": None, "started": None}
    return job


def earlier(seen, name):
    """What {...} stands for; None: nothing came before."""
    return seen.get(name, seen.get(SAME_AS.get(name)))


class Matcher:
    """Compares answers in the order of the page; remembers what {...} stands for."""

    def __init__(self):
        self.seen = {}

    def answer(self, want, got, fitted):
        """want: the lines of the page; got: the text that came. Raises Mismatch."""
        want = "\n".join(want).strip("\n")
        got = got.replace("\r\n", "\n").strip("\n")
        if want.startswith("HTTP/1.1 "):
            want_head, _, want = want.partition("\n\n")
            got_head, _, got = got.partition("\n\n")
            match_head(want_head, got_head)
        if want[:1] in ("{", "["):
            if got[:1] not in ("{", "["):
                raise Mismatch(f"no JSON came: {got}")
            self.document(want, got, fitted)
        else:
            self.lines(want.split("\n"), got.split("\n"), fitted)

    def document(self, want, got, fitted):
        got = parse(got)
        try:
            self.value(parse(want), got, "", fitted)
        finally:
            self.remember("", got)

    def lines(self, want, got, fitted):
        if len(want) != len(got):
            raise Mismatch(f"{len(got)} lines came, {len(want)} stand on the page")
        for a, b in zip(want, got):
            if a.startswith("data: {") and b.startswith("data: {"):
                self.document(a[6:], b[6:], fitted)
            elif a != b and not (re.fullmatch(r"id: \d+", a) and re.fullmatch(r"id: \d+", b)):
                raise Mismatch(f"the line {b!r} came, {a!r} stands on the page")

    def remember(self, name, value):
        if isinstance(value, dict):
            self.seen[name] = value
            for key, item in value.items():
                self.remember(key, item)
        elif isinstance(value, list):
            for item in value:
                self.remember(name, item)

    def value(self, want, got, where, fitted, free=False):
        """free: a number may be any; where: the path to the value, ending in the member's name."""
        name = re.sub(r"\[\d+\]$", "", where).split("/")[-1]
        if want == {MORE: None}:
            want = self.find(name, where)
        if isinstance(want, dict) and isinstance(got, dict):
            self.members(want, got, where, fitted)
        elif isinstance(want, list) and isinstance(got, list):
            self.elements(want, got, where, fitted, free)
        elif is_number(want) and is_number(got):
            if not free and not math.isclose(want, got, rel_tol=1e-12, abs_tol=1e-13):
                raise Mismatch(f"{where} is {got}, {want} stands on the page")
        elif isinstance(want, str) and isinstance(got, str):
            forms = FORMS + [SHA256] * (name == "version_digest")
            alike = any(form.fullmatch(want) and form.fullmatch(got) for form in forms)
            if want != got and not alike:
                raise Mismatch(f"{where} is {got!r}, {want!r} stands on the page")
        elif want is not got:
            raise Mismatch(f"{where} is {got!r}, {want!r} stands on the page")

    def find(self, name, where):
        found = earlier(self.seen, name)
        if found is None:
            raise Mismatch(f"{where} is abbreviated, and no earlier answer has a {name}")
        return found

    def members(self, want, got, where, fitted):
        if list(want) != list(got):
            raise Mismatch(f"the members of {where or 'the answer'} are {', '.join(got)}; "
                           f"{', '.join(want)} stand on the page")
        for key, item in want.items():
            said = key in SAID
            measured = key in MEASURED or (key in PROGRESS and where.endswith("/progress"))
            free = measured or (fitted and key in FITTED)
            early = key == "status" and item is None and isinstance(got[key], dict)
            if early and list(got[key]) != LOOKED:
                raise Mismatch(f"the members of {where}/status are {', '.join(got[key])}")
            if not early and not (key == "eta_s" and got[key] is None):
                self.value(item, got[key], f"{where}/{key}", fitted and not said, free)

    def elements(self, want, got, where, fitted, free):
        more = want[-1:] == [MORE]
        printed = want[:-1] if more else want
        if len(got) != len(printed) if not more else len(got) <= len(printed):
            raise Mismatch(f"{where} has {len(got)} elements, {len(printed)}{' and more' if more else ''} "
                           "stand on the page")
        for i, item in enumerate(got):
            if i < len(printed):
                self.value(printed[i], item, f"{where}[{i}]", fitted, free)
            else:
                match_form(printed[-1], item, f"{where}[{i}]")


def match_form(want, got, where):
    """An element that is not printed: the same members and types as the one that is."""
    if isinstance(want, dict) and isinstance(got, dict) and list(want) == list(got):
        for key in want:
            match_form(want[key], got[key], f"{where}/{key}")
    elif isinstance(want, list) and isinstance(got, list) and want[-1:] == [MORE]:
        for i, item in enumerate(got):
            match_form(want[0], item, f"{where}[{i}]")
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for i, item in enumerate(got):
            match_form(want[i], item, f"{where}[{i}]")
    elif not (is_number(want) and is_number(got)) and type(want) is not type(got):
        raise Mismatch(f"{where} is {got!r}, of another form than {want!r}")
    elif isinstance(want, (dict, list)):
        raise Mismatch(f"{where} is {got!r}, of another form than {want!r}")


# Headers that the page tells of once.
EVERYWHERE = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
              "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def match_head(want, got):
    """Status lines and headers, in any order; Date, ETag and Content-Length by their form, and the number of the last
    change, which counts those of jobs too."""
    want_status, *want_fields = want.split("\n")
    got_status, *got_fields = got.split("\n")
    if want_status.strip() != got_status.strip():
        raise Mismatch(f"{got_status.strip()} came, {want_status} stands on the page")
    a = dict(line.split(": ", 1) for line in want_fields)
    b = dict(line.split(": ", 1) for line in got_fields)
    for name, value in EVERYWHERE.items():
        if b.get(name) == value:
            b.pop(name)
            a.pop(name, None)
    if sorted(a) != sorted(b):
        raise Mismatch(f"the headers are {sorted(b)}, {sorted(a)} stand on the page")
    for name, value in a.items():
        number = name == "X-Registry-Version" and value.isdigit() and b[name].isdigit()
        alike = name == "Content-Length" or number or any(
            form.fullmatch(value) and form.fullmatch(b[name]) for form in FORMS)
        if value != b[name] and not alike:
            raise Mismatch(f"{name} is {b[name]!r}, {value!r} stands on the page")
