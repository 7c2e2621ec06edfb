#!/usr/bin/env bash
# Makes the archives of a release: dist/convocations-TARGET.tar.gz (.zip for Windows) with the program, its man pages,
# completions, licences and bill of materials, and dist/SHA256SUMS.
#
# usage: dist.sh [TARGET…]           without a target: those of this system whose standard library is here
#        DIST_TWICE=1 dist.sh …      builds each a second time, from a copy in another folder, and asserts the same bytes
#        DIST_BUILD_STD=1 dist.sh …  builds the standard library too, for targets that rustup cannot get
#
# The same sources, Rust and C compiler give the same bytes: times are those of the commit, and no path of this machine
# is in the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
readonly HERE=$PWD TOOLS=$PWD/tests/tools/dist
# Programs that pip brought (setup.sh dist).
export PATH="$PWD/.deps/dist/bin:$PATH"

say() { printf '· %s\n' "$*"; }
skip() { printf '! %s\n' "$*" >&2; }
die() {
  printf 'dist: %s\n' "$*" >&2
  exit 1
}

readonly HOST=$(rustc -vV | sed -n 's/^host: //p')

# What a machine of each system builds if nobody says otherwise: Windows and Linux by zig from Linux, macOS from a Mac.
default_targets() {
  case "$HOST" in
  *-linux-*) echo x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu ;;
  *-apple-darwin) echo aarch64-apple-darwin x86_64-apple-darwin ;;
  *-windows-*) echo x86_64-pc-windows-msvc ;;
  *) echo "$HOST" ;;
  esac
}

# Why a target cannot be built here, or nothing.
obstacle() {
  local std
  std=$(rustc --print target-libdir --target "$1" 2>/dev/null) || {
    echo "this Rust does not know it"
    return
  }
  if [ -z "${DIST_BUILD_STD:-}" ] && ! compgen -G "$std/libstd-*.rlib" >/dev/null; then
    echo "its standard library is not here: rustup target add $1"
  elif needs_zig "$1" && ! command -v cargo-zigbuild >/dev/null; then
    echo "cargo-zigbuild is not here: tests/tools/setup.sh dist"
  fi
}

# What this system's own linker makes needs no other.
needs_zig() {
  case "$1" in
  "$HOST" | *-apple-darwin | *-msvc) false ;;
  *) true ;;
  esac
}

# The program of a target, built from a folder with the sources into another. Prints its path.
build() {
  local target=$1 sources=$2 into=$3
  local flags=(--remap-path-prefix="$sources=/convocations" --remap-path-prefix="${CARGO_HOME:-$HOME/.cargo}=/cargo"
    --remap-path-prefix="$(rustc --print sysroot)=/rust")
  # The whole C library inside: it runs on every Linux, however old, and where there is none.
  case "$target" in *-linux-*) flags+=(-Ctarget-feature=+crt-static) ;; esac
  case "$target" in *-msvc) flags+=(-Clink-arg=/Brepro) ;; esac
  # rustup's own parts of musl are not there: zig's are.
  case "${DIST_BUILD_STD:-}$target" in 1*-musl) flags+=(-Clink-self-contained=no) ;; esac
  # Rust asks for MinGW's library of the stack protector, which zig has in another.
  case "$target" in
  *-windows-gnu)
    mkdir -p "$WORK/empty"
    printf '!<arch>\n' >"$WORK/empty/libssp_nonshared.a"
    flags+=("-Clink-arg=-L$WORK/empty")
    ;;
  esac
  local arguments=(--release --locked --bin convocations --target "$target" --target-dir "$into")
  [ -z "${DIST_BUILD_STD:-}" ] || arguments+=("-Zbuild-std=std,panic_unwind")
  local builder=(cargo build)
  ! needs_zig "$target" || builder=(cargo-zigbuild zigbuild)
  (
    cd "$sources"
    [ -z "${DIST_BUILD_STD:-}" ] || export RUSTC_BOOTSTRAP=1
    export CARGO_INCREMENTAL=0 RUSTFLAGS="${flags[*]}"
    export "CFLAGS_${target//-/_}=-ffile-prefix-map=$sources=/convocations -ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    case "$target" in *-msvc) unset "CFLAGS_${target//-/_}" ;; esac
    "${builder[@]}" --quiet "${arguments[@]}" >&2
  ) || exit 1 # in `$(…)` nothing else ends it
  local ending=
  case "$target" in *windows*) ending=.exe ;; esac
  echo "$into/$target/release/convocations$ending"
}

# What goes beside the program: pages and completions, which are the same for every target. The program writes them
# itself, or one that is built for this machine does.
write_share() {
  local own=$1 share=$2
  [ ! -d "$share" ] || return 0
  if ! "$own" --version >/dev/null 2>&1; then
    cargo build --quiet --locked --bin convocations --target-dir target
    own=target/debug/convocations
  fi
  mkdir -p "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/site-functions" \
    "$share/fish/vendor_completions.d"
  "$own" man --dir "$share/man/man1"
  "$own" completions bash >"$share/bash-completion/completions/convocations"
  "$own" completions zsh >"$share/zsh/site-functions/_convocations"
  "$own" completions fish >"$share/fish/vendor_completions.d/convocations.fish"
}

pack() {
  local target=$1 program=$2 archive=$3
  local tree="$WORK/tree-$target"
  rm -rf "$tree"
  mkdir -p "$tree/bin"
  cp "$program" "$tree/bin/"
  cp -R "$WORK/share" "$tree/share"
  python3 "$TOOLS/bill.py" --target "$target" --commit "$CONVOCATIONS_COMMIT" --epoch "$SOURCE_DATE_EPOCH" \
    "$tree/share/doc/convocations"
  python3 "$TOOLS/archive.py" --epoch "$SOURCE_DATE_EPOCH" "$tree" "$archive"
}

archive_name() {
  case "$1" in
  *windows*) echo "convocations-$1.zip" ;;
  *) echo "convocations-$1.tar.gz" ;;
  esac
}

# The sources as git has them, at a path of another length.
copy_sources() {
  local copy="$WORK/another copy"
  copy=${copy// /-}
  rm -rf "$copy"
  mkdir -p "$copy"
  git ls-files -z -- Cargo.toml Cargo.lock src | xargs -0 tar -cf - | tar -xf - -C "$copy"
  # Cargo looks at the whole package, though it builds one program of it.
  git ls-files -z -- tests | xargs -0 tar -cf - | tar -xf - -C "$copy"
  echo "$copy"
}

make_one() {
  local target=$1
  local archive="dist/$(archive_name "$target")"
  say "building $target"
  local program
  program=$(build "$target" "$HERE" "$HERE/target/dist")
  write_share "$program" "$WORK/share"
  pack "$target" "$program" "$archive"
  if [ -n "${DIST_TWICE:-}" ]; then
    say "building $target again, from another folder"
    local copy
    copy=$(copy_sources)
    program=$(build "$target" "$copy" "$WORK/target")
    pack "$target" "$program" "$WORK/$(archive_name "$target")"
    cmp "$archive" "$WORK/$(archive_name "$target")" || die "$target: built twice, and not the same bytes"
    say "$target: twice the same bytes"
  fi
}

write_sums() {
  python3 - <<'PYTHON' >dist/SHA256SUMS
import hashlib, pathlib
for path in sorted(pathlib.Path("dist").glob("convocations-*")):
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")
PYTHON
}

command -v python3 >/dev/null || die "python3 is not here"
# The commit that last changed what the program is made of, as src/build.rs has it.
: "${CONVOCATIONS_COMMIT:=$(git log -1 --abbrev=12 --format=%h -- src Cargo.toml Cargo.lock)}"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct -- src Cargo.toml Cargo.lock)}"
if [ -n "$(git status --porcelain -- src Cargo.toml Cargo.lock)" ]; then
  CONVOCATIONS_COMMIT="$CONVOCATIONS_COMMIT+changes"
  skip "the sources are not as committed: the program says so"
fi
export CONVOCATIONS_COMMIT SOURCE_DATE_EPOCH
readonly WORK=$HERE/target/dist-work
mkdir -p dist "$WORK"
rm -rf "$WORK/share"

asked=("$@")
[ $# -gt 0 ] || read -ra asked < <(default_targets)
made=0
for target in "${asked[@]}"; do
  why=$(obstacle "$target")
  if [ -z "$why" ]; then
    make_one "$target"
    made=$((made + 1))
  elif [ $# -gt 0 ]; then
    die "$target cannot be built: $why"
  else
    skip "$target is left out: $why"
  fi
done
# Where no target of a release can be had: this machine's own, static if it is Linux.
if [ $made -eq 0 ]; then
  make_one "$HOST"
fi
write_sums
cat dist/SHA256SUMS
