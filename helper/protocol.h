/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers of the helper protocol and every limit of the helper.
 * docs/helper-protocol.md specifies them, src/helper/protocol.ts and
 * src/base/limits.ts have the same on the host's side.
 */
#ifndef VDDK_NBD_PROTOCOL_H
#define VDDK_NBD_PROTOCOL_H

enum {
  PROTOCOL_VERSION = 1,

  /* File descriptors that the host hands to the helper. */
  CONTROL_FD = 3,
  READ_ARENA_FD = 4,
  WRITE_ARENA_FD = 5,

  KIND_CALL = 1,
  KIND_IO = 2,
  KIND_RESULT = 3,
  KIND_DONE = 4,
  KIND_EVENT = 5,

  /* Integers of one request in an IO message: id, op, startSector, nrSectors,
   * arenaOffset.
   */
  IO_STRIDE = 5,
};

enum {
#define OP(name, number, kind) OP_##name = (number),
#include "ops.def"
#undef OP
};

enum {
  /* The panic callback, a violation of the protocol, the end of the control
   * stream inside a library call, a completion nobody waits for.
   */
  EXIT_PANIC = 70,
  EXIT_VIOLATION = 71,
  EXIT_EOF_IN_CALL = 72,
  EXIT_COMPLETION = 73,
};

enum {
  /* Bytes before each body. */
  FRAME_HEADER_BYTES = 4,
  /* Bytes of one body: a full batch is 46 KiB, connect parameters are small. */
  FRAME_TO_HELPER_BYTES_MAX = 1 << 20,
  /* Bytes: 262,144 allocated runs (32 GiB in the smallest chunks) fit. */
  FRAME_FROM_HELPER_BYTES_MAX = 8 << 20,
  /* Requests of one IO frame, and answers of one DONE frame. */
  FRAME_REQUESTS_MAX = 1024,
  /* Arrays and maps inside one another: [1, id, HELLO, {libraries: []}] is 3.
   */
  FRAME_DEPTH_MAX = 4,
  /* Sectors of one request: 2 MiB is what VMware's NFC takes. */
  REQUEST_SECTORS_MAX = 4096,

  /* Requests in the helper, queued or in the library, until their answer is
   * on its way.  When all are taken the control socket is left alone.  Twice
   * what two arenas of the default size hold in slots of 4 KiB.
   */
  REQUESTS_MAX = 65536,
  /* PINGs received and RESULTs not yet sent; more stay in the socket. */
  RESULTS_PENDING_MAX = 64,
  /* Candidate libraries in a HELLO: two places for each version. */
  LIBRARIES_MAX = 64,

  /* Bytes of one log text; longer ones are cut. */
  LOG_TEXT_BYTES_MAX = 4096,
  /* Bytes of log events waiting to be sent; further ones are counted only. */
  LOG_BACKLOG_BYTES_MAX = 256 << 10,
  /* Failed requests whose log event waits for the main thread. */
  FAILURES_PENDING_MAX = 32,

  /* Completions collected inside one batch of submissions before they are
   * sent, bytes of their payload, and milliseconds: the host should not wait
   * for the last of a batch of large or slow reads.  With many small ones
   * client, host and helper would take turns, each with the whole batch.
   */
  COLLECT_DONE_MAX = 8,
  COLLECT_BYTES_MAX = 1 << 20,
  COLLECT_MS_MAX = 4,

  /* Microseconds of looking at the socket before the main thread sleeps: a
   * sleep and a wake-up cost more than the host's turnaround at depth 1.
   */
  SPIN_US = 80,
  /* Processors: with one alone it is the host's, whose answer is waited for. */
  SPIN_PROCESSORS_MIN = 2,
  /* Two looks that are so many microseconds apart: another thread has had the
   * processor in between.
   */
  SPIN_GAP_US = 300,
  /* Batches after which the main thread sleeps at once: at most so many after
   * spins in vain.  After one that lost the processor: twice as many each time,
   * until so many spins in a row have paid without.
   */
  SPIN_SKIPS_MAX = 255,
  SPIN_SKIPS_CROWDED_MIN = 16,
  SPIN_SKIPS_CROWDED_MAX = 1024,
  SPIN_CALM_COUNT = 256,
  /* Requests and bytes: after a larger batch the main thread sleeps at once,
   * since somebody else needs the processor to send that many answers, or to
   * move that payload.
   */
  SPIN_BATCH_REQUESTS_MAX = 2,
  SPIN_BATCH_BYTES_MAX = 128 << 10,

  /* Milliseconds that the main thread may stay away from the control socket
   * before the watch thread reads it; also the watch's tick.
   */
  WATCH_TICK_MS = 20,
  /* Idle ticks after which the watch sleeps until it is woken. */
  WATCH_IDLE_TICKS = 50,

  /* Milliseconds that a panic waits for its event to be written. */
  PANIC_WRITE_MS = 500,

  /* Bytes of the alternate signal stack: _exit needs next to nothing. */
  SIGNAL_STACK_BYTES = 64 << 10,
};

#endif /* VDDK_NBD_PROTOCOL_H */
