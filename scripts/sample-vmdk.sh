#!/bin/sh
# Makes a small sample disk: sample-vmdk.sh FILE. A partition table with one ext4 file system that
# holds a few files, as a monolithicSparse VMDK. Needs no root. An existing FILE is left alone.
set -eu

vmdk=$1
[ ! -e "$vmdk" ] || exit 0
PATH=$PATH:/usr/sbin:/sbin

size_mib=64
start_mib=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/files/docs" "$(dirname "$vmdk")"
echo "Hello from a VMDK, served by vddk-nbd." >"$work/files/hello.txt"
head -c 3000000 /dev/urandom >"$work/files/random.bin"
(cd "$work/files" && sha256sum random.bin) >"$work/files/docs/SHA256SUMS"

truncate -s "${size_mib}M" "$work/disk.raw"
echo "start=${start_mib}MiB, type=L, bootable" | sfdisk --quiet --label dos "$work/disk.raw"
mke2fs -q -t ext4 -L sample -d "$work/files" -E "offset=$((start_mib * 1024 * 1024))" \
  "$work/disk.raw" "$((size_mib - start_mib))M"

qemu-img convert -q -O vmdk -o subformat=monolithicSparse "$work/disk.raw" "$work/disk.vmdk"
mv "$work/disk.vmdk" "$vmdk"
echo "Made a sample disk: $vmdk"
