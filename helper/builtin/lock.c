/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The lock of an open file, understood by QEMU's tools too: open file
 * description locks on single bytes, one byte for each thing that an opener
 * does ("permission") and one for each thing that it does not let others do
 * ("unshared").  An opener takes read locks on its bytes, then looks whether
 * somebody else holds the bytes that forbid them.  The kernel drops the locks
 * when the last descriptor is closed, so also when the process is killed.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "errors.h"
#include "log.h"

/* QEMU's numbers, see its block/file-posix.c and include/block/block.h. */
#define PERMISSION_BASE 100
#define UNSHARED_BASE   200

enum { CONSISTENT_READ = 1 << 0, WRITE = 1 << 1, RESIZE = 1 << 3 };

#define NR_PERMISSIONS 4

static struct flock
byte_lock (short type, off_t byte)
{
  return (struct flock){
    .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
  };
}

/* Takes the bytes of set.  0, or errno. */
static int
take (int fd, off_t base, unsigned set)
{
  for (int bit = 0; bit < NR_PERMISSIONS; bit++) {
    struct flock lock = byte_lock (F_RDLCK, base + bit);

    if ((set & (1U << bit)) && fcntl (fd, F_OFD_SETLK, &lock) == -1)
      return errno;
  }
  return 0;
}

/* 0 if nobody else holds a byte of set, EAGAIN if so, or another errno. */
static int
probe (int fd, off_t base, unsigned set)
{
  for (int bit = 0; bit < NR_PERMISSIONS; bit++) {
    struct flock lock = byte_lock (F_WRLCK, base + bit);

    if (!(set & (1U << bit)))
      continue;
    if (fcntl (fd, F_OFD_GETLK, &lock) == -1)
      return errno;
    if (lock.l_type != F_UNLCK)
      return EAGAIN;
  }
  return 0;
}

VixError
file_lock (struct file *file)
{
  const unsigned unshared = WRITE | RESIZE;
  unsigned permissions = CONSISTENT_READ;
  int r;

  if (file->writable)
    permissions |= WRITE | RESIZE;
  r = take (file->fd, PERMISSION_BASE, permissions);
  if (r == 0)
    r = take (file->fd, UNSHARED_BASE, unshared);
  if (r == 0)
    r = probe (file->fd, PERMISSION_BASE, unshared);
  if (r == 0)
    r = probe (file->fd, UNSHARED_BASE, permissions);
  if (r == 0)
    return VIX_OK;
  if (r == EAGAIN || r == EACCES)
    return log_fail (VIX_E_FILE_ALREADY_LOCKED,
                     "%s: another process has this file open%s", file->path,
                     file->writable ? "; to write, nobody else may have it open"
                                    : " for writing");
  if (r == EINVAL || r == ENOLCK || r == EOPNOTSUPP || r == ENOSYS) {
    log_warn ("%s: the file system has no locks (%s); nothing keeps other "
              "processes from writing to this disk",
              file->path, strerror (r));
    return VIX_OK;
  }
  return log_fail (error_from_errno (r), "%s: taking a lock failed: %s",
                   file->path, strerror (r));
}
