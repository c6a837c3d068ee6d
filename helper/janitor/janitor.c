/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vddk-nbd-janitor: removes what a server leaves behind when it is killed in
 * a way that it can't notice (SIGKILL, out of memory).  The server starts it
 * in a session of its own and writes paths to its standard input, each ended
 * by a zero byte; the end of the input is the end of the server.
 *
 * The rule: only the very files that were announced are removed, never what a
 * later server has put in their place.
 */
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  LEAVINGS_MAX = 16,     /* a socket, a pidfile, a directory; room for more */
  PATH_BYTES_MAX = 4096, /* PATH_MAX of Linux, with the zero byte */
  OPEN_DIRECTORIES_MAX = 16,
};

struct leaving {
  char path[PATH_BYTES_MAX];
  struct stat seen;
};

static struct leaving leavings[LEAVINGS_MAX];
static unsigned nr_leavings;

/* Remembers what is at `path` now. */
static void
announce (const char *path)
{
  struct leaving *leaving = &leavings[nr_leavings];

  if (nr_leavings == LEAVINGS_MAX || lstat (path, &leaving->seen) == -1)
    return;
  memcpy (leaving->path, path, strlen (path) + 1);
  nr_leavings++;
}

/* Whether the file that was announced is still there.  A directory changes
 * with what is made in it, a file that was replaced has another time even if
 * it got the same inode.
 */
static bool
is_same (const struct stat *seen, const struct stat *now)
{
  return seen->st_dev == now->st_dev && seen->st_ino == now->st_ino
         && (S_ISDIR (seen->st_mode)
             || (seen->st_mtim.tv_sec == now->st_mtim.tv_sec
                 && seen->st_mtim.tv_nsec == now->st_mtim.tv_nsec));
}

static int
remove_entry (const char *path, const struct stat *stat, int type,
              struct FTW *ftw)
{
  (void)stat;
  (void)type;
  (void)ftw;
  remove (path);
  return 0;
}

/* Reads paths until the server is gone.  A path that is too long is passed
 * over.
 */
static void
read_paths (void)
{
  static char path[PATH_BYTES_MAX];
  size_t length = 0;
  char bytes[512];
  ssize_t n;

  while ((n = read (STDIN_FILENO, bytes, sizeof bytes)) > 0)
    for (ssize_t i = 0; i < n; i++) {
      if (length < sizeof path)
        path[length] = bytes[i];
      length++;
      if (bytes[i] == '\0') {
        if (length <= sizeof path)
          announce (path);
        length = 0;
      }
    }
}

int
main (void)
{
  read_paths ();
  while (nr_leavings > 0) {
    const struct leaving *leaving = &leavings[--nr_leavings];
    struct stat now;

    if (lstat (leaving->path, &now) == -1 || !is_same (&leaving->seen, &now))
      continue;
    if (S_ISDIR (now.st_mode))
      nftw (leaving->path, remove_entry, OPEN_DIRECTORIES_MAX,
            FTW_DEPTH | FTW_PHYS);
    else
      unlink (leaving->path);
  }
  return 0;
}
