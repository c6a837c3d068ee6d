/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a check finds: keeping and saying it.
 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../errors.h"

struct report report;

static enum finding warning_kind;

static const char *const kind_names[NR_FINDINGS] = {
  [FINDING_CORRUPTION] = "corruption",
  [FINDING_REPAIRABLE] = "repairable",
  [FINDING_LEAK] = "leak",
  [FINDING_NOTE] = "note",
};

static void __attribute__ ((format (printf, 2, 0)))
add (enum finding kind, const char *fmt, va_list args)
{
  char *message = NULL;

  report.count[kind]++;
  if (report.nr_messages == MAX_MESSAGES
      || vasprintf (&message, fmt, args) == -1)
    return;
  report.kinds[report.nr_messages] = kind;
  report.messages[report.nr_messages++] = message;
}

void
report_add (enum finding kind, const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  add (kind, fmt, args);
  va_end (args);
}

void
report_warning (const char *fmt, va_list args)
{
  add (warning_kind, fmt, args);
}

void
report_warnings_as (enum finding kind)
{
  warning_kind = kind;
}

int
report_exit_code (void)
{
  if (report.count[FINDING_CORRUPTION] > 0)
    return 2;
  if (report.err != VIX_OK)
    return 1;
  return report.count[FINDING_LEAK] > 0 ? 3 : 0;
}

/* A JSON string.  Bytes that are no UTF-8 are shown as such. */
static void
put_string (const char *s)
{
  putchar ('"');
  for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
    size_t n = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    bool valid = *p < 0x80 || *p >= 0xc2;

    for (size_t i = 1; valid && i < n; i++)
      valid = (p[i] & 0xc0) == 0x80;
    if (*p == '"' || *p == '\\')
      printf ("\\%c", *p);
    else if (*p < 0x20 || !valid)
      printf ("\\u%04x", *p);
    else {
      fwrite (p, 1, n, stdout);
      p += n - 1;
    }
  }
  putchar ('"');
}

static const struct extent_report *
extent_report (size_t link, size_t extent)
{
  return report.extents ? &report.extents[link][extent] : NULL;
}

static void
put_extents (const struct link *link, size_t index)
{
  for (size_t i = 0; i < link->nr_extents; i++) {
    const struct extent *extent = link->extents[i];
    const struct extent_report *r = extent_report (index, i);

    printf ("%s{\"type\": ", i ? ", " : "");
    put_string (link->descriptor->extents[i].type_name);
    printf (", \"sectors\": %" PRIu64, extent->nr_sectors);
    if (extent->file) {
      printf (", \"file\": ");
      put_string (extent->file->path);
    }
    if (r)
      printf (", \"dataSectors\": %" PRIu64 ", \"zeroSectors\": %" PRIu64
              ", \"absentSectors\": %" PRIu64 ", \"leakedSectors\": %" PRIu64,
              r->data_sectors, r->zero_sectors, r->absent_sectors,
              r->leaked_sectors);
    putchar ('}');
  }
}

static void
put_links (const struct disk *disk)
{
  printf (", \"sectors\": %" PRIu64 ", \"reads\": {\"dataSectors\": %" PRIu64
          ", \"zeroSectors\": %" PRIu64 "}, \"links\": [",
          disk->nr_sectors, report.read_data, report.read_zeroes);
  for (size_t i = 0; i < disk->nr_links; i++) {
    const struct link *link = &disk->links[i];
    const struct descriptor *d = link->descriptor;

    printf ("%s{\"file\": ", i ? ", " : "");
    put_string (link->files->path);
    printf (", \"createType\": ");
    put_string (d->create_type);
    printf (", \"cid\": \"%08" PRIx32 "\"", d->cid);
    if (d->parent_cid != NO_PARENT_CID)
      printf (", \"parentCid\": \"%08" PRIx32 "\"", d->parent_cid);
    printf (", \"extents\": [");
    put_extents (link, i);
    printf ("]}");
  }
  putchar (']');
}

static void
print_json (const char *path, const struct disk *disk)
{
  printf ("{\"file\": ");
  put_string (path);
  if (disk)
    put_links (disk);
  for (int i = 0; i < FINDING_NOTE; i++)
    printf (", \"%s\": %" PRIu64,
            ((const char *[]){ "corruptions", "repairable", "leaks" })[i],
            report.count[i]);
  if (report.err != VIX_OK) {
    printf (", \"error\": %" PRIu64 ", \"errorText\": ", report.err);
    put_string (error_text (report.err));
  }
  printf (", \"messages\": [");
  for (size_t i = 0; i < report.nr_messages; i++) {
    printf ("%s{\"kind\": \"%s\", \"text\": ", i ? ", " : "",
            kind_names[report.kinds[i]]);
    put_string (report.messages[i]);
    putchar ('}');
  }
  puts ("]}");
}

static void
print_link (const struct disk *disk, size_t index)
{
  const struct link *link = &disk->links[index];

  printf ("%s: %s, CID %08" PRIx32 "%s\n", link->files->path,
          link->descriptor->create_type, link->descriptor->cid,
          index + 1 < disk->nr_links ? ", on top of" : "");
  for (size_t i = 0; i < link->nr_extents; i++) {
    const struct extent *extent = link->extents[i];
    const struct extent_report *r = extent_report (index, i);

    printf ("  %s %" PRIu64 " sectors", link->descriptor->extents[i].type_name,
            extent->nr_sectors);
    if (r)
      printf (": %" PRIu64 " data, %" PRIu64 " zeroes, %" PRIu64 " %s",
              r->data_sectors, r->zero_sectors, r->absent_sectors,
              index + 1 < disk->nr_links ? "the parent's" : "unallocated");
    putchar ('\n');
  }
}

static void
print_text (const char *path, const struct disk *disk)
{
  for (size_t i = 0; disk && i < disk->nr_links; i++)
    print_link (disk, i);
  if (disk)
    printf ("reads as %" PRIu64 " sectors of data and %" PRIu64 " of zeroes\n",
            report.read_data, report.read_zeroes);
  for (size_t i = 0; i < report.nr_messages; i++)
    printf ("%s: %s\n", kind_names[report.kinds[i]], report.messages[i]);
  if (report.err != VIX_OK)
    printf ("%s: the check ended early: %s\n", path, error_text (report.err));
  else if (report_exit_code () == 0)
    puts ("no errors were found");
  else
    printf ("%" PRIu64 " corruptions, %" PRIu64 " leaks\n",
            report.count[FINDING_CORRUPTION], report.count[FINDING_LEAK]);
}

void
report_print (const char *path, const struct disk *disk, bool json)
{
  if (json)
    print_json (path, disk);
  else
    print_text (path, disk);
  fflush (stdout);
}
