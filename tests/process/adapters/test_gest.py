# SPDX-License-Identifier: Apache-2.0
"""The generator for gest-api: gest-api's own tests, ids, failed runs, and a run of libEnsemble. Skipped where gest-api or
libEnsemble is missing."""

import inspect
import json
import sys
import unittest

from adapter_harness import AdapterTest, has_packages

SCRIPT = """
import importlib.util, sys, types
sys.path.insert(0, {folder!r})
if importlib.util.find_spec("pytest") is None:  # all that gest-api's tests use of it
    class Raises:
        def __init__(self, kind, match=""):
            self.kind, self.match = kind, match
        def __enter__(self):
            return self
        def __exit__(self, kind, value, trace):
            assert kind is not None and issubclass(kind, self.kind) and self.match in str(value), value
            return True
    sys.modules["pytest"] = types.SimpleNamespace(raises=Raises)
from surrogate_generator import SurrogateGenerator
from gest_api.tests import test_generator as theirs
"""
# Their tests are of their generator; these say what any generator does. The others count on its random numbers, its list
# of points, and on limits of its own.
OF_ANY_GENERATOR = ("test_gen_fails_without_variable", "test_gen_fails_without_objective", "test_gen_has_constant_alpha",
                    "test_suggest_default_single_point")


@unittest.skipUnless(has_packages("gest_api"), "gest-api is missing: pip install gest-api")
class Generators(AdapterTest):
    def setUp(self):
        super().setUp()
        self.copy("gest/surrogate_generator.py", "gest/minimise.py")

    def runs(self, text):
        """What a script prints, as JSON."""
        self.write("script.py", SCRIPT.format(folder=self.path("")) + inspect.cleandoc(text))
        return json.loads(self.good(sys.executable, "script.py").splitlines()[-1])

    def test_gest_apis_own_tests(self):
        ran = self.runs(f"""
            import json
            ran = []
            for name in [name for name in dir(theirs) if name.startswith("test_")]:
                getattr(theirs, name)()  # with the package's generator: the package is whole
                ran.append(name)
            theirs.RandomGenerator = lambda vocs: SurrogateGenerator(vocs, "theirs")
            for name in {OF_ANY_GENERATOR!r}:
                getattr(theirs, name)()
            print(json.dumps(ran))
            """)
        self.assertTrue(set(OF_ANY_GENERATOR) <= set(ran), ran)

    def test_points_carry_their_ids_to_the_end(self):
        found = self.runs("""
            import json
            from gest_api.vocs import VOCS
            vocs = VOCS(variables={"x": [0.0, 1.0], "kind": {"round", "flat"}, "n": {2, 4}}, objectives={"f": "MAXIMIZE"},
                        constraints={"c": ["LESS_THAN", 5.0]}, constants={"alpha": 0.5}, observables=["seen"])
            generator = SurrogateGenerator(vocs, "ids", first=8, every=4)
            told = []
            for _ in range(3):
                points = generator.suggest(4)
                told += [sorted(point) for point in points]
                results = [{**point, "f": point["x"] * point["n"], "c": 1.0, "seen": 0.0} for point in points]
                if not generator.trained:
                    results[0]["f"] = float("nan")  # that run failed
                generator.ingest(results)
            try:
                generator.ingest([{**results[0], "_id": 10**9}])
                unknown = "taken"
            except ValueError as error:
                unknown = str(error)
            generator.ingest([{name: results[1][name] for name in ("x", "kind", "n", "f", "c", "seen")}])
            generator.finalize()
            print(json.dumps([told, unknown, len(generator.handed), generator.rows, generator.trained]))
            """)
        told, unknown, under_way, rows, trained = found
        self.assertEqual(told, [["_id", "alpha", "kind", "n", "x"]] * 12)
        self.assertIn("1000000000", unknown)
        self.assertEqual((under_way, rows, trained), (0, 13, 13))
        summary = self.ok(200, "GET", "/v1/models/ids/data")[1]
        self.assertEqual((summary["rows"], summary["failed_rows"]), (13, 2))
        self.assertEqual(self.ok(200, "POST", "/v1/models/ids/design", {"hold_s": 0, "extend": True, "n": 1})[1]["existing"] - 13, 0)

    def test_what_it_cannot_do_is_refused(self):
        found = self.runs("""
            import json
            from gest_api.vocs import VOCS
            said = []
            for variables in ({"x": "CONTEXTUAL"}, {"x": {1, "a"}}):
                try:
                    SurrogateGenerator(VOCS(variables=variables, objectives={"f": "MINIMIZE"}), "never")
                except ValueError as error:
                    said.append(str(error))
            print(json.dumps(said))
            """)
        self.assertEqual(len(found), 2)

    @unittest.skipUnless(has_packages("libensemble"), "libEnsemble is missing: pip install libensemble")
    def test_libensemble_runs_it(self):
        said = self.good(sys.executable, "minimise.py", "bowl")
        self.assertTrue(said.startswith("24 simulations; the least cost is -0.0"), said)
        summary = self.ok(200, "GET", "/v1/models/bowl/data")[1]
        self.assertEqual((summary["rows"], summary["outputs"]), (24, 2))
        self.assertEqual(self.ok(200, "POST", "/v1/models/bowl/suggest", {"hold_s": 0})[1]["pending"], 0)


if __name__ == "__main__":
    unittest.main()
