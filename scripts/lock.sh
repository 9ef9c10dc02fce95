#!/usr/bin/env bash
# Write the hashed lock files that plain pip installs (pip install --require-hashes -r FILE).
# Needs uv. Names no index, so that every mirror serves them.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() {
    uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command scripts/lock.sh \
        --quiet "$@"
}
# The device, without windows: what `make demo` installs.
lock --extra cpu --extra headless --output-file requirements/runtime.txt
# Everything to train, export, test and build.
lock --extra cpu --extra headless --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
