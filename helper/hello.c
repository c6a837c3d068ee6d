/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HELLO: maps the arenas, loads the library and initialises it, once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "harden.h"
#include "io.h"
#include "library.h"
#include "log.h"
#include "measure.h"

#define NOT_GIVEN UINT64_MAX

/* The parameters; the library may keep libdir and config. */
static struct {
  char *libraries[LIBRARIES_MAX];
  uint32_t nr_libraries;
  char *libdir;
  char *config;
  uint64_t read_arena_bytes;
  uint64_t write_arena_bytes;
  uint64_t counters_offset; /* in the read arena; NOT_GIVEN: don't count */
  uint64_t trace;
} hello = { .counters_offset = NOT_GIVEN };

static bool
read_params (struct call *call)
{
  uint64_t version;

  if (!need_uint (call, "version", UINT32_MAX, &version))
    return false;
  if (version != PROTOCOL_VERSION) {
    reply_helper_error (call, "parameter", "",
                        "the host speaks version %" PRIu64
                        " of the protocol, this helper version %d",
                        version, PROTOCOL_VERSION);
    return false;
  }
  return check_param (call, "libraries",
                      param_texts (call->message, "libraries", LIBRARIES_MAX,
                                   hello.libraries, &hello.nr_libraries),
                      false)
         && need_text (call, "libdir", &hello.libdir)
         && may_text (call, "config", &hello.config)
         && need_uint (call, "readArenaBytes", INT64_MAX,
                       &hello.read_arena_bytes)
         && need_uint (call, "writeArenaBytes", INT64_MAX,
                       &hello.write_arena_bytes)
         && may_uint (call, "countersOffset", INT64_MAX, &hello.counters_offset)
         && may_uint (call, "trace", TRACE_IO, &hello.trace);
}

/* Maps an arena and closes its descriptor; NULL after an `arena` failure. */
static void *
map_arena (struct call *call, int fd, uint64_t bytes, int protection,
           const char *which)
{
  struct stat st;
  void *arena;

  if (fstat (fd, &st) == -1 || bytes == 0 || (uint64_t)st.st_size < bytes) {
    reply_helper_error (call, "arena", "mmap",
                        "the %s arena is not a file of %" PRIu64 " bytes",
                        which, bytes);
    return NULL;
  }
  arena = mmap (NULL, bytes, protection, MAP_SHARED, fd, 0);
  if (arena == MAP_FAILED) {
    reply_helper_error (call, "arena", "mmap", "the %s arena: %s", which,
                        strerror (errno));
    return NULL;
  }
  close (fd);
  return arena;
}

static bool
start_measuring (struct call *call, uint8_t *read_arena)
{
  uint64_t offset = hello.counters_offset;

  if (offset == NOT_GIVEN) {
    measure_start (NULL, (unsigned)hello.trace);
    return true;
  }
  if (offset % 8 != 0 || offset > hello.read_arena_bytes
      || hello.read_arena_bytes - offset < MEASURE_BYTES) {
    reply_helper_error (call, "parameter", "",
                        "countersOffset is outside the read arena, or not a "
                        "multiple of 8");
    return false;
  }
  measure_start (read_arena + offset, (unsigned)hello.trace);
  return true;
}

static bool
map_arenas (struct call *call)
{
  uint8_t *read_arena, *write_arena;

  read_arena = map_arena (call, READ_ARENA_FD, hello.read_arena_bytes,
                          PROT_READ | PROT_WRITE, "read");
  if (read_arena == NULL)
    return false;
  write_arena = map_arena (call, WRITE_ARENA_FD, hello.write_arena_bytes,
                           PROT_READ, "write");
  if (write_arena == NULL)
    return false;
  io_set_arenas (read_arena, hello.read_arena_bytes, write_arena,
                 hello.write_arena_bytes);
  return start_measuring (call, read_arena);
}

static bool
load (struct call *call)
{
  char *text;
  enum library_status status
      = library_load (hello.libraries, hello.nr_libraries, &text);

  if (status == LIBRARY_OK)
    return true;
  reply_helper_error (call, status == LIBRARY_LOAD ? "load" : "symbol",
                      status == LIBRARY_LOAD ? "dlopen" : "dlsym", "%s", text);
  free (text);
  return false;
}

static bool
init (struct call *call)
{
  /* Every library accepts the number of an older one. */
  uint32_t major = library.version >= 6 ? 6 : 5;
  uint32_t minor = library.version >= 6 ? 5 : 1;
  VixError error = VIX_CALL (InitEx, major, minor, log_debug, log_warning,
                             log_panic, hello.libdir, hello.config);

  if (error != VIX_OK) {
    reply_vix_error (call, "VixDiskLib_InitEx", error);
    return false;
  }
  harden_signals ();
  return true;
}

static void
count_function (const char *name, void *count)
{
  (void)name;
  ++*(size_t *)count;
}

static void
encode_function (const char *name, void *frame)
{
  encode_text (frame, name);
}

static void
answer (struct call *call)
{
  const char *modes = NULL;
  size_t nr_functions = 0;

  if (library.ListTransportModes != NULL)
    modes = VIX_CALL (ListTransportModes);
  reply_fields (call, 5);
  encode_uint_of (&call->frame, "version", PROTOCOL_VERSION);
  encode_text_of (&call->frame, "library", library.path);
  encode_uint_of (&call->frame, "libraryVersion", (uint64_t)library.version);
  encode_text (&call->frame, "functions");
  library_functions (count_function, &nr_functions);
  encode_array (&call->frame, nr_functions);
  library_functions (encode_function, &call->frame);
  encode_text_of (&call->frame, "transportModes", modes == NULL ? "" : modes);
}

bool
hello_run (struct call *call)
{
  if (!read_params (call) || !map_arenas (call) || !load (call) || !init (call))
    return false;
  answer (call);
  return true;
}
