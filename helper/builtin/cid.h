/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The content ID of a disk: who writes to it changes it, so that children,
 * which remember it, notice.
 */
#ifndef BUILTIN_CID_H
#define BUILTIN_CID_H

#include "file.h"

/* Where a descriptor's text is. */
struct text_place {
  struct file *file;
  uint64_t offset; /* bytes */
  uint64_t length; /* of the text */
  uint64_t room;   /* that it may have; UINT64_MAX in a file of its own */
};

/* A CID for a disk that has old. */
uint32_t cid_choose (uint32_t old);

/* Writes it into the descriptor and makes that durable.  A text without a CID
 * stays without.
 */
VixError cid_write (const struct text_place *place, uint32_t cid);

#endif /* BUILTIN_CID_H */
