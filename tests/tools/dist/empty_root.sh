#!/usr/bin/env bash
# From nothing to logged in: a Debian with Neovim and curl and no compiler, the plugin as a plugin manager clones it, the
# archives of dist/ served from loopback. In tmux, as a person does it: `:ConvLogin`, a yes, the browser.
#
# usage: empty_root.sh [ROOT]     as root; ROOT is a Debian that is kept (made by debootstrap if it is not there)
#
# Prints the screens, and the seconds from `:ConvLogin` to logged in. Then an update is offered that is not what it has to
# be: each is refused with a sentence, and the program that is there goes on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
die() {
  printf 'empty root: %s\n' "$*" >&2
  exit 1
}
for program in debootstrap chroot tmux python3; do
  command -v "$program" >/dev/null || die "$program is not here"
done
[ "$(id -u)" -eq 0 ] || die "it has to be run by root, for chroot"
archive=$(compgen -G "dist/convocations-$(uname -m)-*linux*.tar.gz" | head -1) || die "dist/ has no archive for this machine: make dist"
readonly SANDBOX=${CARGO_TARGET_DIR:-target}/debug/examples/sandbox
[ -x "$SANDBOX" ] || die "the pretend providers are not built: cargo build --example sandbox"

work=$(mktemp -d)
readonly ROOT=${1:-$work/root} SESSION=conv-empty-root-$$
jobs_started=()
# Whoever runs in the root: Neovim, while it writes what it remembers, has lost its terminal already.
inhabitants() { find /proc/[0-9]*/root -maxdepth 0 -lname "$(realpath "$ROOT")" 2>/dev/null; }
finish() {
  tmux kill-session -t "$SESSION" 2>/dev/null || true
  local left=100
  while [ $left -gt 0 ] && [ -n "$(inhabitants)" ]; do
    left=$((left - 1))
    sleep 0.1
  done
  [ ${#jobs_started[@]} -eq 0 ] || kill "${jobs_started[@]}" 2>/dev/null || true
  ! mountpoint -q "$ROOT/proc" || umount "$ROOT/proc"
  rm -rf "$work"
}
trap finish EXIT

[ -x "$ROOT/usr/bin/curl" ] ||
  debootstrap --variant=minbase --include=curl,ca-certificates bookworm "$ROOT" >"$work/debootstrap.log" 2>&1 ||
  die "debootstrap failed: $(tail -1 "$work/debootstrap.log")"
for tool in cc gcc cargo rustc make git; do
  [ ! -e "$ROOT/usr/bin/$tool" ] || die "$ROOT has $tool"
done
mountpoint -q "$ROOT/proc" || mount -t proc proc "$ROOT/proc"

# Neovim's own folder, wherever it is installed, and the plugin's files as they are committed.
runtime=$(.deps/bin/nvim --clean --headless -c 'lua io.stdout:write(vim.env.VIMRUNTIME)' -c q)
rm -rf "$ROOT/opt/nvim" "$ROOT/person"
cp -R "$(dirname "$(dirname "$(dirname "$runtime")")")" "$ROOT/opt/nvim"
plugin=$ROOT/person/.local/share/nvim/site/pack/conv/start/convocations.nvim
mkdir -p "$plugin" "$ROOT/person/.config/convocations" "$ROOT/person/.config/nvim"
chmod 700 "$ROOT/person/.config/convocations"
git archive HEAD lua plugin doc | tar -xf - -C "$plugin"
tests/tools/dist/checksums.py --into "$plugin/lua/conv/checksums.lua"

# A release on loopback, and providers.
serve() {
  python3 - "$1" "$2" <<'PYTHON' &
import functools, http.server, pathlib, sys
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=sys.argv[1]))
pathlib.Path(sys.argv[2]).write_text(str(server.server_address[1]))
server.serve_forever()
PYTHON
  jobs_started+=($!)
}
mkdir "$work/release"
cp dist/convocations-* "$work/release"
serve "$work/release" "$work/port"
"$SANDBOX" --auto --config-toml >"$work/sandbox.json" &
jobs_started+=($!)
until [ -s "$work/port" ] && [ -s "$work/sandbox.json" ]; do sleep 0.05; done
python3 - "$work/sandbox.json" >"$ROOT/person/.config/convocations/convocations.toml" <<'PYTHON'
import json, sys
print(json.load(open(sys.argv[1]))["config_toml"])
print("[callback]\nport = 0")
PYTHON
chmod 600 "$ROOT/person/.config/convocations/convocations.toml"
cat >"$ROOT/person/.config/nvim/init.lua" <<LUA
vim.g.conv = {
  release_url = "http://127.0.0.1:$(cat "$work/port")",
  browser = true,
  -- The browser is outside.
  open = function(url) vim.fn.writefile({ url }, "/person/opened") end,
}
LUA

screen() { tmux capture-pane -p -t "$SESSION"; }
sees() {
  local left=600
  until screen | grep -qF "$1"; do
    left=$((left - 1))
    [ $left -gt 0 ] || {
      screen >&2
      die "the screen does not show: $1"
    }
    sleep 0.1
  done
}
show() {
  printf '\n=== %s\n' "$1"
  screen | sed 's/[[:space:]]*$//' | cat -s
}

# As large as a terminal is at first.
start() {
  tmux new-session -d -s "$SESSION" -x 80 -y 24 \
    "chroot '$ROOT' /usr/bin/env -i HOME=/person PATH=/usr/bin:/bin TERM=screen-256color LANG=C.UTF-8 /opt/nvim/bin/nvim"
  sees "NVIM"
}
start
began=$(date +%s.%N)
tmux send-keys -t "$SESSION" ":ConvLogin openrouter browser" Enter
sees "Download it"
show "the question"
tmux send-keys -t "$SESSION" Enter
until [ -s "$ROOT/person/opened" ]; do
  sees "" # the session lives
  sleep 0.1
done
show "downloaded, put in place, and logging in"
curl --silent --show-error --location --noproxy '*' --output "$work/page" "$(cat "$ROOT/person/opened")"
sees "Logged in"
ended=$(date +%s.%N)
show "logged in"
tmux send-keys -t "$SESSION" ":lua =(require('conv').token('openrouter') or ''):sub(1, 5)" Enter
sees "sk-or"
tmux send-keys -t "$SESSION" ":checkhealth conv" Enter
sees "Its sum is the one in the plugin's repository"
show "what :checkhealth says of it"
printf '\nFrom :ConvLogin to logged in: %.1f s, with %s (%s bytes). Nothing was built.\n' \
  "$(python3 -c "print($ended - $began)")" "$(basename "$archive")" "$(stat -c %s "$archive")"

# Another version of the plugin, for which there is a release that is not as it says.
readonly SERVED=$work/release/$(basename "$archive") SUMS=$plugin/lua/conv/checksums.lua
wants() {
  sed -i "s/^M.VERSION = .*/M.VERSION = \"$1\"/" "$plugin/lua/conv/backend.lua"
  sed -i "s/^  version = .*/  version = \"$1\",/" "$SUMS"
}
# usage: refused WHAT SENTENCE VERSION
refused() {
  tmux kill-session -t "$SESSION"
  wants "$3"
  start
  tmux send-keys -t "$SESSION" ":ConvLogin openrouter browser" Enter
  sees "Download it"
  tmux send-keys -t "$SESSION" Enter
  sees "$2"
  # The login that was asked for goes on with the program that is there.
  sees "Approve in your browser"
  show "$1: refused"
  tmux send-keys -t "$SESSION" q
  sees "The login was cancelled"
  tmux send-keys -t "$SESSION" ":lua =(require('conv').token('openrouter') or ''):sub(1, 5)" Enter
  sees "sk-or"
}
readonly NEXT=99.0.0
printf x | dd of="$SERVED" bs=1 seek=100000 conv=notrunc status=none
refused "tampered with" "its sum differs" "$NEXT"
truncate -s -1000 "$SERVED"
refused "truncated" "Only a part arrived" "$NEXT"
cp "$archive" "$SERVED"
refused "older" "The archive holds version" "$NEXT"
refused "newer" "The archive holds version" 0.0.1
# Another system's program under this one's name, with the sums that it would have.
python3 - "$archive" "$SERVED" "$SUMS" <<'PYTHON'
import hashlib, io, pathlib, re, sys, tarfile
archive, served, sums = map(pathlib.Path, sys.argv[1:])
program = tarfile.open(archive).extractfile("bin/convocations").read()
other = program[:18] + b"\xf3" + program[19:]  # ELF's e_machine: RISC-V
with tarfile.open(served, "w:gz") as made:
    entry = tarfile.TarInfo("bin/convocations")
    entry.size, entry.mode = len(other), 0o755
    made.addfile(entry, io.BytesIO(other))
text, bytes_ = sums.read_text(), served.read_bytes()
begin = text.index(archive.name)
new = f'sha256 = "{hashlib.sha256(bytes_).hexdigest()}",\n      size = {len(bytes_)},\n      program = "{hashlib.sha256(other).hexdigest()}"'
part = re.sub(r'sha256 = .*\n.*\n *program = "[0-9a-f]+"', new, text[begin:], count=1)
sums.write_text(text[:begin] + part)
PYTHON
refused "for another target" "does not run here" "$NEXT"
printf '\nEach was refused, and the program that was there answered.\n'
