#!/usr/bin/env bash
# Whether the backend compiles for the systems that a release is made for: each whose standard library is here, and a
# line for each that is not. `rustup target add TARGET` gets one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
export PATH="$PWD/.deps/dist/bin:$PATH"
readonly HOST=$(rustc -vV | sed -n 's/^host: //p')

echo "== Other systems"
for target in x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu x86_64-pc-windows-msvc aarch64-apple-darwin; do
  [ "$target" != "$HOST" ] || continue
  std=$(rustc --print target-libdir --target "$target")
  if ! compgen -G "$std/libstd-*.rlib" >/dev/null; then
    echo "! $target: not checked, its standard library is not here (rustup target add $target)"
    continue
  fi
  # C code is compiled too, by zig where the system has no compiler for the target.
  check=(cargo clippy)
  case "$target" in *-msvc | *-apple-darwin) [[ "$HOST" == *"${target#*-}" ]] || command -v cargo-zigbuild >/dev/null || continue ;; esac
  if [[ "$target" != *-msvc ]] && command -v cargo-zigbuild >/dev/null; then
    check=(cargo-zigbuild clippy)
  fi
  "${check[@]}" --quiet --locked --bin convocations --target "$target" -- -D warnings
  echo "· $target: well"
done
