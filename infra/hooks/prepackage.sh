#!/bin/sh
# Before `azd package`: build the deployment package, and unpack it where azure.yaml says (dist).
set -eu
cd "$(dirname "$0")/../.."
python="${TIDEGATE_PYTHON:-3.12}"
make package PYTHON="$python"
rm -rf dist/package
.venv/bin/python -m zipfile -e "dist/tidegate-python$python.zip" dist/package
# azd leaves out bytecode, unless the folder has an ignore file of its own.
: > dist/package/.funcignore
