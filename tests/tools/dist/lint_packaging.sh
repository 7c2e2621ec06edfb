#!/usr/bin/env bash
# The form of what other programs read: workflows, packages, scripts. Each is checked where its tool is, and a line says
# which is not here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
readonly PACKAGING=.github/packaging
failed=0
missing() { printf '! %s is not here: %s not checked\n' "$1" "$2"; }
complain() {
  printf 'packaging: %s\n' "$*" >&2
  failed=1
}
have() { command -v "$1" >/dev/null; }

echo "== Scripts, workflows, packages"
mapfile -t scripts < <(git ls-files -co --exclude-standard '*.sh' '.ci/*' "$PACKAGING/arch/PKGBUILD")
for script in "${scripts[@]}"; do
  bash -n "$script" || complain "$script"
done
if have shellcheck; then
  shellcheck --severity=warning --shell=bash --exclude=SC2034,SC2154,SC2155,SC2164,SC2174 "${scripts[@]}" || complain "shellcheck"
else
  missing shellcheck "the scripts are"
fi

if have actionlint; then
  actionlint .github/workflows/*.yml || complain "actionlint"
else
  missing actionlint "the workflows' meaning is"
fi
# What a workflow runs of ours is there, and it names its jobs' steps as YAML.
for workflow in .github/workflows/*.yml; do
  while IFS= read -r target; do
    grep -qE "^$target:" Makefile || complain "$workflow runs make $target, which is not there"
  done < <(grep -oE '(run:|^) *make [a-z-]+' "$workflow" | sed 's/.*make //')
  while IFS= read -r script; do
    [ -x "$script" ] || complain "$workflow runs $script, which is not there"
  done < <(sed 's/^ *#.*//' "$workflow" | grep -oE '\btests/tools/[a-z_/]+\.(sh|py)\b')
done
if have ruby; then
  ruby -ryaml -e 'ARGV.each { |path| YAML.parse_file(path) }' .github/workflows/*.yml || complain "a workflow is no YAML"
  ruby -wc "$PACKAGING/homebrew/convocations.rb" >/dev/null || complain "the formula"
else
  missing ruby "formula and YAML are"
fi
if have yamllint; then
  yamllint --strict -d '{extends: default, rules: {line-length: {max: 130}, document-start: disable, truthy: {check-keys: false}}}' \
    .github/workflows || complain "a workflow's form"
else
  missing yamllint "the workflows' form is"
fi
# It does not run as root, and writes beside what it reads.
if have makepkg && [ "$(id -u)" -ne 0 ]; then
  (
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cp "$PACKAGING/arch/PKGBUILD" "$folder"
    cd "$folder"
    makepkg --printsrcinfo >/dev/null
  ) || complain "the PKGBUILD"
else
  missing "makepkg, or a user who is not root," "what the PKGBUILD says is"
fi
if have luarocks; then
  luarocks lint "$PACKAGING"/luarocks/*.rockspec || complain "the rockspec"
else
  missing luarocks "the rockspec is"
fi
if have nix-instantiate; then
  nix-instantiate --option build-users-group "" --parse "$PACKAGING/nix/flake.nix" >/dev/null || complain "the flake"
else
  missing nix-instantiate "the flake is"
fi

# Where `cargo binstall` looks is what `make dist` writes.
cargo metadata --format-version 1 --no-deps --offline --locked | python3 -c '
import json, sys
package = next(p for p in json.load(sys.stdin)["packages"] if p["name"] == "convocations")
said = package["metadata"]["binstall"]
made = {"x86_64-unknown-linux-gnu": "x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu": "aarch64-unknown-linux-musl"}
for target in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl", "x86_64-pc-windows-msvc", "x86_64-apple-darwin",
               "aarch64-apple-darwin", *made]:
    of = {**said, **said["overrides"].get(target, {})}
    words = {"repo": package["repository"], "version": package["version"], "name": package["name"], "target": target}
    url = of["pkg-url"]
    for word, meaning in words.items():
        url = url.replace("{ %s }" % word, meaning)
    ending, form = (".zip", "zip") if "windows" in target else (".tar.gz", "tgz")
    wanted = "%s/releases/download/v%s/convocations-%s%s" % (
        package["repository"], package["version"], made.get(target, target), ending)
    if (url, of["pkg-fmt"], of["bin-dir"]) != (wanted, form, "bin/{ bin }{ binary-ext }"):
        sys.exit("%s: %s as %s, and not %s as %s" % (target, url, of["pkg-fmt"], wanted, form))
' || complain "the metadata for cargo binstall"

# One repository, one version everywhere.
tests/tools/dist/repository.sh >/dev/null || complain "the repository's address"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
grep -qx "M.VERSION = \"$version\"" lua/conv/backend.lua || complain "lua/conv/backend.lua has another version than $version"
grep -qx "pkgver=$version" "$PACKAGING/arch/PKGBUILD" || complain "the PKGBUILD has another version than $version"
grep -q "tag: \"v$version\"" "$PACKAGING/homebrew/convocations.rb" || complain "the formula has another version than $version"
grep -q "^## $version\b" .github/CHANGELOG.md || complain ".github/CHANGELOG.md has no part ## $version"
exit $failed
