/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The text part of a VMDK: what kind of disk, which extents, which geometry.
 * The parser takes hostile text: it bounds everything and opens nothing.
 */
#ifndef BUILTIN_DESCRIPTOR_H
#define BUILTIN_DESCRIPTOR_H

#include <stdbool.h>

#include "../vixdisklib.h"

/* Real descriptors have a few hundred bytes, with many extents some 100 KiB. */
#define MAX_DESCRIPTOR_BYTES (1024 * 1024)

/* One file each; 2 GiB extents up to 8 TiB. */
#define MAX_EXTENTS 4096

/* VMware's largest disk has 62 TiB.  In sectors. */
#define MAX_DISK_SECTORS (UINT64_C (64) << 31)

/* Links of a chain, VMware's limit. */
#define MAX_LINKS 255

/* parentCID of a disk that has no parent. */
#define NO_PARENT_CID 0xffffffffU

enum extent_access { ACCESS_RW, ACCESS_RDONLY, ACCESS_NOACCESS };

enum extent_type {
  EXTENT_FLAT, /* and VMFS */
  EXTENT_SPARSE,
  EXTENT_ZERO,
  EXTENT_COWD,
  EXTENT_SESPARSE,
  EXTENT_OTHER
};

/* One extent line.  Strings live as long as the descriptor. */
struct descriptor_extent {
  enum extent_access access;
  uint64_t nr_sectors; /* at least 1 */
  enum extent_type type;
  const char *type_name;
  const char *name;       /* not NULL for those that have a file */
  uint64_t offset_sector; /* where in the file; FLAT only */
};

struct descriptor {
  char *text;     /* owns the strings; in UTF-8 */
  char *encoding; /* the file's, if it is another one; else NULL */
  const char *create_type;
  const char *parent_hint;       /* or NULL */
  const char *change_track_path; /* or NULL */
  const char *adapter_type;      /* or NULL */
  const char *uuid;              /* or NULL */
  uint32_t cid;                  /* 0 if it has none */
  uint32_t parent_cid;
  bool encrypted;
  VixDiskLibGeometry geometry;
  VixDiskLibGeometry bios_geometry;
  uint64_t nr_sectors; /* sum over the extents, <= MAX_DISK_SECTORS */
  size_t nr_extents;   /* 1 to MAX_EXTENTS */
  size_t max_extents;
  struct descriptor_extent *extents;
};

/* Whether text looks like a descriptor at all: its first lines say so. */
bool descriptor_detect (const char *text, size_t length);

/* Parses text (no NUL needed at its end).  path is for messages.
 * DISK_INVALIDDISK with a warning that names the line, or OUT_OF_MEMORY.
 */
VixError descriptor_parse (const char *path, const char *text, size_t length,
                           struct descriptor **out);
void descriptor_free (struct descriptor *d);

/* The adapter type, as GetInfo gives it. */
VixDiskLibAdapterType descriptor_adapter (const struct descriptor *d);

#endif /* BUILTIN_DESCRIPTOR_H */
