/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The VixDiskLib functions around a disk: life cycle, connections, open and
 * close, information, errors.  They check what a caller passes and hand over
 * to disk.h.  (Functions that move data are in api-io.c.)
 */
#define VIXDISKLIB_IMPLEMENTATION
#include "../vixdisklib.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "create.h"
#include "errors.h"
#include "handles.h"
#include "log.h"
#include "pool.h"

/* The only way to a disk that this engine has. */
static const char transport_mode[] = "file";

static atomic_bool initialized;

VixError
VixDiskLib_InitEx (uint32_t major, uint32_t minor,
                   VixDiskLibGenericLogFunc *log,
                   VixDiskLibGenericLogFunc *warn,
                   VixDiskLibGenericLogFunc *panic __attribute__ ((unused)),
                   const char *lib_dir __attribute__ ((unused)),
                   const char *config_file)
{
  VixError err;

  log_set (log, warn);
  err = config_load (config_file);
  if (err != VIX_OK)
    return err;
  atomic_store (&initialized, true);
  log_debug ("built-in VMDK engine, asked for version %u.%u", major, minor);
  return VIX_OK;
}

void
VixDiskLib_Exit (void)
{
  atomic_store (&initialized, false);
  pool_stop ();
  log_set (NULL, NULL);
}

const char *
VixDiskLib_ListTransportModes (void)
{
  return atomic_load (&initialized) ? transport_mode : NULL;
}

char *
VixDiskLib_GetErrorText (VixError err,
                         const char *locale __attribute__ ((unused)))
{
  return strdup (error_text (err));
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
  free (params); /* the strings are the caller's */
}

/* Whether the colon-separated list of modes has ours in it. */
static bool
has_our_mode (const char *modes)
{
  const size_t n = sizeof transport_mode - 1;

  while (*modes) {
    size_t length = strcspn (modes, ":");

    if (length == n && memcmp (modes, transport_mode, n) == 0)
      return true;
    modes += length;
    modes += *modes == ':';
  }
  return false;
}

static VixError
check_connect (const VixDiskLibConnectParams *params,
               const char *snapshot_moref, const char *transport_modes)
{
  if (params->serverName || params->vmxSpec)
    return log_fail (VIX_E_NOT_SUPPORTED,
                     "the built-in engine opens local files only; a disk on "
                     "a server needs VMware's library");
  if (snapshot_moref)
    return log_fail (VIX_E_NOT_SUPPORTED,
                     "the built-in engine opens local files only, which have "
                     "no snapshot reference");
  if (transport_modes && !has_our_mode (transport_modes))
    return log_fail (VIX_E_NOT_SUPPORTED,
                     "the built-in engine has only the transport mode "
                     "\"file\", not \"%s\"",
                     transport_modes);
  return VIX_OK;
}

VixError
VixDiskLib_ConnectEx (const VixDiskLibConnectParams *params,
                      VixDiskLibBool read_only, const char *snapshot_moref,
                      const char *transport_modes,
                      VixDiskLibConnection *connection)
{
  struct connection *c;
  VixError err;

  if (!params || !connection)
    return VIX_E_INVALID_ARG;
  *connection = NULL;
  if (!atomic_load (&initialized))
    return VIX_E_DISK_NOINIT;
  err = check_connect (params, snapshot_moref, transport_modes);
  if (err != VIX_OK)
    return err;
  c = calloc (1, sizeof *c);
  if (!c)
    return VIX_E_OUT_OF_MEMORY;
  c->read_only = read_only != 0;
  handles_add_connection (c);
  *connection = c;
  return VIX_OK;
}

VixError
VixDiskLib_Disconnect (VixDiskLibConnection connection)
{
  return handles_free_connection (connection);
}

VixError
VixDiskLib_Open (VixDiskLibConnection connection, const char *path,
                 uint32_t flags, VixDiskLibHandle *handle)
{
  struct connection *c = handles_find_connection (connection);
  struct handle *h;
  unsigned how = 0;
  VixError err;

  if (!path || !handle)
    return VIX_E_INVALID_ARG;
  *handle = NULL;
  if (!c)
    return VIX_E_DISK_INVALID_CONNECTION;
  if (!c->read_only && !(flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY))
    how |= DISK_WRITABLE;
  if (flags & VIXDISKLIB_FLAG_OPEN_SINGLE_LINK)
    how |= DISK_SINGLE_LINK;
  h = handle_new ();
  if (!h)
    return VIX_E_OUT_OF_MEMORY;
  err = disk_open (path, how, &h->disk);
  if (err != VIX_OK) {
    handle_free (h);
    return err;
  }
  h->connection = c;
  handles_add (h);
  log_debug ("%s: open %s, %s, %zu links", path,
             how & DISK_WRITABLE ? "for writing" : "read-only",
             disk_descriptor (h->disk)->create_type, h->disk->nr_links);
  *handle = h;
  return VIX_OK;
}

VixError
VixDiskLib_Close (VixDiskLibHandle handle)
{
  struct handle *h = handles_remove (handle);
  VixError err;

  if (!h)
    return VIX_E_INVALID_HANDLE;
  handle_wait (h);
  err = disk_close (h->disk);
  handle_free (h);
  return err;
}

const char *
VixDiskLib_GetTransportMode (VixDiskLibHandle handle)
{
  return handles_find (handle) ? transport_mode : NULL;
}

static void
free_info (VixDiskLibInfo *info)
{
  if (!info)
    return;
  free (info->parentFileNameHint);
  free (info->uuid);
  free (info);
}

VixError
VixDiskLib_GetInfo (VixDiskLibHandle handle, VixDiskLibInfo **info)
{
  const struct handle *h = handles_find (handle);
  const struct descriptor *d;
  VixDiskLibInfo *i;

  if (!info)
    return VIX_E_INVALID_ARG;
  *info = NULL;
  if (!h)
    return VIX_E_INVALID_HANDLE;
  i = calloc (1, sizeof *i);
  if (!i)
    return VIX_E_OUT_OF_MEMORY;
  d = disk_descriptor (h->disk);
  i->physGeo = d->geometry;
  i->biosGeo = d->bios_geometry.cylinders ? d->bios_geometry : d->geometry;
  i->capacity = h->disk->nr_sectors;
  i->adapterType = descriptor_adapter (d);
  i->numLinks = (int)h->disk->nr_links;
  i->logicalSectorSize = VIXDISKLIB_SECTOR_SIZE;
  i->physicalSectorSize = VIXDISKLIB_SECTOR_SIZE;
  if ((d->uuid && !(i->uuid = strdup (d->uuid)))
      || (d->parent_hint
          && !(i->parentFileNameHint = strdup (d->parent_hint)))) {
    free_info (i);
    return VIX_E_OUT_OF_MEMORY;
  }
  *info = i;
  return VIX_OK;
}

void
VixDiskLib_FreeInfo (VixDiskLibInfo *info)
{
  free_info (info);
}

VixError
VixDiskLib_Create (VixDiskLibConnection connection, const char *path,
                   const VixDiskLibCreateParams *params,
                   VixDiskLibProgressFunc progress, void *progress_data)
{
  const struct connection *c = handles_find_connection (connection);

  if (!path || !params)
    return VIX_E_INVALID_ARG;
  if (!c)
    return VIX_E_DISK_INVALID_CONNECTION;
  if (c->read_only)
    return log_fail (VIX_E_FILE_READ_ONLY,
                     "%s: the connection is read-only, so no disk can be "
                     "created",
                     path);
  return disk_create (path, params, progress, progress_data);
}
