#!/usr/bin/env bash
# Each memory ordering is needed: weakened, a model fails. See orderings.py.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 ci/orderings.py
