#!/usr/bin/env bash
# What the crates are: the text of every licence can be had for an archive, and with cargo-deny their licences,
# advisories and sources are what .github/deny.toml allows. Without the network the advisories are left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

echo "== Crates"
tests/tools/dist/bill.py --target x86_64-unknown-linux-musl --check
if ! command -v cargo-deny >/dev/null; then
  echo "! cargo-deny is not here: licences and advisories are not checked (cargo install cargo-deny)"
  exit 0
fi
cargo deny --locked --config .github/deny.toml check bans licenses sources
if ! cargo deny --locked --config .github/deny.toml check advisories; then
  [ -n "${CI:-}" ] && exit 1
  echo "! the advisories could not be checked, or there are some: see above" >&2
fi
