/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Extents that have no file: ZERO, and what the descriptor forbids to touch.
 * A forbidden stretch fails its own requests and leaves the rest of the disk
 * usable; a map calls it data, so that nobody takes it for zeroes.
 */
#include "extent.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

struct hollow {
  struct extent extent;
  char *path; /* for messages */
};

static const char *
path_of (const struct extent *extent)
{
  return ((const struct hollow *)extent)->path;
}

static VixError
zero_write (struct extent *extent, uint64_t sector __attribute__ ((unused)),
            uint64_t nr_sectors, const uint8_t *buf)
{
  if (is_zero (buf, nr_sectors))
    return VIX_OK;
  return log_fail (VIX_E_FILE_READ_ONLY,
                   "%s: a ZERO extent holds nothing but zeroes",
                   path_of (extent));
}

static VixError
forbidden (const struct extent *extent)
{
  return log_fail (VIX_E_FILE_ACCESS_ERROR,
                   "%s: the descriptor forbids access to this part of the "
                   "disk (NOACCESS)",
                   path_of (extent));
}

static VixError
forbidden_read (struct extent *extent, uint64_t sector __attribute__ ((unused)),
                const struct span *span __attribute__ ((unused)),
                uint8_t *buf __attribute__ ((unused)))
{
  return forbidden (extent);
}

static VixError
forbidden_write (struct extent *extent,
                 uint64_t sector __attribute__ ((unused)),
                 uint64_t nr_sectors __attribute__ ((unused)),
                 const uint8_t *buf __attribute__ ((unused)))
{
  return forbidden (extent);
}

static void
hollow_close (struct extent *extent)
{
  free (((struct hollow *)extent)->path);
  free (extent);
}

static const struct extent_ops zero_ops = {
  .span = extent_all_zero,
  .write = zero_write,
  .close = hollow_close,
};

static const struct extent_ops forbidden_ops = {
  .span = extent_all_data,
  .read = forbidden_read,
  .write = forbidden_write,
  .close = hollow_close,
};

static VixError
hollow_open (const struct extent_ops *ops, const char *path,
             uint64_t nr_sectors, struct extent **out)
{
  struct hollow *h = calloc (1, sizeof *h);

  if (!h || !(h->path = strdup (path))) {
    free (h);
    return VIX_E_OUT_OF_MEMORY;
  }
  h->extent.ops = ops;
  h->extent.nr_sectors = nr_sectors;
  *out = &h->extent;
  return VIX_OK;
}

VixError
zero_open (const char *path, uint64_t nr_sectors, struct extent **out)
{
  return hollow_open (&zero_ops, path, nr_sectors, out);
}

VixError
forbidden_open (const char *path, uint64_t nr_sectors, struct extent **out)
{
  return hollow_open (&forbidden_ops, path, nr_sectors, out);
}
