/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the names in a descriptor to paths.
 */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "file.h"
#include "log.h"
#include "text.h"

/* Behind the last separator, of Windows or of Unix. */
static const char *
last_component (const char *name)
{
  const char *last = name;

  for (const char *p = name; *p; p++)
    if (*p == '/' || *p == '\\')
      last = p + 1;
  return last;
}

/* path with another last component, or name itself if it is absolute.  In the
 * file's own encoding if it is there under that name only.
 */
static char *
place (const char *path, const char *name, const char *encoding)
{
  char *raw, *other;
  char *out = *name == '/' ? strdup (name) : file_sibling (path, name);

  if (!out || !encoding || access (out, F_OK) == 0)
    return out;
  raw = text_encode (name, encoding);
  other = raw ? file_sibling (path, raw) : NULL;
  free (raw);
  if (!other || access (other, F_OK) == -1) {
    free (other);
    return out;
  }
  free (out);
  return other;
}

static bool
is_plain (const char *name)
{
  return *name != '\0' && last_component (name) == name
         && strcmp (name, ".") != 0 && strcmp (name, "..") != 0;
}

VixError
names_extent (const char *path, const char *name, const char *encoding,
              char **out)
{
  if (*name == '\0'
      || (!is_plain (name)
          && (!config.allow_other_directories || strchr (name, '\\'))))
    return log_fail (VIX_E_FILE_NAME_INVALID,
                     "%s: the extent \"%s\" is not in the directory of the "
                     "descriptor; put it there and name it without a path, or "
                     "set builtin.allowOtherDirectories = \"true\" in the file "
                     "given with config=",
                     path, name);
  *out = place (path, name, encoding);
  return *out ? VIX_OK : VIX_E_OUT_OF_MEMORY;
}

static VixError
missing (const char *path, const char *looked_for)
{
  return log_fail (VIX_E_DISK_OPENPARENT,
                   "%s: its parent, %s, is not there; use single-link=true to "
                   "open this link alone",
                   path, looked_for);
}

VixError
names_parent (const char *path, const char *hint, const char *encoding,
              char **out)
{
  const char *last = last_component (hint);
  bool elsewhere = !is_plain (hint);
  char *beside;
  VixError err;

  *out = NULL;
  if (!is_plain (last))
    return log_fail (VIX_E_DISK_OPENPARENT,
                     "%s: the disk is a link of a chain, but the name of its "
                     "parent is \"%s\"",
                     path, hint);
  if (config.allow_other_directories && elsewhere && !strchr (hint, '\\')) {
    *out = place (path, hint, encoding);
    if (!*out)
      return VIX_E_OUT_OF_MEMORY;
    if (access (*out, F_OK) == 0)
      return VIX_OK;
    free (*out);
    *out = NULL;
  }
  beside = place (path, last, encoding);
  if (!beside)
    return VIX_E_OUT_OF_MEMORY;
  if (access (beside, F_OK) == 0) {
    *out = beside;
    return VIX_OK;
  }
  if (elsewhere && !config.allow_other_directories)
    err = log_fail (VIX_E_DISK_OPENPARENT,
                    "%s: its parent \"%s\" is in another directory, and not "
                    "beside it (%s); put it there, or set "
                    "builtin.allowOtherDirectories = \"true\" in the file "
                    "given with config=",
                    path, hint, beside);
  else
    err = missing (path, elsewhere ? hint : beside);
  free (beside);
  return err;
}
