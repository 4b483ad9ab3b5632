# SPDX-License-Identifier: Apache-2.0
"""Where a request ends: raw bytes against the rules of RFC 9112.

Each case is sent on a connection of its own, followed by a second request that would be seen if the
server took a part of the first one's body, or what follows a refused request, for a request.
"""

import re
import socket
import unittest

from harness import PATIENCE, ServerTest, rows

CANARY = b"GET /canary HTTP/1.1\r\nHost: localhost\r\n\r\n"
HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n"
POST = b"POST /predict HTTP/1.1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# name, the bytes
REFUSED = [
    # Sections 6.1 and 6.3: two lengths.
    ("both_lengths", POST + HOST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n"),
    ("both_lengths_other_order", POST + HOST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n"),
    ("two_lengths", POST + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    ("two_equal_lengths", POST + HOST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
    ("a_list_of_lengths", POST + HOST + b"Content-Length: 2, 2\r\n\r\n{}"),
    ("length_with_a_sign", POST + HOST + b"Content-Length: +2\r\n\r\n{}"),
    ("negative_length", POST + HOST + b"Content-Length: -2\r\n\r\n{}"),
    ("hexadecimal_length", POST + HOST + b"Content-Length: 0x2\r\n\r\n{}"),
    ("length_of_a_word", POST + HOST + b"Content-Length: two\r\n\r\n{}"),
    ("empty_length", POST + HOST + b"Content-Length: \r\n\r\n{}"),
    ("length_with_a_blank", POST + HOST + b"Content-Length: 1 2\r\n\r\n{}"),
    ("length_with_a_point", POST + HOST + b"Content-Length: 2.0\r\n\r\n{}"),
    ("length_beyond_64_bits", POST + HOST + b"Content-Length: 99999999999999999999999\r\n\r\n{}"),
    ("length_of_19_digits", POST + HOST + b"Content-Length: 9223372036854775807\r\n\r\n{}"),
    # Section 6.1: transfer codings.
    ("unknown_coding", POST + HOST + b"Transfer-Encoding: gzip\r\n\r\n{}"),
    ("chunked_twice", POST + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked_before_another", POST + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("another_before_chunked", POST + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("identity", POST + HOST + b"Transfer-Encoding: identity\r\n\r\n{}"),
    ("two_codings", POST + HOST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n"),
    ("misspelt_coding", POST + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("quoted_coding", POST + HOST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n'),
    ("coding_with_a_tab", POST + HOST + b"Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n"),
    ("empty_coding", POST + HOST + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n"),
    ("coding_in_http_1_0", b"POST /predict HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n0\r\n\r\n"),
    # Section 5: names and values of headers.
    ("blank_before_the_colon", POST + HOST + b"Content-Length : 2\r\n\r\n{}"),
    ("tab_before_the_colon", POST + HOST + b"Content-Length\t: 2\r\n\r\n{}"),
    ("blank_before_the_colon_of_coding", POST + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    ("blank_in_a_name", GET + HOST + b"X Y: 1\r\n\r\n"),
    ("a_line_without_a_colon", GET + HOST + b"Nothing\r\n\r\n"),
    ("brackets_in_a_name", GET + HOST + b"X[1]: 1\r\n\r\n"),
    ("a_letter_beyond_ascii_in_a_name", GET + HOST + b"X\xe4: 1\r\n\r\n"),
    ("control_in_a_value", GET + HOST + b"X: a\x01b\r\n\r\n"),
    ("delete_in_a_value", GET + HOST + b"X: a\x7fb\r\n\r\n"),
    ("bare_cr_in_a_value", GET + HOST + b"X: a\rb: c\r\n\r\n"),
    ("blank_before_the_first_header", GET + b" X: 1\r\n" + HOST + b"\r\n"),
    ("no_name", GET + HOST + b": 1\r\n\r\n"),
    ("nul_in_a_value", GET + HOST + b"X: a\x00b\r\n\r\n"),
    ("folded_value", GET + HOST + b"X: a\r\n b\r\n\r\n"),
    ("folded_with_a_tab", GET + HOST + b"X: a\r\n\tb\r\n\r\n"),
    # To libmicrohttpd 0.9.75 these lines end the head, and the canary behind them begins a request.
    ("no_name_before_a_request", GET + HOST + b": 1\r\n"),
    ("no_name_before_a_length", b"GET /healthz HTTP/1.1\r\n" + HOST + b": 1\r\nContent-Length: 2\r\n\r\n{}"),
    ("nul_at_the_start_of_a_line", GET + HOST + b"\x00X: 1\r\n"),
    # Section 3: the request line and Host.
    ("no_host", GET + b"\r\n"),
    ("two_hosts", GET + HOST + b"Host: other\r\n\r\n"),
    ("no_version", b"GET /healthz\r\n" + HOST + b"\r\n"),
    ("version_2", b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n"),
    ("version_0_9", b"GET /healthz HTTP/0.9\r\n" + HOST + b"\r\n"),
    ("version_of_a_word", b"GET /healthz HTTP/one\r\n" + HOST + b"\r\n"),
    ("version_in_small_letters", b"GET /healthz http/1.1\r\n" + HOST + b"\r\n"),
    ("another_protocol", b"GET /healthz ICY/1.1\r\n" + HOST + b"\r\n"),
    ("nothing_but_a_method", b"GET\r\n" + HOST + b"\r\n"),
    # Section 7.1: chunks.
    ("size_of_a_word", POST + HOST + CHUNKED + b"\r\nzz\r\n{}\r\n0\r\n\r\n"),
    ("negative_size", POST + HOST + CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n"),
    ("size_with_a_prefix", POST + HOST + CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n"),
    ("size_beyond_64_bits", POST + HOST + CHUNKED + b"\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    ("empty_size", POST + HOST + CHUNKED + b"\r\n\r\n{}\r\n0\r\n\r\n"),
    ("data_longer_than_the_size", POST + HOST + CHUNKED + b"\r\n1\r\n{}\r\n0\r\n\r\n"),
    ("size_with_a_blank_before", POST + HOST + CHUNKED + b"\r\n 2\r\n{}\r\n0\r\n\r\n"),
]

# What ends a connection whatever was answered: there is no telling what the rest would be.
OPEN = [
    ("post_without_a_length", POST + HOST + b"\r\n"),
    ("put_without_a_length", b"PUT /v1/models/m HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("unknown_method_without_a_length", b"BREW /pot HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("close_is_asked_for", GET + HOST + b"Connection: close\r\n\r\n"),
    ("http_1_0", b"GET /healthz HTTP/1.0\r\n\r\n"),
    ("body_over_the_limit", POST + HOST + b"Content-Length: 999999999\r\n\r\n"),
]

# What is one good request: the status is 200 or that of the handler, and the canary is answered too.
READ = [
    ("plain", GET + HOST + b"\r\n", 200),
    ("empty_lines_before", b"\r\n" + GET + HOST + b"\r\n", 200),
    ("body", POST + HOST + b"Content-Length: 2\r\n\r\n{}", 400),
    ("length_zero", POST + HOST + b"Content-Length: 0\r\n\r\n", 400),
    ("length_with_zeros", POST + HOST + b"Content-Length: 0002\r\n\r\n{}", 400),
    ("chunks", POST + HOST + CHUNKED + b"\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 400),
    ("chunks_in_capitals", POST + HOST + CHUNKED + b"\r\nA\r\n{        }\r\n0\r\n\r\n", 400),
    ("size_with_zeros", POST + HOST + CHUNKED + b"\r\n0002\r\n{}\r\n0\r\n\r\n", 400),
    ("coding_in_capitals", POST + HOST + b"Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ("a_body_that_looks_like_a_request", POST + HOST + b"Content-Length: %d\r\n\r\n" % len(CANARY) + CANARY, 400),
    ("a_chunk_that_looks_like_a_request",
     POST + HOST + CHUNKED + b"\r\n%x\r\n" % len(CANARY) + CANARY + b"\r\n0\r\n\r\n", 400),
    ("get_with_a_body", GET + HOST + b"Content-Length: 2\r\n\r\n{}", 200),
    ("empty_value", GET + HOST + b"X:\r\n\r\n", 200),
    ("many_of_an_ordinary_header", GET + HOST + b"X: 1\r\nX: 2\r\n\r\n", 200),
    ("bytes_beyond_ascii_in_a_value", GET + HOST + b"X: \xc3\xa4\r\n\r\n", 200),
]

# What the rules allow and some versions of libmicrohttpd refuse: read as in READ, or refused.
READ_OR_REFUSED = [
    ("blanks_behind_a_length", POST + HOST + b"Content-Length: 2  \r\n\r\n{}", 400),  # 0.9.75 refuses
    ("chunk_with_an_extension", POST + HOST + CHUNKED + b"\r\n2;a=b\r\n{}\r\n0\r\n\r\n", 400),  # 1.0.1
]


class Framing(ServerTest):
    flags = ("--max_body_bytes", "100000")

    def talk(self, raw):
        """Sends the bytes and a canary; the statuses that come back, and whether the server closed."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE) as s:
            s.sendall(raw + CANARY)
            s.shutdown(socket.SHUT_WR)
            got = b""
            while True:
                try:
                    piece = s.recv(65536)
                except ConnectionResetError:
                    break
                if not piece:
                    break
                got += piece
        return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", got)], got

    def test_what_is_in_doubt_is_refused_and_nothing_behind_it_is_run(self):
        for name, raw in REFUSED:
            with self.subTest(name):
                statuses, got = self.talk(raw)
                # The library's own refusals repeat their head where the body should be.
                self.assertTrue(all(s >= 400 for s in statuses), got)
                self.assertEqual(len(set(statuses)), len(statuses[:1]), got)
                self.assertNotIn(b"/canary", got)
        self.assertEqual(self.server.request("GET", "/healthz")[0], 200)

    def test_what_has_no_end_is_the_last_on_its_connection(self):
        for name, raw in OPEN:
            with self.subTest(name):
                statuses, got = self.talk(raw)
                self.assertEqual(len(statuses), 1, got)
                self.assertNotIn(b"/canary", got)

    def test_good_requests_are_read_as_the_rules_say(self):
        for name, raw, status in READ:
            with self.subTest(name):
                statuses, got = self.talk(raw)
                self.assertEqual(statuses, [status, 404], got)

    def test_nothing_follows_the_head_of_an_answer_to_head(self):
        """Section 6.3: also where the answer to GET comes in chunks. A stray byte would begin the next answer."""
        self.ok(201, "POST", "/v1/models/m/data", rows(30))
        for path in (b"/v1/models/m/data/rows", b"/v1/models/m/data", b"/healthz", b"/none"):
            _, got = self.talk(b"HEAD " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            head, _, rest = got.partition(b"\r\n\r\n")
            self.assertTrue(rest.startswith(b"HTTP/1.1 404 ") if b"Connection: close" not in head else rest == b"", got)
    def test_what_a_library_may_refuse_is_refused_or_read(self):
        for name, raw, status in READ_OR_REFUSED:
            with self.subTest(name):
                statuses, got = self.talk(raw)
                if statuses != [status, 404]:
                    self.assertEqual(set(statuses), {400}, got)  # 0.9.75 repeats its head
                    self.assertNotIn(b"/canary", got)

    def test_there_are_sixty_cases(self):
        self.assertGreaterEqual(len(REFUSED) + len(OPEN) + len(READ), 60)


if __name__ == "__main__":
    unittest.main()
