#!/usr/bin/env bash
# `make demo`: Neovim with the plugin and pretend providers, all under a temporary folder; without a terminal, the
# same story told by a script. Nothing of the person's own settings, logins or keyring is touched.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
nvim=$root/.deps/bin/nvim
built=${CARGO_TARGET_DIR:-$root/target}/debug
export CONVOCATIONS=$built/convocations CONVOCATIONS_SANDBOX=$built/examples/sandbox

if [ ! -t 0 ] || [ ! -t 1 ]; then
  exec env NVIM="$nvim" "$nvim" -l "$root/tests/demo/story.lua"
fi

dir=$(mktemp -d)
sandbox=
finish() {
  [ -z "$sandbox" ] || kill "$sandbox" 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
mkdir -p -m 700 "$dir"/{home,config,data,state,cache,run,convocations}

# A token of the pretend Anthropic lives for six minutes here: a refresh shows within a minute.
"$CONVOCATIONS_SANDBOX" --lifetime 360 >"$dir/sandbox.json" &
sandbox=$!
for _ in $(seq 100); do
  [ -s "$dir/sandbox.json" ] && break
  sleep 0.05
done
url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$dir/sandbox.json")
[ -n "$url" ] || {
  echo "The sandbox did not start." >&2
  exit 1
}
python3 - "$url/_control/config" >"$dir/convocations/config.toml" <<'PY'
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(opener.open(sys.argv[1]).read().decode())
print('[store]\nbackend = "local-encrypted"\n[callback]\nport = 0')
PY
chmod 600 "$dir/convocations/config.toml"

env -u ANTHROPIC_API_KEY -u ANTHROPIC_OAUTH_TOKEN -u OPENROUTER_API_KEY -u NVIM \
  HOME="$dir/home" XDG_CONFIG_HOME="$dir/config" XDG_DATA_HOME="$dir/data" XDG_STATE_HOME="$dir/state" \
  XDG_CACHE_HOME="$dir/cache" XDG_RUNTIME_DIR="$dir/run" CONVOCATIONS_DIR="$dir/convocations" \
  CONV_DEMO_URL="$url" CONV_DEMO_ROOT="$root" NO_PROXY="127.0.0.1,localhost" \
  "$nvim" -u "$root/tests/demo/init.lua"
