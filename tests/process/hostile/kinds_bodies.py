# SPDX-License-Identifier: Apache-2.0
"""Bodies that are no documents, that lie, or that ask for more than they weigh."""

import json
import struct

from engine import Read, Send
from kind import BUSY, HOST, collector, request

KINDS = []
kind = collector(KINDS)
PREDICT = "/v1/models/good/predict"


def sent(t, path, body, *headers, method="POST"):
    yield Send(request(method, path, body, *headers))
    return (yield Read())


@kind(10, 400)
def deep_documents(t):
    n = t.rng.choice((33, 1000, 50000))
    opening, closing = t.rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"inputs":', b"}]")))
    body = t.rng.choice((b"", b'{"inputs":')) + opening * n + b"1" + closing * t.rng.choice((0, n))
    yield from sent(t, PREDICT, body)


@kind(10, 200, 400, 422)
def huge_numbers(t):
    number = t.rng.choice(("1" * 5000, "1e999", "-1e999", "1e-999", "1e308", "-0", "0." + "0" * 5000 + "1",
                           "1e" + "9" * 100, "9" * 400 + "e-400", "5e-324", "18446744073709551616", "1E+0000000001"))
    body = f'{{"inputs":[[{number},0.2,{number}]]}}'
    yield from sent(t, PREDICT, body.encode())


@kind(10, 200, 400, 404)
def huge_numbers_in_options(t):
    option = t.rng.choice(('"samples":1e99', '"samples":9223372036854775808', '"seed":-1', '"version":1e3',
                           '"quantiles":[' + ",".join(["0.5"] * 65) + "]", '"intervals":[0,1]', '"seed":' + "9" * 40,
                           '"samples":-9223372036854775808', '"version":4294967297', '"quantiles":[5e-324,1]'))
    yield from sent(t, PREDICT, ('{"inputs":[[0.1,0.2,0.3]],%s}' % option).encode())


@kind(10, 400)
def invalid_utf8(t):
    text = t.rng.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\\ud800", b"\\udc00\\ud800",
                         b"\\u12", b"\\x41", b"\xef\xbb\xbf"))
    yield from sent(t, "/predict", b'{"model":"' + text + b'","inputs":[[1,2,3]]}')


@kind(10, 400, 404)
def bytes_of_nul(t):
    body = t.rng.choice((b"\0" * 1000, b'{"model":"good\0","inputs":[[1,2,3]]}', b'{"inputs":[[1,2,3]]}\0',
                         b'{"model":"good\\u0000","inputs":[[1,2,3]]}', b'{"inputs\\u0000":[[1,2,3]]}'))
    yield from sent(t, "/predict", body)


@kind(2, 400, 413, *BUSY)
def bombs_of_small_values(t):
    """Each becomes far more in memory than it weighs."""
    yield from sent(t, PREDICT, t.world.bombs[t.rng.randrange(len(t.world.bombs))])


@kind(1, 400, 413, *BUSY)
def bombs_of_almost_a_mebibyte(t):
    """The largest bodies that threads of connections read themselves."""
    value = t.rng.choice((b"{}", b"[]", b'"a"', b"1", b"[[[[]]]]"))
    body = b'{"return":[' + b",".join([value] * ((1 << 20) // (len(value) + 1) - 10)) + b"]}"
    yield from sent(t, PREDICT, body)


@kind(5, 400, 413)
def many_keys(t):
    n = t.rng.choice((1000, 20000))
    keys = ",".join(f'"k{t.rng.getrandbits(40):x}":0' for _ in range(n))
    yield from sent(t, t.rng.choice((PREDICT, "/v1/models/prey/train")), ("{" + keys + "}").encode())


@kind(4, 400, 413, *BUSY)
def kilobytes_that_stand_for_gigabytes(t):
    """Gaussian documents: 99,999 draws, a thousand members, a thousand layers."""
    yield from sent(t, "/v1/models/large", t.rng.choice(t.world.giants), method="PUT")


@kind(3, 200, 201, 404, 413, *BUSY)
def models_that_fill_memory(t):
    """Each fits by itself. Asked for, they must make room for each other."""
    name = f"big{t.rng.randrange(6)}"
    yield from sent(t, f"/v1/models/{name}", t.world.large(t.rng.randrange(6)), method="PUT")
    yield from sent(t, f"/v1/models/{name}/predict", b'{"inputs":[[0.5]]}')
    t.requests += 1


@kind(5, 413)
def trainings_that_are_too_large(t):
    body = t.rng.choice((
        {"solver": "ensemble", "architecture": {"width": 2048, "layers": 10}},
        {"solver": "ensemble", "settings": {"members": 4096}, "architecture": {"width": 128, "layers": 4}},
        {"solver": "amcmc", "architecture": {"width": 200, "layers": 2}},
        {"solver": "nuts", "settings": {"draws": 100000}, "architecture": {"width": 64, "layers": 2}}))
    yield from sent(t, "/v1/models/prey/train", body)


@kind(10, 400)
def trainings_that_make_no_sense(t):
    body = t.rng.choice((b'{"solver":"quantum"}', b'{"solver":null}', b"[]", b'{"solver":"ensemble","seed":1e400}',
                         b'{"solver":"ensemble","settings":{"epochs":-1}}', b'{"solver":"ensemble","gate":{"metric":7}}',
                         b'{"solver":"ensemble","architecture":{"width":0}}', b'{"solver":"ensemble"', b"\x00",
                         b'{"solver":"ensemble","limits":{"seconds":-1}}', b'{"solver":"ensemble","priority":1e9}'))
    yield from sent(t, "/v1/models/prey/train", body)


def npy_head(shape, descr="<f8", order="False", extra=""):
    head = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, {extra}}}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


@kind(15, 400, 413)
def npy_files_that_lie(t):
    numbers = struct.pack("<3d", 0.1, 0.2, 0.3)
    body = t.rng.choice((
        npy_head("(1000000000, 3)") + numbers, npy_head("(18446744073709551615, 3)") + numbers,
        npy_head("(4294967296, 4294967296)") + numbers, npy_head("(-1, 3)") + numbers, npy_head("(1, 3)"),
        npy_head("(1, 3, 1, 1, 1)") + numbers, npy_head("()") + numbers, npy_head("(1, 3)", "|O") + numbers,
        npy_head("(1, 3)", "<c16") + numbers, npy_head("(1, 3)", order="None") + numbers, npy_head("(0, 0)"),
        b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", b"\x93NUMPY\x09\x00" + numbers,
        b"\x93NUMPY\x01\x00\x00\x00", b"\x93NUMP", npy_head("(1, 3)") + numbers[:-1],
        npy_head("(1, 3)", extra="'shape': (2, 3), ") + numbers, npy_head("(1, 3)") + struct.pack("<3d", 1, float("nan"), 1)))
    yield from sent(t, PREDICT, body, b"Content-Type: application/x-npy")


@kind(10, 200, 201, 400, 413, 415, *BUSY)
def tables_that_lie(t):
    body = t.rng.choice((b"1,2,3\n4,5\n", b'"', b"1," * 9000 + b"1\n", b"nan,1,2,3\n", b"1;2;3;4\n", b"\xff\xfe1\0,\0",
                         b"a,b,c,d\n", b"\n" * 5000, b"1,2,3,4\r1,2,3", b'"1""2",2,3,4\n', b"1e999,2,3,4\n"))
    yield from sent(t, "/v1/models/noise/data?outputs=1", body, b"Content-Type: text/csv")


@kind(2, 200, 400, 413, *BUSY)
def large_bodies(t):
    """Some megabytes: good rows, or blanks."""
    body = t.rng.choice((t.world.many_rows, b" " * len(t.world.many_rows), t.world.many_rows[:-2]))
    yield from sent(t, PREDICT, body)


@kind(5, 413, *BUSY)
def answers_that_are_too_large(t):
    yield from sent(t, "/v1/models/many/predict", t.world.too_much)


@kind(5, 413)
def bodies_over_the_limit(t):
    length = t.rng.choice((70000000, 200000000, 999999999999))
    yield Send(b"POST /v1/models/noise/data HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length)
    yield Read()


@kind(5, 200, 504, *BUSY)
def deadlines_of_a_millisecond(t):
    yield from sent(t, "/v1/models/many/predict", {"inputs": [[0.5]] * 200}, b"Request-Timeout-Ms: 1")


@kind(10, 400)
def deadlines_that_make_no_sense(t):
    ms = t.rng.choice((b"0", b"-1", b"1e3", b"99999999999999999999", b"x", b"250, 250"))
    yield from sent(t, PREDICT, {"inputs": [[0.1, 0.2, 0.3]]}, b"Request-Timeout-Ms: " + ms)


@kind(3, 200, 413, *BUSY)
def scores_of_many_rows(t):
    table = [[0.1, 0.2, 0.3]] * 1500
    body = {"inputs": table, "outputs": [[0.5]] * len(table)}
    yield from sent(t, "/v1/models/good/evaluate", body)


@kind(10, 200, 400, 415)
def types_that_lie(t):
    kind_of = t.rng.choice((b"text/csv; charset=utf-16", b"application/x-npy", b"multipart/form-data; boundary=x", b"a/b" * 900,
                            b";;;", b"application/json; charset=\"", b"text/csv"))
    body = json.dumps({"inputs": [[0.1, 0.2, 0.3]]}).encode()
    yield from sent(t, PREDICT, body, b"Content-Type: " + kind_of)
