#!/usr/bin/env bash
# Whether the backend compiles for the systems that a release is made for: each whose standard library is here, and a
# line for each that is not. `rustup target add TARGET` gets one.
#
# usage: check_targets.sh [TARGET…]           all of a release if they are left out
#        DIST_BUILD_STD=1 check_targets.sh …  builds the standard library too, where rustup cannot get it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
export PATH="$PWD/.deps/dist/bin:$PATH"
readonly HOST=$(rustc -vV | sed -n 's/^host: //p')
targets=("$@")
[ $# -gt 0 ] || targets=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu
  x86_64-pc-windows-msvc x86_64-apple-darwin aarch64-apple-darwin)

# Why a target cannot be checked here, or nothing.
obstacle() {
  local std
  std=$(rustc --print target-libdir --target "$1")
  if [ -z "${DIST_BUILD_STD:-}" ] && ! compgen -G "$std/libstd-*.rlib" >/dev/null; then
    echo "its standard library is not here (rustup target add $1)"
  elif [[ "$1" = *-msvc && "$HOST" != *-msvc ]]; then
    echo "its C compiler is not here"
  # C code is compiled too: by zig where this system has no compiler for the target.
  elif [[ "${1#*-}" != "${HOST#*-}" ]] && ! command -v cargo-zigbuild >/dev/null; then
    echo "cargo-zigbuild is not here (tests/tools/setup.sh dist)"
  fi
}

echo "== Other systems"
for target in "${targets[@]}"; do
  [ "$target" != "$HOST" ] || continue
  why=$(obstacle "$target")
  if [ -n "$why" ]; then
    echo "! $target: not checked, $why"
    continue
  fi
  check=(cargo clippy)
  [[ "${target#*-}" = "${HOST#*-}" ]] || check=(cargo-zigbuild clippy)
  arguments=(--quiet --locked --bin convocations --target "$target")
  [ -z "${DIST_BUILD_STD:-}" ] || arguments+=("-Zbuild-std=std,panic_unwind")
  (
    [ -z "${DIST_BUILD_STD:-}" ] || export RUSTC_BOOTSTRAP=1
    "${check[@]}" "${arguments[@]}" -- -D warnings
  )
  echo "· $target: well"
done
