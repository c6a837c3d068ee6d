#!/bin/sh
# Installs the Debian packages that are missing: `deps.sh build` what building needs,
# `deps.sh build test` also what the sample disk, the tests and the benchmark need.
# Where it may not install, it prints the one line to run and exits 1.
set -eu

build="gcc make libc6-dev libmsgpack-dev libdeflate-dev"
test="qemu-utils libnbd-bin python3-libnbd nbdkit fio fdisk e2fsprogs procps strace
  libvmdk-utils zlib1g-dev clang clang-format libclang-rt-dev openssl
  qemu-system-x86 nbd-client fuse3 groff-base systemd"

wanted=
for set in "$@"; do
  case $set in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    *)
      echo "usage: deps.sh build [test]" >&2
      exit 1
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "This is no Debian: see to it that the counterparts of these are installed:" >&2
  echo "$wanted" | xargs echo " " >&2
  exit 0
fi

missing=
for package in $wanted; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" -eq 0 ]; then
  sudo=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  sudo="sudo -n"
else
  echo "Packages are missing. Run this, then try again:" >&2
  echo "  sudo apt-get update && sudo $install" >&2
  exit 1
fi

echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 -- both are lists of words
$sudo $install || { $sudo apt-get update && $sudo $install; }
