/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the helper does to itself before it trusts anybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "die.h"
#include "harden.h"
#include "protocol.h"

/* PR_SET_PDEATHSIG misses a parent that died before it: hence the look at
 * getppid.
 */
static void
follow_parent (const char *parent_pid)
{
  char *end;
  long pid;

  errno = 0;
  pid = strtol (parent_pid, &end, 10);
  if (errno != 0 || *end != '\0' || pid < 1)
    die (EXIT_FAILURE, "not a process id: %s", parent_pid);
  if (prctl (PR_SET_PDEATHSIG, SIGKILL) == -1)
    die (EXIT_FAILURE, "prctl PR_SET_PDEATHSIG: %s", strerror (errno));
  if (getppid () != (pid_t)pid)
    die (EXIT_FAILURE, "the parent, process %ld, is gone", pid);
}

/* Passwords are in memory: neither core files nor ptrace by others. */
static void
keep_memory_private (void)
{
  const struct rlimit none = { 0, 0 };

  if (prctl (PR_SET_DUMPABLE, 0) == -1)
    die (EXIT_FAILURE, "prctl PR_SET_DUMPABLE: %s", strerror (errno));
  if (setrlimit (RLIMIT_CORE, &none) == -1)
    die (EXIT_FAILURE, "setrlimit RLIMIT_CORE: %s", strerror (errno));
}

static void
check_fd (int fd, const char *what)
{
  if (fcntl (fd, F_SETFD, FD_CLOEXEC) == -1)
    die (EXIT_FAILURE, "file descriptor %d, the %s, is missing: %s", fd, what,
         strerror (errno));
}

void
harden_process (const char *parent_pid)
{
  int type = 0;
  socklen_t length = sizeof type;

  follow_parent (parent_pid);
  keep_memory_private ();
  check_fd (CONTROL_FD, "control socket");
  check_fd (READ_ARENA_FD, "read arena");
  check_fd (WRITE_ARENA_FD, "write arena");
  if (getsockopt (CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &length) == -1
      || type != SOCK_STREAM)
    die (EXIT_FAILURE, "file descriptor %d is not a stream socket", CONTROL_FD);
  signal (SIGPIPE, SIG_IGN);
  /* A file that may not grow (ulimit -f) is an error of the write. */
  signal (SIGXFSZ, SIG_IGN);
}

void
harden_signal_stack (void)
{
  stack_t stack = { .ss_size = SIGNAL_STACK_BYTES };

  stack.ss_sp = mmap (NULL, stack.ss_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack.ss_sp == MAP_FAILED || sigaltstack (&stack, NULL) == -1)
    die (EXIT_FAILURE, "sigaltstack: %s", strerror (errno));
}

static void
on_fatal_signal (int signo)
{
  _exit (128 + signo);
}

void
harden_signals (void)
{
  static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
  struct sigaction action = { .sa_flags = SA_ONSTACK };

  action.sa_handler = on_fatal_signal;
  for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
    sigaction (fatal[i], &action, NULL);
}
