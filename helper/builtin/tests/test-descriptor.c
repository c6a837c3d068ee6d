/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The descriptor parser: what it understands, and what it refuses and why.
 */
#include <strings.h>

#include "../descriptor.h"
#include "../log.h"
#include "check.h"

static char warning[1024];

static void
keep_warning (const char *fmt, va_list args)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  vsnprintf (warning, sizeof warning, fmt, args);
#pragma GCC diagnostic pop
}

static struct descriptor *
parse (const char *text)
{
  struct descriptor *d = NULL;

  CHECK_EQUAL (descriptor_parse ("x.vmdk", text, strlen (text), &d), VIX_OK);
  return d;
}

/* text is refused, with a warning that contains why. */
static void
refused (const char *text, VixError err, const char *why)
{
  struct descriptor *d = NULL;

  warning[0] = '\0';
  CHECK_EQUAL (descriptor_parse ("x.vmdk", text, strlen (text), &d), err);
  CHECK (!d);
  if (!strstr (warning, why) || strncmp (warning, "x.vmdk: ", 8) != 0) {
    fprintf (stderr, "\"%s\" does not contain \"%s\"\n", warning, why);
    exit (1);
  }
}

static void
damaged (const char *line, const char *why)
{
  char text[1024];

  snprintf (text, sizeof text, "createType=\"x\"\n%s\nRW 1 FLAT \"a\" 0\n",
            line);
  refused (text, VIX_E_DISK_INVALIDDISK, why);
}

static void
test_whole (void)
{
  struct descriptor *d
      = parse ("# Disk DescriptorFile\r\n"
               "\r\n"
               "VERSION = 1\r\n"
               "  CreateType\t=\t\"twoGbMaxExtentFlat\"  \r\n"
               "PARENTCID=FFFFFFFF\r\n"
               "rw 4192256 flat \"name with blank-f001.vmdk\" 0\r\n"
               "RDONLY 7 FLAT \"b.vmdk\" 128\r\n"
               "NOACCESS 1 ZERO\r\n"
               "ddb.adaptertype = \"BusLogic\"\r\n"
               "ddb.geometry.cylinders = \"16383\"\r\n"
               "ddb.geometry.heads = \"x\"\r\n"
               "ddb.uuid = \"60 00 C2 9a\"\r\n"
               "changeTrackPath=\"b-ctk.vmdk\"\r\n"
               "unknown.key = whatever");

  CHECK (strcmp (d->create_type, "twoGbMaxExtentFlat") == 0);
  CHECK_EQUAL (d->parent_cid, NO_PARENT_CID);
  CHECK_EQUAL (d->nr_extents, 3);
  CHECK_EQUAL (d->nr_sectors, 4192256 + 7 + 1);
  CHECK_EQUAL (d->extents[0].access, ACCESS_RW);
  CHECK_EQUAL (d->extents[0].type, EXTENT_FLAT);
  CHECK (strcmp (d->extents[0].name, "name with blank-f001.vmdk") == 0);
  CHECK_EQUAL (d->extents[1].access, ACCESS_RDONLY);
  CHECK_EQUAL (d->extents[1].offset_sector, 128);
  CHECK_EQUAL (d->extents[2].access, ACCESS_NOACCESS);
  CHECK_EQUAL (d->extents[2].type, EXTENT_ZERO);
  CHECK (strcmp (d->extents[2].type_name, "ZERO") == 0);
  CHECK_EQUAL (descriptor_adapter (d), VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC);
  CHECK_EQUAL (d->geometry.cylinders, 16383);
  CHECK_EQUAL (d->geometry.heads, 0);
  CHECK (strcmp (d->uuid, "60 00 C2 9a") == 0);
  CHECK (strcmp (d->change_track_path, "b-ctk.vmdk") == 0);
  CHECK (!d->encrypted);
  descriptor_free (d);
}

static void
test_parent_and_encryption (void)
{
  struct descriptor *d = parse ("createType=x\nparentCID=0badcafe\n"
                                "parentFileNameHint=\"p.vmdk\"\n"
                                "encryption.keySafe = \"k\"\n"
                                "RW 1 SPARSE \"a\"\n");

  CHECK_EQUAL (d->parent_cid, 0x0badcafe);
  CHECK (strcmp (d->parent_hint, "p.vmdk") == 0);
  CHECK (d->encrypted);
  CHECK_EQUAL (descriptor_adapter (d), VIXDISKLIB_ADAPTER_UNKNOWN);
  descriptor_free (d);
}

static void
test_refused (void)
{
  refused ("RW 1 FLAT \"a\" 0\n", VIX_E_DISK_INVALIDDISK, "createType");
  refused ("createType=\"x\"\n", VIX_E_DISK_INVALIDDISK, "no extents");
  refused ("createType=\"x\"\n\001\n", VIX_E_DISK_INVALIDDISK,
           "line 2 is damaged: it contains control characters");
  damaged ("hello", "key=value");
  damaged ("a=\"b", "quote");
  damaged ("a=\"", "quote");
  damaged ("parentCID=xyz", "parentCID");
  damaged ("parentCID=100000000", "parentCID");
  damaged ("parentCID=-1", "parentCID");
  damaged ("RW 0 FLAT \"a\" 0", "size");
  damaged ("RW -1 FLAT \"a\" 0", "size");
  damaged ("RW 1x FLAT \"a\" 0", "size");
  damaged ("RW 18446744073709551615 FLAT \"a\" 0", "size");
  damaged ("RW 99999999999999999999 FLAT \"a\" 0", "size");
  damaged ("RW 137438953472 FLAT \"a\" 0", "64 TiB");
  damaged ("RW 1 FLAT \"a\"", "offset");
  damaged ("RW 1 FLAT \"a\" 18446744073709551615", "offset");
  damaged ("RW 1 FLAT a 0", "quotes");
  damaged ("RW 1 FLAT \"a", "quotes");
  damaged ("RW 1 SPARSE \"a\" 1", "offset");
  damaged ("RW 1 FLAT \"a\" 0 more", "behind");
}

static void
test_limits (void)
{
  size_t room = MAX_DESCRIPTOR_BYTES + 2;
  char *text = malloc (room);
  struct descriptor *d = NULL;
  size_t n;

  CHECK (text);
  memset (text, '#', room);
  CHECK_EQUAL (descriptor_parse ("x", text, MAX_DESCRIPTOR_BYTES + 1, &d),
               VIX_E_DISK_INVALIDDISK);
  CHECK_EQUAL (descriptor_parse ("x", "a\0b", 3, &d), VIX_E_DISK_INVALIDDISK);
  n = (size_t)snprintf (text, room, "createType=x\n");
  for (int i = 0; i < MAX_EXTENTS + 1; i++)
    n += (size_t)snprintf (text + n, room - n, "RW 1 FLAT \"a\" %d\n", i);
  refused (text, VIX_E_DISK_NOTSUPPORTED, "more than 4096 extents");
  *strrchr (text, 'R') = '\0';
  d = parse (text);
  CHECK_EQUAL (d->nr_extents, MAX_EXTENTS);
  descriptor_free (d);
  free (text);
}

static void
test_detect (void)
{
  CHECK (descriptor_detect ("# Disk DescriptorFile\n", 22));
  CHECK (descriptor_detect ("\r\n# disk descriptorfile", 23));
  CHECK (!descriptor_detect ("# Disk DescriptorFil", 20));
  CHECK (!descriptor_detect ("hello", 5));
  CHECK (!descriptor_detect ("", 0));
}

int
main (void)
{
  log_set (NULL, keep_warning);
  test_whole ();
  test_parent_and_encryption ();
  test_refused ();
  test_limits ();
  test_detect ();
  return 0;
}
