# SPDX-License-Identifier: Apache-2.0
"""A client for jobs that nobody watches. Standard library only; copy it beside your own script.

A server that is busy (429, 503) or away is asked again: after the time that its Retry-After says, or else after
1, 2, 4, .. s, for 60 s in all. An upload goes under one Idempotency-Key in all its tries, and so is stored once.
What does not succeed raises Failure, which `run` turns into one line of standard error and an exit status, those of
the command line:

    1  the server refused        2  wrong usage        3  the server cannot be reached

Of the environment: SURROGATED_SERVER (http://127.0.0.1:8080), SURROGATED_TOKEN, SURROGATED_TLS_CA (a PEM file).
"""

import email.utils
import http.client
import json
import os
import random
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

REFUSED, USAGE, UNREACHABLE = 1, 2, 3
BUSY = (429, 503)
MAX_PAUSE_S = 30


class Failure(Exception):
    """One line for people; `status` is an exit status."""

    def __init__(self, status, text):
        super().__init__(status, text)
        self.status = status
        self.text = " ".join(text.split())

    def __str__(self):
        return self.text


def seconds_of(retry_after):
    """Retry-After is a number of seconds or a date; None where it is neither."""
    try:
        return max(0.0, float(retry_after))
    except (TypeError, ValueError):
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def reason_of(error):
    """The sentence of a refusal, whichever protocol's form it has."""
    try:
        answer = json.loads(error.read())
        if "detail" in answer:
            return str(answer["detail"])
        said = answer["error"]
        return said["message"] if isinstance(said, dict) else str(said)
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        return error.reason or "no reason"


class Surrogate:
    """timeout: seconds of one try; patience: seconds during which a call is tried again."""

    def __init__(self, model, server=None, timeout=60.0, patience=60.0):
        self.server = (server or os.environ.get("SURROGATED_SERVER") or "http://127.0.0.1:8080").rstrip("/")
        self.path = "/v1/models/" + urllib.parse.quote(model, safe="")
        self.model, self.timeout, self.patience = model, timeout, patience
        self.token = os.environ.get("SURROGATED_TOKEN")
        if not self.server.startswith(("http://", "https://")):
            raise Failure(USAGE, f"SURROGATED_SERVER is {self.server}; http://HOST:PORT or https:// is needed")
        self.tls = None
        if self.server.startswith("https://"):
            try:
                self.tls = ssl.create_default_context(cafile=os.environ.get("SURROGATED_TLS_CA") or None)
            except OSError as error:
                raise Failure(USAGE, f"SURROGATED_TLS_CA: {error.strerror}") from error

    def _try(self, request):
        """(body, None), or (None, (pause or None, Failure)) where another try may help."""
        try:
            with urllib.request.urlopen(request, timeout=self.timeout, context=self.tls) as answer:
                return answer.read(), None
        except urllib.error.HTTPError as error:
            failure = Failure(REFUSED, f"{request.get_method()} {request.selector}: {error.code}, {reason_of(error)}")
            if error.code not in BUSY:
                raise failure from error
            return None, (seconds_of(error.headers.get("Retry-After")), failure)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            return None, (None, Failure(UNREACHABLE, f"no answer from {self.server}: {reason}"))

    def call(self, method, path, body=None, headers=None, repeats=True):
        """The bytes of the answer. repeats=False: the request is not sent again once it may have been done."""
        request = urllib.request.Request(self.server + path, body, headers or {}, method=method)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        end, pause = time.monotonic() + self.patience, 1.0
        while True:
            answer, trouble = self._try(request)
            if trouble is None:
                return answer
            asked, failure = trouble
            wait = asked if asked is not None else pause * random.uniform(0.75, 1.25)
            unsure = failure.status == UNREACHABLE and not repeats
            if unsure or time.monotonic() + wait > end:
                raise failure
            time.sleep(wait)
            pause = min(2 * pause, MAX_PAUSE_S)

    def ask(self, method, path, body=None, headers=None, repeats=True):
        """The same for a request and an answer of JSON."""
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        answer = self.call(method, path, data, {"Content-Type": "application/json", **(headers or {})}, repeats)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise Failure(REFUSED, f"{self.server} answers something else than JSON: is a surrogated there?") from error

    def predict(self, inputs, *results, **options):
        """inputs: [rows x inputs]. The whole answer, a dict."""
        return self.ask("POST", f"{self.path}/predict", {"inputs": inputs, "return": results, **options})

    def append(self, rows, key=None):
        """rows: {"inputs": .., "outputs": ..}. Give a key that belongs to the work (a job's number, say), and the
        whole script may be run again too."""
        return self.ask("POST", f"{self.path}/data", rows, {"Idempotency-Key": f'"{key or uuid.uuid4()}"'})

    def register(self, document, media_type="application/json", promote=True):
        """document: bytes of a model document, or of safetensors. A repetition finds the version there."""
        return json.loads(self.call("PUT", f"{self.path}?promote={'true' if promote else 'false'}", document,
                                    {"Content-Type": media_type}))


def run(main):
    """main() as a program."""
    try:
        main()
    except Failure as failure:
        print(f"{os.path.basename(sys.argv[0])}: {failure}", file=sys.stderr)
        sys.exit(failure.status)
    except KeyboardInterrupt:
        sys.exit(130)
