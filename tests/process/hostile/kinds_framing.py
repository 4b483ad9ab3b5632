# SPDX-License-Identifier: Apache-2.0
"""Requests that are no requests, or whose end is in doubt. What is hidden behind them deletes the
model `prey`, which must survive."""

from engine import Drain, Read, Send, Shut
from kind import GET, HOST, PREDICT, collector, request
from test_framing import CHUNKED, OPEN, POST, REFUSED

KINDS = []
kind = collector(KINDS)
HIDDEN = b"DELETE /v1/models/prey HTTP/1.1\r\nHost: localhost\r\n\r\n"
REFUSALS = (400, 404, 405, 411, 413, 414, 431, 501, 505)


@kind(40, *REFUSALS)
def smuggled_behind_a_refusal(t):
    yield Send(t.rng.choice(REFUSED)[1] + HIDDEN)
    yield Drain()


@kind(10, 200, *REFUSALS)
def smuggled_behind_an_open_end(t):
    yield Send(t.rng.choice(OPEN)[1] + HIDDEN)
    yield Drain()


@kind(10, 400)
def smuggled_in_a_body(t):
    yield Send(POST + HOST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN)
    yield Read()
    yield Send(POST + HOST + CHUNKED + b"\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n")
    yield Read()
    t.requests += 1


@kind(10, *REFUSALS)
def http_0_9(t):
    yield Send(t.rng.choice((b"GET /\r\n", b"GET /healthz\r\n\r\n", b"DELETE /v1/models/prey\r\n\r\n")))
    yield Shut()
    yield Drain()


@kind(10, *REFUSALS)
def preface_of_http_2(t):
    yield Send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" + HIDDEN)
    yield Shut()
    yield Drain()


@kind(10, *REFUSALS)
def hello_of_tls(t):
    body = b"\x01\x00\x00\xf4\x03\x03" + t.rng.randbytes(32) + b"\x20" + t.rng.randbytes(200)
    yield Send(b"\x16\x03\x01" + len(body).to_bytes(2, "big") + body)
    yield Shut()
    yield Drain()


@kind(10, *REFUSALS)
def noise(t):
    yield Send(t.rng.randbytes(t.rng.randrange(1, 3000)))
    yield Shut()
    yield Drain()


@kind(10, *REFUSALS)
def noise_behind_a_method(t):
    yield Send(b"POST /predict HTTP/1.1\r\n" + HOST + t.rng.randbytes(500) + b"\r\n\r\n")
    yield Shut()
    yield Drain()


@kind(10, 200, 426, *REFUSALS)
def upgrade_to_a_websocket(t):
    yield Send(request("GET", "/healthz", None, b"Upgrade: websocket", b"Connection: Upgrade",
                       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13"))
    yield Read()
    yield Send(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
    yield Shut()
    yield Drain()


@kind(10, *REFUSALS)
def very_long_url(t):
    yield Send(b"GET /" + b"a" * t.rng.choice((8000, 15000, 40000, 200000)) + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    yield Read()


@kind(10, 200, *REFUSALS)
def very_long_query(t):
    n = t.rng.choice((100, 1000, 8000))
    yield Send(b"GET /v1/jobs?" + b"&".join(b"k%d=%%41" % i for i in range(n)) + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    yield Read()


@kind(10, 200, *REFUSALS)
def very_long_header(t):
    yield Send(request("GET", "/healthz", None, b"X: " + b"a" * t.rng.choice((8000, 15000, 40000, 200000))))
    yield Read()


@kind(10, 200, *REFUSALS)
def many_headers(t):
    n = t.rng.choice((100, 1000, 4000))
    yield Send(request("GET", "/healthz", None, *(b"X%d: 1" % i for i in range(n))))
    yield Read()


@kind(10, *REFUSALS)
def unknown_methods(t):
    method = t.rng.choice(("BREW", "TRACE", "CONNECT", "PATCH", "PROPFIND", "get", "G" * 200, "DELETE\t"))
    yield Send(request(method, "/v1/models/prey", b""))
    yield Drain(1)


@kind(3, 200)
def hundreds_in_one_go(t):
    """Pipelined, and every one is answered, in order."""
    n = 150
    yield Send(GET * n + PREDICT * n)
    for _ in range(2 * n):
        yield Read()
    t.requests += 2 * n - 1


@kind(10, *REFUSALS)
def chunk_sizes_that_overflow(t):
    size = t.rng.choice((b"ffffffffffffffff", b"8000000000000000", b"10000000000000002", b"f" * 400,
                         b"7fffffffffffffff", b"00000000000000000000000000000000000ffffffffffffffff1"))
    yield Send(POST + HOST + CHUNKED + b"\r\n" + size + b"\r\n{}\r\n0\r\n\r\n" + HIDDEN)
    yield Shut()
    yield Drain()


@kind(10, 400, 413, 431)
def extensions_of_chunks(t):
    extension = b";" + b"e" * t.rng.choice((10, 4000, 60000)) + b"=\"1;\\\"2\""
    yield Send(POST + HOST + CHUNKED + b"\r\n2" + extension + b"\r\n{}\r\n0\r\n\r\n")
    yield Read()


@kind(10, 200, 400, 413, 431)
def trailers(t):
    """What stands behind the last chunk is no header of this request, and no other request."""
    fields = t.rng.choice((b"Content-Length: 5\r\n", b"Host: evil.example\r\n", b"X: " + b"a" * 60000 + b"\r\n",
                           b"Authorization: Bearer x\r\n" * 50, b"Transfer-Encoding: chunked\r\n"))
    body = b'{"inputs":[[0.1,0.2,0.3]]}'
    yield Send(b"POST /v1/models/good/predict HTTP/1.1\r\n" + HOST + CHUNKED +
               b"\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n" + fields + b"\r\n")
    yield Read()


@kind(10, 100, 200, 400, 413, 417)
def expect_games(t):
    word = t.rng.choice((b"100-continue", b"100-CONTINUE", b"200-ok", b"", b"100-continue, 100-continue"))
    body = b'{"inputs":[[0.1,0.2,0.3]]}'
    length = t.rng.choice((len(body), len(body), 999999999))
    yield Send(b"POST /v1/models/good/predict HTTP/1.1\r\n" + HOST + b"Expect: " + word +
               b"\r\nContent-Length: %d\r\n\r\n" % length)
    yield Drain(0.1)
    yield Send(body)
    yield Drain(0.2)


@kind(10, 200, 206, 304, 400, 412, 416, 431)
def conditions_and_ranges(t):
    tags = t.rng.choice((b"*", b'"', b'W/"x"', b'"sha256-' + b"0" * 64 + b'"', b'"a",' * t.rng.choice((1500, 2000)), b",,,,", b""))
    path = t.rng.choice(("/v1/models/good/versions/1", "/v1/models/good/versions/1/export", "/healthz"))
    yield Send(request("GET", path, None, b"If-None-Match: " + tags, b"If-Match: " + tags,
                       b"Range: bytes=0-0,-1,5-2,99999999999999999999-"))
    yield Read()


@kind(10, 400)
def claims_of_gzip(t):
    packed = b"\x1f\x8b\x08" + t.rng.randbytes(400)
    yield Send(request("POST", "/v1/models/good/predict", packed, b"Content-Encoding: gzip"))
    yield Read()


@kind(10, 200, *REFUSALS)
def tricks_of_percent(t):
    path = t.rng.choice(("/v1/models/%", "/v1/models/%0", "/v1/models/%zz", "/v1/models/%00prey", "/%2e%2e/%2e%2e/etc",
                         "/v1/models/prey%2f..%2fgood", "/v1%2fmodels", "/v1/jobs?state=%ff%fe", "/v1/jobs?%=1",
                         "/v1/models/%c0%ae%c0%ae/", "/v1/models/good%0d%0aX:%201", "/v1/models/" + "%41" * 3000))
    yield Send(request("GET", path))
    yield Read()


@kind(10, 200, *REFUSALS)
def paths_that_climb(t):
    path = t.rng.choice(("/../../etc/passwd", "/v1/models/../../registry.db", "//v1//models", "/v1/models/./prey",
                         "/v1/models/..", "/.git/config", "/v1/models/prey/versions/../../good", "http://evil/v1/models",
                         "*", "?", "/v1/models/prey/versions/-1", "/v1/models/prey/versions/99999999999999999999"))
    yield Send(request(t.rng.choice(("GET", "HEAD", "POST")), path, b""))
    yield Drain(1)


@kind(10, 200, 400, 404, 421)
def names_of_other_servers(t):
    host = t.rng.choice((b"evil.example", b"evil.example:80", b"localhost.evil.example", b"localhost@evil", b"",
                         b"127.0.0.1.nip.io", b"[::ffff:evil]", b"a" * 5000, b"localhost:99999999"))
    yield Send(b"GET /v1/models/prey HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    yield Read()


@kind(10, 403)
def pages_of_other_sites(t):
    origin = t.rng.choice((b"https://evil.example", b"null", b"http://localhost.evil.example"))
    method, path = t.rng.choice((("DELETE", "/v1/models/prey"), ("DELETE", "/v1/models/prey/data"),
                                 ("POST", "/v1/models/prey/train"), ("OPTIONS", "/v1/models/prey")))
    yield Send(request(method, path, b'{"gate":null}', b"Origin: " + origin, b"Content-Type: text/plain"))
    yield Read()


@kind(5, 200)
def heads_of_everything(t):
    for path in ("/", "/healthz", "/metrics", "/v1/models", "/v1/models/good/versions/1/export", "/v1/jobs"):
        yield Send(request("HEAD", path))
        yield Read(without_body=True)
        t.requests += 1
