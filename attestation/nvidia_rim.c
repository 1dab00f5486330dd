/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device against the maker's manifests: first that the manifests are for
 * this chip and these versions (a genuine manifest of another version would
 * only tell the wrong story), then every active measurement.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "attestation/nvidia.h"

/* Index of NVDEC's measurement, which a disabled NVDEC0 leaves undefined. */
enum { NVDEC_INDEX = 35, NVDEC_DISABLED = 0x55 };

static bool
field(const struct nvidia_device *d, enum spdm_opaque type, char out[32])
{
	return spdm_opaque_text(&d->report, type, out, 32);
}

static const char *
upper(char *s)
{
	for (char *at = s; *at != '\0'; at++)
		*at = (char)toupper((unsigned char)*at);
	return s;
}

/* NVIDIA's service: Hopper by chip family, Blackwell by chip info. */
const char *
nvidia_driver_rim_id(struct arena *a, const struct nvidia_device *d)
{
	char chip[32];

	if (d->kind != NVIDIA_GPU)
		return NULL;
	if (field(d, OPAQUE_CHIP_INFO, chip))
		return arena_printf(
		    a, "NV_GPU_CC_DRIVER_%s_%s", upper(chip), d->driver);
	return arena_printf(a, "NV_GPU_DRIVER_%s_%s", d->chip, d->driver);
}

const char *
nvidia_vbios_rim_id(struct arena *a, const struct nvidia_device *d)
{
	char project[32], project_sku[32], chip_sku[32], plain[32];
	size_t n = 0;

	for (const char *at = d->vbios; *at != '\0'; at++)
		if (*at != '.')
			plain[n++] = *at;
	plain[n] = '\0';
	if (d->kind == NVIDIA_SWITCH)
		return arena_printf(
		    a, "NV_SWITCH_BIOS_5612_0002_890_%s", upper(plain));
	if (!field(d, OPAQUE_PROJECT, project) ||
	    !field(d, OPAQUE_PROJECT_SKU, project_sku) ||
	    !field(d, OPAQUE_CHIP_SKU, chip_sku))
		return NULL;
	return arena_printf(a, "NV_GPU_VBIOS_%s_%s_%s_%s", upper(project),
	    upper(project_sku), upper(chip_sku), plain);
}

static bool
version_judge(struct verdict *v, const char *name, const struct rim *rim,
    const char *seen)
{
	return verdict_check(v, strcasecmp(rim->version, seen) == 0,
	    (struct check){name, SOURCE_VERIFIER, CODE_MISMATCH,
		verdict_text(v, text_of(seen)),
		verdict_text(v, text_of(rim->version))});
}

/* The chip as the leaf's name or the report's chip info has it. */
static bool
product_judge(
    struct verdict *v, const struct nvidia_device *d, const struct rim *rim)
{
	const char *edition = d->kind == NVIDIA_GPU ? "GPU" : "SWITCH";
	char chip[32];
	bool same = strcasecmp(rim->product, d->chip) == 0;

	if (!same && field(d, OPAQUE_CHIP_INFO, chip))
		same = strcasecmp(rim->product, chip) == 0;
	return verdict_check(v, same && strcmp(rim->edition, edition) == 0,
	    (struct check){"nvidia.product", SOURCE_VERIFIER, CODE_MISMATCH,
		verdict_format(
		    v, "manifest of %s %s", rim->edition, rim->product),
		verdict_format(v, "%s %s", edition, d->chip)});
}

static bool
is_measured(const struct rim *rim, unsigned index)
{
	return rim != NULL && rim->entry[index].active;
}

static bool
conflict_judge(
    struct verdict *v, const struct rim *driver, const struct rim *vbios)
{
	unsigned both = 0, index = 0;

	for (unsigned i = 0; i <= RIM_INDEX_MAX; i++)
		if (is_measured(driver, i) && is_measured(vbios, i)) {
			index = both == 0 ? i : index;
			both++;
		}
	return verdict_check(v, both == 0,
	    (struct check){"nvidia.rim_conflict", SOURCE_VERIFIER,
		CODE_MISMATCH,
		verdict_format(v,
		    "%u indices active in both manifests, "
		    "first %u",
		    both, index),
		"each index in one manifest"});
}

static bool
entry_matches(
    const struct nvidia_device *d, const struct rim *rim, unsigned index)
{
	const struct rim_entry *e = &rim->entry[index];
	const uint8_t *seen = d->report.block[index + 1];

	for (unsigned i = 0; seen != NULL && i < e->alternatives; i++)
		if (memcmp(seen, e->value[i], RIM_DIGEST) == 0)
			return true;
	return false;
}

static bool
nvdec_disabled(const struct nvidia_device *d)
{
	struct bytes b = d->report.opaque[OPAQUE_NVDEC0];

	return b.len == 1 && b.at[0] == NVDEC_DISABLED;
}

static bool
measurements_judge(struct verdict *v, const struct nvidia_device *d,
    const struct rim *rim, const char *what)
{
	unsigned compared = 0, wrong = 0, first = 0;

	for (unsigned i = 0; i <= RIM_INDEX_MAX; i++) {
		if (!rim->entry[i].active ||
		    (i == NVDEC_INDEX && nvdec_disabled(d)))
			continue;
		compared++;
		if (entry_matches(d, rim, i))
			continue;
		first = wrong == 0 ? i : first;
		wrong++;
	}
	return verdict_check(v, compared > 0 && wrong == 0,
	    (struct check){"nvidia.measurements", SOURCE_VERIFIER,
		CODE_MEASUREMENT,
		wrong == 0
		    ? verdict_format(v, "%s: %u indices match", what, compared)
		    : verdict_format(v, "%s: %u of %u indices differ, first %u",
			  what, wrong, compared, first),
		"every active index"});
}

bool
nvidia_manifests_judge(struct verdict *v, const struct nvidia_device *d,
    const struct rim *driver, const struct rim *vbios)
{
	bool ok = true;

	if (driver != NULL)
		ok = version_judge(
			 v, "nvidia.driver_version", driver, d->driver) &&
		     product_judge(v, d, driver);
	if (ok && vbios != NULL)
		ok =
		    version_judge(v, "nvidia.vbios_version", vbios, d->vbios) &&
		    product_judge(v, d, vbios);
	if (ok && driver != NULL && vbios != NULL)
		ok = conflict_judge(v, driver, vbios);
	if (!ok)
		return false;
	if (driver != NULL)
		ok = measurements_judge(v, d, driver, "driver");
	if (vbios != NULL)
		ok = measurements_judge(v, d, vbios, "VBIOS") && ok;
	return ok;
}
