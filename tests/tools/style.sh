#!/usr/bin/env bash
# What no other tool checks: files that grew past one subject, tests that nobody runs, paths of one machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failed=0
complain() {
  printf 'style: %s\n' "$*" >&2
  failed=1
}

while read -r lines file; do
  [ "$lines" -le 400 ] || complain "$file has $lines lines; does it still have one subject?"
done < <(git ls-files 'src/*.rs' 'lua/*.lua' 'plugin/*.lua' | xargs wc -l | grep -v ' total$')

# Comments keep within the width of the code (rustfmt.toml, stylua.toml). Tables, annotations and addresses have no place
# to break at, and what is generated is as wide as it is.
while IFS= read -r place; do
  complain "$place: a comment wider than the code: wrap it at 110"
done < <(git ls-files '*.rs' '*.lua' ':!lua/conv/types.lua' ':!lua/conv/protocol.lua' ':!lua/conv/builtin.lua' |
  xargs python3 tests/tools/wide_comments.py)

# Test binaries are listed by hand: one that is not listed never runs.
for file in $(git ls-files 'tests/*.rs' | grep -E '^tests/[^/]+\.rs$|^tests/[^/]+/main\.rs$'); do
  grep -qF "path = \"$file\"" Cargo.toml || complain "$file is not in Cargo.toml"
done

# The checklist names every line once, and only tests that are there.
for number in $(seq 77); do
  [ "$(grep -c "^| D$number |" tests/ATTACKS.md)" = 1 ] || complain "tests/ATTACKS.md has no line D$number, or two"
done
for number in S{1..17} U{1..29} C{1..15} H{1..17} M{1..14}; do
  [ "$(grep -c "^| $number |" tests/FINDINGS.md)" = 1 ] || complain "tests/FINDINGS.md has no line $number, or two"
done
for table in tests/ATTACKS.md tests/FAULTS.md tests/FINDINGS.md; do
  [ -f "$table" ] || continue
  while IFS= read -r named; do
    case "$named" in
      *.lua:\ *) grep -qsF -- "${named#*.lua: }" "${named%%: *}" ;;
      *::*) grep -qsE "(fn |^ +)${named##*::}(\(|: )" "${named%%::*}" ;;
      *) [ -e "$named" ] ;;
    esac || complain "$table names a test that is not there: $named"
  done < <(grep -oE '`(src|tests)/[^`]+`' "$table" | tr -d '`')
done

# The rules are cited by number, in code and tests; each number, and each place that a rule names, is there.
while read -r file number; do
  grep -qE "^$number\. \*\*" doc/rules.md || complain "$file cites rule $number, which doc/rules.md does not have"
done < <(git grep -noE '\brules? [0-9]+((, | and | to | or )[0-9]+)*' -- src lua tests doc ':!doc/rules.md' |
  awk -F: '{ count = split($3, words, /[^0-9]+/); for (i = 1; i <= count; i++) if (words[i] != "") print $1 ":" $2, words[i] }')
while IFS=: read -r document place; do
  [ -e "$place" ] || complain "$document names a place that is not there: $place"
done < <(grep -HoE '`(src|tests|lua|plugin|doc)/[^`]*`' doc/rules.md doc/developing.md | tr -d '`' |
  grep -vE 'NAME|…')

# The map of doc/developing.md has every file, so that it leads to each.
for file in $(git ls-files -co --exclude-standard 'src/*.rs' 'lua/*.lua'); do
  [ ! -e "$file" ] || grep -qF "| \`$file\` |" doc/developing.md ||
    complain "doc/developing.md has no line for $file: run \`make doc\`"
done

# Which module uses which is what the table at the top of src/lib.rs says.
while IFS= read -r arrow; do
  complain "$arrow"
done < <(tests/tools/arrows.sh)

# What can be called, logged in to or wired is told to the person, and tried.
while IFS= read -r name; do
  grep -qF "*conv.$name()*" doc/conv.txt || complain "doc/conv.txt does not tell of require(\"conv\").$name()"
done < <(sed -nE 's/^function M\.([a-z_]+)\(.*/\1/p' lua/conv/init.lua)
while IFS= read -r name; do
  grep -qE "^function M\.$name\(" lua/conv/init.lua || complain "doc/conv.txt tells of conv.$name(), which is not there"
done < <(grep -oE '\*conv\.[a-z_]+\(\)\*' doc/conv.txt | sed -E 's/.*\.([a-z_]+)\(.*/\1/')
for file in src/provider/builtin/*.toml; do
  name=$(basename "$file" .toml)
  grep -qE "^\|.*\`$name\`" README.md || complain "README.md has no provider $name in its table"
done
for file in lua/conv/integrations/*.lua; do
  name=$(basename "$file" .lua)
  [ -e "tests/nvim/cases/host_$name.lua" ] || complain "$file has no tests/nvim/cases/host_$name.lua"
done
# A place of the help that is named is there.
while IFS=: read -r file tag; do
  grep -qF "*$tag*" doc/conv.txt || complain "$file names the help's $tag, which is not there"
done < <({
  git grep -noE ':(h|help) conv-[a-z0-9_.-]*[a-z0-9_]' -- . ':!tests/tools/style.sh' | sed -E 's/^([^:]*):[0-9]+::(h|help) /\1:/'
  grep -oE '\|conv[-.][^|[:blank:]]+\|' doc/conv.txt | sed -E 's/^\|(.*)\|$/doc\/conv.txt:\1/'
} | sort -u)

lines=$(wc -l <plugin/conv.lua)
[ "$lines" -le 40 ] || complain "plugin/conv.lua has $lines lines; it is read at every start"

# Each type of future that the runtime itself is given makes the program some kilobytes larger: src/tasks.rs.
if git grep -nE "tokio::(task::)?spawn\(" -- src ":!src/tasks.rs" ":!src/login/callback/attacks"; then
  complain "a task that is not begun by tasks::spawn"
fi

# The name that a hint gives is one: `paths::SETTINGS_FILE`.
if git grep -nE "\"[^\"]*config\.toml" -- src lua ":!src/paths.rs"; then
  complain "a message names another settings file than convocations.toml"
fi

if git grep -nIE '(^|[^a-zA-Z0-9_.$])/(root|home/[a-z]+|work)/' -- . ':!Cargo.lock' ':!tests/tools/style.sh' ':!src/log/redact.rs'; then
  complain "a path of one machine"
fi
exit $failed
