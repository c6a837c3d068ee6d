/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The text part of a VMDK.  Lines are cut in place in a copy of the text and
 * all strings point into it.  Every number is checked for overflow here, so
 * that nobody above has to.
 */
#include "descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "text.h"

/* Where we are, for messages. */
struct place {
  const char *path;
  unsigned line;
};

static VixError
invalid (const struct place *at, const char *what)
{
  return log_fail (VIX_E_DISK_INVALIDDISK,
                   "%s: descriptor line %u is damaged: %s", at->path, at->line,
                   what);
}

static bool
is_blank (char c)
{
  return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts blanks off both ends. */
static char *
trim (char *s)
{
  size_t n;

  while (is_blank (*s))
    s++;
  n = strlen (s);
  while (n > 0 && is_blank (s[n - 1]))
    n--;
  s[n] = '\0';
  return s;
}

/* Cuts the next blank-separated word off *rest; "" at the end. */
static char *
next_word (char **rest)
{
  char *word = *rest;
  char *p;

  while (is_blank (*word))
    word++;
  for (p = word; *p && !is_blank (*p); p++)
    ;
  *rest = *p ? p + 1 : p;
  *p = '\0';
  return word;
}

/* A plain number in base, nothing around it. */
static bool
parse_number (const char *s, int base, uint64_t max, uint64_t *out)
{
  char *end;

  if (*s == '\0' || *s == '-' || *s == '+' || is_blank (*s))
    return false;
  errno = 0;
  *out = strtoull (s, &end, base);
  return errno == 0 && *end == '\0' && *out <= max;
}

static bool
parse_access (const char *word, enum extent_access *out)
{
  if (strcasecmp (word, "RW") == 0)
    *out = ACCESS_RW;
  else if (strcasecmp (word, "RDONLY") == 0)
    *out = ACCESS_RDONLY;
  else if (strcasecmp (word, "NOACCESS") == 0)
    *out = ACCESS_NOACCESS;
  else
    return false;
  return true;
}

/* Whether the line begins with an access word. */
static bool
is_extent_line (const char *line)
{
  enum extent_access access;
  char word[sizeof "NOACCESS"];
  size_t n = strcspn (line, " \t");

  if (n >= sizeof word || line[n] == '\0')
    return false;
  memcpy (word, line, n);
  word[n] = '\0';
  return parse_access (word, &access);
}

static VixError
append_extent (const struct place *at, struct descriptor *d,
               const struct descriptor_extent *extent)
{
  struct descriptor_extent *p;

  if (d->nr_extents == MAX_EXTENTS)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: the disk has more than %d extents, the most that "
                     "the built-in engine opens",
                     at->path, MAX_EXTENTS);
  if (__builtin_add_overflow (d->nr_sectors, extent->nr_sectors, &d->nr_sectors)
      || d->nr_sectors > MAX_DISK_SECTORS)
    return invalid (at, "the disk would be larger than 64 TiB");
  if (d->nr_extents == d->max_extents) {
    d->max_extents = d->max_extents ? d->max_extents * 2 : 8;
    p = realloc (d->extents, d->max_extents * sizeof *p);
    if (!p)
      return VIX_E_OUT_OF_MEMORY;
    d->extents = p;
  }
  d->extents[d->nr_extents++] = *extent;
  return VIX_OK;
}

/* The part of an extent line behind the type: "name" [offset]. */
static VixError
parse_extent_file (const struct place *at, char *rest,
                   struct descriptor_extent *extent)
{
  char *end;
  const char *word;
  bool has_offset;

  rest = trim (rest);
  if (*rest != '"' || !(end = strchr (rest + 1, '"')))
    return invalid (at, "the extent has no file name in quotes");
  *end = '\0';
  extent->name = rest + 1;
  rest = end + 1;
  word = next_word (&rest);
  has_offset = *word != '\0';
  if (has_offset
      && !parse_number (word, 10, MAX_DISK_SECTORS, &extent->offset_sector))
    return invalid (at, "the offset of the extent is not a sector number");
  if (strcasecmp (extent->type_name, "FLAT") == 0 && !has_offset)
    return invalid (at, "a FLAT extent needs an offset");
  if (extent->type != EXTENT_FLAT && extent->offset_sector != 0)
    return invalid (at, "only a flat extent can have an offset");
  if (*trim (rest) != '\0')
    return invalid (at, "there is something behind the extent's offset");
  return VIX_OK;
}

static enum extent_type
find_type (const char *name)
{
  static const struct {
    const char *name;
    enum extent_type type;
  } types[] = {
    { "FLAT", EXTENT_FLAT },       { "VMFS", EXTENT_FLAT },
    { "SPARSE", EXTENT_SPARSE },   { "ZERO", EXTENT_ZERO },
    { "VMFSSPARSE", EXTENT_COWD }, { "SESPARSE", EXTENT_SESPARSE },
  };

  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (strcasecmp (name, types[i].name) == 0)
      return types[i].type;
  return EXTENT_OTHER;
}

static VixError
parse_extent (const struct place *at, struct descriptor *d, char *line)
{
  struct descriptor_extent extent = { .type = EXTENT_OTHER };
  VixError err;

  if (!parse_access (next_word (&line), &extent.access))
    return invalid (at, "unknown access mode");
  if (!parse_number (next_word (&line), 10, MAX_DISK_SECTORS,
                     &extent.nr_sectors)
      || extent.nr_sectors == 0)
    return invalid (at, "the size of the extent is not a number of sectors "
                        "up to 64 TiB");
  extent.type_name = next_word (&line);
  extent.type = find_type (extent.type_name);
  if (extent.type != EXTENT_OTHER && extent.type != EXTENT_ZERO) {
    err = parse_extent_file (at, line, &extent);
    if (err != VIX_OK)
      return err;
  }
  return append_extent (at, d, &extent);
}

/* Numbers of the geometry: a bad one counts as not given. */
static void
set_geometry (uint32_t *field, const char *value)
{
  uint64_t number;

  if (parse_number (value, 10, UINT32_MAX, &number))
    *field = (uint32_t)number;
}

static void
set_ddb (struct descriptor *d, const char *key, const char *value)
{
  const struct {
    const char *key;
    uint32_t *field;
  } numbers[] = {
    { "geometry.cylinders", &d->geometry.cylinders },
    { "geometry.heads", &d->geometry.heads },
    { "geometry.sectors", &d->geometry.sectors },
    { "geometry.biosCylinders", &d->bios_geometry.cylinders },
    { "geometry.biosHeads", &d->bios_geometry.heads },
    { "geometry.biosSectors", &d->bios_geometry.sectors },
  };

  if (strcasecmp (key, "adapterType") == 0)
    d->adapter_type = value;
  else if (strcasecmp (key, "uuid") == 0)
    d->uuid = value;
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    if (strcasecmp (key, numbers[i].key) == 0)
      set_geometry (numbers[i].field, value);
}

static VixError
set_key (const struct place *at, struct descriptor *d, const char *key,
         const char *value)
{
  uint64_t number;

  if (strncasecmp (key, "ddb.", 4) == 0)
    set_ddb (d, key + 4, value);
  else if (strncasecmp (key, "encryption.", 11) == 0)
    d->encrypted = true;
  else if (strcasecmp (key, "createType") == 0)
    d->create_type = value;
  else if (strcasecmp (key, "parentFileNameHint") == 0)
    d->parent_hint = value;
  else if (strcasecmp (key, "changeTrackPath") == 0)
    d->change_track_path = value;
  else if (strcasecmp (key, "CID") == 0) {
    /* Only a child asks for it, and then finds that it does not fit. */
    if (parse_number (value, 16, UINT32_MAX, &number))
      d->cid = (uint32_t)number;
  }
  else if (strcasecmp (key, "parentCID") == 0) {
    if (!parse_number (value, 16, UINT32_MAX, &number))
      return invalid (at, "parentCID is not a hexadecimal number");
    d->parent_cid = (uint32_t)number;
  }
  return VIX_OK;
}

/* key = value, or key = "value". */
static VixError
parse_key (const struct place *at, struct descriptor *d, char *line)
{
  char *equals = strchr (line, '=');
  char *value;
  size_t n;

  if (!equals)
    return invalid (at, "neither a comment, nor an extent, nor key=value");
  *equals = '\0';
  value = trim (equals + 1);
  n = strlen (value);
  if (*value == '"') {
    if (n < 2 || value[n - 1] != '"')
      return invalid (at, "the closing quote is missing");
    value[n - 1] = '\0';
    value++;
  }
  return set_key (at, d, trim (line), value);
}

static VixError
parse_line (const struct place *at, struct descriptor *d, char *line)
{
  for (const char *p = line; *p; p++)
    if ((unsigned char)*p < ' ' && !is_blank (*p))
      return invalid (at, "it contains control characters");
  line = trim (line);
  if (*line == '\0' || *line == '#')
    return VIX_OK;
  if (is_extent_line (line))
    return parse_extent (at, d, line);
  return parse_key (at, d, line);
}

static VixError
parse_lines (struct place *at, struct descriptor *d)
{
  char *next = d->text;
  VixError err;

  while (next) {
    char *line = next;
    char *end = strchr (line, '\n');

    next = end ? end + 1 : NULL;
    if (end)
      *end = '\0';
    at->line++;
    err = parse_line (at, d, line);
    if (err != VIX_OK)
      return err;
  }
  if (!d->create_type)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the descriptor has no createType", at->path);
  if (d->nr_extents == 0)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the descriptor names no extents", at->path);
  return VIX_OK;
}

bool
descriptor_detect (const char *text, size_t length)
{
  static const char magic[] = "# Disk DescriptorFile";

  while (length > 0 && (is_blank (*text) || *text == '\n')) {
    text++;
    length--;
  }
  return length >= sizeof magic - 1
         && strncasecmp (text, magic, sizeof magic - 1) == 0;
}

VixError
descriptor_parse (const char *path, const char *text, size_t length,
                  struct descriptor **out)
{
  struct place at = { .path = path, .line = 0 };
  struct descriptor *d;
  VixError err;

  if (length > MAX_DESCRIPTOR_BYTES)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the descriptor is larger than 1 MiB", path);
  if (memchr (text, '\0', length))
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the descriptor contains zero bytes", path);
  d = calloc (1, sizeof *d);
  if (!d)
    return VIX_E_OUT_OF_MEMORY;
  d->parent_cid = NO_PARENT_CID;
  err = text_decode (path, text, length, &d->text, &d->encoding);
  if (err == VIX_OK)
    err = parse_lines (&at, d);
  if (err != VIX_OK) {
    descriptor_free (d);
    return err;
  }
  *out = d;
  return VIX_OK;
}

void
descriptor_free (struct descriptor *d)
{
  free (d->extents);
  free (d->encoding);
  free (d->text);
  free (d);
}

VixDiskLibAdapterType
descriptor_adapter (const struct descriptor *d)
{
  const char *type = d->adapter_type ? d->adapter_type : "";

  if (strcasecmp (type, "ide") == 0)
    return VIXDISKLIB_ADAPTER_IDE;
  if (strcasecmp (type, "buslogic") == 0)
    return VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC;
  if (strcasecmp (type, "lsilogic") == 0 || strcasecmp (type, "lsisas1068") == 0
      || strcasecmp (type, "pvscsi") == 0)
    return VIXDISKLIB_ADAPTER_SCSI_LSILOGIC;
  return VIXDISKLIB_ADAPTER_UNKNOWN;
}
