/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the body of a frame to a message.  The host may be anything: a body
 * is checked as bytes before msgpack-c sees it, because msgpack-c allocates
 * what an array's header claims.
 */
#ifndef VDDK_NBD_DECODE_H
#define VDDK_NBD_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msgpack.h>

#include "request.h"

/* The memory of decoded messages, kept from one to the next. */
struct decoder {
  msgpack_zone zone;
};

/* A decoded message; it points into the body and the decoder's zone. */
struct message {
  int kind; /* KIND_CALL or KIND_IO */
  /* KIND_CALL */
  uint64_t id;
  uint32_t op;
  msgpack_object_map params;
  /* KIND_IO: nr_requests times IO_STRIDE integers */
  uint32_t nr_requests;
  const msgpack_object *integers;
};

/* False if there is no memory. */
bool decoder_init (struct decoder *decoder);
void decoder_destroy (struct decoder *decoder);

/* NULL, or which rule of docs/helper-protocol.md the body breaks.  The
 * message is valid until the next call.
 */
const char *decode_message (struct decoder *decoder, const char *body,
                            size_t length, struct message *message);

/* Request `index` of a KIND_IO message. */
void decode_request (const struct message *message, uint32_t index,
                     struct request *request);

/* NULL, or why the bytes are not exactly one msgpack value of the profile:
 * no floats, no extensions, str keys, no negative integers, at most
 * FRAME_DEPTH_MAX deep, no count that the bytes left can't hold.
 */
const char *check_body (const char *body, size_t length);

/* Parameters of a CALL.  Absent and nil are the same. */
enum param {
  PARAM_GIVEN,
  PARAM_ABSENT,
  PARAM_BAD, /* another type, or out of range */
};
enum param param_uint (const struct message *message, const char *key,
                       uint64_t max, uint64_t *value);
enum param param_bool (const struct message *message, const char *key,
                       bool *value);
/* Text (str) or bytes (bin) without NUL bytes, as a new C string that the
 * caller frees.
 */
enum param param_text (const struct message *message, const char *key,
                       char **text);
enum param param_bytes (const struct message *message, const char *key,
                        char **text);
/* An array of at most `max` texts, as new C strings. */
enum param param_texts (const struct message *message, const char *key,
                        uint32_t max, char **texts, uint32_t *count);

#endif /* VDDK_NBD_DECODE_H */
