#!/usr/bin/env bash
# Which module of src uses which, held against the table at the top of src/lib.rs: an arrow that is not there, one that
# nobody needs any more, and a circle are told, the last also between the files of one module. Tests may use what they
# like.
#
# usage: arrows.sh           prints what is wrong, one line each
#        arrows.sh --used    prints the arrows that there are, as `FROM TO`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

used() {
  git ls-files -co --exclude-standard 'src/*.rs' | grep -vE '(^src/fuzzing|^src/test_support|tests?|/fuzz|/samples)\.rs$|/attacks/|^src/fuzzing/' |
    while IFS= read -r file; do
      [ ! -e "$file" ] || awk '
        FNR == 1 { split(FILENAME, path, "/"); room = path[2]; sub(/\.rs$/, "", room) }
        tests && /^(pub(\(.*\))? )?mod [a-z_]+ \{/ { exit }
        { tests = /^#\[cfg\((test|any\(test, fuzzing\))\)\]$/ }
        /^ *\/\// { next }
        { line = $0
          while (match(line, /(^|[^a-z_:])crate::[a-z_{]+/)) {
            found = substr(line, RSTART, RLENGTH); sub(/.*crate::/, "", found)
            if (found != room && room != "lib" && room != "main") print room, found
            line = substr(line, RSTART + RLENGTH)
          } }' "$file"
    done | sort -u
}

# The table's rows, and the plain words that all may use.
plain() { sed -n '/plain words in/,/^\/\/!$/p' src/lib.rs | grep -oE '`[a-z_]+`' | tr -d '`'; }
allowed() {
  sed -nE 's/^\/\/! \| \[?`([a-z_]+)`\]? \|[^|]*\| ([^|]*)\|$/\1 \2/p' src/lib.rs |
    while read -r from to; do
      printf '%s\n' "$to" | tr ',' '\n' | sed -E 's/\(.*\)//; s/[^a-z_]//g; /^$/d' | sed "s/^/$from /"
    done | sort -u
}

used=$(used)
if [ "${1:-}" = --used ]; then
  printf '%s\n' "$used"
  exit
fi
words=$(plain | sort -u)
printf '%s\n' "$used" | while read -r from to; do
  case $to in *'{'*) echo "$from uses crate::{…}: name each module in a line of its own" ;; esac
done
# What is used and may not be; among the plain words, only each other.
printf '%s\n' "$used" | awk -v words="$words" -v allowed="$(allowed)" '
  BEGIN {
    count = split(words, list, "\n"); for (i = 1; i <= count; i++) word[list[i]] = 1
    count = split(allowed, list, "\n"); for (i = 1; i <= count; i++) may[list[i]] = 1
  }
  { there[$0] = 1 }
  !($2 in word) && !($0 in may) { print $1 " uses " $2 ", which the table of src/lib.rs does not allow" }
  END { for (arrow in may) if (!(arrow in there)) { split(arrow, ends, " ")
    if (ends[2] != "everything") print ends[1] " does not use " ends[2] " any more: the table of src/lib.rs says it may" } }'
# Every module is in the table or a plain word.
sed -nE 's/^(pub )?mod ([a-z_]+);$/\2/p' src/lib.rs | while read -r module; do
  grep -qE "^//! \| \[?\`$module\`\]? \|" src/lib.rs || grep -qx "$module" <<<"$words" ||
    echo "$module is not in the table of src/lib.rs"
done
printf '%s\n' "$used" | tsort 2>&1 >/dev/null | sed -n 's/^tsort: \([a-z_]*\)$/\1 is in a circle of modules/p'
python3 tests/tools/circles.py
