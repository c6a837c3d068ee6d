/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The N-API addon behind src/arena/arena.ts: creates one arena, a sealed
 * memfd that is mapped into this process as an external Buffer.  A helper
 * inherits the descriptor.  The rule: a write arena is mapped for writing
 * first and sealed then, so that this mapping stays the only writable one.
 */
#define NAPI_VERSION 8
#include <node_api.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "throw-errno.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* No helper may truncate what we have mapped (SIGBUS), nor add a seal. */
#define SEALS_ALWAYS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Seals FD.  Returns 0, or -1 with errno set. */
static int
seal (int fd, bool write_arena)
{
  int seals = SEALS_ALWAYS | (write_arena ? F_SEAL_FUTURE_WRITE : 0);

  return fcntl (fd, F_ADD_SEALS, seals);
}

/* The Buffer and all its views are gone.  HINT is the length. */
static void
unmap (napi_env env, void *data, void *hint)
{
  (void)env;
  munmap (data, (size_t)(uintptr_t)hint);
}

/* Maps FD as a Buffer of BYTES, then seals it.  NULL after throwing. */
static napi_value
map_and_seal (napi_env env, int fd, size_t bytes, bool write_arena)
{
  napi_value memory;
  void *data = mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

  if (data == MAP_FAILED)
    return throw_errno (env, "mmap", errno);
  /* Bytes of a customer's disk do not belong into core files. */
  madvise (data, bytes, MADV_DONTDUMP);
  if (seal (fd, write_arena) == -1) {
    int err = errno;
    munmap (data, bytes);
    return throw_errno (env,
                        err == EINVAL && write_arena
                            ? "Linux 5.1 or newer is required, "
                              "F_SEAL_FUTURE_WRITE"
                            : "F_ADD_SEALS",
                        err);
  }
  if (napi_create_external_buffer (env, bytes, data, unmap,
                                   (void *)(uintptr_t)bytes, &memory)
      != napi_ok) {
    munmap (data, bytes);
    return throw_errno (env, "napi_create_external_buffer", ENOMEM);
  }
  return memory;
}

/* create(name, bytes, writeArena): { fd, memory }.  Pages are allocated when
 * they are touched, so BYTES costs address space only.
 */
static napi_value
create (napi_env env, napi_callback_info info)
{
  napi_value args[3], memory, fd_value, result;
  size_t argc = 3;
  char name[64];
  int64_t bytes;
  bool write_arena;
  int fd;

  if (napi_get_cb_info (env, info, &argc, args, NULL, NULL) != napi_ok
      || argc != 3
      || napi_get_value_string_utf8 (env, args[0], name, sizeof name, NULL)
             != napi_ok
      || napi_get_value_int64 (env, args[1], &bytes) != napi_ok
      || napi_get_value_bool (env, args[2], &write_arena) != napi_ok
      || bytes <= 0)
    return throw_errno (env, "create", EINVAL);

  fd = memfd_create (name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd == -1)
    return throw_errno (env, "memfd_create", errno);
  if (ftruncate (fd, bytes) == -1)
    memory = throw_errno (env, "ftruncate", errno);
  else
    memory = map_and_seal (env, fd, (size_t)bytes, write_arena);
  if (memory == NULL) {
    close (fd);
    return NULL;
  }
  if (napi_create_int32 (env, fd, &fd_value) != napi_ok
      || napi_create_object (env, &result) != napi_ok
      || napi_set_named_property (env, result, "fd", fd_value) != napi_ok
      || napi_set_named_property (env, result, "memory", memory) != napi_ok) {
    close (fd); /* the Buffer unmaps itself */
    return throw_errno (env, "create", ENOMEM);
  }
  return result;
}

/* close(fd).  The mapping lives on as long as its Buffer. */
static napi_value
close_fd (napi_env env, napi_callback_info info)
{
  napi_value arg;
  size_t argc = 1;
  int32_t fd;

  if (napi_get_cb_info (env, info, &argc, &arg, NULL, NULL) != napi_ok
      || argc != 1 || napi_get_value_int32 (env, arg, &fd) != napi_ok)
    return throw_errno (env, "close", EINVAL);
  if (close (fd) == -1)
    return throw_errno (env, "close", errno);
  return NULL;
}

NAPI_MODULE_INIT ()
{
  const napi_property_descriptor functions[] = {
    { "create", NULL, create, NULL, NULL, NULL, napi_enumerable, NULL },
    { "close", NULL, close_fd, NULL, NULL, NULL, napi_enumerable, NULL },
  };

  if (napi_define_properties (env, exports,
                              sizeof functions / sizeof functions[0], functions)
      != napi_ok)
    return throw_errno (env, "arena.node", ENOMEM);
  return exports;
}
