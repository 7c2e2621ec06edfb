#!/usr/bin/env python3
"""Writes lua/conv/checksums.lua: the sums of the archives in dist/, for the plugin to hold a download against.

usage: checksums.py [FOLDER] [--into FILE] [--commit COMMIT]     dist/ and lua/conv/checksums.lua if they are left out

Each archive has to be of this version, and of the commit if one is given: its bill of materials says of what it is.

Run before a release is tagged, and committed with it: the sums come from the repository, the archives from the release.
"""

import argparse
import hashlib
import json
import pathlib
import re
import sys
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
TARGET = ROOT / "lua" / "conv" / "checksums.lua"


def inside(archive, name):
    """The bytes of a file in an archive."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            return opened.read(name)
    with tarfile.open(archive) as opened:
        return opened.extractfile(name).read()


def program(archive):
    return inside(archive, "bin/convocations.exe" if archive.suffix == ".zip" else "bin/convocations")


def check(archive, wanted, commit):
    """That an archive is what its name and this checkout say: one of the last release may lie there still."""
    made = json.loads(inside(archive, "share/doc/convocations/convocations.cdx.json"))["metadata"]["component"]
    said = {entry["name"].removeprefix("convocations:"): entry["value"] for entry in made["properties"]}
    target = archive.name.removeprefix("convocations-").removesuffix(".tar.gz").removesuffix(".zip")
    for what, is_, has_to_be in [
        ("version", made["version"], wanted),
        ("target", said["target"], target),
        ("commit", said["commit"], commit or said["commit"]),
    ]:
        if is_ != has_to_be:
            sys.exit(f"checksums: {archive.name} is of {what} {is_}, and not {has_to_be}: make dist")


def listed(folder):
    """What SHA256SUMS says, held against the files."""
    sums = {}
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        sum_, name = line.split("  ", 1)
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sum_:
            sys.exit(f"checksums: {name} is not what SHA256SUMS says")
        sums[name] = sum_
    if not sums:
        sys.exit("checksums: SHA256SUMS is empty")
    return sums


def version():
    cargo = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    plugin = re.search(r'^M\.VERSION = "(.+)"$', (ROOT / "lua/conv/backend.lua").read_text(), re.MULTILINE).group(1)
    if cargo != plugin:
        sys.exit(f"checksums: Cargo.toml is version {cargo}, lua/conv/backend.lua {plugin}")
    return cargo


def protocol():
    """What the plugin speaks, and so the programs that are built with it."""
    text = (ROOT / "lua/conv/protocol.lua").read_text()
    return re.search(r"^  VERSION = (\d+),$", text, re.MULTILINE).group(1)


def repository():
    """The page of the repository, once somebody has put it in (repository.sh)."""
    page = re.search(r'^repository = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    named = "nil" if "/OWNER/" in page else f'"{page}"'
    return f"  repository = {named},"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path, nargs="?", default=ROOT / "dist")
    parser.add_argument("--into", type=pathlib.Path, default=TARGET)
    parser.add_argument("--commit")
    arguments = parser.parse_args()
    folder, wanted = arguments.folder, version()
    lines = [f'  version = "{wanted}",', f"  protocol = {protocol()},", repository(), "  archives = {"]
    for name, sum_ in sorted(listed(folder).items()):
        archive = folder / name
        check(archive, wanted, arguments.commit)
        lines += [
            f'    ["{name}"] = {{',
            f'      sha256 = "{sum_}",',
            f"      size = {archive.stat().st_size},",
            f'      program = "{hashlib.sha256(program(archive)).hexdigest()}",',
            "    },",
        ]
    lines += ["  },", "}"]
    head = TARGET.read_text().split("return {", 1)[0]
    arguments.into.write_text(head + "return {\n" + "\n".join(lines) + "\n")
    print(f"{arguments.into.name} has the sums of {len(listed(folder))} archives")


main()
