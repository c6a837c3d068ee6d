/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The VixDiskLib functions: wrong arguments are errors and no crash, the
 * contract of asynchronous calls and of QueryAllocatedBlocks, disks used by
 * several threads at once.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define VIXDISKLIB_IMPLEMENTATION
#include "../../vixdisklib.h"
#include "check.h"
#include "image.h"

#define NR_THREADS 4

static uint8_t data[64 * VIXDISKLIB_SECTOR_SIZE];
static char warning[1024];
static VixDiskLibConnection connection;

static void
keep_warning (const char *fmt, va_list args)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  vsnprintf (warning, sizeof warning, fmt, args);
#pragma GCC diagnostic pop
}

static void
count (void *user_data, VixError result)
{
  CHECK_EQUAL (result, VIX_OK);
  ++*(unsigned *)user_data;
}

static void
connect_to (const char *server, const char *transport, VixError expected)
{
  VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams ();
  char name[64] = "";

  CHECK (params);
  if (server) {
    snprintf (name, sizeof name, "%s", server);
    params->serverName = name;
  }
  CHECK_EQUAL (VixDiskLib_ConnectEx (params, 0, NULL, transport, &connection),
               expected);
  CHECK ((connection != NULL) == (expected == VIX_OK));
  VixDiskLib_FreeConnectParams (params);
}

static void
test_before_init (void)
{
  CHECK (!VixDiskLib_ListTransportModes ());
  connect_to (NULL, NULL, VIX_E_DISK_NOINIT);
}

static void
test_connect (void)
{
  CHECK (strcmp (VixDiskLib_ListTransportModes (), "file") == 0);
  connect_to ("server", NULL, VIX_E_NOT_SUPPORTED);
  CHECK (strstr (warning, "local files"));
  connect_to (NULL, "nbdssl:nbd", VIX_E_NOT_SUPPORTED);
  CHECK (strstr (warning, "nbdssl:nbd"));
  connect_to (NULL, "nbd:file", VIX_OK);
  CHECK_EQUAL (VixDiskLib_Disconnect (connection), VIX_OK);
  CHECK_EQUAL (VixDiskLib_Disconnect (connection),
               VIX_E_DISK_INVALID_CONNECTION);
  CHECK_EQUAL (VixDiskLib_ConnectEx (NULL, 0, NULL, NULL, &connection),
               VIX_E_INVALID_ARG);
  connect_to (NULL, NULL, VIX_OK);
}

static void
test_errors (void)
{
  char *text = VixDiskLib_GetErrorText (VIX_E_DISK_FULL, NULL);
  char *masked
      = VixDiskLib_GetErrorText (VIX_E_DISK_FULL | UINT64_C (1) << 40, NULL);

  CHECK (strcmp (text, masked) == 0);
  VixDiskLib_FreeErrorText (masked);
  VixDiskLib_FreeErrorText (text);
  text = VixDiskLib_GetErrorText (54321, NULL);
  CHECK (*text);
  VixDiskLib_FreeErrorText (text);
  VixDiskLib_FreeErrorText (NULL);
  VixDiskLib_FreeInfo (NULL);
  VixDiskLib_FreeBlockList (NULL);
}

static void
test_arguments (const char *path)
{
  VixDiskLibHandle handle;
  VixDiskLibBlockList *list;
  VixDiskLibInfo *info;
  unsigned done = 0;
  int wrong;

  CHECK_EQUAL (VixDiskLib_Open (connection, NULL, 0, &handle),
               VIX_E_INVALID_ARG);
  CHECK_EQUAL (VixDiskLib_Open (connection, path, 0, NULL), VIX_E_INVALID_ARG);
  CHECK_EQUAL (VixDiskLib_Open (&wrong, path, 0, &handle),
               VIX_E_DISK_INVALID_CONNECTION);
  CHECK_EQUAL (VixDiskLib_Close (&wrong), VIX_E_INVALID_HANDLE);
  CHECK_EQUAL (VixDiskLib_Close (NULL), VIX_E_INVALID_HANDLE);
  CHECK (!VixDiskLib_GetTransportMode (&wrong));
  CHECK_EQUAL (VixDiskLib_GetInfo (&wrong, &info), VIX_E_INVALID_HANDLE);
  CHECK_EQUAL (VixDiskLib_Read (&wrong, 0, 1, data), VIX_E_INVALID_HANDLE);
  CHECK_EQUAL (VixDiskLib_Write (&wrong, 0, 1, data), VIX_E_INVALID_HANDLE);
  CHECK_EQUAL (VixDiskLib_ReadAsync (&wrong, 0, 1, data, count, &done),
               VIX_E_INVALID_HANDLE);
  CHECK_EQUAL (VixDiskLib_Flush (&wrong), VIX_E_INVALID_HANDLE);
  CHECK_EQUAL (VixDiskLib_Wait (&wrong), VIX_E_INVALID_HANDLE);
  CHECK_EQUAL (VixDiskLib_QueryAllocatedBlocks (&wrong, 0, 128, 128, &list),
               VIX_E_INVALID_HANDLE);
  CHECK_EQUAL (VixDiskLib_Create (&wrong, NULL, NULL, NULL, NULL),
               VIX_E_INVALID_ARG);
  CHECK_EQUAL (VixDiskLib_Open (connection, path, 0, &handle), VIX_OK);
  CHECK_EQUAL (VixDiskLib_Disconnect (connection), VIX_E_OBJECT_IS_BUSY);
  CHECK_EQUAL (VixDiskLib_GetInfo (handle, NULL), VIX_E_INVALID_ARG);
  CHECK_EQUAL (VixDiskLib_Read (handle, 0, 1, NULL), VIX_E_INVALID_ARG);
  CHECK_EQUAL (VixDiskLib_Write (handle, 0, 1, NULL), VIX_E_INVALID_ARG);
  CHECK_EQUAL (VixDiskLib_ReadAsync (handle, 0, 1, data, NULL, NULL),
               VIX_E_INVALID_ARG);
  CHECK_EQUAL (VixDiskLib_WriteAsync (handle, 0, 1, data, NULL, NULL),
               VIX_E_INVALID_ARG);
  CHECK_EQUAL (done, 0);
  CHECK_EQUAL (VixDiskLib_Close (handle), VIX_OK);
  CHECK_EQUAL (VixDiskLib_Close (handle), VIX_E_INVALID_HANDLE);
}

/* What is accepted calls back once, what is refused never. */
static void
test_async (const char *path)
{
  VixDiskLibHandle handle;
  unsigned done = 0;

  CHECK_EQUAL (VixDiskLib_Open (connection, path, 0, &handle), VIX_OK);
  memset (data, 0x5a, sizeof data);
  CHECK_EQUAL (VixDiskLib_WriteAsync (handle, 100, 64, data, count, &done),
               VIX_ASYNC);
  CHECK_EQUAL (VixDiskLib_Wait (handle), VIX_OK);
  CHECK_EQUAL (done, 1);
  CHECK_EQUAL (VixDiskLib_Flush (handle), VIX_OK);
  memset (data, 0, sizeof data);
  CHECK_EQUAL (VixDiskLib_ReadAsync (handle, 100, 64, data, count, &done),
               VIX_ASYNC);
  CHECK_EQUAL (VixDiskLib_Wait (handle), VIX_OK);
  CHECK_EQUAL (done, 2);
  CHECK_EQUAL (data[sizeof data - 1], 0x5a);
  CHECK_EQUAL (
      VixDiskLib_ReadAsync (handle, IMAGE_CAPACITY, 1, data, count, &done),
      VIX_E_DISK_OUTOFRANGE);
  CHECK_EQUAL (done, 2);
  CHECK_EQUAL (VixDiskLib_Close (handle), VIX_OK);
}

static void
count_atomically (void *user_data, VixError result)
{
  CHECK_EQUAL (result, VIX_OK);
  atomic_fetch_add ((atomic_uint *)user_data, 1);
}

/* Requests whose neighbours are in the same grains, all at once: no two may
 * allocate one grain, and no data may get lost between them.
 */
static void
test_parallel (const char *path)
{
  enum { PIECE = 75, PIECES = IMAGE_CAPACITY / PIECE };
  static uint8_t out[PIECES][PIECE * VIXDISKLIB_SECTOR_SIZE];
  static uint8_t in[PIECES][PIECE * VIXDISKLIB_SECTOR_SIZE];
  VixDiskLibHandle handle;
  atomic_uint done = 0;

  CHECK_EQUAL (VixDiskLib_Open (connection, path, 0, &handle), VIX_OK);
  for (unsigned i = 0; i < PIECES; i++) {
    memset (out[i], (int)(1 + i % 250), sizeof out[i]);
    CHECK_EQUAL (VixDiskLib_WriteAsync (handle, i * PIECE, PIECE, out[i],
                                        count_atomically, &done),
                 VIX_ASYNC);
  }
  CHECK_EQUAL (VixDiskLib_Wait (handle), VIX_OK);
  CHECK_EQUAL (done, PIECES);
  CHECK_EQUAL (VixDiskLib_Flush (handle), VIX_OK);
  for (int round = 0; round < 2; round++) {
    done = 0;
    memset (in, 0, sizeof in);
    for (unsigned i = 0; i < PIECES; i++)
      CHECK_EQUAL (VixDiskLib_ReadAsync (handle, i * PIECE, PIECE, in[i],
                                         count_atomically, &done),
                   VIX_ASYNC);
    CHECK_EQUAL (VixDiskLib_Wait (handle), VIX_OK);
    CHECK_EQUAL (done, PIECES);
    CHECK (memcmp (in, out, sizeof in) == 0);
    CHECK_EQUAL (VixDiskLib_Close (handle), VIX_OK);
    CHECK_EQUAL (VixDiskLib_Open (connection, path, 0, &handle), VIX_OK);
  }
  CHECK_EQUAL (VixDiskLib_Close (handle), VIX_OK);
}

static void
test_info (const char *path)
{
  VixDiskLibHandle handle;
  VixDiskLibInfo *info;

  CHECK_EQUAL (VixDiskLib_Open (connection, path,
                                VIXDISKLIB_FLAG_OPEN_READ_ONLY, &handle),
               VIX_OK);
  CHECK (strcmp (VixDiskLib_GetTransportMode (handle), "file") == 0);
  CHECK_EQUAL (VixDiskLib_GetInfo (handle, &info), VIX_OK);
  CHECK_EQUAL (info->capacity, IMAGE_CAPACITY);
  CHECK_EQUAL (info->adapterType, VIXDISKLIB_ADAPTER_SCSI_LSILOGIC);
  CHECK_EQUAL (info->physGeo.cylinders, 9);
  CHECK_EQUAL (info->biosGeo.cylinders, 9);
  CHECK_EQUAL (info->numLinks, 1);
  CHECK (strcmp (info->uuid, "60 00") == 0);
  CHECK (!info->parentFileNameHint);
  CHECK_EQUAL (info->logicalSectorSize, 512);
  VixDiskLib_FreeInfo (info);
  CHECK_EQUAL (VixDiskLib_Write (handle, 0, 1, data), VIX_E_FILE_READ_ONLY);
  CHECK_EQUAL (VixDiskLib_Close (handle), VIX_OK);
}

static void
query_refused (VixDiskLibHandle handle, uint64_t start, uint64_t nr,
               uint64_t chunk)
{
  VixDiskLibBlockList *list;

  CHECK_EQUAL (
      VixDiskLib_QueryAllocatedBlocks (handle, start, nr, chunk, &list),
      VIX_E_INVALID_ARG);
  CHECK (!list);
}

static void
test_query (const char *path)
{
  /* What test_async wrote is sectors 100 to 163: grains 12 to 20. */
  const uint64_t whole = IMAGE_CAPACITY / 128 * 128;
  VixDiskLibBlockList *list;
  VixDiskLibHandle handle;

  CHECK_EQUAL (VixDiskLib_Open (connection, path,
                                VIXDISKLIB_FLAG_OPEN_READ_ONLY, &handle),
               VIX_OK);
  CHECK_EQUAL (VixDiskLib_QueryAllocatedBlocks (handle, 0, whole, 128, &list),
               VIX_OK);
  CHECK_EQUAL (list->numBlocks, 1);
  CHECK_EQUAL (list->blocks[0].offset, 0);
  CHECK_EQUAL (list->blocks[0].length, 256);
  CHECK_EQUAL (VixDiskLib_FreeBlockList (list), VIX_OK);
  CHECK_EQUAL (VixDiskLib_QueryAllocatedBlocks (handle, 256, 256, 256, &list),
               VIX_OK);
  CHECK_EQUAL (list->numBlocks, 0);
  CHECK_EQUAL (VixDiskLib_FreeBlockList (list), VIX_OK);
  query_refused (handle, 0, 127, 127);
  query_refused (handle, 1, 128, 128);
  query_refused (handle, 0, 129, 128);
  query_refused (handle, 0, 0, 128);
  query_refused (handle, 0, 128, 0);
  query_refused (handle, 0, whole + 128, 128);
  query_refused (handle, whole, 128, 128);
  query_refused (handle, UINT64_MAX / 128 * 128, 128, 128);
  query_refused (handle, 0, UINT64_C (128) * 524289, 128);
  CHECK_EQUAL (VixDiskLib_QueryAllocatedBlocks (handle, 0, 128, 128, NULL),
               VIX_E_INVALID_ARG);
  CHECK_EQUAL (VixDiskLib_Close (handle), VIX_OK);
}

/* Readers share a disk, and a writer keeps everybody else out. */
static void
test_locks (const char *path)
{
  const uint32_t read_only = VIXDISKLIB_FLAG_OPEN_READ_ONLY;
  VixDiskLibHandle first, second;

  CHECK_EQUAL (VixDiskLib_Open (connection, path, read_only, &first), VIX_OK);
  CHECK_EQUAL (VixDiskLib_Open (connection, path, read_only, &second), VIX_OK);
  CHECK_EQUAL (VixDiskLib_Close (second), VIX_OK);
  CHECK_EQUAL (VixDiskLib_Open (connection, path, 0, &second),
               VIX_E_FILE_ALREADY_LOCKED);
  CHECK (strstr (warning, path));
  CHECK (!second);
  CHECK_EQUAL (VixDiskLib_Close (first), VIX_OK);
  CHECK_EQUAL (VixDiskLib_Open (connection, path, 0, &first), VIX_OK);
  CHECK_EQUAL (VixDiskLib_Open (connection, path, read_only, &second),
               VIX_E_FILE_ALREADY_LOCKED);
  CHECK_EQUAL (VixDiskLib_Open (connection, path, 0, &second),
               VIX_E_FILE_ALREADY_LOCKED);
  CHECK_EQUAL (VixDiskLib_Close (first), VIX_OK);
}

static void *
thread (void *path)
{
  uint8_t buf[VIXDISKLIB_SECTOR_SIZE];
  VixDiskLibHandle handle;

  for (int i = 0; i < 20; i++) {
    CHECK_EQUAL (VixDiskLib_Open (connection, path, 0, &handle), VIX_OK);
    for (uint64_t sector = 0; sector < 4000; sector += 333) {
      memset (buf, (int)sector, sizeof buf);
      CHECK_EQUAL (VixDiskLib_Write (handle, sector, 1, buf), VIX_OK);
      CHECK_EQUAL (VixDiskLib_Read (handle, sector, 1, buf), VIX_OK);
      CHECK_EQUAL (buf[511], (uint8_t)sector);
    }
    CHECK_EQUAL (VixDiskLib_Close (handle), VIX_OK);
  }
  return NULL;
}

static void
test_threads (void)
{
  pthread_t threads[NR_THREADS];
  struct image image;
  char *paths[NR_THREADS];
  char name[32];

  image_make (&image, IMAGE_PLAIN);
  for (int i = 0; i < NR_THREADS; i++) {
    snprintf (name, sizeof name, "%d.vmdk", i);
    paths[i] = strdup (image_path (name));
    image_store (&image, paths[i]);
    CHECK (pthread_create (&threads[i], NULL, thread, paths[i]) == 0);
  }
  for (int i = 0; i < NR_THREADS; i++) {
    pthread_join (threads[i], NULL);
    free (paths[i]);
  }
}

static pthread_t main_thread;
static sem_t may_end;

/* Counts calls in the main thread; any other one waits for may_end. */
static void
count_here (void *user_data, VixError result)
{
  CHECK_EQUAL (result, VIX_OK);
  if (pthread_equal (pthread_self (), main_thread))
    ++*(unsigned *)user_data;
  else
    CHECK (sem_wait (&may_end) == 0);
}

/* Reads a compressed grain, which no cache has. */
static void
read_grain (VixDiskLibHandle handle, unsigned *here)
{
  CHECK_EQUAL (VixDiskLib_ReadAsync (handle, IMAGE_GRAIN_SECTORS,
                                     IMAGE_GRAIN_SECTORS, data, count_here,
                                     here),
               VIX_ASYNC);
}

/* Who reads one after the other soon does it without other threads; who has
 * two under way has both in threads.
 */
static void
test_alone (void)
{
  const char *path = image_path ("stream.vmdk");
  VixDiskLibHandle handle;
  struct image image;
  unsigned here = 0;
  unsigned before;

  main_thread = pthread_self ();
  CHECK (sem_init (&may_end, 0, 0) == 0);
  image_make (&image, IMAGE_STREAM);
  image_store (&image, path);
  CHECK_EQUAL (VixDiskLib_Open (connection, path,
                                VIXDISKLIB_FLAG_OPEN_READ_ONLY, &handle),
               VIX_OK);
  for (int i = 1; i <= 400; i++) {
    before = here;
    read_grain (handle, &here);
    CHECK (i > 64 || here == before);
    if (here == before)
      CHECK (sem_post (&may_end) == 0);
    CHECK_EQUAL (VixDiskLib_Wait (handle), VIX_OK);
  }
  CHECK_EQUAL (here, 315); /* of the 336, one in 16 is handed over */
  do {
    before = here;
    read_grain (handle, &here);
  } while (here > before);
  read_grain (handle, &here); /* while that one is under way */
  CHECK_EQUAL (here, before);
  CHECK (sem_post (&may_end) == 0 && sem_post (&may_end) == 0);
  CHECK_EQUAL (VixDiskLib_Wait (handle), VIX_OK);
  read_grain (handle, &here);
  CHECK_EQUAL (here, before);
  CHECK (sem_post (&may_end) == 0);
  CHECK_EQUAL (VixDiskLib_Close (handle), VIX_OK);
}

int
main (void)
{
  const char *path = image_path ("image.vmdk");
  struct image image;

  image_make (&image, IMAGE_SPARSE);
  image_store (&image, path);
  test_before_init ();
  CHECK_EQUAL (VixDiskLib_InitEx (6, 5, NULL, keep_warning, NULL, NULL, NULL),
               VIX_OK);
  test_connect ();
  test_errors ();
  test_arguments (path);
  test_async (path);
  test_info (path);
  test_query (path);
  test_locks (path);
  test_parallel (path);
  test_alone ();
  test_threads ();
  CHECK_EQUAL (VixDiskLib_Disconnect (connection), VIX_OK);
  VixDiskLib_Exit ();
  CHECK (!VixDiskLib_ListTransportModes ());
  return 0;
}
