# SPDX-License-Identifier: Apache-2.0
"""Designs, suggestions and optima over HTTP: points that are pending, regions, refusals, replicas."""

import json
import math
import random
import shutil
import socket
import tempfile
import threading
import time
import unittest

from harness import Server

SPACE = {"inputs": [{"name": "a", "bounds": [0, 1]}, {"name": "n", "type": "integer", "bounds": [1, 4]},
                    {"name": "mesh", "type": "category", "values": ["coarse", "fine"]}], "outputs": ["y", "z"]}


def send(server, method, path, body=None):
    """(status, answer)"""
    status, _, data = server.request(method, path, body)
    return status, data


class Explore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.server = Server(cls.folder)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        assert cls.server.request("PUT", "/v1/models/plate/space", SPACE)[0] == 200
        rng = random.Random(1)
        inputs = [[rng.random(), rng.randint(1, 4), rng.choice(["coarse", "fine"])] for _ in range(50)]
        outputs = [[math.sin(3 * a) + 0.1 * n + 0.3 * (mesh == "fine"), a * n] for a, n, mesh in inputs]
        assert cls.server.request("POST", "/v1/models/plate/data", {"inputs": inputs, "outputs": outputs})[0] == 201
        job = {"solver": "ensemble", "seed": 1, "settings": {"members": 6, "epochs": 150}}
        cls.server.wait_job(send(cls.server, "POST", "/v1/models/plate/train", job)[1]["id"], "succeeded")

    def ask(self, what, body=None, status=200, model="plate"):
        got, answer = send(self.server, "POST", f"/v1/models/{model}/{what}", body or {})
        self.assertEqual(got, status, answer)
        return answer

    def test_a_design_before_any_row_is_pending_until_it_comes_back(self):
        space = {"inputs": [{"name": "x", "bounds": [0, 1]}], "outputs": ["y"]}
        self.assertEqual(self.server.request("PUT", "/v1/models/fresh/space", space)[0], 200)
        first = self.ask("design", {"n": 4}, model="fresh")
        self.assertEqual(len(set(first["ids"])), 4)
        again = self.ask("design", {"n": 4, "hold_s": 0}, model="fresh")
        self.assertEqual((again["points"], again["ids"], again["expires"]), (first["points"], None, None))
        more = self.ask("design", {"n": 3, "extend": True, "hold_s": 0}, model="fresh")
        self.assertEqual(more["existing"], 4)
        gaps = [min(abs(x[0] - y[0]) for y in first["points"]) for x in more["points"]]
        self.assertGreater(min(gaps), 0.05)
        ids = ",".join(map(str, first["ids"][:3]))
        body = {"inputs": first["points"][:3], "outputs": [[1.0], [2.0], [3.0]]}
        status, answer = send(self.server, "POST", f"/v1/models/fresh/data?ids={ids},999999", body)
        self.assertEqual((status, answer["closed"]), (201, 3))
        status, answer = send(self.server, "POST", f"/v1/models/fresh/data?ids={ids}", body)
        self.assertEqual((status, answer["closed"]), (201, 0))
        self.assertEqual(self.ask("design", {"extend": True, "hold_s": 0}, model="fresh")["existing"], 1 + 6)
        for ids in ("", "a", "1,,2", "-1", "1,", "1" * 19):
            status, answer = send(self.server, "POST", f"/v1/models/fresh/data?ids={ids}", body)
            self.assertEqual(status, 400, ids)
            self.assertIn("ids must be", answer["detail"])
        # Ids of another model close nothing.
        other = self.ask("design", {"n": 1})["ids"]
        status, answer = send(self.server, "POST", f"/v1/models/fresh/data?ids={other[0]}", body)
        self.assertEqual((status, answer["closed"]), (201, 0))
        self.assertEqual(self.server.request("DELETE", "/v1/models/fresh")[0], 204)

    def test_a_region_holds_for_every_answer(self):
        region = {"bounds": {"a": [0.2, 0.6]}, "fixed": {"mesh": "fine"}, "hold_s": 0,
                  "constraints": [{"coefficients": {"a": 1, "n": 1}, "at_most": 3, "at_least": 1.5}]}
        points = self.ask("design", {**region, "n": 60})["points"]
        points += self.ask("suggest", {**region, "n": 5})["points"]
        points += self.ask("suggest", {**region, "n": 2, "criterion": "expected_improvement", "output": "y"})["points"]
        del region["hold_s"]
        points.append(self.ask("optimize", {**region, "objective": {"output": "z", "goal": "max"}})["optimum"]["point"])
        points += self.ask("optimize", {**region, "objectives": [{"output": "z"}, {"output": 0, "goal": "max"}],
                                        "population": 12, "generations": 8})["front"]["points"]
        for a, n, mesh in points:
            self.assertTrue(0.2 <= a <= 0.6 and n in (1, 2) and mesh == "fine" and 1.5 - 1e-6 <= a + n <= 3 + 1e-6)

    def test_suggestions_are_conditioned_on_what_is_pending(self):
        asked = {"criterion": "variance", "output": "y", "n": 1, "seed": 4}
        first = self.ask("suggest", asked)
        second = self.ask("suggest", {**asked, "hold_s": 0})
        self.assertNotEqual(first["points"], second["points"])
        self.assertEqual(second["pending"], first["pending"] + 1)
        self.assertLess(second["variance"]["before"], first["variance"]["before"])
        self.assertEqual(second, self.ask("suggest", {**asked, "hold_s": 0}))
        named = self.ask("suggest", {**asked, "hold_s": 0, "pending": second["points"]})
        self.assertEqual(named["pending"], second["pending"] + 1)
        body = {"inputs": [first["points"][0]], "outputs": [[0.5, 0.5]]}
        status, answer = send(self.server, "POST", f"/v1/models/plate/data?ids={first['ids'][0]}", body)
        self.assertEqual((status, answer["closed"]), (201, 1))

    def test_given_candidates_have_costs_and_names(self):
        candidates = [{"a": 0.1, "n": 1, "mesh": "coarse"}, [0.9, 4, "fine"], [0.5, 2, "fine"]]
        asked = {"criterion": "variance", "candidates": candidates, "n": 3, "hold_s": 0}
        answer = self.ask("suggest", asked)
        self.assertEqual(sorted(one["candidate"] for one in answer["suggestions"]), [0, 1, 2])
        dear = answer["suggestions"][0]["candidate"]
        costs = [1e6 if k == dear else 1 for k in range(3)]
        self.assertEqual(self.ask("suggest", {**asked, "costs": costs})["suggestions"][2]["candidate"], dear)

    def test_every_criterion_answers(self):
        for criterion in ("integrated_variance", "variance", "d_optimal", "expected_improvement",
                          "lower_confidence", "thompson", "level_set", "failure_boundary"):
            asked = {"criterion": criterion, "output": "y", "threshold": 0.8, "n": 2, "hold_s": 0,
                     "candidates": 200}
            answer = self.ask("suggest", asked)
            self.assertEqual((answer["criterion"], len(answer["points"])), (criterion, 2))

    def test_an_optimum_has_its_uncertainty(self):
        asked = {"objective": {"output": "y", "of": "bound", "k": -1, "goal": "max"}, "draws": 5,
                 "limits": [{"output": "z", "at_most": 1.5}]}
        answer = self.ask("optimize", asked)
        self.assertTrue(answer["optimum"]["holds"])
        self.assertLessEqual(answer["optimum"]["limits"][0], 1.5 + 1e-5)
        self.assertEqual(len(answer["draws"]["points"]), answer["draws"]["count"])
        self.assertEqual(answer, self.ask("optimize", asked))
        impossible = self.ask("optimize", {**asked, "limits": [{"output": "z", "at_least": 100}]})
        self.assertFalse(impossible["optimum"]["holds"])
        self.assertEqual(impossible["draws"]["without_limits"], 5)

    def test_a_front_has_its_uncertainty(self):
        asked = {"objectives": [{"output": "y", "goal": "max"}, {"output": "z", "of": "bound", "k": 1}],
                 "limits": [{"output": "z", "at_most": 2.5}], "population": 12, "draws": 3, "seed": 2}
        for more in ({"method": "nsga", "generations": 12}, {"method": "weighted_sum", "candidates": 100}):
            answer = self.ask("optimize", {**asked, **more})
            front, draws = answer["front"], answer["draws"]
            self.assertGreater(len(front["points"]), 1)
            self.assertLessEqual(max(limit[0] for limit in front["limits"]), 2.5 + 1e-4)
            self.assertEqual((draws["count"] + draws["without_limits"], len(draws["fronts"])), (3, draws["count"]))
            for kind in ("values_mean", "values_std", "inputs_mean", "inputs_std"):
                self.assertEqual(len(draws["nearest"][kind]), len(front["points"]))
            self.assertTrue(all(point[2] is None for point in draws["nearest"]["inputs_std"]))  # the category
            self.assertGreater(max(value for row in draws["nearest"]["values_std"] for value in row), 0)
            self.assertEqual(answer, self.ask("optimize", {**asked, **more}))
        self.assertEqual(self.ask("optimize", {**asked, "draws": 0})["draws"], {"count": 0, "without_limits": 0})

    def test_thin_regions_are_filled_and_empty_ones_refused(self):
        line = {"fixed": {"n": 2}, "hold_s": 0, "constraints": [{"coefficients": {"a": 1}, "at_most": 0.25, "at_least": 0.25}]}
        for a, n, _ in self.ask("design", {**line, "n": 10})["points"]:
            self.assertAlmostEqual(a, 0.25, delta=1e-8)
            self.assertEqual(n, 2)
        asked = {"hold_s": 0, "constraints": [{"coefficients": {"a": 1, "n": 0.1}, "at_most": 0.5, "at_least": 0.499999}]}
        points = self.ask("design", {**asked, "n": 50})["points"]
        points += self.ask("suggest", {**asked, "n": 3, "criterion": "variance"})["points"]
        for a, n, _ in points:
            self.assertAlmostEqual(a + 0.1 * n, 0.5, delta=1.1e-6)
        self.assertEqual({n for _, n, _ in points}, {1, 2, 3, 4})
        both = [{"coefficients": {"a": 1, "n": 1}, "at_least": 4.5}, {"coefficients": {"a": 1, "n": -1}, "at_least": -2.9}]
        for what in ("design", "suggest"):
            detail = self.ask(what, {"constraints": both}, 400)["detail"]
            self.assertIn("meets all constraints", detail)

    def test_what_cannot_be_done_is_refused_with_its_place(self):
        one = {"objective": {"output": "y"}}
        for what, body, said in (
                ("design", {"kind": "cube"}, "kind must be one of"),
                ("design", {"n": 0}, "n "),
                ("design", {"points": 3}, "points"),
                ("design", {"bounds": {"b": [0, 1]}}, '"b" is unknown, there are a, n, mesh'),
                ("design", {"bounds": {"a": [1, 0]}}, "bounds.a"),
                ("design", {"bounds": {"a": [2, 3]}}, "no possible value"),
                ("design", {"bounds": {"mesh": [0, 1]}}, "category"),
                ("design", {"fixed": {"mesh": "huge"}}, 'one of "coarse", "fine"'),
                ("design", {"fixed": {"a": 7}}, "cannot be fixed at 7"),
                ("design", {"fixed": {"n": 1.5}}, "integer"),
                ("design", {"fixed": {"a": 0.5, "n": 1, "mesh": "fine"}}, "every input is fixed"),
                ("design", {"constraints": [{"coefficients": {"a": 1}, "at_most": -1}]}, "constraints[0] holds nowhere"),
                ("design", {"constraints": [{"coefficients": {"a": 1}}]}, "neither at_most nor at_least"),
                ("design", {"constraints": [{"coefficients": {"mesh": 1}, "at_most": 1}]}, "category"),
                ("design", {"kind": "lhs", "constraints": [{"coefficients": {"a": 1}, "at_most": 0.5}]}, "box"),
                ("design", {"kind": "sobol", "levels": 3}, "grid"),
                ("suggest", {"criterion": "best"}, "criterion must be one of"),
                ("suggest", {"criterion": "thompson"}, "name it in output"),
                ("suggest", {"criterion": "level_set", "output": "y"}, "threshold"),
                ("suggest", {"output": "w"}, '"w" is unknown, there are y, z'),
                ("suggest", {"outputs": [0, "y"]}, "given twice"),
                ("suggest", {"outputs": [2]}, "from 0 to 1"),
                ("suggest", {"n": 201}, "n "),
                ("suggest", {"n": 3, "candidates": [[0.1, 1, "fine"]]}, "1 candidates for 3 points"),
                ("suggest", {"candidates": [[0.1, 1]]}, "candidates[0] has 2 values"),
                ("suggest", {"candidates": [[0.1, 1, "fine"], [0.1, 1, "huge"]]}, "candidates[1][2]"),
                ("suggest", {"candidates": [{"a": 0.1, "n": 1}]}, '"mesh" is missing'),
                ("suggest", {"candidates": [[0.1, 1, "fine"]], "costs": [0]}, "costs[0] is 0"),
                ("suggest", {"costs": [1]}, "costs belong to candidates"),
                ("suggest", {"hold_s": -1}, "hold_s"),
                ("optimize", {}, "one objective"),
                ("optimize", {**one, "objectives": [{}]}, "one objective"),
                ("optimize", {"objective": {}}, "objective.output"),
                ("optimize", {"objective": {"output": "y", "of": "median"}}, "of must be one of"),
                ("optimize", {"objective": {"output": "y", "of": "bound"}}, "k"),
                ("optimize", {"objective": {"output": "y", "of": "quantile", "level": 1}}, "level"),
                ("optimize", {**one, "limits": [{"output": "z"}]}, "limits[0]"),
                ("optimize", {**one, "draws": 1000}, "draws"),
                ("optimize", {**one, "method": "nsga"}, "several objectives"),
                ("optimize", {"objectives": [{"output": 0}, {"output": 1}], "method": "front"}, "method must be one of"),
                ("optimize", {"objectives": [{"output": 0}, {"output": 1}], "starts": 2}, "one objective"),
                ("optimize", {"objectives": [{"output": 0}, {"output": 1}], "draws": 51}, "draws")):
            with self.subTest(what=what, body=body):
                self.assertIn(said, self.ask(what, body, 400)["detail"])
        self.assertIn("nobody", self.ask("design", {}, 404, "nobody")["detail"])
        rows = {"inputs": [[1.0]], "outputs": [[1.0]]}
        self.assertEqual(self.server.request("POST", "/v1/models/bare/data", rows)[0], 201)
        self.assertIn("no input space", self.ask("design", {}, 409, "bare")["detail"])
        self.ask("suggest", {}, 404, "bare")
        self.server.request("DELETE", "/v1/models/bare")

    def test_a_replica_answers_and_notes_nothing(self):
        replica = Server(tempfile.mkdtemp(dir=self.folder), "--read-only", "true")
        replica.db = self.server.db
        replica.start()
        self.addCleanup(replica.stop)
        status, answer = send(replica, "POST", "/v1/models/plate/suggest", {"n": 2})
        self.assertEqual((status, answer["ids"], answer["expires"]), (200, None, None))
        self.assertEqual(replica.request("POST", "/v1/models/plate/suggest", {"n": 1, "hold_s": 60})[0], 403)

    def test_others_wait_for_their_turn(self):
        """Many at once are answered or told to come again, and predictions go on."""
        found = []

        def run():
            found.append(self.server.request("POST", "/v1/models/plate/suggest", {"n": 20, "hold_s": 0})[0])
        threads = [threading.Thread(target=run) for _ in range(6)]
        for thread in threads:
            thread.start()
        status = self.server.request("POST", "/v1/models/plate/predict", {"inputs": [[0.5, 2, "fine"]]})[0]
        for thread in threads:
            thread.join()
        self.assertEqual(status, 200)
        self.assertIn(200, found)
        self.assertTrue(set(found) <= {200, 503}, found)


class Abandoned(unittest.TestCase):
    """One that computes for long ends when nobody waits for it any more. The server has one place for them."""

    LONG = {"objectives": [{"output": "y"}, {"output": "z", "goal": "max"}], "population": 400, "generations": 1000, "draws": 50}

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = Server(self.folder, "--write-threads", "2")
        self.server.start()
        self.addCleanup(self.server.stop)
        model = {"architecture": {"inputs": 2, "outputs": 2, "width": 8, "layers": 2},
                 "training_range": [[0, 1], [0, 1]], "names": {"inputs": ["a", "b"], "outputs": ["y", "z"]}}
        size = 8 * 2 + 8 + 2 * (8 * 8 + 8) + 2 * 8 + 2
        rng = random.Random(3)
        model["posterior"] = {"kind": "draws", "parameters": [[rng.gauss(0, 0.5) for _ in range(size)] for _ in range(60)]}
        status, _, answer = self.server.request("PUT", "/v1/models/plate", model)
        self.assertEqual(status, 201, answer)
        space = {"inputs": [{"name": name, "bounds": [0, 1]} for name in "ab"], "outputs": ["y", "z"]}
        self.assertEqual(self.server.request("PUT", "/v1/models/plate/space", space)[0], 200)

    def status_of(self, path, body, headers=None):
        return self.server.request("POST", f"/v1/models/plate/{path}", body, headers)[0]

    def is_free(self):
        return self.status_of("suggest", {"candidates": 20, "hold_s": 0, "search": False}) == 200

    def wait_until(self, true):
        for _ in range(6000):
            if true():
                return
            time.sleep(0.05)
        self.fail("it never came")

    def test_a_deadline(self):
        for what, body in (("optimize", self.LONG), ("suggest", {"n": 200, "candidates": 1000, "output": "y", "criterion": "level_set", "threshold": 0, "hold_s": 0}),
                           ("design", {"kind": "maximin", "n": 5000, "hold_s": 0})):
            self.assertEqual(self.status_of(what, body, {"Request-Timeout-Ms": "50"}), 504, what)
        self.assertEqual(self.status_of("suggest", {"hold_s": 0}, {"Request-Timeout-Ms": "soon"}), 400)
        self.wait_until(self.is_free)

    def test_a_client_that_goes(self):
        body = json.dumps(self.LONG).encode()
        head = (f"POST /v1/models/plate/optimize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        with socket.create_connection(("127.0.0.1", self.server.port)) as client:
            client.settimeout(0.01)

            def is_busy():
                try:  # it may have come while another one had the place
                    if client.recv(4096):
                        client.sendall(head + body)
                except TimeoutError:
                    pass
                return not self.is_free()
            client.sendall(head + body)
            self.wait_until(is_busy)
        self.wait_until(self.is_free)

    def test_a_server_that_stops(self):
        found = []

        def ask():
            while not found or "other designs" in found[-1]["detail"]:
                found.append(self.server.request("POST", "/v1/models/plate/optimize", self.LONG)[2])
        asking = threading.Thread(target=ask)
        asking.start()
        self.wait_until(lambda: not self.is_free())
        self.server.stop()
        asking.join()
        self.assertIn("the server is stopping", found[-1]["detail"])


if __name__ == "__main__":
    unittest.main()
