#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI description against the program: routes, roles, query keys, solvers, settings, errors.

schema/openapi.yaml is written by hand, and what it lists stands in .def files, too. Operations have
the metric labels of routes.def as their operationId.

usage: check_openapi.py TOP OPENAPI.json    the description as the build makes it, and then planted
                                            faults, each of which must be found
"""

import copy
import json
import re
import sys

from check_pages import Tree, entries, errors, unquote

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
# Errors that no reply of a described operation has: another method, a client that is gone, files.
NOT_DESCRIBED = {"405", "499"}


class Description:
    def __init__(self, document):
        self.document = document
        self.schemas = document["components"]["schemas"]

    def resolve(self, node):
        while "$ref" in node:
            place = node["$ref"].split("/")[1:]
            node = self.document
            for part in place:
                node = node[part]
        return node

    def operations(self):
        """(method, path, operation, its parameters with those of the path)"""
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    shared = item.get("parameters", []) + item[method].get("parameters", [])
                    yield method.upper(), path, item[method], [self.resolve(one) for one in shared]


# ---- routes ----

def prediction_keys(tree, path):
    """Query keys of a prediction: what the path names is not one."""
    results = [(unquote(line[2]), line[5]) for line in entries(tree.read("core/predict/results.def"), "RESULT")]
    keys = {name for name, option in results if option not in ("NONE", "ALTERNATIVE")}
    keys |= {"return", "seed", "samples_of", "burn_in", "at", "outputs", "within"}
    keys |= {"model"} - ({"model"} if "{m}" in path else set())
    return keys | ({"version"} - ({"version"} if "{v}" in path else set()))


def routes(tree):
    """(method, path) -> label, role, query keys."""
    found = {}
    for method, path, _, label, role, query in entries(tree.read("server/api/routes.def"), "ROUTE"):
        path, query = unquote(path), unquote(query)
        keys = prediction_keys(tree, path) if query == "*" else set(query.split())
        found[(method, path)] = (unquote(label), role.lower(), keys)
    return found


def role_of(operation):
    """The role that a description asks for; none: no token."""
    roles = [role for way in operation["security"] for role in way.get("token", [])]
    return roles[0] if roles else "none"


def check_routes(tree, description):
    wanted = routes(tree)
    shown = {(method, path): (operation, parameters)
             for method, path, operation, parameters in description.operations()}
    for method, path in sorted(wanted.keys() - shown.keys()):
        yield f"{method} {path} of routes.def is missing"
    for method, path in sorted(shown.keys() - wanted.keys()):
        yield f"{method} {path} is not in routes.def"
    for method, path in sorted(wanted.keys() & shown.keys()):
        operation, parameters = shown[(method, path)]
        label, role, keys = wanted[(method, path)]
        where = f"{method} {path}"
        if operation["operationId"] != label:
            yield f"{where}: the operationId is {operation['operationId']}, the label is {label}"
        if role_of(operation) != role:
            yield f"{where}: the role is {role_of(operation)}, routes.def says {role}"
        query = {one["name"] for one in parameters if one["in"] == "query"}
        if query != keys:
            yield f"{where}: the query keys are {sorted(query)}, the route has {sorted(keys)}"
        named = {one["name"] for one in parameters if one["in"] == "path"}
        if named != set(re.findall(r"\{(\w+)\}", path)):
            yield f"{where}: the parameters of the path are {sorted(named)}"


def check_operations(description):
    """Each says what it does, and its bodies have schemas and examples."""
    tags = {tag["name"] for tag in description.document["tags"]}
    for method, path, operation, parameters in description.operations():
        where = f"{method} {path}"
        if not operation.get("summary") or not set(operation.get("tags", [])) <= tags or not operation.get("tags"):
            yield f"{where}: it needs a summary and a known tag"
        for one in parameters:
            if not one.get("description"):
                yield f"{where}: the parameter {one['name']} has no description"
            if one["schema"].get("type") == "integer" and "maximum" not in one["schema"]:
                yield f"{where}: the parameter {one['name']} has no maximum"
        for status, response in operation["responses"].items():
            for kind, content in description.resolve(response).get("content", {}).items():
                schema = description.resolve(content["schema"])
                if "json" in kind and not (schema.get("examples") or content.get("example") or "anyOf" in schema or
                                           schema.get("additionalProperties") is True):
                    yield f"{where}: the answer {status} has no example"
        if "requestBody" in operation:
            content = description.resolve(operation["requestBody"])["content"]["application/json"]
            if not (description.resolve(content["schema"]).get("examples") or content.get("example")):
                yield f"{where}: the request has no example"


# ---- lists ----

def names(tree, path, macro, index):
    return [unquote(line[index]) for line in entries(tree.read(path), macro)]


def bridge_errors(tree):
    return sorted(set(re.findall(r'return "(\w+)";', tree.read("server/api/umbridge_error.c"))))


def enum_of(schema):
    return [value for value in schema["enum"] if value is not None]


def lists(tree, schemas):
    """(what it is, what the program has, what the description has)"""
    properties = schemas["TrainRequest"]["properties"]
    yield "core/solve/solver.def", names(tree, "core/solve/solver.def", "SOLVER", 1), [
        name for name in schemas["Solver"]["enum"] if not is_other_solver(tree, name)]
    yield "core/base/err.def", [title for title in errors(tree)], schemas["Problem"]["properties"]["title"]["enum"]
    yield ("core/predict/results.def", list(dict.fromkeys(names(tree, "core/predict/results.def", "RESULT", 2))),
           schemas["ResultName"]["enum"])
    yield "core/base/warnings.def", names(tree, "core/base/warnings.def", "WARNING", 0), schemas["WarningCode"]["enum"]
    yield "core/fit/optim.def", names(tree, "core/fit/optim.def", "OPTIM", 1), schemas["OptimizerName"]["enum"]
    yield "core/network/wpfn.def", names(tree, "core/network/wpfn.def", "WPFN", 1), schemas["Basis"]["enum"]
    yield ("core/model/space_distributions.def",
           names(tree, "core/model/space_distributions.def", "DISTRIBUTION", 1), schemas["DistributionKind"]["enum"])
    yield ("server/api/umbridge/umbridge_outputs.def",
           [unquote(next(a for a in line if a.startswith('"'))) for line in
            entries(tree.read("server/api/umbridge/umbridge_outputs.def"), "OUTPUT")],
           schemas["BridgeOutputName"]["enum"])
    yield ("server/api/umbridge_error.c", bridge_errors(tree),
           sorted(schemas["BridgeError"]["properties"]["error"]["properties"]["type"]["enum"]))
    yield ("server/access/limits.def", names(tree, "server/access/limits.def", "LIMIT", 1),
           [key for key in schemas["TokenRequest"]["properties"] if key not in ("role", "id", "models", "expires")])
    yield ("server/documents/request_fields.c", sorted(request_keys(tree)), sorted(properties))


def is_other_solver(tree, name):
    """A name of the request that is no line of solver.def: the reader of requests knows it."""
    known = "".join(tree.read(path) for path in tree.texts if re.match(r"server/documents/\w+\.[ch]$", path))
    return name not in names(tree, "core/solve/solver.def", "SOLVER", 1) and f'"{name}"' in known


def request_keys(tree):
    text = tree.read("server/documents/request_fields.c")
    block = re.search(r"(?ms)^static const struct json_field top\w*\[\] = \{\n(.*?)^\};", text).group(1)
    return {name for pair in re.findall(r'FIELD_\w+\("(\w+)"|\.key = "(\w+)"', block) for name in pair if name}


def check_lists(tree, description):
    for name, wanted, shown in lists(tree, description.schemas):
        if not wanted:
            yield f"{name}: no names were found in it"
        for item in sorted(set(wanted) - set(shown)):
            yield f"{item} of {name} is missing"
        for item in sorted(set(shown) - set(wanted)):
            yield f"{item} is not in {name}"


# ---- settings of the solvers ----

def solvers_of(expression, defines, solvers):
    """The solvers of a set as solver_settings.def writes it."""
    for _ in range(len(defines)):
        for name, value in defines.items():
            expression = re.sub(rf"\b{name}\b", f"({value})", expression)
    expression = re.sub(r"SOLVER_BIT\((\w+)\)", lambda found: f"{{'{found.group(1)}'}}", expression)
    excluded = re.search(r"& ~\((.*)\)$", expression)
    whole = expression[:excluded.start()] if excluded else expression
    codes = set(re.findall(r"'(\w+)'", whole)) - set(re.findall(r"'(\w+)'", excluded.group(1)) if excluded else [])
    return [name for code, name in solvers if code in codes]


def settings(tree):
    """name -> the schema that it should have."""
    text = tree.read("core/solve/solver_settings.def")
    defines = {name: value.replace("\\\n", " ") for name, value in
               re.findall(r"(?m)^#define (SOLVER_\w+)\s+((?:.*\\\n)*.*)$", text)}
    solvers = [(code, unquote(name)) for code, name, _ in entries(tree.read("core/solve/solver.def"), "SOLVER")]
    found = {}
    for kind, json_type in (("INT", "integer"), ("REAL", "number")):
        for name, low, high, default, of in entries(text, f"SETTING_{kind}"):
            found[name] = ({"type": json_type, "minimum": float(low), "maximum": float(high),
                            "default": float(default)}, of)
    for name, default, of in entries(text, "SETTING_FLAG"):
        found[name] = ({"type": "boolean", "default": default == "true"}, of)
    for name, choices, default, of in entries(text, "SETTING_CHOICE"):
        choices = unquote(choices).split("|")
        found[name] = ({"enum": choices, "default": choices[int(default)]}, of)
    return {name: {**schema, "description": "Of " + ", ".join(solvers_of(of, defines, solvers))}
            for name, (schema, of) in found.items()}


def check_settings(tree, description):
    wanted, shown = settings(tree), description.schemas["SolverSettings"]["properties"]
    for name in sorted(wanted.keys() - shown.keys()):
        yield f"SolverSettings: {name} is missing: {json.dumps(wanted[name])}"
    for name in sorted(shown.keys() - wanted.keys()):
        yield f"SolverSettings: {name} is not in solver_settings.def"
    for name in sorted(wanted.keys() & shown.keys()):
        if wanted[name] != shown[name]:
            yield f"SolverSettings: {name} is {json.dumps(shown[name])}, it should be {json.dumps(wanted[name])}"


# ---- statuses ----

def page_statuses(tree):
    """(the routes of a section of schema/API.md, its statuses), where it gives one list for all."""
    for section in re.split(r"(?m)^##+ ", tree.read("schema/API.md")):
        line = re.search(r"(?m)^Statuses: (.*)$", section)
        if line is not None and "`" not in line.group(1):
            yield (re.findall(r"`(GET|PUT|POST|DELETE) (/[^` ]*)`", section[:line.start()]),
                   set(re.findall(r"\b[2-5]\d\d\b", line.group(1))))


def check_statuses(tree, description):
    known = {row["status"] for row in errors(tree).values()} - NOT_DESCRIBED
    answers = {(method, path): set(operation["responses"]) for method, path, operation, _ in description.operations()}
    for (method, path), answered in answers.items():
        for status in sorted(status for status in answered if status >= "400" and status not in known):
            yield f"{method} {path}: no error has the status {status}"
    for status in sorted(known - set().union(*answers.values())):
        yield f"no operation is answered {status}"
    for section, statuses in page_statuses(tree):
        shown = set().union(*(answers.get(route, set()) for route in section))
        for status in sorted(statuses - shown):
            yield f"{' '.join(section[0])}: the status {status} of schema/API.md is missing"


def check(tree, document):
    description = Description(document)
    return [*check_routes(tree, description), *check_operations(description), *check_lists(tree, description),
            *check_settings(tree, description), *check_statuses(tree, description)]


# ---- faults that must be found ----

def change(document, *place):
    """A copy, and the object at that place of it."""
    copied = copy.deepcopy(document)
    node = copied
    for part in place:
        node = node[part]
    return copied, node


def faults(document):
    """(the words that must be said of it, a description with a fault)"""
    get = ("paths", "/v1/models", "get")
    faulty, node = change(document, "paths", "/v1/jobs")
    del node["delete"]
    yield "DELETE /v1/jobs of routes.def is missing", faulty
    faulty, node = change(document, *get)
    node["operationId"] = "model_list"
    yield "the operationId is model_list", faulty
    faulty, node = change(document, *get)
    node["security"] = []
    yield "the role is none", faulty
    faulty, node = change(document, *get)
    node["parameters"] = [{"name": "limit", "in": "query", "description": "x", "schema": {}}]
    yield "the query keys are ['limit']", faulty
    faulty, node = change(document, *get)
    del node["summary"]
    yield "GET /v1/models: it needs a summary", faulty
    faulty, node = change(document, "components", "parameters", "limit", "schema")
    del node["maximum"]
    yield "GET /v1/audit: the parameter limit has no maximum", faulty
    faulty, node = change(document, "components", "schemas", "ModelList")
    del node["examples"]
    yield "GET /v1/models: the answer 200 has no example", faulty
    faulty, node = change(document, "components", "schemas", "Solver")
    node["enum"][0] = "ensembel"
    yield "ensemble of core/solve/solver.def is missing", faulty
    faulty, node = change(document, "components", "schemas", "SolverSettings", "properties")
    node["members"]["maximum"] = 4000
    yield "SolverSettings: members is", faulty
    faulty, node = change(document, "components", "schemas", "SolverSettings", "properties")
    node["t0"]["description"] = "Of hmc"
    yield "SolverSettings: t0 is", faulty
    faulty, node = change(document, "components", "schemas", "Problem", "properties", "title")
    node["enum"].remove("not found")
    yield "not found of core/base/err.def is missing", faulty
    faulty, node = change(document, *get, "responses")
    node["418"] = node["403"]
    yield "GET /v1/models: no error has the status 418", faulty
    faulty, node = change(document, "paths", "/v1/models/{m}/train", "post", "responses")
    del node["202"]
    yield "/train: the status 202 of schema/API.md is missing", faulty


def main():
    tree = Tree(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        document = json.load(file)
    found = check(tree, document)
    for line in found:
        print(f"schema/openapi.yaml: {line}")
    missed = [words for words, faulty in faults(document)
              if not any(words in line for line in check(tree, faulty))]
    for words in missed:
        print(f"a planted fault was not found: {words}")
    sys.exit(1 if found or missed else 0)


if __name__ == "__main__":
    main()
