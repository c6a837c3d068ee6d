/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Finding and loading the disk library, and the name of the present call.
 * A library that was loaded is never unloaded: its threads may outlive any
 * call.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "die.h"
#include "library.h"
#include "measure.h"

struct library library;

static _Atomic (const char *) call_name;
static _Atomic uint64_t call_since_ms;

/* One row per function of the ABI. */
struct row {
  const char *name;
  size_t offset;
  bool is_mandatory;
};

#define IS_MANDATORY_InitEx                1
#define IS_MANDATORY_Exit                  1
#define IS_MANDATORY_ListTransportModes    0
#define IS_MANDATORY_GetErrorText          1
#define IS_MANDATORY_FreeErrorText         1
#define IS_MANDATORY_AllocateConnectParams 0
#define IS_MANDATORY_FreeConnectParams     0
#define IS_MANDATORY_ConnectEx             1
#define IS_MANDATORY_Disconnect            1
#define IS_MANDATORY_Open                  1
#define IS_MANDATORY_Close                 1
#define IS_MANDATORY_GetTransportMode      0
#define IS_MANDATORY_GetInfo               1
#define IS_MANDATORY_FreeInfo              1
#define IS_MANDATORY_Read                  0 /* or the asynchronous ones */
#define IS_MANDATORY_Write                 0
#define IS_MANDATORY_Create                0
#define IS_MANDATORY_Flush                 0
#define IS_MANDATORY_ReadAsync             0
#define IS_MANDATORY_WriteAsync            0
#define IS_MANDATORY_Wait                  0
#define IS_MANDATORY_QueryAllocatedBlocks  0
#define IS_MANDATORY_FreeBlockList         0

#define ROW(type, name, parameters)                                            \
  { "VixDiskLib_" #name, offsetof (struct library, name), IS_MANDATORY_##name },
static const struct row rows[NR_VIX_FUNCTIONS] = { VIXDISKLIB_FUNCTIONS (ROW) };

/* The pointer of a row in `library`. */
static void **
pointer_of (const struct row *row)
{
  return (void **)(void *)((char *)&library + row->offset);
}

/* Appends a line to *text. */
static void
add_line (char **text, const char *what, const char *why)
{
  char *longer;
  int n = *text == NULL ? asprintf (&longer, "%s%s", what, why)
                        : asprintf (&longer, "%s\n%s%s", *text, what, why);

  if (n == -1)
    die (EXIT_FAILURE, "out of memory");
  free (*text);
  *text = longer;
}

/* Adds what dlopen says of a candidate, which it may not name: of a library
 * that is missing it names that one alone.
 */
static void
add_reason (char **text, const char *candidate)
{
  const char *reason = dlerror ();
  char *named;

  if (strncmp (reason, candidate, strlen (candidate)) == 0) {
    add_line (text, "", reason);
    return;
  }
  if (asprintf (&named, "%s: ", candidate) == -1)
    die (EXIT_FAILURE, "out of memory");
  add_line (text, named, reason);
  free (named);
}

/* The number behind ".so." in a file name, 0 if there is none. */
static int
version_of (const char *path)
{
  const char *name = strrchr (path, '/');
  const char *number = strstr (name == NULL ? path : name, ".so.");

  return number == NULL ? 0 : atoi (number + strlen (".so."));
}

/* Fills in all pointers; false if a mandatory function is missing. */
static bool
resolve (void *handle, char **text)
{
  bool all = true;

  for (int i = 0; i < NR_VIX_FUNCTIONS; i++) {
    void *symbol = dlsym (handle, rows[i].name);

    *pointer_of (&rows[i]) = symbol;
    if (symbol == NULL && rows[i].is_mandatory) {
      add_line (text, "missing function ", rows[i].name);
      all = false;
    }
  }
  library.is_async = library.ReadAsync != NULL && library.WriteAsync != NULL
                     && library.Wait != NULL;
  if (!library.is_async && (library.Read == NULL || library.Write == NULL)) {
    add_line (text, "missing functions ",
              "VixDiskLib_Read and VixDiskLib_Write, or VixDiskLib_ReadAsync, "
              "VixDiskLib_WriteAsync and VixDiskLib_Wait");
    all = false;
  }
  if (library.FreeConnectParams == NULL)
    library.AllocateConnectParams = NULL;
  if (library.FreeBlockList == NULL)
    library.QueryAllocatedBlocks = NULL;
  return all;
}

enum library_status
library_load (char **candidates, uint32_t count, char **text)
{
  *text = NULL;
  for (uint32_t i = 0; i < count; i++) {
    void *handle = dlopen (candidates[i], RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL) {
      add_reason (text, candidates[i]);
      continue;
    }
    library.path = realpath (candidates[i], NULL);
    if (library.path == NULL)
      die (EXIT_FAILURE, "realpath %s: %m", candidates[i]);
    library.version = version_of (candidates[i]);
    if (library.version == 0)
      library.version = version_of (library.path);
    if (library.version == 0) {
      add_line (text, candidates[i], ": no version behind .so. in its name");
      return LIBRARY_LOAD;
    }
    free (*text);
    *text = NULL;
    return resolve (handle, text) ? LIBRARY_OK : LIBRARY_SYMBOL;
  }
  if (*text == NULL)
    add_line (text, "no candidate was given", "");
  return LIBRARY_LOAD;
}

void
library_functions (void (*each) (const char *name, void *data), void *data)
{
  for (int i = 0; i < NR_VIX_FUNCTIONS; i++)
    if (*pointer_of (&rows[i]) != NULL)
      each (rows[i].name + strlen ("VixDiskLib_"), data);
}

char *
library_error_text (VixError error)
{
  char *text = VIX_CALL (GetErrorText, error, NULL);
  char *copy = strdup (text == NULL ? "" : text);

  if (text != NULL)
    VIX_RUN (FreeErrorText, text);
  if (copy == NULL)
    die (EXIT_FAILURE, "out of memory");
  return copy;
}

const char *
library_name (enum vix_function function)
{
  return rows[function].name;
}

void
library_enter (enum vix_function function)
{
  if (measure_is_on)
    measure_enter (function);
  atomic_store_explicit (&call_since_ms, coarse_ms (), memory_order_relaxed);
  atomic_store_explicit (&call_name, rows[function].name, memory_order_release);
}

void
library_leave (void)
{
  atomic_store_explicit (&call_name, NULL, memory_order_release);
  if (measure_is_on)
    measure_leave ();
}

uint64_t
library_in_call_ms (const char **name)
{
  uint64_t since, now;

  *name = atomic_load_explicit (&call_name, memory_order_acquire);
  if (*name == NULL) {
    *name = "";
    return 0;
  }
  since = atomic_load_explicit (&call_since_ms, memory_order_relaxed);
  now = coarse_ms ();
  return now > since ? now - since : 1;
}
