#!/usr/bin/env bash
# Everything that must hold, in one command: format, lints, documentation, tests, licences.
#   tests/run.sh              all of it
#   tests/run.sh quick        without documentation and licences
#   tests/run.sh kubernetes   and the executor for Kubernetes, against a real API server
# Needs Rust 1.95 or newer (rustup.rs), a C compiler, OpenSSL with its headers, Java 17 with Maven for the
# real Kafka that the tests run on, and Python 3 with venv for S3, PostgreSQL, executors and metrics; fetches the rest. Debian: apt-get
# install build-essential pkg-config openssl libssl-dev default-jre-headless maven python3-venv
# `kubernetes` needs Go 1.26 (go.dev/dl) too.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in cargo cc openssl java mvn python3; do
  command -v "$tool" >/dev/null || {
    echo "tests/run.sh: '$tool' is missing; install Rust from rustup.rs, and on Debian: apt-get install build-essential pkg-config openssl libssl-dev default-jre-headless maven python3-venv" >&2
    exit 1
  }
done
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
# What incremental builds keep is some gigabytes, and of no use to a run that builds once.
export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}

step() {
  local name=$1 begin=$SECONDS
  shift
  echo "== $name"
  "$@"
  echo "== $name: $((SECONDS - begin)) s"
}

# The benchmarks' data: where they are, or fetched once.
if [ -z "${THERIAC_DATASETS:-}" ]; then
  export THERIAC_DATASETS="$PWD/target/datasets"
  step "fetch data sets" cargo run --quiet --no-default-features --bin theriac -- datasets fetch nab --data "$THERIAC_DATASETS"
  step "fetch data sets" cargo run --quiet --no-default-features --bin theriac -- datasets fetch smd --data "$THERIAC_DATASETS"
  step "fetch data sets" cargo run --quiet --no-default-features --bin theriac -- datasets fetch nezha-trainticket-dev --data "$THERIAC_DATASETS"
fi

step "format" cargo fmt --all --check
# The program is built with the tests; those that run it take that one.
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
export THERIAC_PROGRAM="$target/debug/theriac"
step "tests" cargo test --workspace --no-fail-fast
# The executor for Kubernetes meets a real API server, which Go builds once: minutes, and 3 GB for a while.
if [ "${1:-all}" = kubernetes ]; then
  step "Kubernetes" cargo test -p theriac-connectors --features kubernetes --test kubernetes
else
  echo "== Kubernetes: NOT CHECKED, tests/run.sh kubernetes does"
fi
step "lints" cargo clippy --workspace --all-targets -- -D warnings
if [ "${1:-all}" != quick ]; then
  step "documentation" env RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps
  if ! command -v cargo-deny >/dev/null; then
    step "install cargo-deny" cargo install --locked --quiet cargo-deny
  fi
  step "licences, sources, duplicates" cargo deny --all-features check --hide-inclusion-graph licenses sources bans
  # The advisory database is a git repository: without that network the check says so and is not counted.
  if cargo deny --all-features fetch db >/dev/null 2>&1; then
    step "advisories" cargo deny --all-features check --hide-inclusion-graph advisories
  else
    echo "== advisories: NOT CHECKED, the advisory database cannot be reached from here"
  fi
fi
echo "== all of it: $SECONDS s"
