/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer: a stream of bytes through framing, decoding and the access to
 * every parameter; and the same bytes as one body.
 */
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "frame.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static struct frame_reader reader;
static struct decoder decoder;

static void
read_params (const struct message *message)
{
  static const char *const keys[]
      = { "version", "libraries", "readOnly", "path", "password", "port" };
  char *texts[4], *text;
  uint64_t number;
  uint32_t count;
  bool yes;

  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    param_uint (message, keys[i], 65535, &number);
    param_bool (message, keys[i], &yes);
    if (param_text (message, keys[i], &text) == PARAM_GIVEN)
      free (text);
    if (param_bytes (message, keys[i], &text) == PARAM_GIVEN)
      free (text);
    param_texts (message, keys[i], 4, texts, &count);
    while (count > 0)
      free (texts[--count]);
  }
}

static void
decode (const char *body, size_t length)
{
  struct message message;
  struct request r;

  if (decode_message (&decoder, body, length, &message) != NULL)
    return;
  if (message.kind == KIND_CALL)
    read_params (&message);
  else
    for (uint32_t i = 0; i < message.nr_requests; i++) {
      decode_request (&message, i, &r);
      if (r.op != OP_READ && r.op != OP_WRITE && r.op != OP_FLUSH)
        abort ();
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char *body;
  size_t length;

  if (decoder.zone.chunk_size == 0 && !decoder_init (&decoder))
    abort ();
  if (size > sizeof reader.bytes)
    return 0;
  /* A copy of exactly this size, so that reading past it is seen. */
  body = malloc (size);
  memcpy (body, data, size);
  decode (body, size);
  free (body);

  memcpy (reader.bytes, data, size);
  reader.start = 0;
  reader.end = size;
  while (frame_peek (&reader, &body, &length) == FRAME_READY) {
    decode (body, length);
    frame_consume (&reader, length);
  }
  return 0;
}
