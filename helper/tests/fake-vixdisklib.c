/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Life cycle of the fake library, and the rules that it holds its caller to.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake.h"

#ifndef FAKE_INIT_MAJOR
#define FAKE_INIT_MAJOR 6
#define FAKE_INIT_MINOR 5
#endif

static pthread_t init_thread;
static bool is_initialised;
static VixDiskLibGenericLogFunc *log_fn, *warn_fn, *panic_fn;

/* The connection: its parameters, and what their strings were. */
static const VixDiskLibConnectParams *connected;
static uint32_t connected_hash;

void
fake_breach (const char *rule)
{
  fprintf (stderr, "fake library: breach: %s\n", rule);
  abort ();
}

void
fake_check_thread (void)
{
  if (!is_initialised)
    fake_breach ("a call before InitEx");
  if (!pthread_equal (pthread_self (), init_thread))
    fake_breach ("a call on another thread than InitEx");
}

void
fake_log (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  log_fn (fmt, args);
  va_end (args);
}

void
fake_warn (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  warn_fn (fmt, args);
  va_end (args);
}

void
fake_panic (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  panic_fn (fmt, args);
  va_end (args);
  fake_breach ("the panic callback returned");
}

/* For calls whose only scripted outcome is an error. */
static VixError
scripted (const char *function)
{
  uint64_t value;

  fake_check_thread ();
  return fake_at (function, &value) == FAKE_FAIL ? value : VIX_OK;
}

VixError
VixDiskLib_InitEx (uint32_t major, uint32_t minor,
                   VixDiskLibGenericLogFunc *log,
                   VixDiskLibGenericLogFunc *warn,
                   VixDiskLibGenericLogFunc *panic, const char *lib_dir,
                   const char *config_file)
{
  const char *sectors = getenv ("FAKE_SECTORS");
  VixError error;

  if (is_initialised)
    fake_breach ("a second InitEx");
  if (log == NULL || warn == NULL || panic == NULL)
    fake_breach ("InitEx without callbacks");
  if (major != FAKE_INIT_MAJOR || minor != FAKE_INIT_MINOR)
    fake_breach ("InitEx with the wrong version");
  log_fn = log;
  warn_fn = warn;
  panic_fn = panic;
  init_thread = pthread_self ();
  is_initialised = true;
  error = scripted ("InitEx");
  if (error != VIX_OK)
    return error;
  fake_disk.sectors = sectors == NULL ? 65536 : strtoull (sectors, NULL, 0);
  fake_disk.bytes = calloc (fake_disk.sectors, VIXDISKLIB_SECTOR_SIZE);
  if (fake_disk.bytes == NULL)
    return VIX_E_OUT_OF_MEMORY;
  fake_io_start ();
  fake_log ("fake: InitEx libdir=%s config=%s\n", lib_dir,
            config_file == NULL ? "none" : config_file);
  fake_warn ("fake: a warning\n");
  return VIX_OK;
}

void
VixDiskLib_Exit (void)
{
  scripted ("Exit");
  if (connected != NULL)
    fake_breach ("Exit while connected");
}

const char *
VixDiskLib_ListTransportModes (void)
{
  fake_check_thread ();
  return "file:nbdssl";
}

char *
VixDiskLib_GetErrorText (VixError err, const char *locale)
{
  char *text;

  fake_check_thread ();
  if (locale != NULL)
    fake_breach ("GetErrorText with a locale");
  return asprintf (&text, "fake text of %llu", (unsigned long long)err) == -1
             ? NULL
             : text;
}

void
VixDiskLib_FreeErrorText (char *text)
{
  free (text);
}

#ifndef FAKE_NO_ALLOCATE
VixDiskLibConnectParams *
VixDiskLib_AllocateConnectParams (void)
{
  fake_check_thread ();
  return calloc (1, sizeof (VixDiskLibConnectParams));
}

void
VixDiskLib_FreeConnectParams (VixDiskLibConnectParams *params)
{
  fake_check_thread ();
  free (params);
}
#endif

/* FNV-1a: tells strings apart without showing a password. */
static uint32_t
hash (uint32_t start, const char *text)
{
  for (; text != NULL && *text != '\0'; text++)
    start = (start ^ (uint8_t)*text) * 16777619u;
  return start;
}

static uint32_t
hash_of (const VixDiskLibConnectParams *p)
{
  uint32_t h = hash (hash (2166136261u, p->vmxSpec), p->serverName);

  if (p->credType == VIXDISKLIB_CRED_SESSIONID)
    return hash (hash (h, p->creds.sessionId.cookie), p->creds.sessionId.key);
  return hash (hash (h, p->creds.uid.userName), p->creds.uid.password);
}

static const char *
or_none (const char *text)
{
  return text == NULL ? "none" : text;
}

VixError
VixDiskLib_ConnectEx (const VixDiskLibConnectParams *params,
                      VixDiskLibBool read_only, const char *snapshot_moref,
                      const char *transport_modes,
                      VixDiskLibConnection *connection)
{
  bool is_session = params->credType == VIXDISKLIB_CRED_SESSIONID;
  VixError error = scripted ("ConnectEx");

  if (error != VIX_OK)
    return error;
  if (connected != NULL)
    fake_breach ("a second ConnectEx");
  connected = params;
  connected_hash = hash_of (params);
  fake_log ("fake: ConnectEx vmx=%s server=%s thumb=%s cred=%d user=%s "
            "secret=%08x cookie=%08x port=%u nfc=%u spec=%d ro=%d "
            "snapshot=%s modes=%s\n",
            or_none (params->vmxSpec), or_none (params->serverName),
            or_none (params->thumbPrint), (int)params->credType,
            or_none (is_session ? params->creds.sessionId.userName
                                : params->creds.uid.userName),
            hash (2166136261u, is_session ? params->creds.sessionId.key
                                          : params->creds.uid.password),
            is_session ? hash (2166136261u, params->creds.sessionId.cookie) : 0,
            params->port, params->nfcHostPort, (int)params->specType, read_only,
            or_none (snapshot_moref), or_none (transport_modes));
  *connection = &connected;
  return VIX_OK;
}

VixError
VixDiskLib_Disconnect (VixDiskLibConnection connection)
{
  VixError error = scripted ("Disconnect");

  if (connection != &connected || connected == NULL || fake_disk.is_open)
    fake_breach ("Disconnect without a connection, or with an open disk");
  if (hash_of (connected) != connected_hash)
    fake_breach ("parameters must stay as they are until Disconnect");
  connected = NULL;
  return error;
}

#ifndef FAKE_NO_OPEN
VixError
VixDiskLib_Open (VixDiskLibConnection connection, const char *path,
                 uint32_t flags, VixDiskLibHandle *handle)
{
  VixError error = scripted ("Open");

  if (connection != &connected || connected == NULL || fake_disk.is_open)
    fake_breach ("Open without a connection, or twice");
  if (error != VIX_OK)
    return error;
  fake_disk.is_open = true;
  *handle = &fake_disk;
  fake_log ("fake: Open path=%s flags=%u\n", path, flags);
  return VIX_OK;
}
#endif

VixError
VixDiskLib_Close (VixDiskLibHandle handle)
{
  VixError error = scripted ("Close");

  if (handle != &fake_disk || !fake_disk.is_open)
    fake_breach ("Close of a disk that is not open");
  if (fake_io_pending () > 0)
    fake_breach ("Close with I/O pending");
  fake_disk.is_open = false;
  return error;
}

const char *
VixDiskLib_GetTransportMode (VixDiskLibHandle handle)
{
  fake_check_thread ();
  return handle == &fake_disk ? "file" : NULL;
}

/* An old library's structure ends before the sector sizes.  volatile, since
 * the compiler is right to warn of such a short one.
 */
#ifdef FAKE_OLD_INFO
static volatile size_t info_bytes
    = offsetof (VixDiskLibInfo, logicalSectorSize);
#else
static volatile size_t info_bytes = sizeof (VixDiskLibInfo);
#endif

VixError
VixDiskLib_GetInfo (VixDiskLibHandle handle, VixDiskLibInfo **info)
{
  VixError error = scripted ("GetInfo");
  VixDiskLibInfo *i = calloc (1, info_bytes);

  if (handle != &fake_disk || !fake_disk.is_open)
    fake_breach ("GetInfo of a disk that is not open");
  if (error != VIX_OK || i == NULL) {
    free (i);
    return error;
  }
  i->capacity = fake_disk.sectors;
  i->adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC;
  i->numLinks = 1;
#ifndef FAKE_OLD_INFO
  i->uuid = strdup ("60 00 C2 9a");
  i->logicalSectorSize = 512;
  i->physicalSectorSize = 4096;
#endif
  *info = i;
  return VIX_OK;
}

void
VixDiskLib_FreeInfo (VixDiskLibInfo *info)
{
  fake_check_thread ();
  free (info->uuid);
  free (info);
}

#ifndef FAKE_NO_FLUSH
VixError
VixDiskLib_Flush (VixDiskLibHandle handle)
{
  VixError error = scripted ("Flush");

  if (handle != &fake_disk || !fake_disk.is_open)
    fake_breach ("Flush of a disk that is not open");
  if (fake_io_pending () > 0)
    fake_breach ("Flush with I/O pending");
  fake_log ("fake: Flush\n");
  return error;
}
#endif

#ifndef FAKE_NO_QUERY
/* Whether a chunk holds anything but zeroes. */
static bool
has_data (uint64_t start, uint64_t count)
{
  const uint8_t *at = fake_disk.bytes + start * VIXDISKLIB_SECTOR_SIZE;

  return at[0] != 0
         || memcmp (at, at + 1, count * VIXDISKLIB_SECTOR_SIZE - 1) != 0;
}

VixError
VixDiskLib_QueryAllocatedBlocks (VixDiskLibHandle handle,
                                 VixDiskLibSectorType start_sector,
                                 VixDiskLibSectorType nr_sectors,
                                 VixDiskLibSectorType chunk_size,
                                 VixDiskLibBlockList **block_list)
{
  VixError error = scripted ("QueryAllocatedBlocks");
  VixDiskLibBlockList *list;
  uint64_t end = start_sector + nr_sectors;

  if (handle != &fake_disk || fake_io_pending () > 0)
    fake_breach ("QueryAllocatedBlocks with I/O pending");
  if (error != VIX_OK)
    return error;
  if (chunk_size < VIXDISKLIB_MIN_CHUNK_SIZE || start_sector % chunk_size != 0
      || nr_sectors % chunk_size != 0 || end > fake_disk.sectors)
    return VIX_E_INVALID_ARG;
  list = calloc (1, sizeof *list
                        + nr_sectors / chunk_size * sizeof list->blocks[0]);
  if (list == NULL)
    return VIX_E_OUT_OF_MEMORY;
  for (uint64_t at = start_sector; at < end; at += chunk_size) {
    VixDiskLibBlock *next = &list->blocks[list->numBlocks];

    if (!has_data (at, chunk_size))
      continue;
    if (list->numBlocks > 0 && next[-1].offset + next[-1].length == at)
      next[-1].length += chunk_size;
    else {
      *next = (VixDiskLibBlock){ at, chunk_size };
      list->numBlocks++;
    }
  }
  *block_list = list;
  return VIX_OK;
}

VixError
VixDiskLib_FreeBlockList (VixDiskLibBlockList *block_list)
{
  fake_check_thread ();
  free (block_list);
  return VIX_OK;
}
#endif
