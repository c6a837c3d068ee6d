/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Framing: cut anywhere, joined, too long, empty, and what stays in memory.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "tests/check.h"

static struct frame_reader reader;
static int fds[2];

static void
begin (void)
{
  memset (&reader, 0, sizeof reader);
  CHECK (socketpair (AF_UNIX, SOCK_STREAM, 0, fds) == 0);
}

static void
end (void)
{
  close (fds[0]);
  close (fds[1]);
}

/* Sends a frame of `length` bytes, all `fill`. */
static void
send_frame (size_t length, int fill)
{
  static char frame[FRAME_HEADER_BYTES + FRAME_TO_HELPER_BYTES_MAX];
  size_t sent = 0, total = FRAME_HEADER_BYTES + length;

  for (int i = 0; i < 4; i++)
    frame[i] = (char)(length >> (24 - 8 * i) & 0xff);
  memset (frame + FRAME_HEADER_BYTES, fill, length);
  while (sent < total) {
    ssize_t n = send (fds[0], frame + sent, total - sent, MSG_DONTWAIT);

    if (n > 0)
      sent += (size_t)n;
    else
      CHECK (frame_fill (&reader, fds[1]) > 0);
  }
}

/* The next frame must be `length` bytes, all `fill`. */
static void
expect_frame (size_t length, int fill)
{
  char *body;
  size_t n;

  while (frame_peek (&reader, &body, &n) == FRAME_INCOMPLETE)
    CHECK (frame_fill (&reader, fds[1]) > 0);
  CHECK (frame_peek (&reader, &body, &n) == FRAME_READY);
  CHECK (n == length);
  for (size_t i = 0; i < n; i++)
    CHECK (body[i] == (char)fill);
  frame_consume (&reader, n);
}

static void
test_one_byte_at_a_time (void)
{
  static const char frames[] = "\0\0\0\3abc\0\0\0\1d";
  char *body;
  size_t n;

  begin ();
  for (size_t i = 0; i < sizeof frames - 1; i++) {
    enum frame_state state = frame_peek (&reader, &body, &n);

    if (state == FRAME_READY) {
      CHECK (i == 7 && n == 3 && memcmp (body, "abc", 3) == 0);
      frame_consume (&reader, n);
    }
    else
      CHECK (state == FRAME_INCOMPLETE);
    CHECK (send (fds[0], frames + i, 1, 0) == 1);
    CHECK (frame_fill (&reader, fds[1]) == 1);
  }
  expect_frame (1, 'd');
  CHECK (reader.start == 0 && reader.end == 0);
  end ();
}

static void
test_joined_and_large (void)
{
  begin ();
  for (int i = 1; i <= 20; i++)
    send_frame ((size_t)i, i);
  for (int i = 1; i <= 20; i++)
    expect_frame ((size_t)i, i);
  for (int i = 1; i <= 3; i++) {
    send_frame (FRAME_TO_HELPER_BYTES_MAX, i);
    expect_frame (FRAME_TO_HELPER_BYTES_MAX, i);
  }
  /* The largest frame fits behind a small one that was read with it. */
  send_frame (7, 'x');
  CHECK (frame_fill (&reader, fds[1]) > 0);
  expect_frame (7, 'x');
  send_frame (FRAME_TO_HELPER_BYTES_MAX, 'y');
  expect_frame (FRAME_TO_HELPER_BYTES_MAX, 'y');
  end ();
}

static void
expect_bad_length (const char header[4])
{
  char *body;
  size_t n;

  begin ();
  CHECK (send (fds[0], header, 4, 0) == 4);
  CHECK (frame_fill (&reader, fds[1]) == 4);
  CHECK (frame_peek (&reader, &body, &n) == FRAME_BAD_LENGTH);
  end ();
}

static void
test_moved_bytes_are_wiped (void)
{
  static const char secret[] = "hunter2hunter2";
  char *body;
  size_t n;

  begin ();
  /* Leaves the beginning of a second frame in the upper half. */
  send_frame (FRAME_TO_HELPER_BYTES_MAX - 64, 'x');
  while (frame_peek (&reader, &body, &n) == FRAME_INCOMPLETE)
    CHECK (frame_fill (&reader, fds[1]) > 0);
  CHECK (send (fds[0], "\0\0\0\40", 4, 0) == 4);
  CHECK (send (fds[0], secret, sizeof secret, 0) == sizeof secret);
  CHECK (frame_fill (&reader, fds[1]) > 0);
  frame_consume (&reader, n);
  CHECK (reader.start > sizeof reader.bytes / 2);
  CHECK (frame_fill (&reader, fds[1]) == -1);
  CHECK (reader.start == 0);
  memset (reader.bytes, 0, reader.end);
  CHECK (memmem (reader.bytes, sizeof reader.bytes, "hunter2", 7) == NULL);
  end ();
}

static void
test_ends (void)
{
  begin ();
  CHECK (frame_fill (&reader, fds[1]) == -1);
  close (fds[0]);
  CHECK (frame_fill (&reader, fds[1]) == 0);
  close (fds[1]);
}

int
main (void)
{
  test_one_byte_at_a_time ();
  test_joined_and_large ();
  expect_bad_length ("\0\0\0\0");
  expect_bad_length ("\0\x10\0\1");
  expect_bad_length ("\xff\xff\xff\xff");
  test_moved_bytes_are_wiped ();
  test_ends ();
  puts ("test-frame: ok");
  return 0;
}
