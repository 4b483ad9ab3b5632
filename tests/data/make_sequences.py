#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sequence_reference.h, then laid out by clang-format: points of SciPy's low-discrepancy sequences.

usage: make_sequences.py > sequence_reference.h       (needs scipy)

A point is held by sum over k of (k + 1) x_k, which is exact for Sobol' points of 30 digits.
"""

from scipy.stats import qmc

PLACES = [0, 1, 2, 3, 7, 64, 1000, 65537, 100003]


def sobol_sums(d):
    for place in PLACES:
        sequence = qmc.Sobol(d, scramble=False)
        if place:
            sequence.fast_forward(place)
        yield sum((k + 1) * float(x) for k, x in enumerate(sequence.random(1)[0]))


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by make_sequences.py. */")
    print("#ifndef SEQUENCE_REFERENCE_H\n#define SEQUENCE_REFERENCE_H\n")
    print(f"enum {{ REFERENCE_PLACES = {len(PLACES)}, HALTON_POINTS = 20, HALTON_D = 5 }};")
    print("static const long reference_places[] = {" + ", ".join(map(str, PLACES)) + "};")
    for d in (1, 2, 21, 1111):
        print(f"static const double sobol_sums_{d}[] = {{")
        print("".join(f"    {value!r},\n" for value in sobol_sums(d)) + "};")
    print("static const double halton_points[] = {")
    for row in qmc.Halton(5, scramble=False).random(20):
        print("    " + ", ".join(repr(float(x)) for x in row) + ",")
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
