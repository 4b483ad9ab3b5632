# SPDX-License-Identifier: Apache-2.0
"""client-examples/adapters/surrogate.py against a server that is busy, slow, away or something else, and against the
real one."""

import email.utils
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import unittest

from adapter_harness import ADAPTERS, AdapterTest

CALL = """
import sys
sys.path.insert(0, {adapters!r})
from surrogate import Surrogate, run
def main():
    s = Surrogate("m", timeout={timeout}, patience={patience})
    print(s.{call})
run(main)
"""


class Stub(http.server.ThreadingHTTPServer):
    """Answers with what is in `script`, one after the other, the last one for ever: (status, headers, body) or
    "cut" or "hang"."""

    def __init__(self, *script):
        self.script, self.seen = list(script), []
        stub = self
        self.hanging = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                stub.seen.append((time.monotonic(), self.command, self.path, dict(self.headers), body))
                step = stub.script.pop(0) if len(stub.script) > 1 else stub.script[0]
                if step == "hang":
                    stub.hanging.wait(30)
                    return
                if step == "cut":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
                    return
                status, headers, text = step
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.hanging.set()
        self.shutdown()
        self.server_close()


OK = (200, {}, '{"total_rows":1}')


def problem(status, **headers):
    return (status, {name.replace("_", "-"): value for name, value in headers.items()},
            json.dumps({"title": "t", "status": status, "detail": "this is\nthe reason"}))


class Client(unittest.TestCase):
    def call(self, stub, call, timeout=20, patience=30, **env):
        text = CALL.format(adapters=ADAPTERS, call=call, timeout=timeout, patience=patience)
        url = stub if isinstance(stub, str) else stub.url
        return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=120,
                              env={**os.environ, "SURROGATED_SERVER": url, "PYTHONDONTWRITEBYTECODE": "1", **env})

    def stub(self, *script):
        stub = Stub(*script)
        self.addCleanup(stub.close)
        return stub

    def check_line(self, done, status, pattern):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_an_upload_is_tried_again_under_the_same_key(self):
        for given in ("", ", key='run-7'"):
            stub = self.stub("cut", problem(503, Retry_After="0"), problem(429, Retry_After="0"), OK)
            done = self.call(stub, f"append({{'inputs': [[1]], 'outputs': [[2]]}}{given})")
            self.assertEqual(done.returncode, 0, done.stderr)
            keys = {headers["Idempotency-Key"] for *_, headers, _ in stub.seen}
            self.assertEqual((len(stub.seen), len(keys)), (4, 1))
            self.assertEqual(len({body for *_, body in stub.seen}), 1)
            if given:
                self.assertEqual(keys, {'"run-7"'})

    def test_it_waits_as_long_as_it_is_told(self):
        stub = self.stub(problem(503, Retry_After="2"), OK)
        self.assertEqual(self.call(stub, "predict([[1]], 'mean')").returncode, 0)
        self.assertGreaterEqual(stub.seen[1][0] - stub.seen[0][0], 1.9)
        date = email.utils.formatdate(time.time() + 3, usegmt=True)
        stub = self.stub(problem(503, Retry_After=date), OK)
        self.assertEqual(self.call(stub, "predict([[1]], 'mean')").returncode, 0)
        # Not told, it doubles its pauses.
        stub = self.stub(problem(503), problem(503), OK)
        self.assertEqual(self.call(stub, "predict([[1]], 'mean')").returncode, 0)
        first, second = (stub.seen[i + 1][0] - stub.seen[i][0] for i in (0, 1))
        self.assertGreater(second, first)

    def test_patience_ends(self):
        self.check_line(self.call(self.stub(problem(503, Retry_After="9")), "predict([[1]])", patience=2), 1,
                        "503, this is the reason")
        self.check_line(self.call(self.stub("hang"), "predict([[1]])", timeout=0.3, patience=1), 3, "timed out")
        self.check_line(self.call("http://127.0.0.1:1", "predict([[1]])", patience=0), 3, "refused")

    def test_a_refusal_is_not_tried_again(self):
        for status in (400, 401, 404, 422, 500, 507):
            stub = self.stub(problem(status))
            self.check_line(self.call(stub, "predict([[1]])"), 1, f"{status}, this is the reason")
            self.assertEqual(len(stub.seen), 1)
        stub = self.stub((400, {}, '{"error":{"type":"InvalidInput","message":"bad"}}'))
        self.check_line(self.call(stub, "ask('POST', '/Evaluate', {})"), 1, "400, bad")
        self.check_line(self.call(self.stub((502, {}, "<html>")), "predict([[1]])"), 1, "502")
        self.check_line(self.call(self.stub((200, {}, "<html>")), "predict([[1]])"), 1, "something else than JSON")

    def test_what_must_not_be_done_twice_is_sent_once(self):
        stub = self.stub("cut", OK)
        self.check_line(self.call(stub, "ask('POST', '/train', {}, repeats=False)"), 3, "no answer")
        self.assertEqual(len(stub.seen), 1)
        stub = self.stub(problem(429, Retry_After="0"), OK)  # it has not been done
        self.assertEqual(self.call(stub, "ask('POST', '/train', {}, repeats=False)").returncode, 0)

    def test_settings_come_from_the_environment(self):
        stub = self.stub(OK)
        self.assertEqual(self.call(stub, "predict([[1]])", SURROGATED_TOKEN="secret").returncode, 0)
        self.assertEqual(stub.seen[0][3]["Authorization"], "Bearer secret")
        self.check_line(self.call("unix:/tmp/s", "predict([[1]])"), 2, "http://HOST:PORT")
        self.check_line(self.call("https://127.0.0.1:1", "predict([[1]])", SURROGATED_TLS_CA="/no/such/file"), 2,
                        "SURROGATED_TLS_CA")


class RealServer(AdapterTest):
    def test_rows_that_are_sent_twice_are_there_once(self):
        text = CALL.format(adapters=ADAPTERS, timeout=20, patience=30,
                           call="append({'inputs': [[1, 2]], 'outputs': [[3]]}, key='k')['total_rows']")
        self.copy()
        for _ in range(2):
            self.assertEqual(self.good(sys.executable, "-c", text), "1\n")


if __name__ == "__main__":
    unittest.main()
