# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI description that the server answers, and what holds answers against it."""

import copy
import json
import os
import unittest

import described
from harness import HERE, ServerTest, document

needs_jsonschema = unittest.skipIf(described.jsonschema is None, "python3-jsonschema is not installed")


class Served(ServerTest):
    def test_it_is_what_the_build_made(self):
        status, head, served = self.server.request("GET", "/openapi.json")
        self.assertEqual((status, head["Content-Type"]), (200, "application/json"))
        self.assertEqual(served, described.description().document)
        self.assertEqual(served["info"]["version"], self.server.request("GET", "/healthz")[2]["version"])

    def test_a_client_that_has_it_is_not_sent_it_again(self):
        _, head, _ = self.server.request("GET", "/openapi.json")
        self.assertRegex(head["ETag"], '^"sha256-[0-9a-f]{64}"$')
        self.assertNotIn("Cache-Control", head)
        status, again, body = self.server.request("GET", "/openapi.json", headers={"If-None-Match": head["ETag"]})
        self.assertEqual((status, again["ETag"], body), (304, head["ETag"], b""))

    def test_head_says_how_long_it_is(self):
        with open(described.PATH, "rb") as file:
            size = len(file.read())
        status, head, body = self.server.request("HEAD", "/openapi.json")
        self.assertEqual((status, head["Content-Length"], body), (200, str(size), b""))


def examples(description):
    """(where, schema, example) of every schema, request and answer."""
    for name, schema in description.document["components"]["schemas"].items():
        for example in schema.get("examples", []):
            yield name, schema, example
    for path, item in description.document["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict):
                bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
                for content in [part for body in bodies for part in description.resolve(body).get("content", {}).items()]:
                    if "example" in content[1] and "json" in content[0]:
                        yield f"{method} {path}", content[1]["schema"], content[1]["example"]


@needs_jsonschema
class Schemas(unittest.TestCase):
    def test_every_schema_is_one(self):
        for name, schema in described.description().document["components"]["schemas"].items():
            with self.subTest(schema=name):
                described.jsonschema.Draft202012Validator.check_schema(schema)

    def test_every_example_fits_its_schema(self):
        description = described.description()
        count = 0
        for where, schema, example in examples(description):
            with self.subTest(example=where):
                description.check_body(where + str(count), schema, "", example)
            count += 1
        self.assertGreater(count, 80)

    def test_the_request_of_the_page_that_says_everything_is_one(self):
        with open(os.path.join(HERE, "../../schema/API.md"), encoding="utf-8") as file:
            text = file.read().partition("$ cat > train.json <<'END'\n")[2].partition("END\n")[0]
        request = json.loads(text)
        schemas = described.description().closed["schemas"]
        self.assertEqual(set(schemas["TrainRequest"]["properties"]) - set(request),
                         {"space", "auto", "budget_s", "budget_fits",  # its space is set apart; of "auto" alone
                          "columns", "constraints", "chain_start", "output_reduction"})  # have sections and requests of their own
        described.description().check_body("train", {"$ref": "#/components/schemas/TrainRequest"}, "", request)
        request["settings"]["membres"] = 4
        with self.assertRaises(AssertionError):
            described.description().check_body("train 2", {"$ref": "#/components/schemas/TrainRequest"}, "", request)


@needs_jsonschema
class Holding(ServerTest):
    """An answer that differs from the description is found."""

    def wrong(self, words, method, path, status, kind, data):
        with self.assertRaisesRegex(AssertionError, words):
            described.description().check(method, path, status, kind, data)

    def test_what_is_not_described_is_found(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        _, models = self.ok(200, "GET", "/v1/models")
        json_type = "application/json"
        self.wrong("status is not described", "GET", "/v1/models", 418, json_type, models)
        self.wrong("media type text/plain is not described", "GET", "/v1/models", 200, "text/plain", "x")
        self.wrong("no body is described", "DELETE", "/v1/models/m", 204, json_type, models)
        self.wrong("nothing describes it", "GET", "/v3/models", 200, json_type, models)
        for change, words in (("add", "'more' was unexpected"), ("drop", "'rows' is a required"), ("kind", "is not of type")):
            faulty = copy.deepcopy(models)
            row = faulty["models"][0]
            if change == "add":
                row["more"] = 1
            elif change == "drop":
                del row["rows"]
            else:
                row["rows"] = "3"
            self.wrong(words, "GET", "/v1/models", 200, json_type, faulty)

    def test_one_that_differs_far_down_a_long_list_is_found_by_its_end(self):
        listed = {"models": ["m"] * 5000}
        described.description().check("GET", "/v2/models", 200, "application/json", listed)
        self.wrong("is not of type 'string'", "GET", "/v2/models", 200, "application/json", {"models": ["m"] * 4999 + [5]})


if __name__ == "__main__":
    unittest.main()
