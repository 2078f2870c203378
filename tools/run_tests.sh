#!/usr/bin/env bash
# usage: tools/run_tests.sh [--here] [--cuda | --cpu] [arguments of pytest]
#
# Sets up what is missing, then lint, format, types and the whole test suite.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_arguments 0 "$@"
take_setup_arguments "$@"
set_up --dev "${SETUP[@]}"
cd "$ROOT"
say 'ruff check' && "$PYTHON" -m ruff check .
say 'ruff format --check' && "$PYTHON" -m ruff format --check .
say 'mypy' && "$PYTHON" -m mypy
say 'pytest' && exec "$PYTHON" -m pytest "${REST[@]}"
