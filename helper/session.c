/* SPDX-License-Identifier: BSD-3-Clause
 *
 * CONNECT, OPEN and CLOSE.  The strings of the connection must live until
 * after Disconnect, and are then wiped: among them are the password and the
 * cookie.
 */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "die.h"
#include "fence.h"
#include "io.h"
#include "library.h"

/* What CONNECT was given; NULL = not given. */
static struct connect_texts {
  char *vmx_spec;
  char *server_name;
  char *user_name;
  char *thumb_print;
  char *password;
  char *cookie;
  char *snapshot;
  char *transport_modes;
} texts;

static VixDiskLibConnectParams *params;
static VixDiskLibConnection connection;
static VixDiskLibHandle handle;

VixDiskLibHandle
session_handle (void)
{
  return handle;
}

VixDiskLibConnection
session_connection (void)
{
  return connection;
}

static void
wipe (char **text)
{
  if (*text != NULL)
    explicit_bzero (*text, strlen (*text));
  free (*text);
  *text = NULL;
}

/* Wipes and frees everything that CONNECT left. */
static void
forget (void)
{
  if (params != NULL && library.AllocateConnectParams != NULL) {
    /* The library frees the structure only, the strings are ours. */
    VIX_RUN (FreeConnectParams, params);
  }
  else
    free (params);
  params = NULL;
  wipe (&texts.vmx_spec);
  wipe (&texts.server_name);
  wipe (&texts.user_name);
  wipe (&texts.thumb_print);
  wipe (&texts.password);
  wipe (&texts.cookie);
  wipe (&texts.snapshot);
  wipe (&texts.transport_modes);
}

static void
allocate_params (void)
{
  params = library.AllocateConnectParams == NULL
               ? calloc (1, sizeof *params)
               : VIX_CALL (AllocateConnectParams);
  if (params == NULL)
    die (EXIT_FAILURE, "out of memory");
}

/* An empty text for one that the library must not see as NULL. */
static void
default_text (char **text)
{
  if (*text == NULL)
    *text = strdup ("");
  if (*text == NULL)
    die (EXIT_FAILURE, "out of memory");
}

/* Fills in `params`.  Nothing is set for a local disk; for a remote one the
 * library crashes on strings that are NULL, so they are demanded here.
 */
static bool
fill_params (struct call *call, uint64_t port, uint64_t nfc_port)
{
  bool is_remote = texts.vmx_spec != NULL || texts.server_name != NULL
                   || texts.user_name != NULL || texts.thumb_print != NULL
                   || texts.password != NULL || texts.cookie != NULL
                   || port != 0 || nfc_port != 0;

  if (!is_remote)
    return true;
  if (texts.vmx_spec == NULL || texts.server_name == NULL
      || (texts.cookie == NULL
          && (texts.user_name == NULL || texts.password == NULL))) {
    reply_helper_error (call, "parameter", "",
                        "a remote disk needs vmxSpec, serverName, and either "
                        "cookie or userName and password");
    return false;
  }
  default_text (&texts.user_name);
  default_text (&texts.password);
  params->vmxSpec = texts.vmx_spec;
  params->serverName = texts.server_name;
  params->thumbPrint = texts.thumb_print;
  if (texts.cookie != NULL) {
    params->credType = VIXDISKLIB_CRED_SESSIONID;
    params->creds.sessionId.cookie = texts.cookie;
    params->creds.sessionId.userName = texts.user_name;
    params->creds.sessionId.key = texts.password;
  }
  else {
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = texts.user_name;
    params->creds.uid.password = texts.password;
  }
  params->port = (uint32_t)port;
  params->nfcHostPort = (uint32_t)nfc_port;
  params->specType = VIXDISKLIB_SPEC_VMX;
  return true;
}

/* ConnectEx with the parameters of the call; false after a failure. */
static bool
connect_disk (struct call *call)
{
  uint64_t port = 0, nfc_port = 0;
  bool read_only;
  VixError error;

  if (!need_bool (call, "readOnly", &read_only)
      || !may_text (call, "vmxSpec", &texts.vmx_spec)
      || !may_text (call, "serverName", &texts.server_name)
      || !may_text (call, "userName", &texts.user_name)
      || !may_text (call, "thumbPrint", &texts.thumb_print)
      || !may_bytes (call, "password", &texts.password)
      || !may_bytes (call, "cookie", &texts.cookie)
      || !may_uint (call, "port", UINT16_MAX, &port)
      || !may_uint (call, "nfcHostPort", UINT16_MAX, &nfc_port)
      || !may_text (call, "snapshot", &texts.snapshot)
      || !may_text (call, "transportModes", &texts.transport_modes))
    return false;
  allocate_params ();
  if (!fill_params (call, port, nfc_port))
    return false;
  error = VIX_CALL (ConnectEx, params, read_only, texts.snapshot,
                    texts.transport_modes, &connection);
  if (error != VIX_OK)
    reply_vix_error (call, "VixDiskLib_ConnectEx", error);
  return error == VIX_OK;
}

enum state
session_connect (struct call *call)
{
  connection = NULL;
  if (!connect_disk (call)) {
    forget ();
    return STATE_LOADED;
  }
  reply_fields (call, 0);
  return STATE_CONNECTED;
}

/* Open with the parameters of the call; false after a failure. */
static bool
open_disk (struct call *call, const char *path)
{
  bool fenced = false;
  uint64_t flags;
  VixError error;

  if (!need_uint (call, "flags", UINT32_MAX, &flags)
      || !may_bool (call, "fence", &fenced))
    return false;
  if (fenced && !fence_take (path)) {
    reply_helper_error (call, "fence", "",
                        "%s: another program has it open for writing", path);
    return false;
  }
  handle = NULL;
  error = VIX_CALL (Open, connection, path, (uint32_t)flags, &handle);
  if (error != VIX_OK) {
    fence_release ();
    reply_vix_error (call, "VixDiskLib_Open", error);
  }
  return error == VIX_OK;
}

enum state
session_open (struct call *call)
{
  const char *mode = NULL;
  char *path = NULL;
  bool is_open;

  if (!need_text (call, "path", &path))
    return STATE_CONNECTED;
  is_open = open_disk (call, path);
  free (path);
  if (!is_open)
    return STATE_CONNECTED;
  io_attach (handle);
  if (library.GetTransportMode != NULL)
    mode = VIX_CALL (GetTransportMode, handle);
  reply_fields (call, 1);
  encode_text_of (&call->frame, "transportMode", mode == NULL ? "" : mode);
  return STATE_OPEN;
}

/* Closes and disconnects, whatever fails on the way.  Returns the function
 * that failed first, or NULL.
 */
static const char *
close_all (enum state state, VixError *error)
{
  const char *failed = NULL;

  if (state == STATE_OPEN) {
    io_drain ();
    io_detach ();
    *error = VIX_CALL (Close, handle);
    fence_release ();
    if (*error != VIX_OK)
      failed = "VixDiskLib_Close";
  }
  if (state >= STATE_CONNECTED) {
    VixError disconnected = VIX_CALL (Disconnect, connection);

    if (disconnected != VIX_OK && failed == NULL) {
      *error = disconnected;
      failed = "VixDiskLib_Disconnect";
    }
    forget ();
  }
  return failed;
}

enum state
session_close (struct call *call, enum state state)
{
  VixError error;
  const char *failed = close_all (state, &error);

  if (failed != NULL)
    reply_vix_error (call, failed, error);
  else
    reply_fields (call, 0);
  return STATE_LOADED;
}

void
session_abandon (enum state state)
{
  VixError error;

  close_all (state, &error);
}
