/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The N-API addon behind src/base/sockets.ts: sends at once on a socket of
 * Node.js, without its streams.  The rule: it never blocks and never fails;
 * what it could not send is the stream's to send, and so are errors.
 */
#define NAPI_VERSION 8
#include <node_api.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Buffers of one call; a caller with more goes by the stream. */
#define CHUNKS_MAX 128

static napi_value
number (napi_env env, int64_t value)
{
  napi_value result;

  return napi_create_int64 (env, value, &result) == napi_ok ? result : NULL;
}

/* Sends what iov[0, n) holds; how many bytes have left. */
static int64_t
send_now (int fd, struct iovec *iov, size_t n)
{
  struct msghdr message = { .msg_iov = iov, .msg_iovlen = n };
  ssize_t sent = sendmsg (fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

  return sent > 0 ? sent : 0;
}

/* send(fd, bytes, start, end): the bytes of a Buffer in [start, end). */
static napi_value
send_part (napi_env env, napi_callback_info info)
{
  napi_value args[4];
  size_t argc = 4, length;
  struct iovec iov;
  int64_t fd, start, end;
  void *data;

  if (napi_get_cb_info (env, info, &argc, args, NULL, NULL) != napi_ok
      || argc != 4 || napi_get_value_int64 (env, args[0], &fd) != napi_ok
      || napi_get_buffer_info (env, args[1], &data, &length) != napi_ok
      || napi_get_value_int64 (env, args[2], &start) != napi_ok
      || napi_get_value_int64 (env, args[3], &end) != napi_ok || start < 0
      || start >= end || (uint64_t)end > length)
    return number (env, 0);
  iov.iov_base = (char *)data + start;
  iov.iov_len = (size_t)(end - start);
  return number (env, send_now ((int)fd, &iov, 1));
}

/* sendAll(fd, chunks): an array of Buffers, in order. */
static napi_value
send_all (napi_env env, napi_callback_info info)
{
  napi_value args[2], chunk;
  size_t argc = 2;
  struct iovec iov[CHUNKS_MAX];
  int64_t fd;
  uint32_t n;

  if (napi_get_cb_info (env, info, &argc, args, NULL, NULL) != napi_ok
      || argc != 2 || napi_get_value_int64 (env, args[0], &fd) != napi_ok
      || napi_get_array_length (env, args[1], &n) != napi_ok || n > CHUNKS_MAX)
    return number (env, 0);
  for (uint32_t i = 0; i < n; i++)
    if (napi_get_element (env, args[1], i, &chunk) != napi_ok
        || napi_get_buffer_info (env, chunk, &iov[i].iov_base, &iov[i].iov_len)
               != napi_ok)
      return number (env, 0);
  return number (env, send_now ((int)fd, iov, n));
}

/* growSendBuffer(fd, bytes): so that a long reply leaves in one go.  It is a
 * wish: the kernel has a limit of its own (net.core.wmem_max).  TCP grows its
 * buffers by itself, and would stop doing so.
 */
static napi_value
grow_send_buffer (napi_env env, napi_callback_info info)
{
  napi_value args[2];
  size_t argc = 2;
  int32_t fd, bytes, domain;
  socklen_t length = sizeof domain;

  if (napi_get_cb_info (env, info, &argc, args, NULL, NULL) == napi_ok
      && argc == 2 && napi_get_value_int32 (env, args[0], &fd) == napi_ok
      && napi_get_value_int32 (env, args[1], &bytes) == napi_ok
      && getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0
      && domain == AF_UNIX)
    setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  return NULL;
}

NAPI_MODULE_INIT ()
{
  const napi_property_descriptor functions[] = {
    { "send", NULL, send_part, NULL, NULL, NULL, napi_enumerable, NULL },
    { "sendAll", NULL, send_all, NULL, NULL, NULL, napi_enumerable, NULL },
    { "growSendBuffer", NULL, grow_send_buffer, NULL, NULL, NULL,
      napi_enumerable, NULL },
  };

  if (napi_define_properties (env, exports,
                              sizeof functions / sizeof functions[0], functions)
      != napi_ok)
    return NULL;
  return exports;
}
