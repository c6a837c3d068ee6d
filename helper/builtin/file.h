/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One file of a disk: whole reads and writes, size, locks, durability.
 * Everything above this layer sees offsets and VixErrors, never errno; an
 * error has been warned about when a function returns it.
 */
#ifndef BUILTIN_FILE_H
#define BUILTIN_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "../vixdisklib.h"

struct file {
  struct file *next; /* list of the disk's files */
  char *path;        /* for messages */
  int fd;
  bool writable;
  bool in_memory;    /* of a file system that has no other place */
  atomic_bool dirty; /* written to since the last successful flush */
  dev_t dev;
  ino_t ino;
  _Atomic uint64_t size; /* bytes; kept true by the functions below */
};

/* Opens the regular file path.  follow says whether path itself may be a
 * symbolic link.  FILE_NOT_FOUND, FILE_ACCESS_ERROR, INCORRECT_FILE_TYPE, ...
 */
VixError file_open (const char *path, bool writable, bool follow,
                    struct file **out);
void file_close (struct file *file);

/* Makes a new, empty file.  FILE_ALREADY_EXISTS if there is anything. */
VixError file_create (const char *path, struct file **out);

/* Makes the entries of the directory durable that path lies in. */
VixError file_flush_directory (const char *path);

/* path up to and with its last slash, followed by name; to be freed.  NULL
 * without memory.
 */
char *file_sibling (const char *path, const char *name);

/* Takes the lock that fits the open mode, shared or exclusive, until close or
 * the death of the process.  FILE_ALREADY_LOCKED if somebody is in the way.
 */
VixError file_lock (struct file *file);

/* A thread that may not wait sets this: then a read that would have to ends
 * with FILE_WOULD_BLOCK, which never leaves the library.
 */
extern _Thread_local bool file_nowait;
#define FILE_WOULD_BLOCK (UINT64_C (1) << 63)

/* Reads exactly length bytes; less is an error. */
VixError file_read (struct file *file, void *buf, uint64_t length,
                    uint64_t offset);

/* Writes all; on an error a part may have been written. */
VixError file_write (struct file *file, const void *buf, uint64_t length,
                     uint64_t offset);

/* Makes it zeroes and frees its room, or writes them (buf has them). */
VixError file_zero (struct file *file, const uint8_t *buf, uint64_t length,
                    uint64_t offset);

/* Sets the size in bytes; new bytes are zero. */
VixError file_resize (struct file *file, uint64_t size);

/* Makes written data durable.  After an error the file stays dirty. */
VixError file_flush (struct file *file);

/* From offset (< end): whether there is data, and up to where that holds. */
VixError file_next_data (struct file *file, uint64_t offset, uint64_t end,
                         bool *data, uint64_t *until);

#endif /* BUILTIN_FILE_H */
