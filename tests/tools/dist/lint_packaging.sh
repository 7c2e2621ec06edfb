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

# One version everywhere.
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
grep -qx "M.VERSION = \"$version\"" lua/conv/backend.lua || complain "lua/conv/backend.lua has another version than $version"
grep -qx "pkgver=$version" "$PACKAGING/arch/PKGBUILD" || complain "the PKGBUILD has another version than $version"
grep -q "tag: \"v$version\"" "$PACKAGING/homebrew/convocations.rb" || complain "the formula has another version than $version"
grep -q "^## $version\b" .github/CHANGELOG.md || complain ".github/CHANGELOG.md has no part ## $version"
exit $failed
