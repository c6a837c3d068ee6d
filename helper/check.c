/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The profile of msgpack that the protocol uses, checked on the bytes: one
 * pass, no recursion, no allocation.  Whatever passes can be given to
 * msgpack-c without fear: its allocations are then bounded by the frame.
 */
#include "decode.h"

/* The container that is being read at one depth. */
struct level {
  uint64_t items_left; /* keys and values are counted one by one */
  bool is_map;
};

struct walk {
  const uint8_t *at;
  const uint8_t *end;
  unsigned depth;
  struct level levels[FRAME_DEPTH_MAX];
};

/* What a value's first byte says. */
struct header {
  enum { INTEGER, SIGNED, SIMPLE, TEXT, BYTES, ARRAY, MAP, FORBIDDEN } type;
  unsigned width; /* bytes of the number or count that follow */
  uint64_t number;
};

static struct header
header_of (uint8_t first)
{
  /* 0xc0 to 0xdf.  What is not named here is FORBIDDEN: floats, extensions
   * and the byte that msgpack never uses.
   */
  static const struct {
    uint8_t type;
    uint8_t width;
  } wide[32] = {
    [0x00] = { SIMPLE, 0 },
    [0x01] = { FORBIDDEN, 0 },
    [0x02] = { SIMPLE, 0 },
    [0x03] = { SIMPLE, 0 },
    [0x04] = { BYTES, 1 },
    [0x05] = { BYTES, 2 },
    [0x06] = { BYTES, 4 },
    [0x07 ... 0x0b] = { FORBIDDEN, 0 },
    [0x0c] = { INTEGER, 1 },
    [0x0d] = { INTEGER, 2 },
    [0x0e] = { INTEGER, 4 },
    [0x0f] = { INTEGER, 8 },
    [0x10] = { SIGNED, 1 },
    [0x11] = { SIGNED, 2 },
    [0x12] = { SIGNED, 4 },
    [0x13] = { SIGNED, 8 },
    [0x14 ... 0x18] = { FORBIDDEN, 0 },
    [0x19] = { TEXT, 1 },
    [0x1a] = { TEXT, 2 },
    [0x1b] = { TEXT, 4 },
    [0x1c] = { ARRAY, 2 },
    [0x1d] = { ARRAY, 4 },
    [0x1e] = { MAP, 2 },
    [0x1f] = { MAP, 4 },
  };

  if (first < 0x80)
    return (struct header){ INTEGER, 0, first };
  if (first < 0x90)
    return (struct header){ MAP, 0, first & 0x0f };
  if (first < 0xa0)
    return (struct header){ ARRAY, 0, first & 0x0f };
  if (first < 0xc0)
    return (struct header){ TEXT, 0, first & 0x1f };
  if (first >= 0xe0)
    return (struct header){ FORBIDDEN, 0, 0 }; /* negative */
  return (struct header){ wide[first - 0xc0].type, wide[first - 0xc0].width,
                          0 };
}

/* Reads the number that follows the first byte, if any does. */
static const char *
read_number (struct walk *walk, struct header *header)
{
  uint64_t number = 0;

  if (header->width == 0)
    return NULL;
  if ((size_t)(walk->end - walk->at) < header->width)
    return "a value is cut off";
  if (header->type == SIGNED && (*walk->at & 0x80))
    return "a negative integer";
  for (unsigned i = 0; i < header->width; i++)
    number = number << 8 | *walk->at++;
  header->number = number;
  return NULL;
}

/* Enters an array or map whose header was read. */
static const char *
enter (struct walk *walk, const struct header *header)
{
  uint64_t items = header->type == MAP ? 2 * header->number : header->number;

  if (items > (uint64_t)(walk->end - walk->at))
    return "a count is larger than the frame";
  if (walk->depth == FRAME_DEPTH_MAX)
    return "nested too deep";
  walk->levels[walk->depth++] = (struct level){ items, header->type == MAP };
  return NULL;
}

/* Reads one value, of a container only the header. */
static const char *
read_value (struct walk *walk, bool must_be_text)
{
  struct header header;
  const char *wrong;

  if (walk->at == walk->end)
    return "a value is cut off";
  header = header_of (*walk->at++);
  if (header.type == FORBIDDEN)
    return "a type that the protocol does not use";
  if (must_be_text && header.type != TEXT)
    return "a key that is no str";
  wrong = read_number (walk, &header);
  if (wrong != NULL)
    return wrong;
  if (header.type == ARRAY || header.type == MAP)
    return enter (walk, &header);
  if (header.type != TEXT && header.type != BYTES)
    return NULL;
  if (header.number > (uint64_t)(walk->end - walk->at))
    return "a value is cut off";
  walk->at += header.number;
  return NULL;
}

const char *
check_body (const char *body, size_t length)
{
  struct walk walk = { .at = (const uint8_t *)body };
  const char *wrong;

  walk.end = walk.at + length;
  wrong = read_value (&walk, false);
  while (wrong == NULL && walk.depth > 0) {
    struct level *level = &walk.levels[walk.depth - 1];

    if (level->items_left == 0) {
      walk.depth--;
      continue;
    }
    /* An even number of items left in a map: a key comes next. */
    bool is_key = level->is_map && level->items_left % 2 == 0;

    level->items_left--;
    wrong = read_value (&walk, is_key);
  }
  if (wrong == NULL && walk.at != walk.end)
    return "bytes behind the message";
  return wrong;
}
