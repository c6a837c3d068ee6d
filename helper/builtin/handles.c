/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connections and open disks that a caller holds, in two short lists.
 */
#include "handles.h"

#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection *connections;
static struct handle *handles;

struct handle *
handle_new (void)
{
  struct handle *h = calloc (1, sizeof *h);

  if (!h)
    return NULL;
  pthread_mutex_init (&h->lock, NULL);
  pthread_cond_init (&h->done, NULL);
  return h;
}

void
handle_free (struct handle *handle)
{
  pthread_cond_destroy (&handle->done);
  pthread_mutex_destroy (&handle->lock);
  free (handle);
}

unsigned
handle_begin (struct handle *handle)
{
  unsigned alone;

  pthread_mutex_lock (&handle->lock);
  handle->alone = handle->in_flight == 0 ? handle->alone + 1 : 0;
  alone = handle->alone;
  handle->in_flight++;
  pthread_mutex_unlock (&handle->lock);
  return alone;
}

void
handle_end (struct handle *handle)
{
  pthread_mutex_lock (&handle->lock);
  if (--handle->in_flight == 0)
    pthread_cond_broadcast (&handle->done);
  pthread_mutex_unlock (&handle->lock);
}

void
handle_wait (struct handle *handle)
{
  pthread_mutex_lock (&handle->lock);
  while (handle->in_flight > 0)
    pthread_cond_wait (&handle->done, &handle->lock);
  pthread_mutex_unlock (&handle->lock);
}

void
handles_add_connection (struct connection *connection)
{
  pthread_mutex_lock (&lock);
  connection->next = connections;
  connections = connection;
  pthread_mutex_unlock (&lock);
}

void
handles_add (struct handle *handle)
{
  pthread_mutex_lock (&lock);
  handle->next = handles;
  handles = handle;
  handle->connection->nr_disks++;
  pthread_mutex_unlock (&lock);
}

struct connection *
handles_find_connection (VixDiskLibConnection pointer)
{
  struct connection *c;

  pthread_mutex_lock (&lock);
  for (c = connections; c && c != pointer; c = c->next)
    ;
  pthread_mutex_unlock (&lock);
  return c;
}

struct handle *
handles_find (VixDiskLibHandle pointer)
{
  struct handle *h;

  pthread_mutex_lock (&lock);
  for (h = handles; h && h != pointer; h = h->next)
    ;
  pthread_mutex_unlock (&lock);
  return h;
}

struct handle *
handles_remove (VixDiskLibHandle pointer)
{
  struct handle **link;
  struct handle *h;

  pthread_mutex_lock (&lock);
  for (link = &handles; *link && *link != pointer; link = &(*link)->next)
    ;
  h = *link;
  if (h) {
    *link = h->next;
    h->connection->nr_disks--;
  }
  pthread_mutex_unlock (&lock);
  return h;
}

VixError
handles_free_connection (VixDiskLibConnection pointer)
{
  VixError err = VIX_E_DISK_INVALID_CONNECTION;
  struct connection **link;
  struct connection *c;

  pthread_mutex_lock (&lock);
  for (link = &connections; *link && *link != pointer; link = &(*link)->next)
    ;
  c = *link;
  if (c && c->nr_disks > 0)
    err = VIX_E_OBJECT_IS_BUSY;
  else if (c) {
    *link = c->next;
    free (c);
    err = VIX_OK;
  }
  pthread_mutex_unlock (&lock);
  return err;
}
