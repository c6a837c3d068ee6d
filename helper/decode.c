/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the body of a frame to a message, after check_body() has passed it.
 * Range checks against the arenas and the disk are made where the request
 * runs (io.c): only the main thread knows what is open.
 */
#include <string.h>

#include "decode.h"

/* Room for the largest IO message, so that its zone never grows. */
enum {
  ZONE_BYTES
  = (FRAME_REQUESTS_MAX * IO_STRIDE + 8) * (int)sizeof (msgpack_object)
};

bool
decoder_init (struct decoder *decoder)
{
  return msgpack_zone_init (&decoder->zone, ZONE_BYTES);
}

void
decoder_destroy (struct decoder *decoder)
{
  msgpack_zone_destroy (&decoder->zone);
}

static bool
is_uint (const msgpack_object *object)
{
  return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
}

static const char *
decode_call (const msgpack_object_array *body, struct message *message)
{
  const msgpack_object *at = body->ptr;

  if (body->size != 4 || !is_uint (&at[1]) || !is_uint (&at[2])
      || at[3].type != MSGPACK_OBJECT_MAP)
    return "a CALL is [1, id, op, {parameters}]";
  switch (at[2].via.u64) {
#define CALL_CALL(name)                                                        \
  case OP_##name:                                                              \
    break;
#define CALL_IO(name)
#define OP(name, number, kind) CALL_##kind (name)
#include "ops.def"
#undef OP
#undef CALL_CALL
#undef CALL_IO
  default:
    return "an unknown operation in a CALL";
  }
  message->kind = KIND_CALL;
  message->id = at[1].via.u64;
  message->op = (uint32_t)at[2].via.u64;
  message->params = at[3].via.map;
  return NULL;
}

static const char *
decode_io (const msgpack_object_array *body, struct message *message)
{
  uint32_t nr_integers = body->size - 1;

  if (nr_integers == 0 || nr_integers % IO_STRIDE != 0
      || nr_integers / IO_STRIDE > FRAME_REQUESTS_MAX)
    return "an IO message is 1 to 1024 requests of five integers";
  message->kind = KIND_IO;
  message->nr_requests = nr_integers / IO_STRIDE;
  message->integers = body->ptr + 1;
  for (uint32_t i = 0; i < nr_integers; i++)
    if (!is_uint (&message->integers[i]))
      return "an IO request that is not five integers";
  for (uint32_t i = 1; i < nr_integers; i += IO_STRIDE)
    switch (message->integers[i].via.u64) {
    case OP_READ:
    case OP_WRITE:
    case OP_FLUSH:
      break;
    default:
      return "an unknown operation in an IO message";
    }
  return NULL;
}

const char *
decode_message (struct decoder *decoder, const char *body, size_t length,
                struct message *message)
{
  const char *wrong = check_body (body, length);
  msgpack_object object;
  size_t offset = 0;

  if (wrong != NULL)
    return wrong;
  msgpack_zone_clear (&decoder->zone);
  if (msgpack_unpack (body, length, &offset, &decoder->zone, &object)
      != MSGPACK_UNPACK_SUCCESS)
    return "not msgpack";
  if (object.type != MSGPACK_OBJECT_ARRAY || object.via.array.size == 0
      || !is_uint (&object.via.array.ptr[0]))
    return "a message is an array that begins with its kind";
  switch (object.via.array.ptr[0].via.u64) {
  case KIND_CALL:
    return decode_call (&object.via.array, message);
  case KIND_IO:
    return decode_io (&object.via.array, message);
  default:
    return "an unknown kind of message";
  }
}

void
decode_request (const struct message *message, uint32_t index,
                struct request *request)
{
  const msgpack_object *at = message->integers + index * IO_STRIDE;

  request->id = at[0].via.u64;
  request->op = (uint32_t)at[1].via.u64;
  request->start_sector = at[2].via.u64;
  request->nr_sectors = at[3].via.u64;
  request->arena_offset = at[4].via.u64;
}
