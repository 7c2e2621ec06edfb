#!/usr/bin/env bash
# Turns the archives in dist/ into a release of this checkout: sums, the commit that carries them, and its tag. Pushes
# nothing.
#
# usage: release.sh VERSION
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
die() {
  printf 'release: %s\n' "$*" >&2
  exit 1
}

version=${1:?usage: release.sh VERSION}
[[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9a-z.]+)?$ ]] || die "$version is no version (semver.org)"
grep -qx "version = \"$version\"" Cargo.toml || die "Cargo.toml has another version than $version"
grep -q "^## $version\b" .github/CHANGELOG.md || die ".github/CHANGELOG.md has no part ## $version"
tests/tools/dist/repository.sh --release >/dev/null
[ -z "$(git status --porcelain --untracked-files=no)" ] || die "there are changes that are not committed"
! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || die "v$version is there already"
compgen -G 'dist/convocations-*' >/dev/null || die "dist/ has no archives: make dist"

(cd dist && rm -f SHA256SUMS && sha256sum convocations-* >SHA256SUMS)
# The commit that last changed what the program is made of, as dist.sh has it.
tests/tools/dist/checksums.py --commit "$(git log -1 --abbrev=12 --format=%h -- src Cargo.toml Cargo.lock)"
# What is said of the release: its part of the changelog.
awk -v head="## $version" 'index($0, "## ") == 1 { on = index($0, head) == 1; next } on' .github/CHANGELOG.md >dist/NOTES.md
git add lua/conv/checksums.lua
# They are there already if only the tag is missing.
git diff --cached --quiet || git commit -q -m "Release $version"
git tag -a "v$version" -m "Convocations $version"
echo "v$version is $(git rev-parse --short HEAD). To publish: git push --atomic origin HEAD v$version, then the files of dist/"
