#!/usr/bin/env bash
# The address of the public repository: Cargo.toml names it, and other files repeat what it says.
#
# usage: repository.sh              prints it; fails where a file names another one
#        repository.sh --release    fails too while nobody has put one in, or the clone is of another one
#        repository.sh OWNER/NAME   puts this one of github.com into every file, before a release is built
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
die() {
  printf 'repository: %s\n' "$*" >&2
  exit 1
}
readonly NOBODY=OWNER/convocations.nvim
named=$(sed -n 's|^repository = "https://github\.com/\([^"]*\)"$|\1|p' Cargo.toml)
[ -n "$named" ] || die "Cargo.toml names no repository at https://github.com/"
readonly named

# Where each file has it: after this, up to the name's end.
readonly BEFORE='(github\.com/|github:|--repo |\{ "|brew tap )'
files() { git ls-files -- Cargo.toml README.md doc .github; }
mentions() { files | xargs grep -oE "${BEFORE}[A-Za-z0-9_-]+/[A-Za-z0-9_.-]*(convocations|${named#*/})[A-Za-z0-9_.-]*" /dev/null; }

if [[ "${1:-}" == */* ]]; then
  [[ "$1" =~ ^[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+$ ]] || die "$1 is not OWNER/NAME"
  files | xargs grep -lF "$named" | while IFS= read -r file; do
    perl -pi -e "s{\\Q$named\\E}{$1}g; s{brew tap \\Q${named%%/*}\\E/}{brew tap ${1%%/*}/}g" "$file"
  done
  exec "$0"
fi

other=$(mentions | sed -E 's/\.git$//' | grep -vE "[ :/\"]${named//./\\.}\$" || true)
[ -z "$other" ] || die "Cargo.toml names $named, and others do not: $other"
if [ "${1:-}" = --release ]; then
  [ "$named" != "$NOBODY" ] || die "$NOBODY stands for nobody's repository: tests/tools/dist/repository.sh OWNER/NAME puts it in"
  origin=$(git remote get-url origin 2>/dev/null | sed -nE 's#^(https://([^@/]*@)?|ssh://git@|git@)github\.com[:/]##p' || true)
  origin=${origin%.git}
  [ -z "$origin" ] || [ "${origin%/}" = "$named" ] || die "Cargo.toml names $named, and this is a clone of $origin"
fi
echo "https://github.com/$named"
