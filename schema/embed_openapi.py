#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the OpenAPI description into JSON, and that into C, which GET /openapi.json answers.

The version is that of the project, "x-shared" is left out, and the schema of model documents is put
where the description refers to it, with its own references bent to the new place. A reference that
leads nowhere ends the build.

usage: embed_openapi.py VERSION OPENAPI.yaml MODEL.schema.json OUT.json OUT.h OUT.c
"""

import hashlib
import json
import os
import sys

try:
    import yaml
except ImportError:
    sys.exit("python3 has no module yaml: install python3-yaml (apt-get install python3-yaml)")

MODEL_DOCUMENT = "#/components/schemas/ModelDocument"
PIECE = 1000  # bytes of a line in C


def references(node):
    """Every "$ref" of the description, with the object that holds it."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def embed_model_schema(description, path):
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    del schema["$schema"]
    for holder in references(schema):
        holder["$ref"] = holder["$ref"].replace("#/", MODEL_DOCUMENT + "/", 1)
    place = description["components"]["schemas"]["ModelDocument"]
    if place != {"$ref": os.path.basename(path)}:
        sys.exit(f"ModelDocument must refer to {os.path.basename(path)} alone")
    description["components"]["schemas"]["ModelDocument"] = schema


def find(description, reference):
    node = description
    for part in reference[2:].split("/"):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def load(version, path, model_schema):
    """The description as it is served."""
    with open(path, encoding="utf-8") as file:
        description = yaml.safe_load(file)
    del description["x-shared"]
    description["info"]["version"] = version
    # Anchors share objects, and each place must be free to differ.
    description = json.loads(json.dumps(description))
    embed_model_schema(description, model_schema)
    for holder in references(description):
        if not holder["$ref"].startswith("#/") or find(description, holder["$ref"]) is None:
            sys.exit(f"{path}: {holder['$ref']} leads nowhere")
    return description


def c_text(text):
    pieces = [text[at:at + PIECE] for at in range(0, len(text), PIECE)]
    return "\n".join('    "' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)


def main():
    version, path, model_schema, out_json, out_h, out_c = sys.argv[1:]
    text = json.dumps(load(version, path, model_schema), separators=(",", ":")) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    with open(out_json, "w", encoding="utf-8") as out:
        out.write(text)
    with open(out_h, "w", encoding="utf-8") as out:
        out.write("/* Made by schema/embed_openapi.py. */\n#ifndef OPENAPI_H\n#define OPENAPI_H\n\n"
                  f"#define OPENAPI_BYTES {len(text)}\n\n"
                  f'/* SHA-256 of the text. */\n#define OPENAPI_DIGEST "{digest}"\n\n'
                  "extern const char openapi_json[OPENAPI_BYTES + 1];\n\n#endif\n")
    with open(out_c, "w", encoding="utf-8") as out:
        out.write('/* Made by schema/embed_openapi.py. */\n#include "openapi.h"\n\n'
                  "const char openapi_json[OPENAPI_BYTES + 1] =\n" +
                  c_text(text.rstrip("\n")) + '\n    "\\n";\n')


if __name__ == "__main__":
    main()
