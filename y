#!/bin/sh
# The developers' door: `./x help` lists what it opens. This script only makes sure that a bare Debian or Ubuntu machine
# has a C compiler, python3 and a Rust toolchain, says what it is going to install, and hands over to xtask.
set -eu
cd "$(dirname "$0")"

say() { printf '%s\n' "x: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else say "this needs root, and there is no sudo: $*"; exit 3
    fi
}

missing=""
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
command -v python3 >/dev/null 2>&1 || missing="$missing python3"
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3-venv"
command -v git >/dev/null 2>&1 || missing="$missing git"
if ! command -v cargo >/dev/null 2>&1 && [ ! -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    command -v curl >/dev/null 2>&1 || missing="$missing curl ca-certificates"
fi
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        say "please install the equivalents of these Debian packages and run again:$missing"
        exit 3
    fi
    say "installing with apt-get:$missing"
    as_root apt-get update -q >&2
    # shellcheck disable=SC2086 # a list of words on purpose
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >&2
fi

if ! command -v cargo >/dev/null 2>&1; then
    PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
fi
if ! command -v cargo >/dev/null 2>&1; then
    say "installing the Rust toolchain with rustup into ${CARGO_HOME:-$HOME/.cargo}"
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt >&2
fi

# xtask is small, and builds beside the product so that it never waits for it.
exec cargo run --quiet --package xtask --target-dir target/xtask -- "$@"
