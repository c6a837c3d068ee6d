/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One file of a disk: whole reads and writes, size, durability.
 * (Locks are in lock.c.)
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "errors.h"
#include "log.h"

/* Linux transfers at most this many bytes in one call. */
#define MAX_TRANSFER_BYTES 0x7ffff000

_Thread_local bool file_nowait;

static VixError
open_failed (const char *path, bool writable, int errnum)
{
  VixError err = error_from_errno (errnum);

  if (errnum == EISDIR)
    return log_fail (VIX_E_INCORRECT_FILE_TYPE,
                     "%s: this is a directory; name the .vmdk file in it",
                     path);
  if (errnum == ELOOP)
    return log_fail (err, "%s: an extent may not be a symbolic link", path);
  if (err == VIX_E_FILE_NOT_FOUND)
    return log_fail (err, "%s: no such file", path);
  if (err == VIX_E_FILE_ACCESS_ERROR && writable)
    return log_fail (err,
                     "%s: cannot be opened for writing: %s; use -r to open "
                     "it read-only",
                     path, strerror (errnum));
  return log_fail (err, "%s: cannot be opened: %s", path, strerror (errnum));
}

static VixError
check_type (const char *path, const struct stat *st)
{
  if (S_ISREG (st->st_mode))
    return VIX_OK;
  if (S_ISDIR (st->st_mode))
    return open_failed (path, false, EISDIR);
  return log_fail (VIX_E_INCORRECT_FILE_TYPE,
                   "%s: this is not a regular file; a VMDK is one", path);
}

static VixError
wrap (int fd, const char *path, bool writable, struct file **out)
{
  struct file *file = calloc (1, sizeof *file);
  struct statfs fs;
  struct stat st;
  VixError err;

  if (!file || !(file->path = strdup (path))) {
    free (file);
    close (fd);
    return VIX_E_OUT_OF_MEMORY;
  }
  file->fd = fd;
  file->writable = writable;
  if (fstat (fd, &st) == -1)
    err = open_failed (path, writable, errno);
  else
    err = check_type (path, &st);
  if (err != VIX_OK) {
    file_close (file);
    return err;
  }
  file->dev = st.st_dev;
  file->ino = st.st_ino;
  file->size = (uint64_t)st.st_size;
  file->in_memory = fstatfs (fd, &fs) == 0
                    && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
  *out = file;
  return VIX_OK;
}

VixError
file_open (const char *path, bool writable, bool follow, struct file **out)
{
  int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY;
  int fd;

  /* O_NONBLOCK: a FIFO must not hang us. */
  flags |= O_NONBLOCK | (follow ? 0 : O_NOFOLLOW);
  fd = open (path, flags);
  if (fd == -1)
    return open_failed (path, writable, errno);
  return wrap (fd, path, writable, out);
}

VixError
file_create (const char *path, struct file **out)
{
  int fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);

  if (fd == -1 && errno == EEXIST)
    return log_fail (VIX_E_FILE_ALREADY_EXISTS,
                     "%s: the file exists already; remove it, or choose "
                     "another name",
                     path);
  if (fd == -1)
    return log_fail (error_from_errno (errno), "%s: cannot be created: %s",
                     path, strerror (errno));
  return wrap (fd, path, true, out);
}

char *
file_sibling (const char *path, const char *name)
{
  const char *slash = strrchr (path, '/');
  size_t n = slash ? (size_t)(slash - path) + 1 : 0;
  size_t length = strlen (name);
  char *out = malloc (n + length + 1);

  if (!out)
    return NULL;
  memcpy (out, path, n);
  memcpy (out + n, name, length + 1);
  return out;
}

VixError
file_flush_directory (const char *path)
{
  char *directory = file_sibling (path, ".");
  VixError err = VIX_OK;
  int fd;

  if (!directory)
    return VIX_E_OUT_OF_MEMORY;
  fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* Not every file system can: those have nothing that could be lost. */
  if (fd == -1 || (fsync (fd) == -1 && errno != EINVAL && errno != EROFS))
    err = log_fail (error_from_errno (errno), "%s: fsync failed: %s", directory,
                    strerror (errno));
  if (fd != -1)
    close (fd);
  free (directory);
  return err;
}

void
file_close (struct file *file)
{
  close (file->fd);
  free (file->path);
  free (file);
}

/* What is in memory already is read at once, else the caller comes back from
 * where it may wait.  File systems in memory don't know RWF_NOWAIT: they need
 * not wait.
 */
static VixError
read_nowait (struct file *file, void *buf, uint64_t length, uint64_t offset)
{
  struct iovec iov = { .iov_base = buf, .iov_len = length };
  int flags = file->in_memory ? 0 : RWF_NOWAIT;
  ssize_t r = preadv2 (file->fd, &iov, 1, (off_t)offset, flags);

  return r == (ssize_t)length ? VIX_OK : FILE_WOULD_BLOCK;
}

VixError
file_read (struct file *file, void *buf, uint64_t length, uint64_t offset)
{
  uint8_t *p = buf;

  if (file_nowait)
    return read_nowait (file, buf, length, offset);
  while (length > 0) {
    size_t n = length < MAX_TRANSFER_BYTES ? length : MAX_TRANSFER_BYTES;
    ssize_t r = pread (file->fd, p, n, (off_t)offset);

    if (r == -1 && errno == EINTR)
      continue;
    if (r == -1)
      return log_fail (error_from_errno (errno),
                       "%s: reading at byte %" PRIu64 " failed: %s", file->path,
                       offset, strerror (errno));
    if (r == 0)
      return log_fail (VIX_E_DISK_NOIO,
                       "%s: the file is truncated: it ends before byte "
                       "%" PRIu64,
                       file->path, offset + length);
    p += r;
    offset += (uint64_t)r;
    length -= (uint64_t)r;
  }
  return VIX_OK;
}

/* Several threads may write behind the end. */
static void
grow_to (struct file *file, uint64_t end)
{
  uint64_t size = atomic_load (&file->size);

  while (end > size && !atomic_compare_exchange_weak (&file->size, &size, end))
    ;
}

VixError
file_write (struct file *file, const void *buf, uint64_t length,
            uint64_t offset)
{
  const uint8_t *p = buf;

  atomic_store (&file->dirty, true);
  while (length > 0) {
    size_t n = length < MAX_TRANSFER_BYTES ? length : MAX_TRANSFER_BYTES;
    ssize_t r = pwrite (file->fd, p, n, (off_t)offset);

    if (r == -1 && errno == EINTR)
      continue;
    if (r == -1)
      return log_fail (error_from_errno (errno),
                       "%s: writing at byte %" PRIu64 " failed: %s", file->path,
                       offset, strerror (errno));
    p += r;
    offset += (uint64_t)r;
    length -= (uint64_t)r;
    grow_to (file, offset);
  }
  return VIX_OK;
}

VixError
file_zero (struct file *file, const uint8_t *buf, uint64_t length,
           uint64_t offset)
{
  atomic_store (&file->dirty, true);
  if (fallocate (file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                 (off_t)offset, (off_t)length)
      == 0)
    return VIX_OK;
  return file_write (file, buf, length, offset);
}

VixError
file_resize (struct file *file, uint64_t size)
{
  atomic_store (&file->dirty, true);
  while (ftruncate (file->fd, (off_t)size) == -1) {
    if (errno != EINTR)
      return log_fail (error_from_errno (errno),
                       "%s: setting the size to %" PRIu64 " failed: %s",
                       file->path, size, strerror (errno));
  }
  file->size = size;
  return VIX_OK;
}

VixError
file_flush (struct file *file)
{
  /* First, so that what is written meanwhile makes it dirty again. */
  if (!atomic_exchange (&file->dirty, false))
    return VIX_OK;
  if (fdatasync (file->fd) == 0)
    return VIX_OK;
  atomic_store (&file->dirty, true);
  return log_fail (error_from_errno (errno), "%s: fdatasync failed: %s",
                   file->path, strerror (errno));
}

VixError
file_next_data (struct file *file, uint64_t offset, uint64_t end, bool *data,
                uint64_t *until)
{
  off_t next = lseek (file->fd, (off_t)offset, SEEK_DATA);
  struct stat st;

  if (next == -1 && errno == ENXIO) { /* a hole up to the end of the file */
    /* A file that was cut behind our back is no hole: reading it fails. */
    *data = fstat (file->fd, &st) == -1 || (uint64_t)st.st_size < end;
    *until = end;
    return VIX_OK;
  }
  if (next == -1) { /* not supported here: all of it may be data */
    *data = true;
    *until = end;
    return VIX_OK;
  }
  *data = (uint64_t)next <= offset;
  if (*data)
    next = lseek (file->fd, (off_t)offset, SEEK_HOLE);
  *until = next == -1 || (uint64_t)next > end ? end : (uint64_t)next;
  return VIX_OK;
}
