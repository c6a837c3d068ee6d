/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames from the helper, on msgpack-c's packer.  The packer ignores what its
 * writer returns, so the writer itself ends the helper when memory is out:
 * half a frame must never be sent.
 */
#include <stdlib.h>
#include <string.h>

#include "die.h"
#include "encode.h"
#include "protocol.h"

static int
write_bytes (void *data, const char *bytes, size_t length)
{
  if (msgpack_sbuffer_write (data, bytes, length) != 0)
    die (EXIT_FAILURE, "out of memory");
  return 0;
}

void
encoder_init (struct encoder *encoder)
{
  msgpack_sbuffer_init (&encoder->bytes);
  msgpack_packer_init (&encoder->packer, &encoder->bytes, write_bytes);
  encoder->body_at = 0;
}

void
encoder_destroy (struct encoder *encoder)
{
  msgpack_sbuffer_destroy (&encoder->bytes);
}

void
encode_frame_begin (struct encoder *encoder)
{
  static const char header[FRAME_HEADER_BYTES];

  write_bytes (&encoder->bytes, header, sizeof header);
  encoder->body_at = encoder->bytes.size;
}

void
encode_frame_end (struct encoder *encoder)
{
  size_t length = encoder->bytes.size - encoder->body_at;
  char *header = encoder->bytes.data + encoder->body_at - FRAME_HEADER_BYTES;

  for (int i = 0; i < FRAME_HEADER_BYTES; i++)
    header[i] = (char)(length >> (8 * (FRAME_HEADER_BYTES - 1 - i)) & 0xff);
}

void
encode_array (struct encoder *encoder, size_t count)
{
  msgpack_pack_array (&encoder->packer, count);
}

void
encode_map (struct encoder *encoder, size_t count)
{
  msgpack_pack_map (&encoder->packer, count);
}

void
encode_uint (struct encoder *encoder, uint64_t value)
{
  if (value > UINT32_MAX && value <= INT64_MAX)
    msgpack_pack_fix_int64 (&encoder->packer, (int64_t)value);
  else
    msgpack_pack_uint64 (&encoder->packer, value);
}

void
encode_text (struct encoder *encoder, const char *text)
{
  size_t length = strlen (text);

  msgpack_pack_str (&encoder->packer, length);
  msgpack_pack_str_body (&encoder->packer, text, length);
}

void
encode_raw (struct encoder *encoder, const char *bytes, size_t length)
{
  write_bytes (&encoder->bytes, bytes, length);
}

void
encode_uint_of (struct encoder *encoder, const char *key, uint64_t value)
{
  encode_text (encoder, key);
  encode_uint (encoder, value);
}

void
encode_text_of (struct encoder *encoder, const char *key, const char *text)
{
  encode_text (encoder, key);
  if (text == NULL)
    msgpack_pack_nil (&encoder->packer);
  else
    encode_text (encoder, text);
}

void
encode_result (struct encoder *encoder, uint64_t id, uint64_t error)
{
  encode_array (encoder, 4);
  encode_uint (encoder, KIND_RESULT);
  encode_uint (encoder, id);
  encode_uint (encoder, error);
}

void
encode_log (struct encoder *encoder, const char *level, const char *text,
            uint64_t dropped)
{
  encode_array (encoder, 3);
  encode_uint (encoder, KIND_EVENT);
  encode_text (encoder, "log");
  encode_map (encoder, 3);
  encode_text_of (encoder, "level", level);
  encode_text_of (encoder, "text", text);
  encode_uint_of (encoder, "dropped", dropped);
}

void
encode_panic (struct encoder *encoder, const char *text)
{
  encode_array (encoder, 3);
  encode_uint (encoder, KIND_EVENT);
  encode_text (encoder, "panic");
  encode_map (encoder, 1);
  encode_text_of (encoder, "text", text);
}
