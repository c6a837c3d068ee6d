/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The CALL operations, on the main thread: order of operations and answers.
 * The next CALL may come as soon as the RESULT is out, so the CALL is
 * finished before.
 */
#include <stdlib.h>

#include "calls.h"
#include "control.h"
#include "die.h"
#include "io.h"
#include "library.h"
#include "output.h"

static enum state state = STATE_NEW;
static struct decoder decoder;

void
calls_init (void)
{
  if (!decoder_init (&decoder))
    die (EXIT_FAILURE, "out of memory");
}

static const char *
name_of (uint32_t op)
{
  switch (op) {
#define OP(name, number, kind)                                                 \
  case OP_##name:                                                              \
    return #name;
#include "ops.def"
#undef OP
  default:
    return "";
  }
}

/* Whether an operation may come in the present state. */
static bool
is_in_order (uint32_t op)
{
  switch (op) {
  case OP_HELLO:
    return state == STATE_NEW;
  case OP_CONNECT:
    return state == STATE_LOADED;
  case OP_CREATE:
  case OP_OPEN:
    return state == STATE_CONNECTED;
  case OP_CLOSE:
    return state == STATE_CONNECTED || state == STATE_OPEN;
  default:
    return state == STATE_OPEN;
  }
}

static void
run (struct call *call)
{
  uint32_t op = call->message->op;

  if (!is_in_order (op)) {
    reply_helper_error (call, "state", "", "%s is out of order", name_of (op));
    return;
  }
  switch (op) {
  case OP_HELLO:
    state = hello_run (call) ? STATE_LOADED : STATE_HELLO_FAILED;
    break;
  case OP_CONNECT:
    state = session_connect (call);
    break;
  case OP_OPEN:
    state = session_open (call);
    break;
  case OP_CREATE:
    create_run (call, session_connection ());
    break;
  case OP_INFO:
    query_info (call, session_handle ());
    break;
  case OP_ALLOCATED_BLOCKS:
    io_drain ();
    query_allocated_blocks (call, session_handle ());
    break;
  case OP_CLOSE:
    state = session_close (call, state);
    break;
  default:
    break;
  }
}

void
calls_run (void)
{
  struct message message;
  struct call call = { .message = &message };
  char *body;
  size_t length;

  control_call_body (&body, &length);
  if (decode_message (&decoder, body, length, &message) != NULL)
    die (EXIT_FAILURE, "a CALL that was decoded once can't be decoded again");
  encoder_init (&call.frame);
  encode_frame_begin (&call.frame);
  run (&call);
  encode_frame_end (&call.frame);
  control_call_finished ();
  output_result (&call.frame);
}

void
calls_end (void)
{
  session_abandon (state);
  if (state >= STATE_LOADED)
    VIX_RUN (Exit);
}
