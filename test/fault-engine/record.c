/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing down what the library was told (record.h).  A field that is NULL
 * or 0 is not written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "record.h"
#include "vintage.h"

/* NULL if nothing is to be recorded. */
static FILE *
open_record (void)
{
  const char *path = getenv ("FAULT_RECORD");
  FILE *file;

  if (path == NULL || *path == '\0')
    return NULL;
  file = fopen (path, "ae");
  if (file == NULL)
    misuse ("FAULT_RECORD=%s: %m", path);
  return file;
}

static void
text (FILE *file, const char *name, const char *value)
{
  if (value != NULL)
    fprintf (file, "%s=%s\n", name, value);
}

static void
number (FILE *file, const char *name, uint64_t value)
{
  if (value != 0)
    fprintf (file, "%s=%" PRIu64 "\n", name, value);
}

/* Length and FNV-1a hash. */
static void
secret (FILE *file, const char *name, const char *value)
{
  uint64_t hash = UINT64_C (0xcbf29ce484222325);

  if (value == NULL)
    return;
  for (const char *at = value; *at != '\0'; at++)
    hash = (hash ^ (unsigned char)*at) * UINT64_C (0x100000001b3);
  fprintf (file, "%s=%zu:%016" PRIx64 "\n", name, strlen (value), hash);
}

void
record_init_ex (uint32_t major, uint32_t minor, const char *lib_dir,
                const char *config_file)
{
  FILE *file = open_record ();

  if (file == NULL)
    return;
  fprintf (file, "InitEx.version=%u.%u\n", major, minor);
  text (file, "InitEx.libDir", lib_dir);
  text (file, "InitEx.configFile", config_file);
  fclose (file);
}

static void
credentials (FILE *file, const VixDiskLibConnectParams *params)
{
  switch (params->credType) {
  case VIXDISKLIB_CRED_UID:
    text (file, "ConnectEx.uid.userName", params->creds.uid.userName);
    secret (file, "ConnectEx.uid.password", params->creds.uid.password);
    break;
  case VIXDISKLIB_CRED_SESSIONID:
    secret (file, "ConnectEx.sessionId.cookie", params->creds.sessionId.cookie);
    text (file, "ConnectEx.sessionId.userName",
          params->creds.sessionId.userName);
    secret (file, "ConnectEx.sessionId.key", params->creds.sessionId.key);
    break;
  default:
    break;
  }
}

void
record_connect_ex (const VixDiskLibConnectParams *params, bool read_only,
                   const char *snapshot, const char *modes)
{
  FILE *file = open_record ();

  if (file == NULL)
    return;
  text (file, "ConnectEx.vmxSpec", params->vmxSpec);
  text (file, "ConnectEx.serverName", params->serverName);
  text (file, "ConnectEx.thumbPrint", params->thumbPrint);
  number (file, "ConnectEx.credType", (uint64_t)params->credType);
  credentials (file, params);
  number (file, "ConnectEx.port", params->port);
  number (file, "ConnectEx.nfcHostPort", params->nfcHostPort);
  if (vintage >= 67)
    number (file, "ConnectEx.specType", (uint64_t)params->specType);
  fprintf (file, "ConnectEx.readOnly=%d\n", read_only);
  text (file, "ConnectEx.snapshot", snapshot);
  text (file, "ConnectEx.transportModes", modes);
  fclose (file);
}

void
record_open (const char *path, uint32_t flags)
{
  FILE *file = open_record ();

  if (file == NULL)
    return;
  text (file, "Open.path", path);
  fprintf (file, "Open.flags=%u\n", flags);
  fclose (file);
}

void
record_create (const char *path, const VixDiskLibCreateParams *params)
{
  FILE *file = open_record ();

  if (file == NULL)
    return;
  text (file, "Create.path", path);
  number (file, "Create.diskType", (uint64_t)params->diskType);
  number (file, "Create.adapterType", (uint64_t)params->adapterType);
  number (file, "Create.hwVersion", params->hwVersion);
  number (file, "Create.capacity", params->capacity);
  fclose (file);
}
