/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The fault engine: the VixDiskLib ABI over raw files, which checks the
 * library's rules and misbehaves on command (docs/fault-engine.md).  Here is
 * what its parts share: places, connections, disks and requests.  No lock of
 * the engine is ever held over a callback.
 */
#ifndef FAULT_ENGINE_H
#define FAULT_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VIXDISKLIB_IMPLEMENTATION
#include "vixdisklib.h"

enum place {
  AT_INIT_EX,
  AT_CONNECT_EX,
  AT_OPEN,
  AT_GET_INFO,
  AT_READ_ASYNC,
  AT_READ_CALLBACK,
  AT_WRITE_ASYNC,
  AT_WRITE_CALLBACK,
  AT_FLUSH,
  AT_QUERY_ALLOCATED_BLOCKS,
  AT_CLOSE,
  AT_WAIT,
  NR_PLACES,
};

/* Most requests that wait for their completion: what the helper can hold. */
#define PENDING_MAX 65536

struct connection {
  uint64_t id; /* counts from 1 in a process */
  unsigned nr_disks;
  const VixDiskLibConnectParams *params; /* the caller's, until Disconnect */
  char *snapshot;                        /* or NULL */
};

enum io_style { STYLE_NONE, STYLE_SYNC, STYLE_ASYNC };

struct disk {
  uint64_t id; /* counts from 1 in a process: each Open is another */
  struct connection *connection;
  char *path; /* of the image, where it is a disk of the server */
  int fd;     /* carries the lock */
  bool read_only;
  uint64_t nr_sectors;
  struct cache *cache;        /* of `volatile`, or NULL */
  struct late *late;          /* of `late-write`, or NULL */
  uint8_t *_Atomic last_read; /* buffer, for `scribble` */
  _Atomic bool in_call;
  _Atomic int style; /* enum io_style */
  /* Of requests that are not completed inside their submission: */
  _Atomic uint64_t unanswered;  /* callbacks not begun */
  _Atomic uint64_t uncompleted; /* callbacks not returned from */
};

struct request {
  struct disk *disk;
  bool is_write;
  uint64_t start_sector;
  uint64_t nr_sectors;
  uint8_t *read_to;
  const uint8_t *write_from;
  VixDiskLibCompletionCB callback; /* NULL: a synchronous call */
  void *user_data;
  uint64_t due_ns; /* CLOCK_MONOTONIC */
  uint64_t number; /* of the submission, from 1 */
  bool is_twice;
  VixError error;    /* that the callback is to give */
  bool is_checked;   /* buffers are watched: */
  uint64_t checksum; /* of what a write was given */
  int late_slot;     /* -1 if none */
};

static inline uint64_t
bytes_of (const struct request *r)
{
  return r->nr_sectors * VIXDISKLIB_SECTOR_SIZE;
}

/* A well mixed number: all randomness here is this of a seed and a count. */
static inline uint64_t
mixed (uint64_t x)
{
  x += UINT64_C (0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C (0x94d049bb133111eb);
  return x ^ (x >> 31);
}

#endif /* FAULT_ENGINE_H */
