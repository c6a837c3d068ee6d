/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a killed process leaves to its successor: records in a mapped file of a
 * fixed size.  The disk's own lock keeps two processes from using one log.
 */
#include "kill-log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "log.h"

/* Containers may have no more than 64 MiB of this. */
#define LOG_BYTES (1024 * 1024)

/* Metadata in memory only. */
#define MAX_DIRTY_BYTES (16 * 1024 * 1024)

static const char magic[8] = "VNBDKLG1";

struct content {
  char magic[8];
  uint32_t cid[2]; /* the disk has one of these */
  _Atomic uint64_t count;
  struct kill_record records[];
};

#define MAX_RECORDS                                                            \
  ((LOG_BYTES - sizeof (struct content)) / sizeof (struct kill_record))

struct kill_log {
  char *path;
  pthread_mutex_t lock;
  uint32_t cid[2];
  struct content *content; /* NULL if there is no file */
  bool writable;
  bool impossible; /* there can be none */
  bool lost;       /* a record found no room */
  atomic_uint_fast64_t dirty_bytes;
};

/* Maps the file, which must be ours, in memory, and of the right size. */
static struct content *
map (const struct kill_log *log, int flags)
{
  int fd = open (log->path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
  int prot = PROT_READ | (log->writable ? PROT_WRITE : 0);
  void *content = MAP_FAILED;
  struct statfs fs;
  struct stat st;

  if (fd == -1)
    return NULL;
  if (fstat (fd, &st) == 0 && fstatfs (fd, &fs) == 0 && S_ISREG (st.st_mode)
      && st.st_uid == geteuid () && fs.f_type == TMPFS_MAGIC
      && (st.st_size == LOG_BYTES
          || ((flags & O_CREAT) && st.st_size == 0
              && fallocate (fd, 0, 0, LOG_BYTES) == 0)))
    content = mmap (NULL, LOG_BYTES, prot, MAP_SHARED, fd, 0);
  else if (flags & O_CREAT)
    unlink (log->path);
  close (fd);
  return content == MAP_FAILED ? NULL : content;
}

/* A log of another time, or of another disk with the same number. */
static bool
is_stale (const struct content *content, uint32_t cid)
{
  return memcmp (content->magic, magic, sizeof magic) != 0
         || (content->cid[0] != cid && content->cid[1] != cid)
         || atomic_load (&content->count) > MAX_RECORDS;
}

VixError
kill_log_open (const struct file *file, uint32_t cid, struct kill_log **out)
{
  struct kill_log *log = calloc (1, sizeof *log);

  if (!log)
    return VIX_E_OUT_OF_MEMORY;
  if (asprintf (&log->path, "/dev/shm/vddk-nbd-%u-%llx-%llx", geteuid (),
                (unsigned long long)file->dev, (unsigned long long)file->ino)
      == -1) {
    free (log);
    return VIX_E_OUT_OF_MEMORY;
  }
  pthread_mutex_init (&log->lock, NULL);
  log->writable = file->writable;
  log->cid[0] = log->cid[1] = cid;
  log->content = map (log, file->writable ? O_RDWR : O_RDONLY);
  if (log->content && is_stale (log->content, cid)) {
    log_debug ("%s: %s is not of this disk, or of another time", file->path,
               log->path);
    munmap (log->content, LOG_BYTES);
    log->content = NULL;
    if (file->writable)
      unlink (log->path);
  }
  *out = log;
  return VIX_OK;
}

const struct kill_record *
kill_log_records (const struct kill_log *log, size_t *count)
{
  *count = log->content ? atomic_load (&log->content->count) : 0;
  return log->content ? log->content->records : NULL;
}

const char *
kill_log_path (const struct kill_log *log)
{
  return log->path;
}

void
kill_log_new_cid (struct kill_log *log, uint32_t cid, bool done)
{
  log->cid[1] = cid;
  if (done)
    log->cid[0] = cid;
  if (log->content)
    memcpy (log->content->cid, log->cid, sizeof log->cid);
}

static void
begin (struct kill_log *log)
{
  log->content = map (log, O_RDWR | O_CREAT | O_EXCL);
  if (!log->content) {
    log_warn ("%s: cannot be made (%s); every write that needs room will be "
              "flushed at once, which is slow",
              log->path, strerror (errno));
    log->impossible = true;
    return;
  }
  memcpy (log->content->cid, log->cid, sizeof log->cid);
  memcpy (log->content->magic, magic, sizeof magic);
}

void
kill_log_add (struct kill_log *log, const struct kill_record *record)
{
  uint64_t count;

  if (!log)
    return;
  pthread_mutex_lock (&log->lock);
  if (!log->content && !log->impossible)
    begin (log);
  count = log->content ? atomic_load (&log->content->count) : MAX_RECORDS;
  if (count < MAX_RECORDS) {
    log->content->records[count] = *record;
    atomic_store (&log->content->count, count + 1); /* now it is there */
  }
  else
    log->lost = true;
  pthread_mutex_unlock (&log->lock);
}

void
kill_log_count_dirty (struct kill_log *log, uint64_t bytes)
{
  if (log)
    atomic_fetch_add (&log->dirty_bytes, bytes);
}

bool
kill_log_wants_commit (struct kill_log *log)
{
  bool wants;

  if (!log || atomic_load (&log->dirty_bytes) == 0)
    return false;
  pthread_mutex_lock (&log->lock);
  wants = log->lost || atomic_load (&log->dirty_bytes) > MAX_DIRTY_BYTES
          || (log->content
              && atomic_load (&log->content->count) > MAX_RECORDS / 4 * 3);
  pthread_mutex_unlock (&log->lock);
  return wants;
}

void
kill_log_clear (struct kill_log *log)
{
  pthread_mutex_lock (&log->lock);
  log->lost = false;
  atomic_store (&log->dirty_bytes, 0);
  if (log->content)
    atomic_store (&log->content->count, 0);
  pthread_mutex_unlock (&log->lock);
}

void
kill_log_close (struct kill_log *log)
{
  if (!log)
    return;
  if (log->content) {
    if (log->writable && atomic_load (&log->content->count) == 0)
      unlink (log->path);
    munmap (log->content, LOG_BYTES);
  }
  pthread_mutex_destroy (&log->lock);
  free (log->path);
  free (log);
}
