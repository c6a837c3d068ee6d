/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The server of FAULT_SERVER (server.h).  Its log lines are those that VDDK
 * prints, because users and programs look for them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "log.h"
#include "server.h"

enum { LINE_BYTES_MAX = 1024 };

/* The value of the first line `key=VALUE` as a new string, or NULL. */
static char *
setting (const char *key)
{
  const char *path = getenv ("FAULT_SERVER");
  char line[LINE_BYTES_MAX], *value = NULL;
  size_t length = strlen (key);
  FILE *file = path == NULL ? NULL : fopen (path, "re");

  if (file == NULL)
    misuse ("a remote disk, and FAULT_SERVER is no file: %s",
            path == NULL ? "not set" : path);
  while (value == NULL && fgets (line, sizeof line, file) != NULL) {
    line[strcspn (line, "\n")] = '\0';
    if (strncmp (line, key, length) == 0 && line[length] == '=')
      value = strdup (line + length + 1);
  }
  fclose (file);
  return value;
}

/* Whether the server's `key` is `value`; what it does not have is no matter. */
static bool
is (const char *key, const char *value)
{
  char *own = setting (key);
  bool same = own == NULL || (value != NULL && strcmp (own, value) == 0);

  free (own);
  return same;
}

static bool
has (const char *key)
{
  char *own = setting (key);
  bool there = own != NULL;

  free (own);
  return there;
}

static VixError
check_certificate (const VixDiskLibConnectParams *params)
{
  char *actual;

  if (is ("thumbprint", params->thumbPrint))
    return VIX_OK;
  actual = setting ("thumbprint");
  log_debug ("VixDiskLibVim: Failed to verify SSL certificate: actual "
             "thumbprint=%s expected=%s\n",
             actual, params->thumbPrint == NULL ? "" : params->thumbPrint);
  free (actual);
  return VIX_E_FAIL;
}

static VixError
check_login (const VixDiskLibConnectParams *params)
{
  bool in
      = params->credType == VIXDISKLIB_CRED_SESSIONID
            ? has ("cookie") && is ("cookie", params->creds.sessionId.cookie)
            : is ("user", params->creds.uid.userName)
                  && is ("password", params->creds.uid.password);

  if (in)
    return VIX_OK;
  log_warn ("VixDiskLibVim: Login failure. Cannot complete login due to an "
            "incorrect user name or password.\n");
  return 35; /* VIX_E_AUTHENTICATION_FAIL */
}

static VixError
check_server (const VixDiskLibConnectParams *params)
{
  if (!is ("host", params->serverName)) {
    log_warn ("VixDiskLibVim: Host address lookup for server '%s' failed: Name "
              "or service not known\n",
              params->serverName);
    return 18000; /* VIX_E_CANNOT_CONNECT_TO_HOST */
  }
  return VIX_OK;
}

/* What hides behind numbers that say little. */
static VixError
check_host (const struct connection *c)
{
  if (has ("maintenance")) {
    log_warn ("VixDiskLib: The operation is not allowed in the current state: "
              "the host is in maintenance mode.\n");
    return VIX_E_FAIL;
  }
  if (has ("independent")) {
    log_debug ("GetFileName: Cannot create disk spec for disk scsi0:0.\n");
    return VIX_E_FAIL;
  }
  if (has ("blocked")) {
    log_warn ("[NFC ERROR]NfcNewAuthdConnectionEx: Failed to connect to peer. "
              "Error: "
              "connect to port %u: Connection timed out\n",
              c->params->nfcHostPort == 0 ? 902 : c->params->nfcHostPort);
    return 14009; /* VIX_E_HOST_NETWORK_CONN_REFUSED */
  }
  if (has ("running") && c->snapshot == NULL)
    return VIX_E_FILE_ACCESS_ERROR;
  return VIX_OK;
}

VixError
server_open (const struct connection *c, const char *path, char **image)
{
  VixError error;

  *image = NULL;
  if (c->params->serverName == NULL)
    return VIX_OK;
  error = check_server (c->params);
  if (error == VIX_OK)
    error = check_certificate (c->params);
  if (error == VIX_OK)
    error = check_login (c->params);
  if (error == VIX_OK && !is ("vm", c->params->vmxSpec))
    error = 4000; /* VIX_E_VM_NOT_FOUND */
  if (error == VIX_OK && c->snapshot != NULL && !is ("snapshot", c->snapshot))
    error = 13003; /* VIX_E_SNAPSHOT_NOTFOUND */
  if (error == VIX_OK)
    error = check_host (c);
  if (error == VIX_OK) {
    *image = setting (path);
    if (*image == NULL)
      error = VIX_E_FILE_NOT_FOUND;
  }
  if (error != VIX_OK)
    log_debug ("VixDiskLib: VixDiskLib_OpenEx: Cannot open disk %s. Error "
               "%llu.\n",
               path, (unsigned long long)error);
  return error;
}
