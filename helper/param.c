/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Parameters of a CALL by key.  Unknown keys are ignored, absent and nil are
 * the same.  Copies of text may be secrets: whoever gets one frees it.
 */
#include <stdlib.h>
#include <string.h>

#include "decode.h"

/* The value of `key`, or NULL if it is absent or nil. */
static const msgpack_object *
find (const struct message *message, const char *key)
{
  size_t length = strlen (key);

  for (uint32_t i = 0; i < message->params.size; i++) {
    const msgpack_object_kv *kv = &message->params.ptr[i];

    if (kv->key.via.str.size == length
        && memcmp (kv->key.via.str.ptr, key, length) == 0)
      return kv->val.type == MSGPACK_OBJECT_NIL ? NULL : &kv->val;
  }
  return NULL;
}

enum param
param_uint (const struct message *message, const char *key, uint64_t max,
            uint64_t *value)
{
  const msgpack_object *object = find (message, key);

  if (object == NULL)
    return PARAM_ABSENT;
  if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER || object->via.u64 > max)
    return PARAM_BAD;
  *value = object->via.u64;
  return PARAM_GIVEN;
}

enum param
param_bool (const struct message *message, const char *key, bool *value)
{
  const msgpack_object *object = find (message, key);

  if (object == NULL)
    return PARAM_ABSENT;
  if (object->type != MSGPACK_OBJECT_BOOLEAN)
    return PARAM_BAD;
  *value = object->via.boolean;
  return PARAM_GIVEN;
}

/* A C string of bytes that hold no NUL. */
static enum param
copy (const char *bytes, size_t length, char **text)
{
  if (memchr (bytes, '\0', length) != NULL)
    return PARAM_BAD;
  *text = strndup (bytes, length);
  return *text == NULL ? PARAM_BAD : PARAM_GIVEN;
}

enum param
param_text (const struct message *message, const char *key, char **text)
{
  const msgpack_object *object = find (message, key);

  if (object == NULL)
    return PARAM_ABSENT;
  if (object->type != MSGPACK_OBJECT_STR)
    return PARAM_BAD;
  return copy (object->via.str.ptr, object->via.str.size, text);
}

enum param
param_bytes (const struct message *message, const char *key, char **text)
{
  const msgpack_object *object = find (message, key);

  if (object == NULL)
    return PARAM_ABSENT;
  if (object->type != MSGPACK_OBJECT_BIN)
    return PARAM_BAD;
  return copy (object->via.bin.ptr, object->via.bin.size, text);
}

enum param
param_texts (const struct message *message, const char *key, uint32_t max,
             char **texts, uint32_t *count)
{
  const msgpack_object *object = find (message, key);

  *count = 0;
  if (object == NULL)
    return PARAM_ABSENT;
  if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size > max)
    return PARAM_BAD;
  for (uint32_t i = 0; i < object->via.array.size; i++) {
    const msgpack_object *item = &object->via.array.ptr[i];

    if (item->type != MSGPACK_OBJECT_STR
        || copy (item->via.str.ptr, item->via.str.size, &texts[i])
               != PARAM_GIVEN)
      return PARAM_BAD;
    ++*count;
  }
  return PARAM_GIVEN;
}
