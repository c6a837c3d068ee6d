/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which VDDK a build of the engine stands for: rules.mk makes one library of
 * each.  Functions that a version lacks are taken out by the linker; what
 * differs inside a function is decided by this number.
 */
#ifndef FAULT_VINTAGE_H
#define FAULT_VINTAGE_H

/* Ten times the version: 51 for 5.1, 67 for 6.7, 80 for 8. */
extern const unsigned vintage;

#endif /* FAULT_VINTAGE_H */
