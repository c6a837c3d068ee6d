#!/bin/sh
# Says in plain words that Node.js is missing or too old. The Makefile calls it first.
set -eu

need=20.19
advice="Install Node.js $need or newer, with npm: https://nodejs.org/en/download"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "Node.js or its npm is not installed. $advice" >&2
  exit 1
fi
version=$(node --version)
version=${version#v}
major=${version%%.*}
rest=${version#*.}
minor=${rest%%.*}
if [ "$major" -lt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -lt 19 ]; }; then
  echo "Node.js $version is too old. $advice" >&2
  exit 1
fi
