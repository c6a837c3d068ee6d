/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The VixDiskLib ABI (x86-64 Linux, LP64), written by us from public facts:
 * function names and argument order, struct offsets, numbers of constants.
 * The helper calls libraries through it, the built-in engine and the test
 * libraries implement it.  Every size and offset is asserted below; change
 * nothing here without a source for it.
 */
#ifndef VDDK_NBD_VIXDISKLIB_H
#define VDDK_NBD_VIXDISKLIB_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t VixError;
typedef uint64_t VixDiskLibSectorType;
typedef char VixDiskLibBool;
typedef void *VixDiskLibConnection;
typedef void *VixDiskLibHandle;

typedef void (VixDiskLibGenericLogFunc) (const char *fmt, va_list args);
typedef void (*VixDiskLibCompletionCB) (void *user_data, VixError result);
typedef VixDiskLibBool (*VixDiskLibProgressFunc) (void *user_data, int percent);

#define VIXDISKLIB_SECTOR_SIZE 512

/* Named codes are compared after masking: the high bits carry other data. */
#define VIX_ERROR_CODE(err) ((err)&0xffff)

enum {
  VIX_OK = 0,
  VIX_E_FAIL = 1,
  VIX_E_OUT_OF_MEMORY = 2,
  VIX_E_INVALID_ARG = 3,
  VIX_E_FILE_NOT_FOUND = 4,
  VIX_E_OBJECT_IS_BUSY = 5,
  VIX_E_NOT_SUPPORTED = 6,
  VIX_E_FILE_ERROR = 7,
  VIX_E_DISK_FULL = 8,
  VIX_E_INCORRECT_FILE_TYPE = 9,
  VIX_E_CANCELLED = 10,
  VIX_E_FILE_READ_ONLY = 11,
  VIX_E_FILE_ALREADY_EXISTS = 12,
  VIX_E_FILE_ACCESS_ERROR = 13,
  VIX_E_FILE_ALREADY_LOCKED = 15,
  VIX_E_FILE_TOO_BIG = 21,
  VIX_E_FILE_NAME_INVALID = 22,
  VIX_E_INVALID_HANDLE = 1000,
  VIX_E_DISK_INVAL = 16000,
  VIX_E_DISK_NOINIT = 16001,
  VIX_E_DISK_NOIO = 16002,
  VIX_E_DISK_PARTIALCHAIN = 16003,
  VIX_E_DISK_NEEDSREPAIR = 16006,
  VIX_E_DISK_OUTOFRANGE = 16007,
  VIX_E_DISK_PARTMISMATCH = 16010,
  VIX_E_DISK_UNSUPPORTEDDISKVERSION = 16011,
  VIX_E_DISK_OPENPARENT = 16012,
  VIX_E_DISK_NOTSUPPORTED = 16013,
  VIX_E_DISK_TOOMANYOPENFILES = 16027,
  VIX_E_DISK_INVALIDCHAIN = 16030,
  VIX_E_DISK_INVALID_CONNECTION = 16054,
  VIX_E_DISK_INVALIDDISK = 16063,
  VIX_ASYNC = 25000,
};

enum {
  VIXDISKLIB_FLAG_OPEN_UNBUFFERED = 1,
  VIXDISKLIB_FLAG_OPEN_SINGLE_LINK = 2,
  VIXDISKLIB_FLAG_OPEN_READ_ONLY = 4,
  VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB = 16,
  VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ = 32,
  VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ = 64,
};

typedef enum {
  VIXDISKLIB_CRED_UID = 1,
  VIXDISKLIB_CRED_SESSIONID = 2,
  VIXDISKLIB_CRED_TICKETID = 3,
  VIXDISKLIB_CRED_SSPI = 4,
  VIXDISKLIB_CRED_UNKNOWN = 256,
} VixDiskLibCredType;

typedef enum {
  VIXDISKLIB_SPEC_VMX = 0,
  VIXDISKLIB_SPEC_VSTORAGE_OBJECT = 1,
} VixDiskLibSpecType;

typedef enum {
  VIXDISKLIB_DISK_MONOLITHIC_SPARSE = 1,
  VIXDISKLIB_DISK_MONOLITHIC_FLAT = 2,
  VIXDISKLIB_DISK_SPLIT_SPARSE = 3,
  VIXDISKLIB_DISK_SPLIT_FLAT = 4,
  VIXDISKLIB_DISK_VMFS_FLAT = 5,
  VIXDISKLIB_DISK_STREAM_OPTIMIZED = 6,
  VIXDISKLIB_DISK_VMFS_THIN = 7,
  VIXDISKLIB_DISK_VMFS_SPARSE = 8,
  VIXDISKLIB_DISK_UNKNOWN = 256,
} VixDiskLibDiskType;

typedef enum {
  VIXDISKLIB_ADAPTER_IDE = 1,
  VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC = 2,
  VIXDISKLIB_ADAPTER_SCSI_LSILOGIC = 3,
  VIXDISKLIB_ADAPTER_UNKNOWN = 256,
} VixDiskLibAdapterType;

/* QueryAllocatedBlocks takes whole chunks, at least this long, at most that
 * many.
 */
#define VIXDISKLIB_MIN_CHUNK_SIZE   128
#define VIXDISKLIB_MAX_CHUNK_NUMBER (512 * 1024)

typedef struct {
  char *vmxSpec;
  char *serverName;
  char *thumbPrint;
  long reserved1;
  VixDiskLibCredType credType;
  union {
    struct {
      char *userName;
      char *password;
    } uid;
    struct {
      char *cookie;
      char *userName;
      char *key;
    } sessionId;
    void *other;
  } creds;
  uint32_t port;
  uint32_t nfcHostPort;
  char *reserved2;
  char reserved3[8];
  void *reserved4;
  union {
    struct {
      char *id;
      char *datastoreMoRef;
      char *ssId;
    } vStorageObj;
  } spec;
  VixDiskLibSpecType specType;
} VixDiskLibConnectParams;

typedef struct {
  uint32_t cylinders;
  uint32_t heads;
  uint32_t sectors;
} VixDiskLibGeometry;

typedef struct {
  VixDiskLibGeometry biosGeo;
  VixDiskLibGeometry physGeo;
  VixDiskLibSectorType capacity;
  VixDiskLibAdapterType adapterType;
  int numLinks;
  char *parentFileNameHint;
  char *uuid;
  /* The library has these two from version 7 on; below, the struct ends
   * before them and they must not be read.
   */
  uint32_t logicalSectorSize;
  uint32_t physicalSectorSize;
} VixDiskLibInfo;

typedef struct {
  VixDiskLibSectorType offset;
  VixDiskLibSectorType length;
} VixDiskLibBlock;

typedef struct {
  uint32_t numBlocks;
  VixDiskLibBlock blocks[1];
} VixDiskLibBlockList;

typedef struct {
  VixDiskLibDiskType diskType;
  VixDiskLibAdapterType adapterType;
  uint16_t hwVersion;
  VixDiskLibSectorType capacity;
  uint32_t logicalSectorSize;
  uint32_t physicalSectorSize;
} VixDiskLibCreateParams;

#define VDDK_AT(type, field, at)                                               \
  _Static_assert(offsetof (type, field) == (at), #type "." #field)
#define VDDK_SIZE(type, size) _Static_assert(sizeof (type) == (size), #type)

VDDK_SIZE (VixError, 8);
VDDK_SIZE (VixDiskLibSectorType, 8);
VDDK_SIZE (VixDiskLibBool, 1);
VDDK_SIZE (VixDiskLibCredType, 4);
VDDK_SIZE (VixDiskLibConnectParams, 128);
VDDK_AT (VixDiskLibConnectParams, vmxSpec, 0);
VDDK_AT (VixDiskLibConnectParams, serverName, 8);
VDDK_AT (VixDiskLibConnectParams, thumbPrint, 16);
VDDK_AT (VixDiskLibConnectParams, reserved1, 24);
VDDK_AT (VixDiskLibConnectParams, credType, 32);
VDDK_AT (VixDiskLibConnectParams, creds, 40);
VDDK_AT (VixDiskLibConnectParams, creds.uid.userName, 40);
VDDK_AT (VixDiskLibConnectParams, creds.uid.password, 48);
VDDK_AT (VixDiskLibConnectParams, creds.sessionId.cookie, 40);
VDDK_AT (VixDiskLibConnectParams, creds.sessionId.userName, 48);
VDDK_AT (VixDiskLibConnectParams, creds.sessionId.key, 56);
VDDK_AT (VixDiskLibConnectParams, port, 64);
VDDK_AT (VixDiskLibConnectParams, nfcHostPort, 68);
VDDK_AT (VixDiskLibConnectParams, reserved2, 72);
VDDK_AT (VixDiskLibConnectParams, reserved3, 80);
VDDK_AT (VixDiskLibConnectParams, reserved4, 88);
VDDK_AT (VixDiskLibConnectParams, spec, 96);
VDDK_AT (VixDiskLibConnectParams, spec.vStorageObj.datastoreMoRef, 104);
VDDK_AT (VixDiskLibConnectParams, spec.vStorageObj.ssId, 112);
VDDK_AT (VixDiskLibConnectParams, specType, 120);
VDDK_SIZE (VixDiskLibGeometry, 12);
VDDK_SIZE (VixDiskLibInfo, 64);
VDDK_AT (VixDiskLibInfo, biosGeo, 0);
VDDK_AT (VixDiskLibInfo, physGeo, 12);
VDDK_AT (VixDiskLibInfo, capacity, 24);
VDDK_AT (VixDiskLibInfo, adapterType, 32);
VDDK_AT (VixDiskLibInfo, numLinks, 36);
VDDK_AT (VixDiskLibInfo, parentFileNameHint, 40);
VDDK_AT (VixDiskLibInfo, uuid, 48);
VDDK_AT (VixDiskLibInfo, logicalSectorSize, 56);
VDDK_AT (VixDiskLibInfo, physicalSectorSize, 60);
VDDK_SIZE (VixDiskLibBlock, 16);
VDDK_AT (VixDiskLibBlock, length, 8);
VDDK_AT (VixDiskLibBlockList, numBlocks, 0);
VDDK_AT (VixDiskLibBlockList, blocks, 8);
VDDK_SIZE (VixDiskLibCreateParams, 32);
VDDK_AT (VixDiskLibCreateParams, adapterType, 4);
VDDK_AT (VixDiskLibCreateParams, hwVersion, 8);
VDDK_AT (VixDiskLibCreateParams, capacity, 16);
VDDK_AT (VixDiskLibCreateParams, logicalSectorSize, 24);
VDDK_AT (VixDiskLibCreateParams, physicalSectorSize, 28);

/* Every function, once: VIX_FN (return type, name, parameters).
 * Which of them a library may lack is decided in the helper, not here.
 * Included with VIX_FN defined by the helper (table of
 * pointers), the libraries (prototypes).
 */
#define VIXDISKLIB_FUNCTIONS(VIX_FN)                                           \
  VIX_FN (VixError, InitEx,                                                    \
          (uint32_t major, uint32_t minor, VixDiskLibGenericLogFunc * log,     \
           VixDiskLibGenericLogFunc * warn, VixDiskLibGenericLogFunc * panic,  \
           const char *lib_dir, const char *config_file))                      \
  VIX_FN (void, Exit, (void))                                                  \
  VIX_FN (const char *, ListTransportModes, (void))                            \
  VIX_FN (char *, GetErrorText, (VixError err, const char *locale))            \
  VIX_FN (void, FreeErrorText, (char *text))                                   \
  VIX_FN (VixDiskLibConnectParams *, AllocateConnectParams, (void))            \
  VIX_FN (void, FreeConnectParams, (VixDiskLibConnectParams * params))         \
  VIX_FN (VixError, ConnectEx,                                                 \
          (const VixDiskLibConnectParams *params, VixDiskLibBool read_only,    \
           const char *snapshot_moref, const char *transport_modes,            \
           VixDiskLibConnection *connection))                                  \
  VIX_FN (VixError, Disconnect, (VixDiskLibConnection connection))             \
  VIX_FN (VixError, Open,                                                      \
          (VixDiskLibConnection connection, const char *path, uint32_t flags,  \
           VixDiskLibHandle *handle))                                          \
  VIX_FN (VixError, Close, (VixDiskLibHandle handle))                          \
  VIX_FN (const char *, GetTransportMode, (VixDiskLibHandle handle))           \
  VIX_FN (VixError, GetInfo,                                                   \
          (VixDiskLibHandle handle, VixDiskLibInfo * *info))                   \
  VIX_FN (void, FreeInfo, (VixDiskLibInfo * info))                             \
  VIX_FN (VixError, Read,                                                      \
          (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,         \
           VixDiskLibSectorType nr_sectors, uint8_t * buf))                    \
  VIX_FN (VixError, Write,                                                     \
          (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,         \
           VixDiskLibSectorType nr_sectors, const uint8_t *buf))               \
  VIX_FN (VixError, Create,                                                    \
          (VixDiskLibConnection connection, const char *path,                  \
           const VixDiskLibCreateParams *params,                               \
           VixDiskLibProgressFunc progress, void *progress_data))              \
  VIX_FN (VixError, Flush, (VixDiskLibHandle handle))                          \
  VIX_FN (VixError, ReadAsync,                                                 \
          (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,         \
           VixDiskLibSectorType nr_sectors, uint8_t * buf,                     \
           VixDiskLibCompletionCB callback, void *user_data))                  \
  VIX_FN (VixError, WriteAsync,                                                \
          (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,         \
           VixDiskLibSectorType nr_sectors, const uint8_t *buf,                \
           VixDiskLibCompletionCB callback, void *user_data))                  \
  VIX_FN (VixError, Wait, (VixDiskLibHandle handle))                           \
  VIX_FN (VixError, QueryAllocatedBlocks,                                      \
          (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,         \
           VixDiskLibSectorType nr_sectors, VixDiskLibSectorType chunk_size,   \
           VixDiskLibBlockList * *block_list))                                 \
  VIX_FN (VixError, FreeBlockList, (VixDiskLibBlockList * block_list))

/* Prototypes of them all, for whoever implements the library. */
#define VIX_PROTOTYPE(type, name, parameters)                                  \
  __attribute__ ((visibility ("default"))) type VixDiskLib_##name parameters;
#ifdef VIXDISKLIB_IMPLEMENTATION
VIXDISKLIB_FUNCTIONS (VIX_PROTOTYPE)
#endif

#endif /* VDDK_NBD_VIXDISKLIB_H */
