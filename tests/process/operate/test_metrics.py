# SPDX-License-Identifier: Apache-2.0
"""Metrics: their form in both formats, what they count, alert rules and the dashboard."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from harness import HERE, PATIENCE, ServerTest, document, rows

DEPLOY = os.path.join(HERE, "..", "..", "deploy")
PROMTOOL = shutil.which("promtool")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
no_promtool = "promtool is missing: apt-get install prometheus (19 MB)"


def promtool(*args, text=None):
    return subprocess.run([PROMTOOL, *args], input=text, capture_output=True, text=True, timeout=PATIENCE,
                          check=False)


def parse(text):
    """{name{labels}: value}"""
    return {name: float(value) for name, value in re.findall(r"(?m)^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text)}


class Metrics(ServerTest):
    flags = ("--head_timeout_s", "1", "--max_queued_jobs", "1")

    def metrics(self, accept=None):
        head, data = self.ok(200, "GET", "/metrics", headers={"Accept": accept} if accept else {})
        return head["Content-Type"], data.decode()

    def numbers(self):
        return parse(self.metrics()[1])

    def some_life(self):
        self.ok(201, "PUT", "/v1/models/p", document())
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        job = self.ok(202, "POST", "/v1/models/m/train",
                      {"solver": "ensemble", "gate": None, "settings": {"members": 2, "epochs": 20}})[1]["id"]
        self.server.wait_job(job, "succeeded")
        for _ in range(400):
            self.ok(200, "POST", "/predict", {"model": "m", "inputs": [[0.1, 0.2], [50, 60]]})
        self.ok(404, "POST", "/v1/models/none/predict", {"inputs": [1]})
        self.ok(400, "POST", "/v1/models/p/predict", {"inputs": "x"})

    def test_they_count_what_happened(self):
        self.some_life()
        m = self.numbers()
        self.assertEqual(m['surrogated_requests_total{route="predict",code="200"}'], 400)
        self.assertEqual(m['surrogated_requests_total{route="model_predict",code="404"}'], 1)
        self.assertEqual(m['surrogated_requests_total{route="model_predict",code="400"}'], 1)
        self.assertEqual(m['surrogated_errors_total{error="not_found"}'], 1)
        self.assertEqual(m['surrogated_jobs{state="succeeded"}'], 1)
        self.assertEqual(m['surrogated_jobs{state="queued"}'], 0)
        self.assertEqual(m['surrogated_model_predicted_rows_total{model="m"}'], 800)
        self.assertEqual(m['surrogated_model_extrapolation_rows_total{model="m"}'], 400)
        self.assertEqual(m['surrogated_model_predicted_rows_total{model="p"}'], 0)
        self.assertGreater(m['surrogated_model_relative_error{model="m"}'], 0)
        self.assertNotIn('surrogated_model_relative_error{model="p"}', m)
        self.assertLess(abs(m['surrogated_model_created_timestamp_seconds{model="m"}'] - time.time()), 3600)
        self.assertEqual(m['surrogated_model_version{model="m"}'], 1)
        self.assertTrue(0 <= m['surrogated_model_coverage{model="m"}'] <= 1)
        self.assertNotIn('surrogated_model_nll{model="p"}', m)
        self.ok(204, "DELETE", "/v1/models/m")
        self.assertFalse([name for name in self.numbers() if 'model="m"' in name])

    def test_times_are_told_by_route_outcome_and_phase(self):
        self.some_life()
        # What is sent is counted behind the client's back.
        end = time.time() + PATIENCE
        sent = 'surrogated_request_phase_seconds_count{route="predict",outcome="ok",phase="write"}'
        while self.numbers().get(sent, 0) < 400:
            self.assertLess(time.time(), end)
            time.sleep(0.05)
        m = self.numbers()
        for phase in ("parse", "queue", "compute", "write"):
            self.assertEqual(m[f'surrogated_predict_phase_seconds_count{{phase="{phase}"}}'], 400)
            self.assertEqual(m[f'surrogated_request_phase_seconds_count{{route="predict",outcome="ok",phase="{phase}"}}'],
                             400)
        total = 'surrogated_request_duration_seconds_{}{{route="predict",outcome="ok"}}'
        self.assertEqual(m[total.format("count")], 400)
        phases = sum(m[f'surrogated_request_phase_seconds_sum{{route="predict",outcome="ok",phase="{p}"}}']
                     for p in ("parse", "queue", "compute"))
        self.assertTrue(0 < phases <= m[total.format("sum")] + 400e-6, (phases, m[total.format("sum")]))
        self.assertEqual(m['surrogated_request_duration_seconds_count{route="model_predict",outcome="invalid"}'], 2)
        self.assertNotIn('surrogated_request_duration_seconds_count{route="predict",outcome="failed"}', m)
        # An upload waits for a writing thread, is read, and is stored.
        for phase in ("parse", "queue", "compute"):
            self.assertEqual(m[f'surrogated_request_phase_seconds_count{{route="data_post",outcome="ok",phase="{phase}"}}'],
                             1)
        # The buckets of a histogram grow up to its count.
        rows_ = [value for name, value in m.items()
                 if name.startswith('surrogated_request_duration_seconds_bucket{route="predict",outcome="ok"')]
        self.assertEqual((rows_, rows_[-1], len(rows_)), (sorted(rows_), 400, 17))

    def test_jobs_are_told_by_solver_and_state(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        settings = {"solver": "ensemble", "gate": None, "settings": {"members": 1, "epochs": 5}}
        job = self.ok(202, "POST", "/v1/models/m/train", settings)[1]["id"]
        self.server.wait_job(job, "succeeded")
        self.assertEqual(self.numbers()["surrogated_checkpoint_age_seconds"], 0)
        long = {**settings, "settings": {"members": 1, "epochs": 1000000}}
        job = self.ok(202, "POST", "/v1/models/m/train", long)[1]["id"]
        self.server.wait_job(job, "running")
        end = time.time() + PATIENCE
        while self.numbers()["surrogated_checkpoint_age_seconds"] < 1:
            self.assertLess(time.time(), end)
            time.sleep(0.05)
        m = self.numbers()
        self.assertLess(abs(m["surrogated_job_started_timestamp_seconds"] - time.time()), 3600)
        self.ok(202, "DELETE", f"/v1/jobs/{job}")
        self.server.wait_job(job, "cancelled")
        while self.numbers()["surrogated_job_running"] != 0:
            self.assertLess(time.time(), end)
            time.sleep(0.05)
        m = self.numbers()
        for state in ("succeeded", "cancelled"):
            self.assertEqual(m[f'surrogated_job_duration_seconds_count{{solver="ensemble",state="{state}"}}'], 1)
        self.assertNotIn('surrogated_job_duration_seconds_count{solver="ensemble",state="failed"}', m)
        self.assertEqual(m["surrogated_job_started_timestamp_seconds"], 0)
        self.assertEqual(m["surrogated_checkpoint_age_seconds"], 0)

    def test_memory_is_told_with_its_limits(self):
        m = self.numbers()
        budget = m["surrogated_memory_budget_bytes"]
        for kind in ("answers", "models", "training"):
            self.assertTrue(0 < m[f'surrogated_memory_limit_bytes{{kind="{kind}"}}'] <= budget)
        self.assertEqual(m["surrogated_write_queue_requests"], 0)

    def test_connections_are_counted_by_state(self):
        with socket.create_connection(("127.0.0.1", self.server.port)), \
                socket.create_connection(("127.0.0.1", self.server.port)):
            end = time.time() + PATIENCE
            while self.numbers()['surrogated_connections{state="idle"}'] < 2:
                self.assertLess(time.time(), end)
                time.sleep(0.1)

    def test_closed_connections_and_refusals_are_counted_by_their_reason(self):
        m = self.numbers()
        for reason in ("head", "body", "answer", "gone", "shed"):
            self.assertEqual(m[f'surrogated_connections_closed_total{{reason="{reason}"}}'], 0)
        with socket.create_connection(("127.0.0.1", self.server.port)) as half:
            half.sendall(b"GET / HTTP/1.1\r\nHost: local")
            end = time.time() + PATIENCE
            while self.numbers()['surrogated_connections_closed_total{reason="head"}'] < 1:
                self.assertLess(time.time(), end)
                time.sleep(0.05)
        self.ok(201, "POST", "/v1/models/m/data", rows(40))
        train = {"solver": "ensemble", "settings": {"members": 1, "epochs": 1000000}}
        first = self.ok(202, "POST", "/v1/models/m/train", train)[1]["id"]
        self.server.wait_job(first, "running")
        self.ok(202, "POST", "/v1/models/m/train", train)
        self.ok(429, "POST", "/v1/models/m/train", train)
        self.assertEqual(self.numbers()['surrogated_limited_requests_total{limit="queued_jobs"}'], 1)
        self.assertEqual(self.numbers()['surrogated_limited_requests_total{limit="queue"}'], 0)

    def test_both_formats_have_their_form(self):
        self.some_life()
        kind, text = self.metrics()
        self.assertEqual(kind, "text/plain; version=0.0.4; charset=utf-8")
        self.assertNotIn("# EOF", text)
        open_kind, open_text = self.metrics(OPENMETRICS)
        self.assertEqual(open_kind, "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.assertTrue(open_text.endswith("# EOF\n"))
        self.assertIn("# TYPE surrogated_requests counter\n", open_text)
        # Bounds look like real numbers there, and like whole ones in the older format.
        self.assertTrue(all(re.search("[.e]", bound) for bound in re.findall(r'le="([^"+]*)"', open_text)))
        self.assertIn('le="1"', text)
        self.assertIn("# TYPE surrogated_requests_total counter\n", text)
        for each in (text, open_text):
            families = re.findall(r"(?m)^# TYPE (\S+)", each)
            self.assertEqual(len(families), len(set(families)))

    @unittest.skipUnless(PROMTOOL, no_promtool)
    def test_promtool_finds_nothing(self):
        self.some_life()
        found = promtool("check", "metrics", text=self.metrics()[1])
        self.assertEqual((found.returncode, found.stdout + found.stderr), (0, ""))


class Rules(unittest.TestCase):
    def names(self):
        """Every metric that the program has."""
        base = os.path.join(HERE, "..", "..", "server", "base")
        text = ""
        for name in ("metrics.def", "metrics.c"):
            with open(os.path.join(base, name), encoding="utf-8") as file:
                text += file.read()
        return set(re.findall(r'"[^"]*?((?:surrogated|process)_\w+)', text))

    def used(self, text):
        found = set(re.findall(r"\b((?:surrogated|process)_\w+)", text))
        names = self.names()
        return {name for name in found
                if name not in names and re.sub(r"_(bucket|sum|count)$", "", name) not in names}

    @unittest.skipUnless(PROMTOOL, no_promtool)
    def test_promtool_takes_the_alert_rules(self):
        found = promtool("check", "rules", os.path.join(DEPLOY, "alerts.yml"))
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)
        self.assertRegex(found.stdout, r"\d+ rules found")

    def test_rules_and_dashboard_name_metrics_that_exist(self):
        with open(os.path.join(DEPLOY, "alerts.yml"), encoding="utf-8") as file:
            self.assertEqual(self.used(file.read()), set())
        with open(os.path.join(DEPLOY, "grafana.json"), encoding="utf-8") as file:
            board = json.load(file)
        text = json.dumps([panel["targets"] for panel in board["panels"]])
        self.assertEqual(self.used(text), set())
        self.assertEqual(len({panel["id"] for panel in board["panels"]}), len(board["panels"]))

    @unittest.skipUnless(PROMTOOL, no_promtool)
    def test_promtool_takes_the_expressions_of_the_dashboard(self):
        with open(os.path.join(DEPLOY, "grafana.json"), encoding="utf-8") as file:
            board = json.load(file)
        rules = [{"record": f"x{i}", "expr": target["expr"].replace("$instance", ".*")}
                 for i, target in enumerate(t for panel in board["panels"] for t in panel["targets"])]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump({"groups": [{"name": "g", "rules": rules}]}, file)  # JSON is YAML
            file.flush()
            found = promtool("check", "rules", file.name)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)


if __name__ == "__main__":
    unittest.main()
