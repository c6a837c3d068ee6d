/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loaded disk library.  Only the main thread calls it, and only through
 * VIX_CALL, which keeps the name of the present call for PING and the watch.
 * No lock of ours is ever held over a call.
 */
#ifndef VDDK_NBD_LIBRARY_H
#define VDDK_NBD_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"
#include "vixdisklib.h"

#define VIX_POINTER(type, name, parameters) type (*name) parameters;
struct library {
  VIXDISKLIB_FUNCTIONS (VIX_POINTER)
  char *path;    /* real path of the loaded file */
  int version;   /* the number behind ".so." */
  bool is_async; /* ReadAsync, WriteAsync and Wait are used */
};
#undef VIX_POINTER
extern struct library library;

/* Why no library could be loaded: protocol errors `load` and `symbol`. */
enum library_status { LIBRARY_OK, LIBRARY_LOAD, LIBRARY_SYMBOL };

/* Loads the first candidate that can be loaded and fills in `library`.
 * Otherwise *text (freed by the caller) says why: one line per candidate, or
 * which mandatory functions are missing.
 */
enum library_status library_load (char **candidates, uint32_t count,
                                  char **text);

/* Calls `each` with the name of every function that was found. */
void library_functions (void (*each) (const char *name, void *data),
                        void *data);

/* What GetErrorText says, as a new string. */
char *library_error_text (VixError error);

/* Marks that the main thread is inside `name`, or no longer. */
void library_enter (const char *name);
void library_leave (void);

/* Milliseconds (at least 1) that the main thread has been inside its present
 * call, and that call's name; 0 and "" if it is in none.  From any thread.
 */
uint64_t library_in_call_ms (const char **name);

#define VIX_CALL(name, ...)                                                    \
  ({                                                                           \
    library_enter ("VixDiskLib_" #name);                                       \
    VixError vix_error_ = library.name (__VA_ARGS__);                          \
    library_leave ();                                                          \
    vix_error_;                                                                \
  })

#endif /* VDDK_NBD_LIBRARY_H */
