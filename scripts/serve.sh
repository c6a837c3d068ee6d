#!/bin/sh
# What `make serve` runs when everything is built. $FILE is the disk; without it a sample is made,
# and what to try against it is printed. The arguments go to `vddk-nbd serve`.
set -eu

if [ -z "${FILE:-}" ]; then
  FILE=$PWD/build/sample/disk.vmdk
  scripts/sample-vmdk.sh "$FILE"
  cat <<END

Try these in another terminal, with the URI of the line below (press Ctrl-C here to stop):

  nbdinfo nbd://127.0.0.1:10809                        what is served
  nbdcopy --progress nbd://127.0.0.1:10809 copy.raw    copy it out
  qemu-img convert -p nbd://127.0.0.1:10809 -O qcow2 copy.qcow2
  mkdir -p mnt && nbdfuse mnt nbd://127.0.0.1:10809    as a file, mnt/nbd, until fusermount3 -u mnt
  nbdcopy copy.raw nbd://127.0.0.1:10809               write it back

END
fi
exec ./bin/run.js serve "file=$FILE" "$@"
