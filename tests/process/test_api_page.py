# SPDX-License-Identifier: Apache-2.0
"""schema/API.md against a live server: every request that it shows, in its order, with its answer.

The commands run unchanged in a shell; a curl configuration leads them from port 8080 to the server
of the test and has curl say what it asked for and which status came. API_PAGE_UPDATE=1 writes the
answers that differ into the page instead of failing, for a person to read over and abbreviate.
"""

import json
import math
import os
import random
import re
import subprocess
import unittest
from urllib.parse import urlsplit

import api_page
import described
from harness import HERE, PATIENCE, ServerTest, make_golden

TOP = os.path.join(HERE, "..", "..")
PAGE = os.path.join(TOP, "schema", "API.md")
ROUTES = os.path.join(TOP, "server", "api", "routes.def")
# Routes without a request on the page, each with its reason.
NOT_REPLAYED = {}
UPDATE = os.environ.get("API_PAGE_UPDATE") == "1"

# What the page does with numpy, which a machine that builds the project need not have.
NUMPY = '''
import ast, struct
from harness import npy

def save(name, rows):
    open(name, "wb").write(npy(rows))

class Array:
    def __init__(self, shape, values):
        self.shape, self.values = shape, values

    def tolist(self):
        rows = self.values
        for n in reversed(self.shape[1:]):
            rows = [rows[i:i + n] for i in range(0, len(rows), n)]
        return rows

def load(name):
    data = open(name, "rb").read()
    end = 10 + struct.unpack("<H", data[8:10])[0]
    shape = ast.literal_eval(data[10:end].decode())["shape"]
    return Array(shape, list(struct.unpack(f"<{(len(data) - end) // 8}d", data[end:])))
'''


def read_page():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def read_routes():
    """(method, path) of each line of routes.def."""
    with open(ROUTES, encoding="utf-8") as file:
        return re.findall(r'^ROUTE\((\w+), "([^"]+)"', file.read(), re.M)


def find_route(routes, method, url):
    path = urlsplit(url).path
    for route in routes:
        if route[0] == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route[1]), path):
            return route
    return None


def is_fitted(text):
    """Is the answer about a model that was trained here, or its job?"""
    return ("/flow" in text or '"flow"' in text or "/v1/jobs" in text) and "/data" not in text


def lay_out(value, indent=0, width=100):
    """JSON on several lines where one would be too long."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    text = text.replace('{"...":null}', "{...}").replace('"..."', "...")
    if len(text) + indent <= width or not isinstance(value, (dict, list)) or not value:
        return text
    is_object = isinstance(value, dict)
    parts = [(json.dumps(k) + ":" if is_object else "", v)
             for k, v in (value.items() if is_object else enumerate(value))]
    lines = [""]
    for i, (name, item) in enumerate(parts):
        piece = name + lay_out(item, indent + 1, width) + ("," if i + 1 < len(parts) else "")
        if lines[-1] and ("\n" in piece or len(lines[-1]) + len(piece) + indent + 1 > width):
            lines.append("")
        lines[-1] += piece
    pad = "\n" + " " * (indent + 1)
    return ("{" if is_object else "[") + pad.join(lines) + ("}" if is_object else "]")


def abbreviate(value, name, seen, fitted):
    """As the page prints an answer: four digits of what differs everywhere, and not twice the same."""
    if isinstance(value, dict):
        if len(value) > 4 and name and value == api_page.earlier(seen, name):
            return {api_page.MORE: None}
        return {k: abbreviate(v, k, seen, fitted and k not in api_page.SAID) for k, v in value.items()}
    if isinstance(value, list):
        long = name in api_page.FITTED | api_page.PROGRESS and len(value) > 6
        kept = 3 if long else 1 if name == "members" and len(value) > 3 else len(value)
        more = [] if kept == len(value) else [api_page.MORE]
        return [abbreviate(item, name, seen, fitted) for item in value[:kept]] + more
    free = fitted and isinstance(value, float) and name in api_page.FITTED
    return float(f"{value:.4g}") if free else value


class Terminal:
    """A folder in which the commands of the page run, one after the other."""

    def __init__(self, folder, port):
        self.folder = folder
        with open(os.path.join(folder, ".curlrc"), "w", encoding="utf-8") as file:
            file.write(f'connect-to = "127.0.0.1:8080:127.0.0.1:{port}"\nsilent\nshow-error\n'
                       f"max-time = {PATIENCE}\n"
                       'write-out = "%{stderr}\\n>> %{method} %{http_code} %{url_effective}\\n"\n')
        with open(os.path.join(folder, "numpy.py"), "w", encoding="utf-8") as file:
            file.write(NUMPY)
        self.environment = {**os.environ, "CURL_HOME": folder, "HOME": folder,
                            "PYTHONPATH": f"{folder}:{HERE}"}

    def run(self, text):
        """What was printed, and of each request its method, status and URL."""
        done = subprocess.run(["sh", "-c", text], cwd=self.folder, env=self.environment, timeout=PATIENCE,
                              capture_output=True, check=False)
        errors = done.stderr.decode()
        if done.returncode != 0:
            raise api_page.Mismatch(f"exit status {done.returncode}: {errors}")
        requests = [(method, int(status), url)
                    for method, status, url in re.findall(r"(?m)^>> (\w+) (\d+) (\S+)$", errors)]
        return done.stdout.decode(), requests


class Replay(ServerTest):
    def setUp(self):
        super().setUp()
        self.page = read_page()
        self.routes = read_routes()
        self.answered = set()
        self.terminal = Terminal(self.folder, self.server.port)
        for text in api_page.blocks(self.page, "python"):
            name = re.match(r"# (\w+\.py)\n", text)
            with open(os.path.join(self.folder, name.group(1)), "w", encoding="utf-8") as file:
                file.write(text)

    def check_requests(self, command, printed, requests):
        """Each went to a route, and its status is one that its section lists and the answer shows."""
        self.assertTrue(requests or "curl" not in command.text, "curl did not say what it did")
        for method, status, url in requests:
            route = find_route(self.routes, "GET" if method == "HEAD" else method, url)
            self.answered.add(route)
            if route in command.routes and status not in command.statuses:
                raise api_page.Mismatch(f"{status} came, which \"Statuses:\" does not list")
            shown = f"HTTP/1.1 {status} " in printed or f'"status":{status},' in printed
            if status >= 300 and not shown:
                raise api_page.Mismatch(f"{method} {url} was answered {status}: {printed}")
        if len(requests) == 1 and command.text.rpartition("|")[2].lstrip().startswith("curl"):
            check_described(*requests[0], printed)

    def replay(self, matcher, command):
        printed = ""
        try:
            printed, requests = self.terminal.run(command.text)
            if command.text.endswith("/train"):
                printed = turn_back_in(printed)
            self.check_requests(command, printed, requests)
            matcher.answer(command.answer, printed, is_fitted(command.text))
        except api_page.Mismatch as error:
            return f"API.md line {command.line}: {error}\n  {command.text}", printed
        return None, printed

    def replay_patiently(self, matcher, command):
        """What the keeper has seen of a policy it tells when it has looked."""
        error, printed = self.replay(matcher, command)
        for _ in range(3 if UPDATE else PATIENCE):
            if error is None or "/policy" not in command.text or " -X " in command.text:
                break
            self.terminal.run("sleep 1")
            error, printed = self.replay(matcher, command)
        return error, printed

    def test_every_request_of_the_page_is_answered_as_it_says(self):
        matcher = api_page.Matcher()
        errors, answers = [], []
        commands = api_page.read_commands(self.page)
        self.assertGreater(len(commands), 40)
        for command in commands:
            before = dict(matcher.seen)
            error, printed = self.replay_patiently(matcher, command)
            if error is not None:
                errors.append(error)
                answers.append((command, printed, before))
        if UPDATE:
            write_answers(answers)
        self.assertEqual(errors, [], "\n" + "\n\n".join(errors))
        left = set(self.routes) - self.answered - set(NOT_REPLAYED)
        self.assertEqual(left, set(), "the page shows no request of these routes")
        self.assertEqual(set(NOT_REPLAYED) & self.answered, set(), "these have a request after all")

    def test_the_forward_pass_of_the_page_computes_what_the_server_does(self):
        """In plain Python, for the sample document and for networks of every kind."""
        names = {}
        code = [text for text in api_page.blocks(self.page, "python") if "def predict(" in text]
        self.assertEqual(len(code), 1)
        exec(compile(code[0], "API.md", "exec"), names)  # pylint: disable=exec-used
        rng = random.Random(3)
        for number, variant in enumerate(make_golden.VARIANTS):
            arch = {**make_golden.BASE, **variant}
            given = {**variant, **{k: arch[k] for k in ("inputs", "outputs", "width", "layers")}}
            document = {"architecture": given, "posterior": {"kind": "draws", "parameters": [
                [rng.uniform(-0.8, 0.8) for _ in range(make_golden.count(arch))] for _ in range(3)]}}
            if number % 2 == 1:
                document["scaling"] = random_scaling(rng, arch)
            x = [rng.uniform(0.1, 1.5) for _ in range(arch["inputs"])]
            self.ok(201, "PUT", f"/v1/models/m{number}", document)
            _, answer = self.ok(200, "POST", f"/v1/models/m{number}/predict", {"inputs": [x]})
            mean, variance = names["predict"](document, x)
            for got, want in ((mean, answer["mean"][0]), (variance, answer["variance"][0])):
                self.assertEqual(len(got), len(want), variant)
                for a, b in zip(got, want):
                    self.assertTrue(math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12), (variant, a, b))


def check_described(method, status, url, printed):
    """An answer that was printed whole is one that the OpenAPI description tells of."""
    body = printed.replace("\r", "").rpartition("\n\n")[2] if printed.startswith("HTTP/") else printed
    if not re.fullmatch(r"\{.*\}|\[.*\]", body.strip(), re.S) or not described.description():
        return
    kind = "application/problem+json" if body.startswith('{"type":"about:blank"') else "application/json"
    try:
        described.description().check(method, urlsplit(url).path, status, kind, json.loads(body))
    except json.JSONDecodeError:
        pass  # parts of an answer, found by grep
    except AssertionError as error:
        raise api_page.Mismatch(str(error)) from error


def random_scaling(rng, arch):
    outputs = 1 if arch["final"] == "sum" else arch["outputs"]

    def scaler(kind):
        return {"kind": kind, "shift": rng.uniform(-0.5, 0.5), "scale": rng.uniform(0.5, 2)}

    return {"inputs": [scaler(rng.choice(["log", "range"])) for _ in range(arch["inputs"])],
            "outputs": [scaler(rng.choice(["log", "standard"])) for _ in range(outputs)]}


def turn_back_in(printed):
    """The job of an answer to POST train may have begun before the answer was written."""
    head, found, body = printed.partition("{")
    if not found:
        return printed
    job = api_page.turn_back(json.loads(found + body))
    return head + json.dumps(job, separators=(",", ":")) + "\n"


def write_answers(answers):
    """Writes answers that came into the page, in the places of those that stand there."""
    lines = read_page().split("\n")
    for command, printed, seen in reversed(answers):
        head, brace, body = printed.replace("\r", "").partition("{")
        if brace and (head == "" or head.startswith("HTTP/1.1")):
            answer = json.loads(brace + body)
            printed = head + lay_out(abbreviate(answer, "", seen, is_fitted(command.text)))
        start = command.line + command.text.count("\n")
        came = printed.replace("\r", "").rstrip("\n")
        lines[start:start + len(command.answer)] = came.split("\n") if came else []
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


class Comparing(unittest.TestCase):
    """The comparison finds what it is there to find."""

    def compare(self, want, got, fitted=False):
        api_page.Matcher().answer(want.split("\n"), got, fitted)

    def refused(self, want, got, fitted=False):
        with self.assertRaises(api_page.Mismatch, msg=(want, got)):
            self.compare(want, got, fitted)

    def test_the_same_passes(self):
        self.compare('{"a":1,\n "b":[0.1,{"c":null}]}', '{"a":1,"b":[0.10000000000000001,{"c":null}]}')
        self.compare('{"created":"2026-11-30T03:41:27.020Z"}', '{"created":"2025-01-01T00:00:00.000Z"}')
        self.compare('{"mean":[[1.5]]}', '{"mean":[[1.25]]}', fitted=True)
        self.compare('{"a":[1,2,...]}', '{"a":[1,2,3,4]}')
        self.compare('[{"step":[1,...]},...]', '[{"step":[1,2]},{"step":[5]}]')
        self.compare("HTTP/1.1 201 Created\nA: b\nDate: Mon, 30 Nov 2026 03:41:26 GMT\n\n{}",
                     "HTTP/1.1 201 Created\r\nDate: Tue, 01 Dec 2026 03:41:26 GMT\r\nA: b\r\n\r\n{}")

    def test_a_difference_is_found(self):
        for want, got in [
                ('{"a":1}', '{"a":2}'), ('{"a":1}', '{"a":1,"b":2}'), ('{"a":1,"b":2}', '{"a":1}'),
                ('{"a":1,"b":2}', '{"b":2,"a":1}'), ('{"a":null}', '{"a":1}'), ('{"a":1}', '{"a":null}'),
                ('{"a":1}', '{"a":true}'), ('{"a":"x"}', '{"a":"y"}'), ('{"a":[1]}', '{"a":[1,2]}'),
                ('{"a":[1,2]}', '{"a":[1]}'), ('{"a":0.1}', '{"a":0.1000000001}'), ('{"a":1}', "a"),
                ('{"mean":1.5}', '{"mean":1.6}'), ('{"a":[1,2,...]}', '{"a":[1,2]}'),
                ('{"a":[{"b":1},...]}', '{"a":[{"b":1},{"b":"x"}]}'),
                ('{"a":[{"b":1},...]}', '{"a":[{"b":1},{"b":1,"c":1}]}'), ('{"a":{...}}', '{"a":{}}'),
                ("HTTP/1.1 200 OK\n\n{}", "HTTP/1.1 201 Created\r\n\r\n{}"),
                ("HTTP/1.1 200 OK\nA: b\n\n{}", "HTTP/1.1 200 OK\r\nA: c\r\n\r\n{}"),
                ("HTTP/1.1 200 OK\n\n{}", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}"),
                ("one\ntwo", "one"), ("one", "two"), ("id: 7", "id: x"), ("", "text")]:
            self.refused(want, got)

    def test_what_a_fit_gives_must_be_a_number_and_all_else_the_same(self):
        self.refused('{"mean":[[1.5]]}', '{"mean":[[null]]}', fitted=True)
        self.refused('{"mean":[[1.5]]}', '{"mean":[[1.5,2]]}', fitted=True)
        self.refused('{"draws":4,"mean":1.5}', '{"draws":5,"mean":1.5}', fitted=True)
        self.refused('{"request":{"width":8}}', '{"request":{"width":9}}', fitted=True)

    def test_an_abbreviation_stands_for_what_came_before(self):
        matcher = api_page.Matcher()
        matcher.answer(['{"request":{"a":1}}'], '{"request":{"a":1}}', False)
        matcher.answer(['{"settings":{...}}'], '{"settings":{"a":1}}', False)
        with self.assertRaises(api_page.Mismatch):
            matcher.answer(['{"request":{...}}'], '{"request":{"a":2}}', False)

    def test_commands_are_read_whole(self):
        page = ("### A\n`GET /x`, `PUT /x`\nStatuses: 200; 404\n```sh\n$ curl -d '{\n}' \\\n  y\n{\"a\":1}\n"
                "$ cat > f <<'END'\nz\nEND\n```\n### B\n```json\n$ no\n```\n")
        first, second = api_page.read_commands(page)
        self.assertEqual((first.text, first.answer), ("curl -d '{\n}' \\\n  y", ['{"a":1}']))
        self.assertEqual((first.routes, first.statuses), ([("GET", "/x"), ("PUT", "/x")], {200, 404}))
        self.assertEqual((second.text, second.answer), ("cat > f <<'END'\nz\nEND", []))


class Complete(unittest.TestCase):
    def test_every_route_has_a_section_and_every_section_a_route(self):
        described = api_page.described_routes(read_page())
        self.assertEqual(sorted(described), sorted(read_routes()))

    def test_every_section_about_a_route_lists_its_statuses(self):
        for command in api_page.read_commands(read_page()):
            self.assertTrue(command.statuses or not command.routes, f"line {command.line}")


if __name__ == "__main__":
    unittest.main()
