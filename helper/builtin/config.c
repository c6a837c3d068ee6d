/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The configuration file given to InitEx.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "errors.h"
#include "log.h"

/* What is around a name or a value. */
#define AROUND " \t\r\n\""

struct config config;

static bool
parse_bool (const char *value, bool *out)
{
  *out = strcasecmp (value, "true") == 0 || strcasecmp (value, "yes") == 0
         || strcmp (value, "1") == 0;
  return *out || strcasecmp (value, "false") == 0
         || strcasecmp (value, "no") == 0 || strcmp (value, "0") == 0;
}

static char *
trim (char *s)
{
  size_t n;

  s += strspn (s, AROUND);
  n = strlen (s);
  while (n > 0 && strchr (AROUND, s[n - 1]))
    n--;
  s[n] = '\0';
  return s;
}

static VixError
set (const char *path, const char *name, const char *value)
{
  static const char prefix[] = "builtin.";
  const struct {
    const char *name;
    bool *field;
  } all[] = {
    { "builtin.allowOtherDirectories", &config.allow_other_directories },
    { "builtin.readTruncated", &config.read_truncated },
  };

  if (strncasecmp (name, prefix, sizeof prefix - 1) != 0)
    return VIX_OK;
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (strcasecmp (name, all[i].name) == 0) {
      if (parse_bool (value, all[i].field))
        return VIX_OK;
      return log_fail (VIX_E_INVALID_ARG, "%s: %s is true or false, not \"%s\"",
                       path, name, value);
    }
  return log_fail (VIX_E_INVALID_ARG,
                   "%s: the built-in engine has no setting \"%s\"", path, name);
}

VixError
config_load (const char *path)
{
  VixError err = VIX_OK;
  char *line = NULL;
  size_t room = 0;
  FILE *f;

  config = (struct config){ 0 };
  if (!path || !*path)
    return VIX_OK;
  f = fopen (path, "re");
  if (!f)
    return log_fail (error_from_errno (errno), "%s: cannot be opened: %s", path,
                     strerror (errno));
  while (err == VIX_OK && getline (&line, &room, f) != -1) {
    char *equals = strchr (line, '=');

    if (!equals || *trim (line) == '#')
      continue;
    *equals = '\0';
    err = set (path, trim (line), trim (equals + 1));
  }
  free (line);
  fclose (f);
  return err;
}
