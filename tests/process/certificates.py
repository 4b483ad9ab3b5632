# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, by the openssl command."""

import os
import shutil
import subprocess
import unittest

needs_openssl = unittest.skipUnless(shutil.which("openssl"),
                                    "the openssl command is missing: apt-get install openssl")
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"
CA = """[ca]
default_ca=here
[here]
database={0}/index.txt
serial={0}/serial
new_certs_dir={0}
default_md=sha256
policy=any
[any]
commonName=supplied
"""


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def make_certificate(folder, name, signer=None, key=CURVE, names=NAMES):
    """name.pem and name.key for localhost, signed by itself or by signer."""
    cert, secret = (os.path.join(folder, f"{name}.{end}") for end in ("pem", "key"))
    by = [] if signer is None else ["-CA", os.path.join(folder, f"{signer}.pem"),
                                    "-CAkey", os.path.join(folder, f"{signer}.key")]
    openssl("req", "-x509", *key, "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", names,
            "-keyout", secret, "-out", cert, *by)
    return cert, secret


def make_dated(folder, name, begin, end, signer=None):
    """The same for given times such as 20200101000000Z."""
    cert, secret, request = (os.path.join(folder, f"{name}.{end}") for end in ("pem", "key", "csr"))
    place = os.path.join(folder, f"ca-{name}")
    os.mkdir(place)
    for file, text in (("index.txt", ""), ("serial", "01\n"), ("ca.cnf", CA.format(place))):
        with open(os.path.join(place, file), "w", encoding="ascii") as out:
            out.write(text)
    openssl("req", "-new", *CURVE, "-nodes", "-subj", f"/CN={name}", "-keyout", secret, "-out", request)
    by = (["-selfsign", "-keyfile", secret] if signer is None else
          ["-cert", os.path.join(folder, f"{signer}.pem"), "-keyfile", os.path.join(folder, f"{signer}.key")])
    openssl("ca", "-config", os.path.join(place, "ca.cnf"), "-batch", "-notext", *by, "-in", request,
            "-startdate", begin, "-enddate", end, "-out", cert)
    return cert, secret


def join(path, *files):
    """One file with the contents of several."""
    texts = []
    for file in files:
        with open(file, encoding="ascii") as source:
            texts.append(source.read())
    with open(path, "w", encoding="ascii") as out:
        out.write("".join(texts))
    return path
