#!/usr/bin/env bash
# The sdist, the wheel that is made from it, and the demo from that wheel in an environment of its own (`make package`).
set -euo pipefail
cd "$(dirname "$0")/.."
python="$PWD/.venv/bin/python"
kept="$(mktemp -d)"
trap 'rm -rf "$kept"' EXIT

rm -rf dist
"$python" -m venv "$kept/tools"
"$kept/tools/bin/pip" install --quiet build twine
"$kept/tools/bin/python" -m build --outdir dist
"$kept/tools/bin/twine" check --strict dist/*

"$python" -m venv "$kept/venv"
"$kept/venv/bin/pip" install --quiet dist/*.whl
cd "$kept" # away from src, so that the installed package is what runs
unset SPURLAB_DATA PYTHONPATH
if grep -nE '\]\((docs/|examples/|[A-Z]+\.md)' venv/lib/*/site-packages/spurlab-*.dist-info/METADATA; then
    echo "these links of the README lead nowhere on a package index" >&2
    exit 1
fi
venv/bin/spurlab --version
venv/bin/spurlab run quickstart --out out/quickstart
test -s out/quickstart/quickstart.png
