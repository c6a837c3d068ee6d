/* SPDX-License-Identifier: BSD-3-Clause
 *
 * breach-driver LIBRARY IMAGE CASE: loads the fault engine and breaks one of
 * the library's rules.  The engine must then abort; who comes to the end
 * prints "survived".  The case `nothing` breaks none, and the image has to
 * have 65536 sectors.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vixdisklib.h"

#define NR_SECTORS 65536

#define VIX_POINTER(type, name, parameters) type (*name) parameters;
static struct {
  VIXDISKLIB_FUNCTIONS (VIX_POINTER)
} vix;
#undef VIX_POINTER

static const char *image;
static VixDiskLibConnectParams *params;
static VixDiskLibConnection connection;
static VixDiskLibHandle disk;
static uint8_t buffer[8 * VIXDISKLIB_SECTOR_SIZE];
static const uint8_t constant[8 * VIXDISKLIB_SECTOR_SIZE];
static VixDiskLibBlockList *list;

static void
say (const char *fmt, va_list args)
{
  (void)fmt;
  (void)args;
}

static void
check (const char *what, VixError error, VixError wanted)
{
  if (error == wanted)
    return;
  fprintf (stderr, "breach-driver: %s: %llu\n", what,
           (unsigned long long)error);
  exit (2);
}

static void
load (const char *path)
{
  void *library = dlopen (path, RTLD_NOW | RTLD_LOCAL);
  void *symbol;

  if (library == NULL) {
    fprintf (stderr, "breach-driver: %s\n", dlerror ());
    exit (2);
  }
#define VIX_LOAD(type, name, parameters)                                       \
  symbol = dlsym (library, "VixDiskLib_" #name);                               \
  if (symbol == NULL) {                                                        \
    fprintf (stderr, "breach-driver: no " #name "\n");                         \
    exit (2);                                                                  \
  }                                                                            \
  memcpy (&vix.name, &symbol, sizeof symbol);
  VIXDISKLIB_FUNCTIONS (VIX_LOAD)
#undef VIX_LOAD
}

static void
init (void)
{
  check ("InitEx", vix.InitEx (6, 5, say, say, say, NULL, NULL), VIX_OK);
}

static void
open_disk (void)
{
  init ();
  params = vix.AllocateConnectParams ();
  check ("ConnectEx", vix.ConnectEx (params, 0, NULL, NULL, &connection),
         VIX_OK);
  check ("Open", vix.Open (connection, image, 0, &disk), VIX_OK);
}

static void
done (void *data, VixError error)
{
  check ("callback", error, VIX_OK);
  ++*(int *)data;
}

static int nr_done;

static void
submit_read (void)
{
  check ("ReadAsync", vix.ReadAsync (disk, 0, 8, buffer, done, &nr_done),
         VIX_ASYNC);
}

static void
submit_write (void)
{
  check ("WriteAsync", vix.WriteAsync (disk, 0, 8, buffer, done, &nr_done),
         VIX_ASYNC);
}

static void *
thread_main (void *f)
{
  void (*call) (void);

  memcpy (&call, f, sizeof call);
  call ();
  return NULL;
}

static pthread_t
begin (void (*call) (void))
{
  static void (*kept) (void);
  pthread_t thread;

  kept = call;
  if (pthread_create (&thread, NULL, thread_main, &kept) != 0)
    exit (2);
  return thread;
}

static void
elsewhere (void (*call) (void))
{
  pthread_join (begin (call), NULL);
}

static void
call_open (void)
{
  VixDiskLibHandle other;

  vix.Open (connection, image, 0, &other);
}

static void
call_close (void)
{
  vix.Close (disk);
}

static void
call_flush (void)
{
  vix.Flush (disk);
}

static void
call_query (void)
{
  vix.QueryAllocatedBlocks (disk, 0, 128, 128, &list);
}

/* Everything that is allowed. */
static void
nothing (void)
{
  const VixDiskLibCreateParams create = { .capacity = 100 };
  VixDiskLibInfo *info;
  char created[4096];
  char *text;

  check ("modes", vix.ListTransportModes () != NULL, 0);
  open_disk ();
  check ("GetInfo", vix.GetInfo (disk, &info), VIX_OK);
  check ("capacity", info->capacity, NR_SECTORS);
  vix.FreeInfo (info);
  check ("mode", (VixError)strcmp (vix.GetTransportMode (disk), "file"), 0);
  check ("WriteAsync", vix.WriteAsync (disk, 8, 8, constant, done, &nr_done),
         VIX_ASYNC);
  submit_read ();
  check ("Wait", vix.Wait (disk), VIX_OK);
  check ("callbacks", (VixError)nr_done, 2);
  check ("Flush", vix.Flush (disk), VIX_OK);
  call_query ();
  check ("allocated", list->numBlocks, 1);
  vix.FreeBlockList (list);
  check ("Query beyond the end",
         vix.QueryAllocatedBlocks (disk, NR_SECTORS, 128, 128, &list),
         VIX_E_INVALID_ARG);
  check ("Close", vix.Close (disk), VIX_OK);
  check ("Open", vix.Open (connection, image, 4, &disk), VIX_OK);
  check ("Read", vix.Read (disk, 0, 8, buffer), VIX_OK);
  check ("Write", vix.Write (disk, 0, 8, buffer), VIX_E_FILE_READ_ONLY);
  check ("Close", vix.Close (disk), VIX_OK);
  snprintf (created, sizeof created, "%s.new", image);
  check ("Create", vix.Create (connection, created, &create, NULL, NULL),
         VIX_OK);
  check ("Create", vix.Create (connection, created, &create, NULL, NULL),
         VIX_E_FILE_ALREADY_EXISTS);
  check ("Disconnect", vix.Disconnect (connection), VIX_OK);
  vix.FreeConnectParams (params);
  text = vix.GetErrorText (7, NULL);
  check ("text", strstr (text, "7") == NULL, 0);
  vix.FreeErrorText (text);
  vix.Exit ();
}

static void
other_threads (void)
{
  open_disk ();
  elsewhere (call_query);
  elsewhere (call_close);
}

static void
init_twice (void)
{
  init ();
  init ();
}

static void
init_bare (void)
{
  vix.InitEx (6, 5, say, NULL, say, NULL, NULL);
}

static void
connect_first (void)
{
  VixDiskLibConnectParams p = { 0 };

  vix.ConnectEx (&p, 0, NULL, NULL, &connection);
}

static void
open_elsewhere (void)
{
  open_disk ();
  elsewhere (call_open);
}

static void
close_elsewhere (void)
{
  open_disk ();
  elsewhere (call_close);
}

static void
query_elsewhere (void)
{
  open_disk ();
  elsewhere (call_query);
}

static void
sync_async (void)
{
  open_disk ();
  check ("Read", vix.Read (disk, 0, 1, buffer), VIX_OK);
  submit_read ();
}

static void
async_sync (void)
{
  open_disk ();
  submit_read ();
  vix.Read (disk, 0, 1, buffer);
}

/* With Flush made slow by a rule. */
static void
two_at_once (void)
{
  open_disk ();
  begin (call_flush);
  usleep (100000);
  call_flush ();
}

static void
no_sectors (void)
{
  open_disk ();
  vix.ReadAsync (disk, 0, 0, buffer, done, &nr_done);
}

static void
out_of_range (void)
{
  open_disk ();
  vix.WriteAsync (disk, NR_SECTORS - 1, 2, buffer, done, &nr_done);
}

static void
far_out_of_range (void)
{
  open_disk ();
  vix.ReadAsync (disk, UINT64_MAX, 2, buffer, done, &nr_done);
}

static void
no_buffer (void)
{
  open_disk ();
  vix.ReadAsync (disk, 0, 1, NULL, done, &nr_done);
}

static void
no_callback (void)
{
  open_disk ();
  vix.WriteAsync (disk, 0, 1, buffer, NULL, NULL);
}

static void
small_chunk (void)
{
  open_disk ();
  vix.QueryAllocatedBlocks (disk, 0, 64, 64, &list);
}

static void
part_of_chunk (void)
{
  open_disk ();
  vix.QueryAllocatedBlocks (disk, 0, 200, 128, &list);
}

static void
unaligned_chunk (void)
{
  open_disk ();
  vix.QueryAllocatedBlocks (disk, 64, 128, 128, &list);
}

static void
too_many_chunks (void)
{
  open_disk ();
  vix.QueryAllocatedBlocks (disk, 0, UINT64_C (524289) * 128, 128, &list);
}

/* With completions made late, and `check`. */
static void
read_changed (void)
{
  open_disk ();
  submit_read ();
  buffer[1000] ^= 1;
  vix.Wait (disk);
}

static void
write_changed (void)
{
  open_disk ();
  submit_write ();
  buffer[1000] ^= 1;
  vix.Wait (disk);
}

static void
close_pending (void)
{
  open_disk ();
  submit_read ();
  call_close ();
}

static void
closed_handle (void)
{
  open_disk ();
  call_close ();
  call_flush ();
}

static void
no_handle (void)
{
  open_disk ();
  vix.Flush (NULL);
}

static void
disconnect_open (void)
{
  open_disk ();
  vix.Disconnect (connection);
}

static void
no_connection (void)
{
  init ();
  connection = &connection;
  call_open ();
}

/* A child has none of its parent's threads. */
static void
forked (void)
{
  int status;
  pid_t pid;

  open_disk ();
  check ("Close", vix.Close (disk), VIX_OK);
  pid = fork ();
  if (pid == 0) {
    call_open ();
    _exit (0);
  }
  waitpid (pid, &status, 0);
  if (WIFSIGNALED (status))
    raise (WTERMSIG (status));
}

static const struct {
  const char *name;
  void (*run) (void);
} cases[] = {
  { "nothing", nothing },
  { "other-threads", other_threads },
  { "init-twice", init_twice },
  { "init-bare", init_bare },
  { "connect-first", connect_first },
  { "open-elsewhere", open_elsewhere },
  { "close-elsewhere", close_elsewhere },
  { "query-elsewhere", query_elsewhere },
  { "sync-async", sync_async },
  { "async-sync", async_sync },
  { "two-at-once", two_at_once },
  { "no-sectors", no_sectors },
  { "out-of-range", out_of_range },
  { "far-out-of-range", far_out_of_range },
  { "no-buffer", no_buffer },
  { "no-callback", no_callback },
  { "small-chunk", small_chunk },
  { "part-of-chunk", part_of_chunk },
  { "unaligned-chunk", unaligned_chunk },
  { "too-many-chunks", too_many_chunks },
  { "read-changed", read_changed },
  { "write-changed", write_changed },
  { "close-pending", close_pending },
  { "closed-handle", closed_handle },
  { "no-handle", no_handle },
  { "disconnect-open", disconnect_open },
  { "no-connection", no_connection },
  { "forked", forked },
};

int
main (int argc, char **argv)
{
  if (argc != 4)
    return 2;
  load (argv[1]);
  image = argv[2];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    if (strcmp (argv[3], cases[i].name) == 0) {
      cases[i].run ();
      puts ("survived");
      return 0;
    }
  fprintf (stderr, "breach-driver: no case %s\n", argv[3]);
  return 2;
}
