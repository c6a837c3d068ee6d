/* SPDX-License-Identifier: BSD-3-Clause
 *
 * VMware's own locks of hosted disks.  The files in a lock's directory are
 * named M and five digits, and are text: machine, execution, a number, and X
 * for an exclusive lock or S for a shared one.  What can't be read counts as
 * exclusive.
 */
#include "lck.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* Of a lock's file; they have 512. */
#define MAX_LOCK_BYTES 512

static bool
is_member (const char *name)
{
  size_t n = strlen (name);

  return n > 5 && (name[0] == 'M' || name[0] == 'm')
         && strcmp (name + n - 4, ".lck") == 0;
}

static bool
is_shared (int directory, const char *name)
{
  char text[MAX_LOCK_BYTES + 1];
  char *rest = text;
  const char *word = "";
  ssize_t n;
  int fd = openat (directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

  if (fd == -1)
    return false;
  n = read (fd, text, MAX_LOCK_BYTES);
  close (fd);
  if (n < 0)
    return false;
  text[n] = '\0';
  for (int i = 0; i < 4 && word; i++)
    word = strsep (&rest, " ");
  return word && strcmp (word, "S") == 0;
}

VixError
lck_check (const char *path, bool writable)
{
  char *name;
  const struct dirent *entry;
  VixError err = VIX_OK;
  DIR *dir;

  if (asprintf (&name, "%s.lck", path) == -1)
    return VIX_E_OUT_OF_MEMORY;
  dir = opendir (name);
  while (err == VIX_OK && dir && (entry = readdir (dir))) {
    if (!is_member (entry->d_name)
        || (!writable && is_shared (dirfd (dir), entry->d_name)))
      continue;
    err = log_fail (VIX_E_FILE_ALREADY_LOCKED,
                    "%s: a virtual machine of VMware has this disk open (%s); "
                    "shut it down, or remove that directory if none runs",
                    path, name);
  }
  if (dir)
    closedir (dir);
  free (name);
  return err;
}
