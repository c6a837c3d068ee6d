/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench-helper HELPER LIBRARY [SECONDS]: speed of the helper alone.  A host
 * that does nothing but keep `depth` requests in the helper, for reads and
 * writes of some sizes.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "encode.h"
#include "protocol.h"
#include "tests/check.h"

enum { ARENA_BYTES = 64 << 20, DISK_SECTORS = 65536 };

static int control;
static uint64_t next_id = 1;
static char received[1 << 20];
static size_t have;

static void
start (const char *helper)
{
  int fds[2];
  int read_arena = memfd_create ("read", 0);
  int write_arena = memfd_create ("write", 0);
  char parent[16];

  CHECK (ftruncate (read_arena, ARENA_BYTES) == 0);
  CHECK (ftruncate (write_arena, ARENA_BYTES) == 0);
  CHECK (socketpair (AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  snprintf (parent, sizeof parent, "%d", (int)getpid ());
  if (fork () == 0) {
    CHECK (dup2 (fds[1], 13) == 13 && dup2 (read_arena, 14) == 14
           && dup2 (write_arena, 15) == 15);
    CHECK (dup2 (13, CONTROL_FD) == CONTROL_FD
           && dup2 (14, READ_ARENA_FD) == READ_ARENA_FD
           && dup2 (15, WRITE_ARENA_FD) == WRITE_ARENA_FD);
    for (int fd = WRITE_ARENA_FD + 1; fd < 16; fd++)
      close (fd);
    execl (helper, helper, parent, (char *)NULL);
    _exit (127);
  }
  close (fds[1]);
  control = fds[0];
}

static void
send_frame (struct encoder *encoder)
{
  encode_frame_end (encoder);
  CHECK (send (control, encoder->bytes.data, encoder->bytes.size, 0)
         == (ssize_t)encoder->bytes.size);
  msgpack_sbuffer_clear (&encoder->bytes);
}

/* Takes whole frames off what was received.  Returns the answers to I/O in
 * them; *results counts answers to CALLs.
 */
static uint64_t
take_frames (unsigned *results)
{
  uint64_t answers = 0;
  size_t at = 0;

  while (have - at >= 4) {
    const uint8_t *h = (const uint8_t *)received + at;
    size_t length
        = (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
    msgpack_unpacked frame;
    size_t offset = 0;

    if (have - at - 4 < length)
      break;
    msgpack_unpacked_init (&frame);
    CHECK (msgpack_unpack_next (&frame, received + at + 4, length, &offset)
           == MSGPACK_UNPACK_SUCCESS);
    if (frame.data.via.array.ptr[0].via.u64 == KIND_DONE)
      for (uint32_t i = 1; i < frame.data.via.array.size; i += 2) {
        CHECK (frame.data.via.array.ptr[i + 1].via.u64 == 0);
        answers++;
      }
    if (frame.data.via.array.ptr[0].via.u64 == KIND_RESULT) {
      CHECK (frame.data.via.array.ptr[2].via.u64 == 0);
      ++*results;
    }
    msgpack_unpacked_destroy (&frame);
    at += 4 + length;
  }
  memmove (received, received + at, have - at);
  have -= at;
  return answers;
}

/* Waits for bytes, spinning like a host that has other things to do. */
static uint64_t
receive (unsigned *results)
{
  ssize_t n = recv (control, received + have, sizeof received - have, 0);

  CHECK (n > 0);
  have += (size_t)n;
  return take_frames (results);
}

static void
call_begin (struct encoder *encoder, uint32_t op, size_t nr_params)
{
  encode_frame_begin (encoder);
  encode_array (encoder, 4);
  encode_uint (encoder, KIND_CALL);
  encode_uint (encoder, next_id++);
  encode_uint (encoder, op);
  encode_map (encoder, nr_params);
}

static void
call_end (struct encoder *encoder)
{
  unsigned results = 0;

  send_frame (encoder);
  while (results == 0)
    receive (&results);
}

static void
open_disk (struct encoder *encoder, const char *library)
{
  call_begin (encoder, OP_HELLO, 5);
  encode_uint_of (encoder, "version", PROTOCOL_VERSION);
  encode_text (encoder, "libraries");
  encode_array (encoder, 1);
  encode_text (encoder, library);
  encode_text_of (encoder, "libdir", "/");
  encode_uint_of (encoder, "readArenaBytes", ARENA_BYTES);
  encode_uint_of (encoder, "writeArenaBytes", ARENA_BYTES);
  call_end (encoder);
  call_begin (encoder, OP_CONNECT, 1);
  encode_text (encoder, "readOnly");
  msgpack_pack_false (&encoder->packer);
  call_end (encoder);
  call_begin (encoder, OP_OPEN, 2);
  encode_text_of (encoder, "path", "/bench");
  encode_uint_of (encoder, "flags", 0);
  call_end (encoder);
}

/* Submits `count` requests as one batch. */
static void
submit (struct encoder *encoder, uint32_t op, uint32_t sectors, uint64_t count)
{
  static uint64_t turn;

  encode_frame_begin (encoder);
  encode_array (encoder, 1 + count * IO_STRIDE);
  encode_uint (encoder, KIND_IO);
  for (uint64_t i = 0; i < count; i++, turn++) {
    encode_uint (encoder, next_id++);
    encode_uint (encoder, op);
    encode_uint (encoder, turn * 7919 % (DISK_SECTORS / sectors) * sectors);
    encode_uint (encoder, sectors);
    encode_uint (encoder, turn * sectors % (ARENA_BYTES / 512 - sectors) * 512);
  }
  send_frame (encoder);
}

static void
measure (struct encoder *encoder, uint32_t op, uint32_t sectors, uint64_t depth,
         double seconds)
{
  uint64_t begin = precise_us (), until = begin + (uint64_t)(seconds * 1e6);
  uint64_t done = 0, in_flight = 0, now;
  unsigned results = 0;
  double took;

  while ((now = precise_us ()) < until || in_flight > 0) {
    uint64_t answers;

    if (now < until && in_flight < depth) {
      submit (encoder, op, sectors, depth - in_flight);
      in_flight = depth;
    }
    answers = receive (&results);
    done += answers;
    in_flight -= answers;
  }
  took = (double)(precise_us () - begin) / 1e6;
  printf (
      "%-5s %5u KiB depth %3d: %9.0f requests/s %8.2f us each %8.0f MiB/s\n",
      op == OP_READ ? "read" : "write", sectors / 2, (int)depth,
      (double)done / took, took * 1e6 / (double)done,
      (double)done * sectors / 2048 / took);
}

int
main (int argc, char *argv[])
{
  double seconds = argc > 3 ? atof (argv[3]) : 1;
  struct encoder encoder;
  int status;

  CHECK (argc >= 3);
  encoder_init (&encoder);
  start (argv[1]);
  open_disk (&encoder, argv[2]);
  for (uint32_t op = OP_READ; op <= OP_WRITE; op++) {
    measure (&encoder, op, 8, 1, seconds);
    measure (&encoder, op, 8, 4, seconds);
    measure (&encoder, op, 8, 32, seconds);
    measure (&encoder, op, 512, 16, seconds);
    measure (&encoder, op, 4096, 8, seconds);
  }
  close (control);
  CHECK (wait (&status) > 0 && WIFEXITED (status));
  return WEXITSTATUS (status);
}
