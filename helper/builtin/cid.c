/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Changing the content ID of a disk.  Usually its eight digits are written
 * over, which no crash can leave half-done in a way that matters: any mixture
 * of two is a third.  Only a shorter number moves the rest of the text.
 */
#include "cid.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "log.h"

#define CID_DIGITS  8
#define LONG_DIGITS 32

/* parentCID of a disk without a parent: not a CID. */
#define NO_CID UINT32_MAX

uint32_t
cid_choose (uint32_t old)
{
  uint32_t cid = old + 1;

  /* Without randomness it is at least another one. */
  if (getrandom (&cid, sizeof cid, 0) != sizeof cid || cid == old || cid == 0
      || cid >= NO_CID - 1)
    cid = (old + 1) % (NO_CID - 2) + 1;
  return cid;
}

static const char *
next_line (const char *line)
{
  const char *end = strchr (line, '\n');

  return end ? end + 1 : NULL;
}

/* The value of a key: where it begins and how many hexadecimal digits. */
static bool
find_value (const char *text, const char *key, size_t *at, size_t *digits)
{
  size_t n = strlen (key);

  for (const char *line = text; line; line = next_line (line)) {
    const char *p = line + strspn (line, " \t");

    if (strncasecmp (p, key, n) != 0)
      continue;
    p += n;
    p += strspn (p, " \t");
    if (*p != '=')
      continue;
    p += 1 + strspn (p + 1, " \t\"");
    *at = (size_t)(p - text);
    *digits = strspn (p, "0123456789abcdefABCDEF");
    return *digits > 0;
  }
  return false;
}

/* Makes room for the missing digits by moving what is behind them. */
static VixError
write_moved (const struct text_place *place, const char *text, size_t at,
             size_t digits, const char *cid)
{
  size_t rest = strlen (text) - at - digits;
  uint64_t length = at + CID_DIGITS + rest;
  char *moved;
  VixError err;

  if (length > place->room)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: there is no room in the descriptor for a new CID",
                     place->file->path);
  moved = malloc (CID_DIGITS + rest);
  if (!moved)
    return VIX_E_OUT_OF_MEMORY;
  memcpy (moved, cid, CID_DIGITS);
  memcpy (moved + CID_DIGITS, text + at + digits, rest);
  err = file_write (place->file, moved, CID_DIGITS + rest, place->offset + at);
  free (moved);
  if (err == VIX_OK && place->room == UINT64_MAX)
    err = file_resize (place->file, place->offset + length);
  return err;
}

static VixError
write_into (const struct text_place *place, char *text, uint32_t cid)
{
  char hex[CID_DIGITS + 1];
  VixError err = VIX_OK;
  size_t at, digits;

  snprintf (hex, sizeof hex, "%08x", cid);
  if (find_value (text, "ddb.longContentID", &at, &digits)
      && digits == LONG_DIGITS) {
    at += LONG_DIGITS - CID_DIGITS;
    memcpy (text + at, hex, CID_DIGITS);
    err = file_write (place->file, hex, CID_DIGITS, place->offset + at);
  }
  if (err != VIX_OK || !find_value (text, "CID", &at, &digits))
    return err;
  if (digits == CID_DIGITS)
    err = file_write (place->file, hex, CID_DIGITS, place->offset + at);
  else if (digits < CID_DIGITS)
    err = write_moved (place, text, at, digits, hex);
  return err;
}

VixError
cid_write (const struct text_place *place, uint32_t cid)
{
  char *text = malloc (place->length + 1);
  VixError err;

  if (!text)
    return VIX_E_OUT_OF_MEMORY;
  err = file_read (place->file, text, place->length, place->offset);
  if (err == VIX_OK) {
    text[place->length] = '\0';
    err = write_into (place, text, cid);
  }
  free (text);
  if (err == VIX_OK)
    err = file_flush (place->file);
  return err;
}
