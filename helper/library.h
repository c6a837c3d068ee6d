/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loaded disk library.  Only the main thread calls it, and only through
 * VIX_CALL and VIX_RUN, which keep the name of the present call for PING and
 * the watch. No lock of ours is ever held over a call.
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

/* A number for each function, in the order of the header. */
#define VIX_NUMBER(type, name, parameters) VIX_FN_##name,
enum vix_function { VIXDISKLIB_FUNCTIONS (VIX_NUMBER) NR_VIX_FUNCTIONS };
#undef VIX_NUMBER

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

/* The whole name of a function, with its prefix. */
const char *library_name (enum vix_function function);

/* Marks that the main thread is inside `function`, or no longer. */
void library_enter (enum vix_function function);
void library_leave (void);

/* Milliseconds (at least 1) that the main thread has been inside its present
 * call, and that call's name; 0 and "" if it is in none.  From any thread.
 */
uint64_t library_in_call_ms (const char **name);

/* Calls a function that returns something, or nothing. */
#define VIX_CALL(name, ...)                                                    \
  ({                                                                           \
    library_enter (VIX_FN_##name);                                             \
    __auto_type vix_result_ = library.name (__VA_ARGS__);                      \
    library_leave ();                                                          \
    vix_result_;                                                               \
  })
#define VIX_RUN(name, ...)                                                     \
  do {                                                                         \
    library_enter (VIX_FN_##name);                                             \
    library.name (__VA_ARGS__);                                                \
    library_leave ();                                                          \
  } while (0)

#endif /* VDDK_NBD_LIBRARY_H */
