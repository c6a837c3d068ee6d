/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The descriptor of a new disk, with the keys, the order and the geometry that
 * VMware's own tools write.
 */
#include "create.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SECTORS_PER_GIB (UINT64_C (1) << 21)

/* What a BIOS can address on an IDE disk. */
#define MAX_IDE_CYLINDERS 16383

/* VMware's workstation 5, the least that today's products open. */
#define DEFAULT_HW_VERSION 4

static VixDiskLibGeometry
geometry_of (const VixDiskLibCreateParams *params)
{
  VixDiskLibGeometry g = { .heads = 255, .sectors = 63 };
  uint64_t cylinders;

  if (params->adapterType == VIXDISKLIB_ADAPTER_IDE)
    g.heads = 16;
  else if (params->capacity < SECTORS_PER_GIB)
    g = (VixDiskLibGeometry){ .heads = 64, .sectors = 32 };
  else if (params->adapterType == VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC
           && params->capacity < 2 * SECTORS_PER_GIB)
    g = (VixDiskLibGeometry){ .heads = 128, .sectors = 32 };
  cylinders = params->capacity / (g.heads * g.sectors);
  if (cylinders == 0)
    cylinders = 1;
  if (g.heads == 16 && cylinders > MAX_IDE_CYLINDERS)
    cylinders = MAX_IDE_CYLINDERS;
  g.cylinders = (uint32_t)cylinders;
  return g;
}

static const char *
adapter_name (VixDiskLibAdapterType type)
{
  switch (type) {
  case VIXDISKLIB_ADAPTER_IDE:
    return "ide";
  case VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC:
    return "buslogic";
  default:
    return "lsilogic";
  }
}

static void
put_extents (FILE *out, const struct new_disk *disk)
{
  fputs ("# Extent description\n", out);
  for (size_t i = 0; i < disk->nr_extents; i++) {
    const struct new_extent *e = &disk->extents[i];

    fprintf (out, "RW %" PRIu64 " %s \"%s\"%s\n", e->nr_sectors, e->type,
             e->name, e->has_offset ? " 0" : "");
  }
}

static void
put_data_base (FILE *out, const struct new_disk *disk, const uint8_t *random)
{
  const VixDiskLibCreateParams *params = disk->params;
  VixDiskLibGeometry g = geometry_of (params);

  fprintf (out,
           "\n# The Disk Data Base \n#DDB\n\n"
           "ddb.adapterType = \"%s\"\n"
           "ddb.geometry.cylinders = \"%" PRIu32 "\"\n"
           "ddb.geometry.heads = \"%" PRIu32 "\"\n"
           "ddb.geometry.sectors = \"%" PRIu32 "\"\n"
           "ddb.longContentID = \"",
           adapter_name (params->adapterType), g.cylinders, g.heads, g.sectors);
  for (size_t i = 0; i < 16; i++)
    fprintf (out, "%02x", random[i]);
  if (disk->thin)
    fputs ("\"\nddb.thinProvisioned = \"1", out);
  fputs ("\"\nddb.uuid = \"60 00 C2 9", out);
  fprintf (out, "%x", random[16] & 0xf);
  for (size_t i = 17; i < 29; i++)
    fprintf (out, "%c%02x", i == 21 ? '-' : ' ', random[i]);
  fprintf (out, "\"\nddb.virtualHWVersion = \"%u\"\n",
           params->hwVersion ? params->hwVersion : DEFAULT_HW_VERSION);
}

char *
create_text (const struct new_disk *disk)
{
  uint8_t random[29];
  char *text = NULL;
  size_t length;
  FILE *out;

  if (getrandom (random, sizeof random, 0) != sizeof random)
    return NULL;
  out = open_memstream (&text, &length);
  if (!out)
    return NULL;
  random[12] &= 0x7f; /* never the CID of a disk that has none */
  fprintf (out,
           "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\n"
           "CID=%02x%02x%02x%02x\nparentCID=ffffffff\n"
           "createType=\"%s\"\n\n",
           random[12], random[13], random[14], random[15], disk->create_type);
  put_extents (out, disk);
  put_data_base (out, disk, random);
  if (fclose (out) == 0)
    return text;
  free (text);
  return NULL;
}
