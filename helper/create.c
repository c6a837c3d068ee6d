/* SPDX-License-Identifier: BSD-3-Clause
 *
 * CREATE: makes a new disk over the connection, before OPEN.  What is there
 * already is never overwritten: the library fails with
 * VIX_E_FILE_ALREADY_EXISTS.
 */
#include <stdlib.h>

#include "calls.h"
#include "library.h"

void
create_run (struct call *call, VixDiskLibConnection connection)
{
  VixDiskLibCreateParams params = { .logicalSectorSize = 0 };
  uint64_t type, adapter, version, capacity;
  char *path = NULL;
  VixError error;

  if (!need_uint (call, "diskType", UINT16_MAX, &type)
      || !need_uint (call, "adapterType", UINT16_MAX, &adapter)
      || !need_uint (call, "hwVersion", UINT16_MAX, &version)
      || !need_uint (call, "capacitySectors", INT64_MAX, &capacity)
      || !need_text (call, "path", &path))
    return;
  params.diskType = (VixDiskLibDiskType)type;
  params.adapterType = (VixDiskLibAdapterType)adapter;
  params.hwVersion = (uint16_t)version;
  params.capacity = capacity;
  error = library.Create == NULL
              ? VIX_E_NOT_SUPPORTED
              : VIX_CALL (Create, connection, path, &params, NULL, NULL);
  free (path);
  if (error != VIX_OK)
    reply_vix_error (call, "VixDiskLib_Create", error);
  else
    reply_fields (call, 0);
}
