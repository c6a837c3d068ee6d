/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a helper gone wild could do to the arenas that it inherited: fd 4 is
 * the read arena, fd 5 the write arena.  Prints one line per attempt, "NAME
 * ok" or "NAME errno"; arena.test.ts says which of them may be ok.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_FD  4
#define WRITE_FD 5
#define LENGTH   4096

static void
report (const char *name, bool ok)
{
  if (ok)
    printf ("%s ok\n", name);
  else
    printf ("%s %d\n", name, errno);
}

static void *
map (int fd, int protection)
{
  return mmap (NULL, LENGTH, protection, MAP_SHARED, fd, 0);
}

static void
attack_write_arena (int fd, const char *suffix)
{
  char name[64];

#define TRY(what, expression)                                                  \
  (snprintf (name, sizeof name, "%s%s", what, suffix),                         \
   report (name, (expression)))

  TRY ("map writable", map (fd, PROT_READ | PROT_WRITE) != MAP_FAILED);
  TRY ("write", pwrite (fd, "x", 1, 0) == 1);
  TRY ("punch",
       fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LENGTH)
           == 0);
  TRY ("zero", fallocate (fd, FALLOC_FL_ZERO_RANGE, 0, LENGTH) == 0);
  TRY ("shrink", ftruncate (fd, LENGTH) == 0);
  TRY ("grow", ftruncate (fd, (off_t)1 << 40) == 0);
  TRY ("seal", fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
}

int
main (void)
{
  char *mapped = map (WRITE_FD, PROT_READ);
  int again;

  report ("map readable", mapped != MAP_FAILED);
  report ("read", mapped != MAP_FAILED && mapped[0] == 'w');
  report ("protect", mprotect (mapped, LENGTH, PROT_READ | PROT_WRITE) == 0);
  report ("remove", madvise (mapped, LENGTH, MADV_REMOVE) == 0);
  attack_write_arena (WRITE_FD, "");
  again = open ("/proc/self/fd/5", O_RDWR);
  report ("reopen", again != -1);
  attack_write_arena (again, " reopened");
  report ("truncate by path", truncate ("/proc/self/fd/5", 0) == 0);

  mapped = map (READ_FD, PROT_READ | PROT_WRITE);
  report ("read arena: map writable", mapped != MAP_FAILED);
  if (mapped != MAP_FAILED)
    mapped[0] = 'r';
  report ("read arena: shrink", ftruncate (READ_FD, LENGTH) == 0);
  report ("read arena: grow", ftruncate (READ_FD, (off_t)1 << 40) == 0);
  report ("read arena: seal", fcntl (READ_FD, F_ADD_SEALS, F_SEAL_WRITE) == 0);
  return 0;
}
