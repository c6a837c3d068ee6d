/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The encoding of a descriptor's text, by the C library's iconv.  Line ends,
 * quotes and keys are the same bytes in all of them, so the line that names
 * the encoding can be found before it is known.
 */
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"

/* The longest name of an encoding that is looked at. */
#define MAX_NAME 40

/* No character of these takes more bytes in UTF-8 than this. */
#define MAX_GROWTH 4

/* What VMware writes, where iconv's table of the same name differs from the
 * one of Windows.
 */
static const struct {
  const char *name;
  const char *iconv_name;
} aliases[] = {
  { "Shift_JIS", "CP932" },
  { "GBK", "CP936" },
  { "Big5", "BIG5" },
};

static const char *
iconv_name_of (const char *encoding)
{
  for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
    if (strcasecmp (encoding, aliases[i].name) == 0)
      return aliases[i].iconv_name;
  return encoding;
}

static bool
is_ascii (const char *text, size_t length)
{
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)text[i] >= 0x80)
      return false;
  return true;
}

static const char *
next_line (const char *line, const char *end)
{
  const char *newline = memchr (line, '\n', (size_t)(end - line));

  return newline && newline + 1 < end ? newline + 1 : NULL;
}

/* The value of the line `encoding = "..."`, if there is one. */
static bool
find_encoding (const char *text, size_t length, char *name)
{
  static const char key[] = "encoding";
  const char *end = text + length;

  for (const char *line = text; line; line = next_line (line, end)) {
    const char *p = line;
    size_t n = 0;

    while (p < end && (*p == ' ' || *p == '\t'))
      p++;
    if ((size_t)(end - p) < sizeof key
        || strncasecmp (p, key, sizeof key - 1) != 0)
      continue;
    p += sizeof key - 1;
    while (p < end && (*p == ' ' || *p == '\t' || *p == '=' || *p == '"'))
      p++;
    while (p < end && n < MAX_NAME - 1
           && (isalnum ((unsigned char)*p) || strchr ("-_.:", *p)) && *p)
      name[n++] = *p++;
    name[n] = '\0';
    return n > 0;
  }
  return false;
}

/* length bytes in the encoding from, as a string in the encoding to.  NULL and
 * errno: EINVAL if one is not known, EILSEQ, ENOMEM.
 */
static char *
convert (const char *from, const char *to, const char *text, size_t length)
{
  size_t room = length * MAX_GROWTH;
  iconv_t cd = iconv_open (to, from);
  char *copy, *in, *out, *result;
  size_t r = (size_t)-1;

  if (cd == (iconv_t)-1)
    return NULL;
  /* iconv takes what it only reads without const. */
  copy = malloc (length + 1);
  result = malloc (room + 1);
  if (copy && result) {
    memcpy (copy, text, length);
    in = copy;
    out = result;
    r = iconv (cd, &in, &length, &out, &room);
    *out = '\0';
  }
  else
    errno = ENOMEM;
  iconv_close (cd);
  free (copy);
  if (r != (size_t)-1)
    return result;
  free (result);
  if (errno != ENOMEM)
    errno = EILSEQ;
  return NULL;
}

VixError
text_decode (const char *path, const char *text, size_t length, char **utf8,
             char **encoding)
{
  char name[MAX_NAME];

  *encoding = NULL;
  if (is_ascii (text, length) || !find_encoding (text, length, name)
      || strcasecmp (name, "UTF-8") == 0) {
    *utf8 = strndup (text, length);
    return *utf8 ? VIX_OK : VIX_E_OUT_OF_MEMORY;
  }
  *utf8 = convert (iconv_name_of (name), "UTF-8", text, length);
  if (*utf8) {
    *encoding = strdup (name);
    return *encoding ? VIX_OK : VIX_E_OUT_OF_MEMORY;
  }
  if (errno == ENOMEM)
    return VIX_E_OUT_OF_MEMORY;
  if (errno == EINVAL)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: the descriptor is encoded in \"%s\", which this "
                     "system does not know",
                     path, name);
  return log_fail (VIX_E_DISK_INVALIDDISK,
                   "%s: the descriptor says that it is encoded in \"%s\", but "
                   "is not",
                   path, name);
}

char *
text_encode (const char *utf8, const char *encoding)
{
  return convert ("UTF-8", iconv_name_of (encoding), utf8, strlen (utf8));
}
