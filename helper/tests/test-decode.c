/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Decoding at its limits, and the parameters of a CALL.
 */
#include <string.h>

#include "decode.h"
#include "encode.h"
#include "tests/check.h"

static struct decoder decoder;

static const char *
decode (const struct encoder *encoder, struct message *message)
{
  return decode_message (&decoder, encoder->bytes.data, encoder->bytes.size,
                         message);
}

static void
encode_batch (struct encoder *encoder, uint32_t nr_requests)
{
  encoder_init (encoder);
  encode_array (encoder, 1 + (size_t)nr_requests * IO_STRIDE);
  encode_uint (encoder, KIND_IO);
  for (uint32_t i = 0; i < nr_requests; i++) {
    encode_uint (encoder, UINT64_MAX - i);
    encode_uint (encoder, OP_WRITE);
    encode_uint (encoder, UINT64_MAX);
    encode_uint (encoder, i);
    encode_uint (encoder, (uint64_t)i << 40);
  }
}

static void
test_batches (void)
{
  struct encoder encoder;
  struct message message;
  struct request r;

  encode_batch (&encoder, FRAME_REQUESTS_MAX);
  CHECK (decode (&encoder, &message) == NULL);
  CHECK (message.kind == KIND_IO);
  CHECK (message.nr_requests == FRAME_REQUESTS_MAX);
  decode_request (&message, FRAME_REQUESTS_MAX - 1, &r);
  CHECK (r.id == UINT64_MAX - (FRAME_REQUESTS_MAX - 1));
  CHECK (r.op == OP_WRITE && r.start_sector == UINT64_MAX);
  CHECK (r.nr_sectors == FRAME_REQUESTS_MAX - 1);
  CHECK (r.arena_offset == (uint64_t)(FRAME_REQUESTS_MAX - 1) << 40);
  encoder_destroy (&encoder);

  encode_batch (&encoder, FRAME_REQUESTS_MAX + 1);
  CHECK (decode (&encoder, &message) != NULL);
  encoder_destroy (&encoder);
}

/* Every beginning of a valid body is refused, and every body with a byte
 * behind it.
 */
static void
test_cuts (void)
{
  struct encoder encoder;
  struct message message;

  encode_batch (&encoder, 3);
  for (size_t n = 0; n < encoder.bytes.size; n++)
    CHECK (check_body (encoder.bytes.data, n) != NULL);
  encode_uint (&encoder, 0);
  CHECK (decode (&encoder, &message) != NULL);
  encoder_destroy (&encoder);
}

static void
test_params (void)
{
  static const char body[] = "\x94\x01\x07\x01\x87\xa1n\xcd\x01\x00\xa1t\xa3"
                             "abc\xa1z\xa2"
                             "a\0\xa1"
                             "b\xc4\x02xy\xa1y\xc3\xa1l\x92\xa1p\xa1q\xa1o\xc0";
  struct message message;
  char *text = NULL, *texts[2];
  uint64_t number = 0;
  uint32_t count;
  bool yes = false;

  CHECK (decode_message (&decoder, body, sizeof body - 1, &message) == NULL);
  CHECK (message.kind == KIND_CALL && message.id == 7);
  CHECK (message.op == OP_HELLO);
  CHECK (param_uint (&message, "n", 256, &number) == PARAM_GIVEN);
  CHECK (number == 256);
  CHECK (param_uint (&message, "n", 255, &number) == PARAM_BAD);
  CHECK (param_uint (&message, "t", 255, &number) == PARAM_BAD);
  CHECK (param_uint (&message, "o", 255, &number) == PARAM_ABSENT);
  CHECK (param_uint (&message, "none", 255, &number) == PARAM_ABSENT);
  CHECK (param_bool (&message, "y", &yes) == PARAM_GIVEN && yes);
  CHECK (param_bool (&message, "n", &yes) == PARAM_BAD);
  CHECK (param_text (&message, "t", &text) == PARAM_GIVEN);
  CHECK (strcmp (text, "abc") == 0);
  free (text);
  CHECK (param_text (&message, "z", &text) == PARAM_BAD);
  CHECK (param_text (&message, "b", &text) == PARAM_BAD);
  CHECK (param_bytes (&message, "t", &text) == PARAM_BAD);
  CHECK (param_bytes (&message, "b", &text) == PARAM_GIVEN);
  CHECK (strcmp (text, "xy") == 0);
  free (text);
  CHECK (param_texts (&message, "l", 2, texts, &count) == PARAM_GIVEN);
  CHECK (count == 2 && strcmp (texts[1], "q") == 0);
  free (texts[0]);
  free (texts[1]);
  CHECK (param_texts (&message, "l", 1, texts, &count) == PARAM_BAD);
  CHECK (param_texts (&message, "t", 2, texts, &count) == PARAM_BAD);
}

int
main (void)
{
  CHECK (decoder_init (&decoder));
  test_batches ();
  test_cuts ();
  test_params ();
  decoder_destroy (&decoder);
  puts ("test-decode: ok");
  return 0;
}
