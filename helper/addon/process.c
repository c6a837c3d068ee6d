/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The N-API addon behind src/program/service.ts: what a service of systemd
 * or the child of another program needs, and Node.js has no function for.
 * The rule: nothing here blocks; a service manager that does not read its
 * socket must not stop the server.
 */
#define NAPI_VERSION 8
#include <node_api.h>

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "throw-errno.h"

/* Longest state of sd_notify(3) that we send. */
#define STATE_BYTES_MAX 1024

/* Fills ADDRESS with the socket's PATH; one that begins with '@' is in the
 * abstract namespace.  Returns its length.
 */
static socklen_t
fill_address (struct sockaddr_un *address, const char *path, size_t length)
{
  memset (address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy (address->sun_path, path, length);
  if (path[0] == '@')
    address->sun_path[0] = '\0';
  return (socklen_t)(offsetof (struct sockaddr_un, sun_path) + length);
}

/* notify(path, state): one datagram to the service manager. */
static napi_value
notify (napi_env env, napi_callback_info info)
{
  struct sockaddr_un address;
  char path[sizeof address.sun_path], state[STATE_BYTES_MAX];
  napi_value args[2];
  size_t argc = 2, path_length, state_length;
  socklen_t address_length;
  ssize_t sent;
  int fd, err;

  if (napi_get_cb_info (env, info, &argc, args, NULL, NULL) != napi_ok
      || argc != 2
      || napi_get_value_string_utf8 (env, args[0], path, sizeof path,
                                     &path_length)
             != napi_ok
      || napi_get_value_string_utf8 (env, args[1], state, sizeof state,
                                     &state_length)
             != napi_ok
      || path_length == 0)
    return throw_errno (env, "notify", EINVAL);

  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd == -1)
    return throw_errno (env, "socket", errno);
  address_length = fill_address (&address, path, path_length);
  sent = sendto (fd, state, state_length, MSG_NOSIGNAL,
                 (struct sockaddr *)&address, address_length);
  err = errno;
  close (fd);
  if (sent == -1)
    return throw_errno (env, path, err);
  return NULL;
}

/* dieWithParent(): SIGTERM when our parent ends. */
static napi_value
die_with_parent (napi_env env, napi_callback_info info)
{
  (void)info;
  if (prctl (PR_SET_PDEATHSIG, SIGTERM) == -1)
    return throw_errno (env, "PR_SET_PDEATHSIG", errno);
  return NULL;
}

/* forbidDumps(): neither core files nor ptrace by others, for passwords are
 * in memory.  Programs that are started from here are not affected.
 */
static napi_value
forbid_dumps (napi_env env, napi_callback_info info)
{
  (void)info;
  if (prctl (PR_SET_DUMPABLE, 0) == -1)
    return throw_errno (env, "PR_SET_DUMPABLE", errno);
  return NULL;
}

NAPI_MODULE_INIT ()
{
  const napi_property_descriptor functions[] = {
    { "notify", NULL, notify, NULL, NULL, NULL, napi_enumerable, NULL },
    { "dieWithParent", NULL, die_with_parent, NULL, NULL, NULL, napi_enumerable,
      NULL },
    { "forbidDumps", NULL, forbid_dumps, NULL, NULL, NULL, napi_enumerable,
      NULL },
  };

  if (napi_define_properties (env, exports,
                              sizeof functions / sizeof functions[0], functions)
      != napi_ok)
    return throw_errno (env, "process.node", ENOMEM);
  return exports;
}
