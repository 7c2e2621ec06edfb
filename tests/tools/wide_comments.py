"""Names each line that is all comment and wider than the code may be (rustfmt.toml, stylua.toml): FILE:LINE."""

import os
import re
import sys

WIDTH = 110
COMMENT = {".rs": re.compile(r"\s*(//[/!]?)\s*(.*)"), ".lua": re.compile(r"\s*(---?)\s*(.*)")}

for path in sys.argv[1:]:
    mark = COMMENT[os.path.splitext(path)[1]]
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            comment = mark.fullmatch(line) if len(line) > WIDTH else None
            # A table's row, an annotation, and one word (an address) have no place to break at.
            if comment and not comment[2].startswith(("|", "@")) and " " in comment[2]:
                print(f"{path}:{number}")
