# SPDX-License-Identifier: Apache-2.0
"""The first message of a TLS handshake (RFC 5246, RFC 8446), made by hand: it can offer what no TLS library of
today would, and the server's first answer to it tells what the server takes."""

import os
import socket
import struct

SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3 = range(0x0300, 0x0305)
GROUPS = (0x001d, 0x0017, 0x0018, 0x0100)
SIGNATURES = (0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501, 0x0203, 0x0201)
DEFLATE, NO_COMPRESSION = 1, 0
RENEGOTIATION_INFO, SESSION_TICKET, SERVER_NAME, ALPN = 0xff01, 0x0023, 0x0000, 0x0010


def vector(data, length_bytes):
    return len(data).to_bytes(length_bytes, "big") + data


def shorts(values):
    return b"".join(struct.pack(">H", value) for value in values)


def extension(number, data):
    return struct.pack(">H", number) + vector(data, 2)


def client_hello(version, ciphers, compressions=(NO_COMPRESSION,), name=b"localhost", protocols=(), versions=()):
    extensions = b"".join([
        extension(SERVER_NAME, vector(b"\0" + vector(name, 2), 2)) if name else b"",
        extension(0x000a, vector(shorts(GROUPS), 2)), extension(0x000b, vector(b"\0", 1)),
        extension(0x000d, vector(shorts(SIGNATURES), 2)), extension(RENEGOTIATION_INFO, b"\0"),
        extension(SESSION_TICKET, b""), extension(0x0017, b""),
        extension(ALPN, vector(b"".join(vector(p, 1) for p in protocols), 2)) if protocols else b"",
        extension(0x002b, vector(shorts(versions), 1)) if versions else b""])
    body = (struct.pack(">H", version) + os.urandom(32) + b"\0" + vector(shorts(ciphers), 2) +
            vector(bytes(compressions), 1) + (vector(extensions, 2) if version > SSL3 else b""))
    return b"\x16" + struct.pack(">H", min(version, TLS1_0)) + vector(b"\x01" + vector(body, 3), 2)


class Answer:
    """What a server says to a hello: `alert` (its number), or the choices of a server hello, or neither."""

    def __init__(self, data):
        self.alert = self.version = self.cipher = self.compression = None
        self.random = b""
        self.extensions = {}
        if data[:1] == b"\x15" and len(data) >= 7:
            self.alert = data[6]
        elif data[:1] == b"\x16" and data[5:6] == b"\x02":
            self.read_hello(data[9:9 + int.from_bytes(data[6:9], "big")])

    def read_hello(self, body):
        self.version = int.from_bytes(body[:2], "big")
        self.random = body[2:34]
        at = 35 + body[34]
        self.cipher, self.compression = int.from_bytes(body[at:at + 2], "big"), body[at + 2]
        at += 5
        while at + 4 <= len(body):
            number, size = struct.unpack(">HH", body[at:at + 4])
            self.extensions[number] = body[at + 4:at + 4 + size]
            at += 4 + size

    @property
    def refused(self):
        return self.cipher is None


def talk(address, data, timeout):
    """Sends a hello; the server's first record, or what there was of it when it closed."""
    with socket.create_connection(address, timeout=timeout) as s:
        s.sendall(data)
        got = b""
        try:
            while len(got) < 5 or len(got) < 5 + int.from_bytes(got[3:5], "big"):
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except ConnectionError:
            pass
        return Answer(got)
