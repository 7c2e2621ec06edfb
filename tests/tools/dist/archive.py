#!/usr/bin/env python3
"""Packs a folder so that the same files give the same bytes: sorted, one time, nobody's user.

usage: archive.py --epoch SECONDS FOLDER ARCHIVE.tar.gz|ARCHIVE.zip
"""

import argparse
import gzip
import io
import os
import pathlib
import tarfile
import time
import zipfile


def files(folder):
    """Each file and the name that it gets, sorted as bytes are."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted((path.relative_to(folder).as_posix(), path) for path in found)


def mode(name):
    return 0o755 if name.startswith("bin/") else 0o644


def tar(folder, epoch):
    bytes_ = io.BytesIO()
    with tarfile.open(fileobj=bytes_, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, path in files(folder):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = path.stat().st_size, epoch, mode(name)
            entry.uname = entry.gname = "root"
            with path.open("rb") as file:
                archive.addfile(entry, file)
    return gzip.compress(bytes_.getvalue(), compresslevel=9, mtime=0)


def zipped(folder, epoch):
    bytes_ = io.BytesIO()
    moment = time.gmtime(max(epoch, 315532800))[:6]  # zip's times begin in 1980
    with zipfile.ZipFile(bytes_, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, path in files(folder):
            entry = zipfile.ZipInfo(name, moment)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            entry.external_attr = (0o100000 | mode(name)) << 16
            archive.writestr(entry, path.read_bytes())
    return bytes_.getvalue()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("archive")
    arguments = parser.parse_args()
    pack = zipped if arguments.archive.endswith(".zip") else tar
    temporary = arguments.archive + ".part"
    with open(temporary, "wb") as out:
        out.write(pack(arguments.folder, arguments.epoch))
    os.replace(temporary, arguments.archive)


main()
