#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page's pictures have the colours of those that `surrogated plot` writes.

usage: check_theme.py TOP

server/plot/theme.def is the list. The series of both themes in server/ui/pen.js, and what server/ui/picture.js draws
text and grid with, are compared with it. The check tries itself first on a list that differs in one colour.
"""

import os
import re
import sys


def of_list(text):
    """The colours of theme.def: by name, and of the series; each light and dark."""
    hexes = r"0x([0-9a-f]{6}), 0x([0-9a-f]{6})"
    return {**{name: (light, dark) for name, light, dark in re.findall(r"^THEME_COLOUR\((\w+), " + hexes, text, re.M)},
            "series": re.findall(r"^THEME_SERIES\(" + hexes, text, re.M)}


def of_page(pen, picture):
    """The colours of the page: of its series, light and dark, and of INK and GRID."""
    series = [re.findall(r"#([0-9a-f]{6})", re.search(rf"^  {theme}: \[(.*)\]", pen, re.M).group(1)) for theme in ("light", "dark")]
    return {"series": list(zip(*series, strict=True)),
            **{name: re.search(rf'^const {name.upper()} = "#([0-9a-f]{{6}})"', picture, re.M).group(1) for name in ("ink", "grid")}}


def differences(listed, page):
    found = [f"series {k}: {one} is not {other}" for k, (one, other) in enumerate(zip(page["series"], listed["series"])) if one != other]
    if len(page["series"]) != len(listed["series"]):
        found.append(f"{len(page['series'])} series are not {len(listed['series'])}")
    return found + [f"{name}: {page[name]} is not {listed[name][0]}" for name in ("ink", "grid") if page[name] != listed[name][0]]


def main(top):
    def read(*path):
        with open(os.path.join(top, "server", *path), encoding="utf-8") as file:
            return file.read()
    listed = of_list(read("plot", "theme.def"))
    page = of_page(read("ui", "pen.js"), read("ui", "picture.js"))
    same = {"series": listed["series"], **{name: listed[name][0] for name in ("ink", "grid")}}
    other = {**same, "series": [("000000", "000000"), *listed["series"][1:]]}
    assert len(listed["series"]) > 1 and not differences(listed, same) and len(differences(listed, other)) == 1, "the check is wrong"
    found = differences(listed, page)
    for one in found:
        print(f"server/ui differs from server/plot/theme.def: {one}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
