/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The fence of a local disk.  An open file description lock: the kernel drops
 * it when the last process that has it is gone.  QEMU's tools look at the
 * same byte before they open a file for writing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fence.h"
#include "log.h"

/* QEMU: "I do not let others write", see its block/file-posix.c. */
enum { UNSHARED_WRITE_BYTE = 201 };

static int fence_fd = -1;

bool
fence_take (const char *path)
{
  struct flock lock = { .l_type = F_WRLCK,
                        .l_whence = SEEK_SET,
                        .l_start = UNSHARED_WRITE_BYTE,
                        .l_len = 1 };
  int error;

  fence_fd = open (path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fence_fd == -1)
    return true; /* the library will say what is wrong with it */
  if (fcntl (fence_fd, F_OFD_SETLK, &lock) == 0)
    return true;
  error = errno;
  fence_release ();
  if (error == EAGAIN || error == EACCES)
    return false;
  log_helper ("%s: no lock of our own: %s", path, strerror (error));
  return true;
}

void
fence_release (void)
{
  if (fence_fd != -1)
    close (fence_fd);
  fence_fd = -1;
}
