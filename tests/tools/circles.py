#!/usr/bin/env python3
"""Circles of files inside the rooms of src: files that use each other, straight or by way of others.

Prints each with the names that tie it, and nothing if there is none. What a folder's own file (mod.rs) uses of its
parts is no arrow: joining them is what it is for, and they may use what it defines. Tests may use what they like.

usage: circles.py [--arrows]
"""

import re
import subprocess
import sys

LISTED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard", "src/*.rs"], capture_output=True, text=True, check=True
).stdout.split()
TESTS = re.compile(r"(^src/fuzzing|^src/test_support|tests?|/fuzz|/samples)\.rs$|/attacks/|^src/fuzzing/")
USE = re.compile(r"^[ ]*(?:pub(?:\([^)]*\))? )?use ([^;]+);", re.M)
PATH = re.compile(r"\b((?:crate|super|self)(?:::[A-Za-z_]\w*)+)")


def module(path):
    parts = path[len("src/") : -len(".rs")].split("/")
    return tuple(parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts)


def code(path):
    """The file without comments, strings and what is for tests alone."""
    lines, tests = [], False
    with open(path, encoding="utf-8") as file:
        for line in file:
            if tests and re.match(r"(pub(\(.*\))? )?mod [a-z_]+ \{", line):
                break
            tests = re.match(r"#\[cfg\((test|any\(test, fuzzing\))\)\]$", line) is not None or (
                tests and line.startswith("#[")
            )
            lines.append("" if re.match(r" *//", line) else re.sub(r'"(\\.|[^"\\])*"', '""', line))
    return "\n".join(lines)


def flattened(tree, before=()):
    """The paths of a use tree, each with the name it goes by."""
    tree = tree.strip()
    group = re.match(r"^(.*?)\{(.*)\}$", tree, re.S)
    if not group:
        tree, _, name = tree.partition(" as ")
        path = before + tuple(part.strip() for part in tree.split("::") if part.strip())
        path = path[:-1] if path[-1] == "self" and len(path) > 1 else path
        return [(path, name.strip() or path[-1])]
    stem = before + tuple(part.strip() for part in group[1].split("::") if part.strip())
    parts, depth, start = [], 0, 0
    for at, char in enumerate(group[2] + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append(group[2][start:at])
            start = at + 1
    return [one for part in parts if part.strip() for one in flattened(part, stem)]


def main():
    files = {module(path): path for path in LISTED if not TESTS.search(path)}
    texts = {name: code(path) for name, path in files.items()}
    uses = {name: [one for tree in USE.findall(text) for one in flattened(tree)] for name, text in texts.items()}

    def absolute(path, name):
        at = name
        if path[0] == "crate":
            return path[1:]
        if path[0] == "self":
            return at + path[1:]
        while path and path[0] == "super":
            at, path = at[:-1], path[1:]
            return absolute(("super",) + path[1:], at) if path and path[0] == "super" else at + path
        return at + path if at + path[:1] in files else None

    def defined(path, name, seen=()):
        """Which file the last name of a path is of."""
        full = absolute(path, name)
        if full is None or (full, name) in seen:
            return None
        at = max((n for n in range(len(full) + 1) if full[:n] in files), default=None)
        if at is None:
            return None
        if at == len(full):
            return full[:at]
        for other, called in uses[full[:at]]:
            if called == full[at]:
                found = defined(other, full[:at], seen + ((full, name),))
                return found if found is not None else full[:at]
        return full[:at]

    arrows = {}
    for name, text in texts.items():
        inline = [(tuple(path.split("::")), "") for path in PATH.findall(re.sub(USE, "", text))]
        for path, _ in uses[name] + inline:
            to = defined(path, name)
            is_part = to is not None and to[: len(name)] == name
            if to and name and to[0] == name[0] and not is_part:
                arrows.setdefault(name, {}).setdefault(to, set()).add(path[-1])
    if "--arrows" in sys.argv:
        for name in sorted(arrows):
            for to in sorted(arrows[name]):
                print(files[name], files[to], ",".join(sorted(arrows[name][to])))
        return
    for circle in circles(arrows):
        ties = [
            f"{files[a]} uses {', '.join(sorted(arrows[a][b]))} of {files[b]}"
            for a in sorted(circle)
            for b in sorted(circle)
            if b in arrows.get(a, {})
        ]
        print("a circle of files: " + "; ".join(ties))


def circles(arrows):
    """The strongly connected files, by Tarjan's way."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for to in arrows.get(name, {}):
            if to not in index:
                visit(to)
                low[name] = min(low[name], low[to])
            elif to in stack:
                low[name] = min(low[name], index[to])
        if low[name] == index[name]:
            circle = set()
            while name not in circle:
                circle.add(stack.pop())
            if len(circle) > 1:
                found.append(circle)

    for name in list(arrows):
        if name not in index:
            visit(name)
    return found


main()
