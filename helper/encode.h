/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames from the helper.  Integers are written as the host writes them, so
 * that a value has one encoding: the shortest unsigned form up to 2^32-1,
 * int64 up to 2^63-1, uint64 above.
 */
#ifndef VDDK_NBD_ENCODE_H
#define VDDK_NBD_ENCODE_H

#include <msgpack.h>
#include <stdint.h>

/* Bytes that become one or more frames. */
struct encoder {
  msgpack_sbuffer bytes;
  msgpack_packer packer;
  size_t body_at; /* where the body of the frame being written begins */
};

void encoder_init (struct encoder *encoder);
void encoder_destroy (struct encoder *encoder);

void encode_frame_begin (struct encoder *encoder);
/* Fills in the length of the body. */
void encode_frame_end (struct encoder *encoder);

void encode_array (struct encoder *encoder, size_t count);
void encode_map (struct encoder *encoder, size_t count);
void encode_uint (struct encoder *encoder, uint64_t value);
void encode_text (struct encoder *encoder, const char *text);
/* Bytes that were encoded elsewhere. */
void encode_raw (struct encoder *encoder, const char *bytes, size_t length);
/* A key and its value; a NULL text is nil. */
void encode_uint_of (struct encoder *encoder, const char *key, uint64_t value);
void encode_text_of (struct encoder *encoder, const char *key,
                     const char *text);

/* [3, id, error, {: what follows must be a map. */
void encode_result (struct encoder *encoder, uint64_t id, uint64_t error);
/* Whole bodies of the two events. */
void encode_log (struct encoder *encoder, const char *level, const char *text,
                 uint64_t dropped);
void encode_panic (struct encoder *encoder, const char *text);

#endif /* VDDK_NBD_ENCODE_H */
