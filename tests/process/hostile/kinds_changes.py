# SPDX-License-Identifier: Apache-2.0
"""Floods of well-formed requests that change something, of models that nobody else uses."""

import json

from engine import Read, Send
from harness import document
from kind import BUSY, collector, request

KINDS = []
kind = collector(KINDS)
SMALL = document(draws=2)


def asked(t, method, path, body=None, *headers):
    """One request on a connection that stays."""
    t.requests += t.asked
    t.asked = True
    yield Send(request(method, path, body, *headers))
    return (yield Read())


@kind(6, 200, 201, 204, 404, 409, *BUSY)
def churn_of_models(t):
    name = f"churn{t.rng.randrange(20)}"
    for _ in range(3):
        yield from asked(t, "PUT", f"/v1/models/{name}", {**SMALL, "seed": t.rng.randrange(1 << 30)})
        yield from asked(t, "GET", f"/v1/models/{name}")
    yield from asked(t, "DELETE", f"/v1/models/{name}")


@kind(5, 200, 400, 404, 409, *BUSY)
def flips_of_the_default(t):
    for _ in range(4):
        yield from asked(t, "PUT", "/v1/models/versions/default", {"version": t.rng.choice(("@previous", 1, 2, 3, 99))})
        yield from asked(t, "POST", "/v1/models/versions/predict", {"inputs": [[0.1, 0.2, 0.3]]})


@kind(5, 200, 201, 204, 400, 404, 409, *BUSY)
def churn_of_aliases(t):
    name = t.rng.choice(("a", "b", "default", "A", "x" * 65, "a%00"))
    yield from asked(t, "PUT", f"/v1/models/versions/aliases/{name}", {"version": t.rng.randrange(1, 5)})
    yield from asked(t, "GET", "/v1/models/versions/aliases")
    yield from asked(t, "DELETE", f"/v1/models/versions/aliases/{name}")


@kind(5, 200, 404, *BUSY)
def round_all_versions(t):
    for version in range(1, t.world.n_versions + 1):
        yield from asked(t, "POST", f"/v1/models/versions/versions/{version}/predict", {"inputs": [[0.1, 0.2, 0.3]]})


@kind(5, 200, 204, 400, 404, *BUSY)
def churn_of_policies(t):
    policy = t.rng.choice(({"new_rows": 1000000}, {"every_s": 1000000, "debounce_s": 0}, {"daily_at": "25:00"}, {"new_rows": -1},
                           {"drift": {"increase": 1e300, "rows": 100}}, {"request": {"solver": "ensemble"}}))
    yield from asked(t, "PUT", "/v1/models/jobs/policy", policy)
    yield from asked(t, "GET", "/v1/models/jobs/policy")
    yield from asked(t, "DELETE", "/v1/models/jobs/policy")


@kind(4, 200, 202, 404, 409, *BUSY)
def flood_of_jobs(t):
    """Beyond max_queued_jobs they are refused; they wait behind a job that lasts."""
    for _ in range(30):
        yield from asked(t, "POST", "/v1/models/jobs/train", {"solver": "ensemble", "priority": -100, "settings": {
            "members": 1, "epochs": 1}})
    if t.rng.random() < 0.5:
        yield from asked(t, "DELETE", "/v1/jobs?model=jobs&state=queued")


@kind(4, 200, 202, 404, 409, *BUSY)
def flood_of_cancellations(t):
    answer = yield from asked(t, "GET", "/v1/jobs?model=jobs&state=queued&limit=20")
    for job in json.loads(answer.body)["jobs"]:
        yield from asked(t, "DELETE", f"/v1/jobs/{job['id']}")


@kind(5, 400, 404, *BUSY)
def jobs_that_are_not_there(t):
    job = t.rng.choice(("0", "-1", "99999999", "9" * 30, "x", "1%00", "0x1"))
    yield from asked(t, "DELETE", f"/v1/jobs/{job}")
    yield from asked(t, "GET", f"/v1/jobs/{job}/events")
    yield from asked(t, "GET", f"/v1/jobs/{job}/curves")


@kind(6, 200, 201, 400, 404, 422, *BUSY)
def flood_of_keys(t):
    """Idempotency keys: the same with other rows, odd ones, ever new ones."""
    key = t.rng.choice((b"one", b"two", b'"quoted"', b"k" * 256, b"", b"%d" % t.rng.getrandbits(60), b"\xc3\xa4"))
    for _ in range(3):
        body = {"inputs": [[t.rng.random(), 0.2, 0.3]], "outputs": [[t.rng.choice((0.5, 0.6))]]}
        yield from asked(t, "POST", "/v1/models/noise/data", body, b"Idempotency-Key: " + key)


@kind(3, 200, 404, *BUSY)
def deletion_of_rows(t):
    yield from asked(t, "DELETE", t.rng.choice(("/v1/models/noise/data", "/v1/models/noise/data/batches/1")))


@kind(10, 200, 401, 403)
def guesses_of_tokens(t):
    word = t.rng.choice((b"Bearer ", b"bearer ", b"Basic ", b"", b"Bearer  "))
    token = t.rng.choice((b"", b"sgt_", b"sgt_witness_" + b"0" * 64, b"sgt_witness_" + t.rng.randbytes(32).hex().encode(),
                          b"sgt_" + b"a" * 4000 + b"_0", b"sgt__" + b"0" * 64, b"\xff" * 100, b"sgt_" + b"x_" * 2000))
    yield from asked(t, "GET", "/v1/models", None, b"Authorization: " + word + token)


@kind(4, 200, 201, 204, 400, 404, 409, *BUSY)
def churn_of_tokens(t):
    name = f"t{t.rng.randrange(50)}"
    yield from asked(t, "POST", "/v1/tokens", {"role": t.rng.choice(("predict", "admin", "root")), "id": name, "rate": 1})
    yield from asked(t, "GET", "/v1/tokens")
    yield from asked(t, "DELETE", f"/v1/tokens/{name}")


@kind(5, 200, 400, *BUSY)
def lists_of_everything(t):
    for path in ("/v1/models", "/v1/jobs", "/v1/audit?limit=1000", "/v1/status", "/metrics",
                 "/v1/jobs?limit=0", "/v1/audit?after=99999999999999999999"):
        yield from asked(t, "GET", path)


@kind(5, 400, 404, 405, *BUSY)
def names_that_are_no_names(t):
    name = t.rng.choice(("a" * 65, "-a", ".a", "a%20b", "%C3%A4", "a;DROP", "'--", "..", "con", "a%0Ab"))
    yield from asked(t, "POST", f"/v1/models/{name}/data", {"inputs": [], "outputs": []})
    yield from asked(t, "GET", f"/v1/models/{name}/versions/@nothing")


@kind(4, 400, 404, 409, 413, *BUSY)
def comparisons_of_nothing(t):
    versions = t.rng.choice(([], [1], [1] * 9, ["@default", "@none"], [-1, 2], "all", [1, 99]))
    yield from asked(t, "POST", "/v1/models/versions/compare", {"versions": versions})


@kind(4, 200, 201, 400, 404, *BUSY)
def keep_of_versions(t):
    yield from asked(t, "PUT", "/v1/models/churn0/keep", {"versions": t.rng.choice((1, 2, None, 0, -1, 1e99))})
