# SPDX-License-Identifier: Apache-2.0
"""Answers against the OpenAPI description of the server (schema/openapi.yaml).

harness.Server.request holds every answer of every test against it: its status, its media type, and
its body. The description lets later releases add members to answers; here a member that it does not
know is an error. Without python3-jsonschema nothing is compared, and test_openapi.py says so.
"""

import json
import os
import re

try:
    import jsonschema
except ImportError:
    jsonschema = None

# Beside the binary, as the build leaves it.
PATH = os.environ.get("SURROGATED_OPENAPI") or os.path.join(
    os.path.dirname(os.environ["SURROGATED_BIN"]), "..", "schema", "openapi.json")
# Long lists hold many elements of a kind: the first and the last stand for all.
LONG, FIRST, LAST = 12, 6, 2
# A request whose head cannot be read, or whose path or method nothing describes.
ANYWHERE = {400, 404, 405, 414, 431}


def close(node):
    """Objects whose members are described have no others."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
            node["additionalProperties"] = False
        for value in node.values():
            close(value)
    elif isinstance(node, list):
        for value in node:
            close(value)


def shorten(value):
    if isinstance(value, list):
        kept = value if len(value) <= LONG else value[:FIRST] + value[-LAST:]
        return [shorten(element) for element in kept]
    if isinstance(value, dict):
        return {key: shorten(element) for key, element in value.items()}
    return value


def form(value):
    """What a schema can tell of a value, without its numbers: answers of one form are checked once."""
    if isinstance(value, dict):
        return tuple((key, form(element)) for key, element in value.items())
    if isinstance(value, list):
        return ("list", *dict.fromkeys(form(element) for element in value))
    if isinstance(value, str):
        return value if len(value) <= 24 and not re.search(r"\d", value) else "text"
    return type(value).__name__


class Description:
    def __init__(self, path=PATH):
        with open(path, encoding="utf-8") as file:
            self.document = json.load(file)
        self.paths = []
        for template in self.document["paths"]:
            pattern = re.sub(r"\{\w+\}", r"[^/]+", re.escape(template).replace(r"\{", "{").replace(r"\}", "}"))
            self.paths.append((template.count("{"), re.compile(pattern), template))
        self.paths.sort(key=lambda entry: entry[0])  # words come before parameters
        self.closed = json.loads(json.dumps(self.document["components"]))
        close(self.closed)
        self.validators = {}
        self.seen = set()

    def resolve(self, node):
        while "$ref" in node:
            node = self.document["components"][node["$ref"].split("/")[2]][node["$ref"].split("/")[3]]
        return node

    def find(self, method, path):
        """(template, operation); None: there is none."""
        path = path.partition("?")[0]
        for _, pattern, template in self.paths:
            if pattern.fullmatch(path):
                return template, self.document["paths"][template].get(method.lower())
        return None, None

    def validator(self, key, schema):
        if key not in self.validators:
            schema = json.loads(json.dumps(schema))
            close(schema)
            self.validators[key] = jsonschema.Draft202012Validator({**schema, "components": self.closed})
        return self.validators[key]

    def check(self, method, path, status, kind, data):
        """AssertionError, with what is not described. data: parsed if it is JSON."""
        template, operation = self.find("GET" if method == "HEAD" else method, path)
        if operation is None or status in ANYWHERE and str(status) not in operation["responses"]:
            assert status in ANYWHERE or status in (401, 403, 413, 421, 429, 503) or method == "OPTIONS", \
                f"{method} {path} is answered {status}, and nothing describes it"
            return
        where = f"{method} {template}, {status}"
        assert str(status) in operation["responses"], f"{where}: this status is not described"
        content = self.resolve(operation["responses"][str(status)]).get("content")
        if method == "HEAD" or not data:
            return
        assert content, f"{where}: no body is described"
        kind = (kind or "").partition(";")[0].strip()
        assert kind in content, f"{where}: the media type {kind} is not described"
        if "json" in kind:
            self.check_body(where, content[kind]["schema"], kind, shorten(data))

    def check_body(self, where, schema, kind, data):
        if jsonschema is None:
            return
        key = (where, kind)
        seen = (key, form(data))
        if seen in self.seen:
            return
        errors = sorted(self.validator(key, schema).iter_errors(data), key=lambda error: len(error.path))
        assert not errors, f"{where}: {errors[0].message:.400}, at {list(errors[0].absolute_path)}, in {data!r:.600}"
        self.seen.add(seen)


def below(base, path):
    """A path without the base_path of the server, which it may have and need not."""
    if base and path == base:
        return "/"
    return path[len(base):] if path.startswith(base + "/") else path


def base_of(flags):
    """The base_path that the flags of a server give it."""
    return next((flags[at + 1] for at, flag in enumerate(flags) if flag in ("--base_path", "--base-path")), "")


_loaded = []


def description():
    """Read once; None: it cannot be used."""
    if not _loaded:
        _loaded.append(Description() if os.path.exists(PATH) else None)
    return _loaded[0]
