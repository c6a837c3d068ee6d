/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The golden vectors, decoded and encoded again to the same bytes; those
 * that break the rules are refused.
 */
#include <string.h>

#include "decode.h"
#include "encode.h"
#include "tests/check.h"
#include "vectors.h"

static void encode_again (struct encoder *encoder,
                          const msgpack_object *object);

static void
encode_items (struct encoder *encoder, const msgpack_object *object)
{
  if (object->type == MSGPACK_OBJECT_ARRAY) {
    encode_array (encoder, object->via.array.size);
    for (uint32_t i = 0; i < object->via.array.size; i++)
      encode_again (encoder, &object->via.array.ptr[i]);
    return;
  }
  encode_map (encoder, object->via.map.size);
  for (uint32_t i = 0; i < object->via.map.size; i++) {
    encode_again (encoder, &object->via.map.ptr[i].key);
    encode_again (encoder, &object->via.map.ptr[i].val);
  }
}

/* With the encoder of the helper where it has one for the type. */
static void
encode_again (struct encoder *encoder, const msgpack_object *object)
{
  char text[4096];

  switch (object->type) {
  case MSGPACK_OBJECT_POSITIVE_INTEGER:
    encode_uint (encoder, object->via.u64);
    break;
  case MSGPACK_OBJECT_STR:
    snprintf (text, sizeof text, "%.*s", (int)object->via.str.size,
              object->via.str.ptr);
    encode_text (encoder, text);
    break;
  case MSGPACK_OBJECT_ARRAY:
  case MSGPACK_OBJECT_MAP:
    encode_items (encoder, object);
    break;
  default:
    msgpack_pack_object (&encoder->packer, *object);
  }
}

static bool
is_same (const struct encoder *encoder, const struct vector *v)
{
  return encoder->bytes.size == v->length
         && memcmp (encoder->bytes.data, v->bytes, v->length) == 0;
}

static void
check_round_trip (const struct vector *v)
{
  struct encoder encoder;
  msgpack_unpacked unpacked;
  size_t offset = 0;

  CHECK (check_body (v->bytes, v->length) == NULL);
  msgpack_unpacked_init (&unpacked);
  CHECK (msgpack_unpack_next (&unpacked, v->bytes, v->length, &offset)
         == MSGPACK_UNPACK_SUCCESS);
  encoder_init (&encoder);
  encode_again (&encoder, &unpacked.data);
  CHECK (is_same (&encoder, v));
  encoder_destroy (&encoder);
  msgpack_unpacked_destroy (&unpacked);
}

/* A message to the helper, through its typed form. */
static void
check_typed (struct decoder *decoder, const struct vector *v)
{
  struct message message;
  struct encoder encoder;
  msgpack_object params = { .type = MSGPACK_OBJECT_MAP };

  CHECK (decode_message (decoder, v->bytes, v->length, &message) == NULL);
  encoder_init (&encoder);
  if (message.kind == KIND_CALL) {
    encode_array (&encoder, 4);
    encode_uint (&encoder, KIND_CALL);
    encode_uint (&encoder, message.id);
    encode_uint (&encoder, message.op);
    params.via.map = message.params;
    encode_again (&encoder, &params);
  }
  else {
    encode_array (&encoder, 1 + (size_t)message.nr_requests * IO_STRIDE);
    encode_uint (&encoder, KIND_IO);
    for (uint32_t i = 0; i < message.nr_requests; i++) {
      struct request r;

      decode_request (&message, i, &r);
      encode_uint (&encoder, r.id);
      encode_uint (&encoder, r.op);
      encode_uint (&encoder, r.start_sector);
      encode_uint (&encoder, r.nr_sectors);
      encode_uint (&encoder, r.arena_offset);
    }
  }
  CHECK (is_same (&encoder, v));
  encoder_destroy (&encoder);
}

int
main (void)
{
  size_t count = sizeof vectors / sizeof vectors[0];
  struct decoder decoder;
  struct message message;

  CHECK (count > 50);
  CHECK (decoder_init (&decoder));
  for (size_t i = 0; i < count; i++) {
    const struct vector *v = &vectors[i];

    check_case = v->name;
    if (!v->is_valid) {
      CHECK (decode_message (&decoder, v->bytes, v->length, &message) != NULL);
      continue;
    }
    check_round_trip (v);
    if (v->is_to_helper)
      check_typed (&decoder, v);
  }
  decoder_destroy (&decoder);
  printf ("test-vectors: %zu vectors\n", count);
  return 0;
}
