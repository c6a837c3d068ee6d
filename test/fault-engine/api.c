/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The functions of the ABI that are about the library, a connection, or the
 * life of a handle.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "checks.h"
#include "complete.h"
#include "late.h"
#include "log.h"
#include "record.h"
#include "server.h"
#include "state.h"

static _Atomic uint64_t last_connection;
static _Atomic uint64_t last_disk;

VixError
VixDiskLib_InitEx (uint32_t major, uint32_t minor,
                   VixDiskLibGenericLogFunc *log,
                   VixDiskLibGenericLogFunc *warn,
                   VixDiskLibGenericLogFunc *panic, const char *lib_dir,
                   const char *config_file)
{
  VixError error;

  if (checks_is_initialised ())
    breach ("a second InitEx");
  if (log == NULL || warn == NULL || panic == NULL)
    breach ("InitEx without callbacks");
  log_set (log, warn, panic);
  state_init ();
  faults_init ();
  record_init_ex (major, minor, lib_dir, config_file);
  error = faults_at (AT_INIT_EX, NULL, NULL);
  if (error != VIX_OK)
    return error;
  checks_init (faults_find (ACT_ANY_THREAD, NULL) != NULL);
  complete_init ();
  atomic_fetch_add (&state->inits, 1);
  log_debug ("fault-engine: InitEx %u.%u libdir=%s config=%s\n", major, minor,
             lib_dir == NULL ? "none" : lib_dir,
             config_file == NULL ? "none" : config_file);
  return VIX_OK;
}

void
VixDiskLib_Exit (void)
{
  check_thread ("Exit");
}

const char *
VixDiskLib_ListTransportModes (void)
{
  return checks_is_initialised () ? "file:nbdssl:nbd" : NULL;
}

char *
VixDiskLib_GetErrorText (VixError err, const char *locale)
{
  char *text;
  int n = asprintf (&text, "fault-engine: VixError %llu%s%s",
                    (unsigned long long)VIX_ERROR_CODE (err),
                    locale == NULL ? "" : " in ", locale == NULL ? "" : locale);

  return n == -1 ? NULL : text;
}

void
VixDiskLib_FreeErrorText (char *text)
{
  free (text);
}

VixDiskLibConnectParams *
VixDiskLib_AllocateConnectParams (void)
{
  return calloc (1, sizeof (VixDiskLibConnectParams));
}

void
VixDiskLib_FreeConnectParams (VixDiskLibConnectParams *params)
{
  free (params);
}

VixError
VixDiskLib_ConnectEx (const VixDiskLibConnectParams *params,
                      VixDiskLibBool read_only, const char *snapshot_moref,
                      const char *transport_modes,
                      VixDiskLibConnection *connection)
{
  struct connection *c;
  VixError error;

  check_initialised ();
  check_background_thread ();
  if (params == NULL || connection == NULL)
    breach ("ConnectEx without parameters");
  error = faults_at (AT_CONNECT_EX, NULL, NULL);
  if (error != VIX_OK)
    return error;
  c = calloc (1, sizeof *c);
  if (c == NULL)
    misuse ("out of memory");
  c->id = atomic_fetch_add (&last_connection, 1) + 1;
  c->params = params;
  c->snapshot = snapshot_moref == NULL ? NULL : strdup (snapshot_moref);
  record_connect_ex (params, read_only, snapshot_moref, transport_modes);
  checks_add_connection (c);
  log_debug ("fault-engine: ConnectEx read_only=%d snapshot=%s modes=%s\n",
             read_only, snapshot_moref == NULL ? "none" : snapshot_moref,
             transport_modes == NULL ? "none" : transport_modes);
  *connection = c;
  return VIX_OK;
}

VixError
VixDiskLib_Disconnect (VixDiskLibConnection connection)
{
  struct connection *c = check_connection (connection);

  if (c->nr_disks > 0)
    breach ("Disconnect with an open disk");
  checks_forget_connection (c);
  free (c->snapshot);
  free (c);
  return VIX_OK;
}

static VixError
error_from_errno (int errnum)
{
  switch (errnum) {
  case ENOENT:
  case ENOTDIR:
    return VIX_E_FILE_NOT_FOUND;
  case EEXIST:
    return VIX_E_FILE_ALREADY_EXISTS;
  case EACCES:
  case EPERM:
  case EROFS:
    return VIX_E_FILE_ACCESS_ERROR;
  case EWOULDBLOCK:
    return VIX_E_FILE_ALREADY_LOCKED;
  case EMFILE:
  case ENFILE:
    return VIX_E_DISK_TOOMANYOPENFILES;
  default:
    return VIX_E_FILE_ERROR;
  }
}

/* Opens and locks the image.  0, or errno. */
static int
open_image (struct disk *disk)
{
  int operation = (disk->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB;
  struct stat st;

  disk->fd
      = open (disk->path, (disk->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
  if (disk->fd == -1 || fstat (disk->fd, &st) == -1)
    return errno;
  if (!S_ISREG (st.st_mode))
    return EINVAL;
  if (faults_find (ACT_NOLOCK, disk->path) == NULL
      && flock (disk->fd, operation) == -1)
    return errno;
  disk->nr_sectors = (uint64_t)st.st_size / VIXDISKLIB_SECTOR_SIZE;
  return 0;
}

/* What rules add to a disk that can be written to. */
static void
prepare_writes (struct disk *disk)
{
  const struct rule *rule = faults_find (ACT_VOLATILE, disk->path);

  atomic_fetch_add (&state->generation, 1);
  if (rule != NULL)
    disk->cache = cache_new (disk->fd, rule->value);
  rule = faults_find (ACT_LATE_WRITE, disk->path);
  if (rule != NULL)
    disk->late = late_new (disk, rule->value, rule->hold,
                           faults_find (ACT_NOLOCK, disk->path) != NULL);
}

/* For a disk of the server, the file behind it takes the place of its path. */
static VixError
to_image (const struct connection *c, struct disk *disk)
{
  char *image;
  VixError error = server_open (c, disk->path, &image);

  if (image != NULL) {
    free (disk->path);
    disk->path = image;
  }
  return error;
}

static void
free_disk (struct disk *disk)
{
  if (disk->cache != NULL)
    cache_free (disk->cache);
  if (disk->fd != -1)
    close (disk->fd);
  free (disk->path);
  free (disk);
}

VixError
VixDiskLib_Open (VixDiskLibConnection connection, const char *path,
                 uint32_t flags, VixDiskLibHandle *handle)
{
  struct connection *c;
  struct disk *disk;
  VixError error;

  check_thread ("Open");
  check_background_thread ();
  c = check_connection (connection);
  disk = calloc (1, sizeof *disk);
  if (disk == NULL || (disk->path = strdup (path)) == NULL)
    misuse ("out of memory");
  disk->id = atomic_fetch_add (&last_disk, 1) + 1;
  disk->connection = c;
  disk->read_only = (flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY) != 0;
  disk->fd = -1;
  record_open (path, flags);
  error = faults_at (AT_OPEN, c, disk);
  if (error == VIX_OK)
    error = to_image (c, disk);
  if (error == VIX_OK) {
    int errnum = open_image (disk);

    if (errnum != 0) {
      error = error_from_errno (errnum);
      log_warn ("fault-engine: %s: %s\n", path, strerror (errnum));
    }
  }
  if (error != VIX_OK) {
    free_disk (disk);
    return error;
  }
  if (!disk->read_only)
    prepare_writes (disk);
  c->nr_disks++;
  checks_add_disk (disk);
  *handle = disk;
  return VIX_OK;
}

VixError
VixDiskLib_Close (VixDiskLibHandle handle)
{
  struct disk *disk;
  VixError error;

  check_thread ("Close");
  disk = check_enter (handle);
  if (atomic_load (&disk->unanswered) > 0)
    breach ("Close with I/O pending");
  complete_wait (disk);
  error = faults_at (AT_CLOSE, disk->connection, disk);
  if (disk->cache != NULL && !cache_write_back (disk->cache) && error == VIX_OK)
    error = VIX_E_FILE_ERROR;
  if (disk->late != NULL) {
    /* The shadow may have the lock too; this takes it from both. */
    flock (disk->fd, LOCK_UN);
    late_free (disk->late);
  }
  checks_forget_disk (disk);
  disk->connection->nr_disks--;
  free_disk (disk);
  return error;
}

VixError
VixDiskLib_Create (VixDiskLibConnection connection, const char *path,
                   const VixDiskLibCreateParams *params,
                   VixDiskLibProgressFunc progress, void *progress_data)
{
  int fd;

  check_connection (connection);
  record_create (path, params);
  fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd == -1)
    return error_from_errno (errno);
  if (ftruncate (fd, (off_t)(params->capacity * VIXDISKLIB_SECTOR_SIZE))
      == -1) {
    close (fd);
    return VIX_E_DISK_FULL;
  }
  close (fd);
  if (progress != NULL)
    progress (progress_data, 100);
  return VIX_OK;
}
