#!/usr/bin/env python3
"""Writes lua/conv/checksums.lua: the sums of the archives in dist/, for the plugin to hold a download against.

usage: checksums.py [FOLDER] [--into FILE]     dist/ and lua/conv/checksums.lua if they are left out

Run before a release is tagged, and committed with it: the sums come from the repository, the archives from the release.
"""

import argparse
import hashlib
import pathlib
import re
import sys
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
TARGET = ROOT / "lua" / "conv" / "checksums.lua"


def program(archive):
    """The bytes of the program in an archive."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            return opened.read("bin/convocations.exe")
    with tarfile.open(archive) as opened:
        return opened.extractfile("bin/convocations").read()


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


def repository():
    """The page of the repository, once somebody has put it in (repository.sh)."""
    page = re.search(r'^repository = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    named = "nil" if "/OWNER/" in page else f'"{page}"'
    return f"  repository = {named},"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path, nargs="?", default=ROOT / "dist")
    parser.add_argument("--into", type=pathlib.Path, default=TARGET)
    arguments = parser.parse_args()
    folder = arguments.folder
    lines = [f'  version = "{version()}",', repository(), "  archives = {"]
    for name, sum_ in sorted(listed(folder).items()):
        archive = folder / name
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
