/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vddk-nbd-check [--json] [--config FILE] [--single-link] FILE: looks through a
 * disk and its parents.  Exit codes as of qemu-img check.  It never writes.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "../config.h"
#include "../errors.h"
#include "../log.h"
#include "report.h"
#include "walk.h"

/* Asked for at once: 1 GiB. */
#define STEP_SECTORS (UINT64_C (1) << 21)

static VixError
look_at_extent (struct extent *extent, struct extent_report *out)
{
  struct span span;
  VixError err = VIX_OK;

  if (extent->ops->commit) /* only sparse ones have metadata */
    return walk_sparse ((struct sparse *)extent, out);
  for (uint64_t at = 0; err == VIX_OK && at < extent->nr_sectors;
       at += span.nr_sectors) {
    err = (extent->ops->map ? extent->ops->map : extent->ops->span) (
        extent, at, extent->nr_sectors - at, &span);
    if (err == VIX_OK && span.kind == SPAN_DATA)
      out->data_sectors += span.nr_sectors;
    else if (err == VIX_OK)
      out->zero_sectors += span.nr_sectors;
  }
  return err;
}

/* What the whole disk reads as. */
static VixError
look_at_disk (struct disk *disk)
{
  VixError err = VIX_OK;
  bool data;
  uint64_t n;

  for (uint64_t at = 0; err == VIX_OK && at < disk->nr_sectors; at += n) {
    uint64_t left = disk->nr_sectors - at;

    err = disk_next_run (disk, at, left < STEP_SECTORS ? left : STEP_SECTORS,
                         &data, &n);
    if (err == VIX_OK && data)
      report.read_data += n;
    else if (err == VIX_OK)
      report.read_zeroes += n;
  }
  return err;
}

static VixError
look_at_links (struct disk *disk)
{
  VixError err = VIX_OK;

  report.extents = calloc (disk->nr_links, sizeof *report.extents);
  if (!report.extents)
    return VIX_E_OUT_OF_MEMORY;
  for (size_t i = 0; i < disk->nr_links; i++) {
    const struct link *link = &disk->links[i];

    report.extents[i] = calloc (link->nr_extents, sizeof **report.extents);
    if (!report.extents[i])
      return VIX_E_OUT_OF_MEMORY;
    for (size_t e = 0; err == VIX_OK && e < link->nr_extents; e++)
      err = look_at_extent (link->extents[e], &report.extents[i][e]);
  }
  return err;
}

/* Errors that say that the disk is damaged, and not that it is away. */
static bool
is_damage (VixError err)
{
  return err == VIX_E_DISK_INVALIDDISK || err == VIX_E_DISK_PARTMISMATCH
         || err == VIX_E_DISK_INVALIDCHAIN || err == VIX_E_DISK_NEEDSREPAIR
         || err == VIX_E_DISK_OPENPARENT;
}

static struct disk *
check (const char *path, unsigned flags)
{
  struct disk *disk = NULL;
  size_t waiting = 0;

  report_warnings_as (FINDING_NOTE);
  report.err = disk_open (path, flags, &disk);
  if (report.err != VIX_OK) {
    if (is_damage (report.err)) {
      report.count[FINDING_CORRUPTION]++;
      report.kinds[report.nr_messages - 1] = FINDING_CORRUPTION;
    }
    return NULL;
  }
  kill_log_records (disk->kill_log, &waiting);
  if (waiting > 0)
    report_add (FINDING_NOTE,
                "%s: %zu changes of a killed process wait in %s for the next "
                "one that writes",
                path, waiting, kill_log_path (disk->kill_log));
  report.err = look_at_links (disk);
  /* What can't be read has been said. */
  report_warnings_as (FINDING_NOTE);
  if (report.err == VIX_OK && report.count[FINDING_CORRUPTION] == 0)
    report.err = look_at_disk (disk);
  return disk;
}

static int
usage (void)
{
  fputs (
      "usage: vddk-nbd-check [--json] [--config FILE] [--single-link] FILE\n",
      stderr);
  return 1;
}

int
main (int argc, char *argv[])
{
  static const struct option options[] = {
    { "json", no_argument, NULL, 'j' },
    { "config", required_argument, NULL, 'c' },
    { "single-link", no_argument, NULL, 's' },
    { 0 },
  };
  const char *config_file = NULL;
  struct disk *disk = NULL;
  unsigned flags = 0;
  bool json = false;
  int c, code;

  while ((c = getopt_long (argc, argv, "", options, NULL)) != -1) {
    if (c == 'j')
      json = true;
    else if (c == 'c')
      config_file = optarg;
    else if (c == 's')
      flags |= DISK_SINGLE_LINK;
    else
      return usage ();
  }
  if (optind + 1 != argc)
    return usage ();
  log_set (NULL, report_warning);
  report_warnings_as (FINDING_NOTE);
  report.err = config_load (config_file);
  config.look_at_all = true;
  if (report.err == VIX_OK)
    disk = check (argv[optind], flags);
  report_print (argv[optind], disk, json);
  code = report_exit_code ();
  for (size_t i = 0; disk && report.extents && i < disk->nr_links; i++)
    free (report.extents[i]);
  free (report.extents);
  for (size_t i = 0; i < report.nr_messages; i++)
    free (report.messages[i]);
  if (disk)
    disk_close (disk);
  return code;
}
