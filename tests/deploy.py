#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Manifests against the Kubernetes schemas, the chart against kustomize's output, compose.yaml against its schema.

usage: deploy.py TOP FOLDER SCHEMA, as tests/deploy.sh calls it: FOLDER has kustomize.yaml, if it could be made; SCHEMA is the JSON schema of compose files, if it is there.
"""

import json
import os
import subprocess
import sys

import helm_python
import jsonschema
import kubernetes_validate
import yaml

VERSIONS = ("1.25", "1.32")


def documents(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]


def render_chart(path):
    """What `helm template` prints, by Helm's own code."""
    chart = helm_python.Chart.load(path)
    texts = chart.render({}, name="surrogated", namespace="surrogated").values()
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def check_schemas(name, found):
    for document in found:
        for version in VERSIONS:
            what = f"{name}: {document['kind']} {document['metadata']['name']}, Kubernetes {version}"
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
                yield f"{what}: {error.message}"


def plain(document):
    """A manifest without what kustomize and the chart name in ways of their own."""
    text = json.dumps(document, sort_keys=True)
    for map_ in ("litestream-",):
        at = text.find(f'"name": "{map_}')
        while at >= 0:  # the hash of a generated ConfigMap
            end = text.index('"', at + 9)
            text = text[:at] + '"name": "litestream' + text[end:]
            at = text.find(f'"name": "{map_}')
    document = json.loads(text)
    document["metadata"].pop("namespace", None)
    for container in document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
        container["env"] = sorted(container.get("env", []), key=lambda one: one["name"])
    if document["kind"] == "ConfigMap":
        lines = document["data"]["litestream.yml"].splitlines()
        document["data"] = yaml.safe_load("\n".join(line for line in lines if not line.startswith("#")))
    return document


def differences(mine, theirs, where=""):
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in sorted({*mine, *theirs}):
            yield from differences(mine.get(key), theirs.get(key), f"{where}.{key}")
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for i, pair in enumerate(zip(mine, theirs)):
            yield from differences(*pair, f"{where}[{i}]")
    elif mine != theirs:
        yield f"{where}: kustomize has {mine}, the chart {theirs}"


def check_same(kustomize, helm):
    """The chart, with its own values, is what kustomize makes."""
    by_name = lambda found: {(one["kind"], plain(one)["metadata"]["name"]): plain(one) for one in found}
    mine, theirs = by_name([one for one in kustomize if one["kind"] != "Namespace"]), by_name(helm)
    for key in sorted({*mine, *theirs}):
        for difference in differences(mine.get(key), theirs.get(key)):
            yield f"{' '.join(key)}{difference}"


def check_compose(path, schema):
    with open(schema, encoding="utf-8") as file:
        rules = json.load(file)
    for error in jsonschema.Draft201909Validator(rules).iter_errors(documents(path)[0]):
        yield f"{path}: {'/'.join(map(str, error.path))}: {error.message}"


def main():
    top, folder, schema = sys.argv[1:]
    problems = []
    rendered = {"helm": render_chart(os.path.join(top, "deploy/kubernetes/helm"))}
    if os.path.exists(os.path.join(folder, "kustomize.yaml")):
        rendered["kustomize"] = documents(os.path.join(folder, "kustomize.yaml"))
    for name, found in rendered.items():
        problems += check_schemas(name, found)
        print(f"{name}: {len(found)} manifests against Kubernetes {' and '.join(VERSIONS)}")
    if len(rendered) == 2:
        problems += check_same(rendered["kustomize"], rendered["helm"])
        print("the chart against kustomize")
    for document in documents(os.path.join(top, "deploy/kubernetes/kserve.yaml")):
        # KServe's own kinds are in no package: their containers are those of a pod.
        for container in document["spec"].get("containers", []):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [container]}}
            problems += check_schemas("kserve", [pod])
    problems += check_schemas("launcher.yaml", documents(os.path.join(top, "deploy/kubernetes/launcher.yaml")))
    job = subprocess.run(["sh", os.path.join(top, "deploy/kubernetes/launch.sh"), "train", "a \"b\" \\c"], check=True,
                         env={**os.environ, "DRY_RUN": "1", "IMAGE": "image", "CLAIM": "claim"}, capture_output=True, text=True)
    problems += check_schemas("launch.sh", [json.loads(job.stdout)])
    print("launcher.yaml and the Job of launch.sh")
    if os.path.exists(schema):
        problems += check_compose(os.path.join(top, "deploy/compose.yaml"), schema)
        print("compose.yaml against its schema")
    else:
        print("without the schema of compose files")
    print("\n".join(problems) if problems else "nothing is wrong")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
