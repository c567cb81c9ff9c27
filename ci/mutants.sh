#!/usr/bin/env bash
# Each rule that the soundness rests on, broken, makes a model fail.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 ci/mutants.py
