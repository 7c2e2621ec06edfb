#!/usr/bin/env python3
"""Says what a program is made of: a bill of materials (CycloneDX 1.5) and the licences of everything linked.

usage: bill.py --target TARGET --commit COMMIT --epoch SECONDS FOLDER
       bill.py --target TARGET --check          only that every licence's text can be had

What is linked is what cargo resolves for the target, without what only builds or tests it. The same Cargo.lock gives
the same bytes.
"""

import argparse
import datetime
import json
import pathlib
import re
import subprocess
import sys
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
TEXTS_HERE = HERE / "licences"
TEXTS = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)

LGPL = """This program is linked with nvim-rs {version}, which is under the GNU Lesser General Public License, version 3
(LGPL-3.0.txt, which adds to GPL-3.0.txt; both are in this folder). You may change nvim-rs and use this program with
what you have changed; reverse engineering to debug such changes is allowed.

All that is needed for it is public:

  this program, under the MIT licence: the plugin's repository, at the commit that `convocations --version` names
      ({commit} here)
  nvim-rs {version}: https://crates.io/api/v1/crates/nvim-rs/{version}/download
  every other part: Cargo.lock in that repository, with the sums

  1. git clone {repository} convocations.nvim && cd convocations.nvim && git checkout {commit}
  2. unpack nvim-rs beside it, and change it
  3. append to Cargo.toml:    [patch.crates-io]
                              nvim-rs = {{ path = "../nvim-rs" }}
  4. make build

The plugin uses what `make build` made; its option `binary` names any other program.
"""


def metadata(target):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def is_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def linked(data):
    """The packages in the program, and for each the ones that it uses."""
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    root = data["resolve"]["root"]
    seen, waiting = {}, [root]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        uses = [
            dependency["pkg"]
            for dependency in nodes[current]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            and not is_macro(packages[dependency["pkg"]])
        ]
        seen[current] = sorted(uses)
        waiting.extend(uses)
    found = [(packages[id_], [packages[use] for use in uses]) for id_, uses in seen.items()]
    return packages[root], sorted(found, key=lambda pair: (pair[0]["name"], pair[0]["version"]))


def expression(package):
    """The licence as SPDX writes it; a slash is the old way to say "or"."""
    return " OR ".join(part.strip() for part in (package["license"] or "NOASSERTION").split("/"))


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def sums():
    """The SHA-256 of each crate's archive, from Cargo.lock."""
    text = (ROOT / "Cargo.lock").read_text()
    pattern = r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([0-9a-f]+)"'
    return {(name, version): sum_ for name, version, sum_ in re.findall(pattern, text)}


def libdbus(packages):
    """The C library that libdbus-sys has in it, if it is linked."""
    for package in packages:
        if package["name"] == "libdbus-sys":
            folder = pathlib.Path(package["manifest_path"]).parent / "vendor" / "dbus"
            text = (folder / "NEWS").read_text(errors="replace")
            version = re.search(r"^D-Bus (\d+\.\d+\.\d+)", text, re.MULTILINE)
            return {"folder": folder, "version": version.group(1) if version else "unknown"}
    return None


def component(package, checksums):
    result = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "licenses": [{"expression": expression(package)}],
        "purl": purl(package),
    }
    sum_ = checksums.get((package["name"], package["version"]))
    if sum_:
        result["hashes"] = [{"alg": "SHA-256", "content": sum_}]
    if package.get("repository"):
        result["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return result


def bill(root, found, target, commit, epoch):
    checksums = sums()
    components = [component(package, checksums) for package, _ in found if package["id"] != root["id"]]
    dependencies = [
        {"ref": purl(package), "dependsOn": sorted(purl(use) for use in uses)} for package, uses in found
    ]
    dbus = libdbus([package for package, _ in found])
    if dbus:
        reference = f"pkg:generic/dbus@{dbus['version']}"
        components.append(
            {
                "type": "library",
                "bom-ref": reference,
                "name": "dbus",
                "version": dbus["version"],
                "licenses": [{"expression": "AFL-2.1 OR GPL-2.0-or-later"}],
                "purl": reference,
            }
        )
        for entry in dependencies:
            if entry["ref"].startswith("pkg:cargo/libdbus-sys@"):
                entry["dependsOn"].append(reference)
    name = f"convocations-{root['version']}-{target}-{commit}"
    when = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": purl(root),
                "name": root["name"],
                "version": root["version"],
                "licenses": [{"expression": expression(root)}],
                "properties": [
                    {"name": "convocations:target", "value": target},
                    {"name": "convocations:commit", "value": commit},
                ],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }


def own_texts(folder):
    """The licence files that a package brings."""
    found = [path for path in folder.iterdir() if path.is_file() and TEXTS.match(path.name)]
    return [path.read_text(errors="replace").strip() for path in sorted(found)]


def texts(package):
    """Those that a package brings, or the ones kept here for it."""
    if package["source"] is None:
        return [(ROOT / "LICENSE").read_text().strip()]
    kept = TEXTS_HERE / (package["name"] + ".txt")
    found = own_texts(pathlib.Path(package["manifest_path"]).parent)
    return found or ([kept.read_text().strip()] if kept.exists() else [])


def runtime(target):
    """What the compiler puts into every program."""
    yield "Rust's standard library", "MIT OR Apache-2.0", (TEXTS_HERE / "rust.txt").read_text().strip()
    if "musl" in target:
        yield "musl libc", "MIT", (TEXTS_HERE / "musl.txt").read_text().strip()


def licences(root, found, target):
    """One text for all: which parts there are, then each licence once, with the parts it is of."""
    parts, holders, missing = [], {}, []
    for package, _ in found:
        name = f"{package['name']} {package['version']}"
        parts.append(f"  {name:<40} {expression(package)}")
        given = texts(package)
        if not given:
            missing.append(name)
        for text in given:
            # The same text is broken into lines in many ways.
            key = re.sub(r"\W+", " ", text).lower()
            holders.setdefault(key, (text, []))[1].append(name)
    dbus = libdbus([package for package, _ in found])
    if dbus:
        name = f"dbus {dbus['version']}"
        parts.append(f"  {name:<40} AFL-2.1 OR GPL-2.0-or-later")
        holders[name] = ((dbus["folder"] / "COPYING").read_text(errors="replace").strip(), [name])
    for name, licence, text in runtime(target):
        parts.append(f"  {name:<40} {licence}")
        holders.setdefault(name, (text, []))[1].append(name)
    head = f"What {root['name']} {root['version']} is made of, and under which licences.\n\n"
    line = "=" * 78
    bodies = [f"{line}\n{', '.join(names)}\n{line}\n\n{text}\n" for text, names in holders.values()]
    return head + "\n".join(parts) + "\n\n" + "\n".join(bodies), missing


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--commit", default="unknown")
    parser.add_argument("--epoch", type=int, default=0)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("folder", type=pathlib.Path, nargs="?")
    arguments = parser.parse_args()
    root, found = linked(metadata(arguments.target))
    text, missing = licences(root, found, arguments.target)
    if missing:
        sys.exit(f"bill: no licence text of {', '.join(missing)}: add it to {TEXTS_HERE.relative_to(ROOT)}")
    if arguments.check:
        print(f"{len(found) - 1} crates are linked; every licence has its text")
        return
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    made = bill(root, found, arguments.target, arguments.commit, arguments.epoch)
    (folder / "convocations.cdx.json").write_text(json.dumps(made, indent=1) + "\n")
    (folder / "THIRD-PARTY.txt").write_text(text)
    (folder / "LICENSE").write_text((ROOT / "LICENSE").read_text())
    nvim_rs = next(package for package, _ in found if package["name"] == "nvim-rs")
    lgpl = LGPL.format(version=nvim_rs["version"], commit=arguments.commit, repository=root["repository"])
    (folder / "LGPL.txt").write_text(lgpl)
    (folder / "LGPL-3.0.txt").write_text((pathlib.Path(nvim_rs["manifest_path"]).parent / "LICENSE-LGPL").read_text())
    (folder / "GPL-3.0.txt").write_text((TEXTS_HERE / "GPL-3.0.txt").read_text())


main()
