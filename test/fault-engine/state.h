/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is counted.  With FAULT_STATE it is a file that all processes share
 * and that outlives them, otherwise memory of this process.  Its layout is in
 * docs/fault-engine.md.
 */
#ifndef FAULT_STATE_H
#define FAULT_STATE_H

#include "engine.h"

#define STATE_MAGIC UINT64_C (0x31544c5541465856) /* "VXFAULT1" */
#define STATE_SLOTS 256 /* rules of one rehearsal, old ones included */

struct state_slot {
  _Atomic uint64_t key;   /* of the rule; 0: free */
  _Atomic uint64_t count; /* matching operations */
  _Atomic uint64_t fired; /* how often the rule acted */
};

struct state {
  _Atomic uint64_t magic;
  _Atomic uint64_t inits;      /* successful InitEx */
  _Atomic uint64_t generation; /* successful Opens for writing */
  _Atomic uint64_t crashes;
  _Atomic uint64_t hangs;
  _Atomic uint64_t errors;      /* VixErrors by a rule */
  _Atomic uint64_t lost_bytes;  /* of writes: by crash or failed flush */
  _Atomic uint64_t late_landed; /* writes of dead sessions that landed */
  _Atomic uint64_t late_fenced; /* and those that a lock kept away */
  _Atomic uint64_t reserved[3];
  _Atomic uint64_t places[16]; /* calls, by enum place */
  struct state_slot slots[STATE_SLOTS];
};

/* Valid from the start; shared only after state_init. */
extern struct state *state;
/* Calls are counted: somebody can see it. */
extern bool state_is_shared;

/* Maps the file of FAULT_STATE, if that is set.  Aborts if it can't. */
void state_init (void);

/* The index of a rule's slot. */
unsigned state_slot_of (uint64_t key);

#endif /* FAULT_STATE_H */
