#!/usr/bin/env bash
# `make screenshots`: pictures for README and the help, of a real editor in a real terminal.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
built=${CARGO_TARGET_DIR:-$root/target}/debug
nvim=$root/.deps/bin/nvim
command -v tmux >/dev/null || {
  echo "tmux is not here: install it, then run \`make screenshots\` again." >&2
  exit 1
}

dir=$(mktemp -d)
terminal=(tmux -L "conv-pictures-$$" -f /dev/null)
sandbox=
finish() {
  "${terminal[@]}" kill-server 2>/dev/null || true
  [ -z "$sandbox" ] || kill "$sandbox" 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
mkdir -p -m 700 "$dir"/{home,config,data,state,cache,run,convocations}

"$built/examples/sandbox" >"$dir/sandbox.json" &
sandbox=$!
until [ -s "$dir/sandbox.json" ]; do sleep 0.05; done
url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$dir/sandbox.json")

# Anthropic and OpenAI are pretended; OpenRouter keeps its own address, which nobody visits.
python3 - "$url/_control/config" >"$dir/convocations/config.toml" <<'PY'
import re, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
text = opener.open(sys.argv[1]).read().decode()
tables = re.split(r"(?m)^(?=\[)", text)
wanted = ("[http", "[providers.anthropic", "[providers.openai")
print("".join(table for table in tables if table.startswith(wanted)))
print('[store]\nbackend = "local-encrypted"\n[callback]\nport = 0')
PY
chmod 600 "$dir/convocations/config.toml"
mkdir "$dir/home/notes"
cat >"$dir/home/init.lua" <<'LUA'
-- One login, every plugin.
local chat = require("conv.integrations.codecompanion")
require("codecompanion").setup({
  adapters = {
    http = {
      anthropic = chat.adapter("anthropic"),
      openrouter = chat.adapter("openrouter"),
    },
  },
})
LUA

say() { "${terminal[@]}" send-keys -t picture "$@"; }
screen() { "${terminal[@]}" capture-pane -pt picture; }
# Waits until the screen shows a text: the terminal announces nothing.
shows() {
  for _ in $(seq 200); do
    ! screen | grep -qF -- "$1" || return 0
    sleep 0.05
  done
  screen >&2
  echo "The screen never showed: $1" >&2
  exit 1
}
take() {
  "${terminal[@]}" capture-pane -ept picture | python3 "$root/tests/demo/screen_to_svg.py" "$2" >"$dir/picture.svg"
  mv "$dir/picture.svg" "$root/doc/$1.svg"
  echo "doc/$1.svg"
}

"${terminal[@]}" new-session -d -s picture -x 88 -y 22 \
  env -u ANTHROPIC_API_KEY -u ANTHROPIC_OAUTH_TOKEN -u OPENROUTER_API_KEY -u OPENAI_API_KEY -u NVIM -u SSH_CONNECTION \
  HOME="$dir/home" XDG_CONFIG_HOME="$dir/config" XDG_DATA_HOME="$dir/data" XDG_STATE_HOME="$dir/state" \
  XDG_CACHE_HOME="$dir/cache" XDG_RUNTIME_DIR="$dir/run" CONVOCATIONS_DIR="$dir/convocations" \
  CONV_DEMO_ROOT="$root" CONVOCATIONS="$built/convocations" NO_PROXY="127.0.0.1,localhost" \
  "$nvim" -u "$root/tests/demo/pictures.lua" "$dir/home/init.lua"
"${terminal[@]}" set -as terminal-features ",*:RGB"

shows 'One login'
say ':ConvLogin openai chatgpt' Enter
shows '● openai'
say ':ConvLogin anthropic subscription' Enter
shows 'I have read this'
say y
shows '● anthropic, openai'
say ':ConvLogin openrouter browser' Enter
shows 'Waiting for the browser'
say ':echo' Enter
take login "Logging in to OpenRouter"
say q
shows '● anthropic, openai'
say ':ConvStatus' Enter
shows 'New logins are kept in'
take status ":ConvStatus"
say q
