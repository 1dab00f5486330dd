/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as a column of reads. AMD writes numbers little-endian, the two
 * halves of the signature too; the 512 bytes kept for the signature are the
 * only ones it does not cover, so the unused among them must be zero.
 */
#include "attestation/snp_report.h"

#include "base/cursor.h"

#define SIGNED_SIZE ((size_t)0x2a0)
#define HALF_SIZE 72

struct snp_tcb
snp_tcb_of(const uint8_t raw[8], enum snp_product product)
{
	if (product == SNP_TURIN)
		return (struct snp_tcb){.fmc = raw[0],
		    .bootloader = raw[1],
		    .tee = raw[2],
		    .snp = raw[3],
		    .microcode = raw[7]};
	return (struct snp_tcb){.bootloader = raw[0],
	    .tee = raw[1],
	    .snp = raw[6],
	    .microcode = raw[7]};
}

bool
snp_tcb_reaches(struct snp_tcb a, struct snp_tcb b)
{
	return a.fmc >= b.fmc && a.bootloader >= b.bootloader &&
	       a.tee >= b.tee && a.snp >= b.snp && a.microcode >= b.microcode;
}

static struct snp_version
read_version(struct cursor *c)
{
	struct snp_version v;

	v.build = cursor_u8(c);
	v.minor = cursor_u8(c);
	v.major = cursor_u8(c);
	cursor_u8(c);
	return v;
}

static void
read_flags(struct cursor *c, struct snp_report *r)
{
	uint32_t flags = cursor_u32le(c);

	r->author_key_enabled = flags & 1;
	r->chip_key_masked = flags >> 1 & 1;
	r->signing_key = flags >> 2 & 7;
	r->reserved_flags = flags >> 5;
}

static void
read_cpuid(struct cursor *c, struct snp_report *r)
{
	r->has_cpuid = r->version >= 3;
	r->family = cursor_u8(c);
	r->model = cursor_u8(c);
	r->stepping = cursor_u8(c);
	cursor_take(c, 21);
}

static void
read_body(struct cursor *c, struct snp_report *r)
{
	r->version = cursor_u32le(c);
	r->guest_svn = cursor_u32le(c);
	r->policy = cursor_u64le(c);
	r->family_id = cursor_take(c, 16);
	r->image_id = cursor_take(c, 16);
	r->vmpl = cursor_u32le(c);
	r->signature_algorithm = cursor_u32le(c);
	r->current_tcb = cursor_take(c, 8);
	r->platform_info = cursor_u64le(c);
	read_flags(c, r);
	cursor_take(c, 4);
	r->report_data = cursor_take(c, 64);
	r->measurement = cursor_take(c, 48);
	r->host_data = cursor_take(c, 32);
	r->id_key_digest = cursor_take(c, 48);
	r->author_key_digest = cursor_take(c, 48);
	r->report_id = cursor_take(c, 32);
	r->report_id_ma = cursor_take(c, 32);
	r->reported_tcb = cursor_take(c, 8);
	read_cpuid(c, r);
	r->chip_id = cursor_take(c, 64);
	r->committed_tcb = cursor_take(c, 8);
	r->current = read_version(c);
	r->committed = read_version(c);
	r->launch_tcb = cursor_take(c, 8);
	r->launch_mitigation = cursor_u64le(c);
	r->current_mitigation = cursor_u64le(c);
}

/* One number of the signature: 48 bytes used of 72, little-endian. */
static bool
read_half(struct cursor *c, uint8_t out[48])
{
	struct bytes half = cursor_take(c, HALF_SIZE);
	size_t i;

	for (i = 48; i < half.len; i++)
		if (half.at[i] != 0)
			return false;
	for (i = 0; i < 48 && half.len == HALF_SIZE; i++)
		out[47 - i] = half.at[i];
	return true;
}

static bool
read_signature(struct bytes b, struct snp_report *r, struct fault *f)
{
	struct cursor c = cursor_of(b);
	size_t i;

	if (!read_half(&c, r->signature) || !read_half(&c, r->signature + 48))
		return fault_set(f, FAULT_INVALID,
		    "SNP report: a number of the signature is too long");
	for (i = 0; i < c.left; i++)
		if (c.at[i] != 0)
			return fault_set(f, FAULT_INVALID,
			    "SNP report: unused bytes after the signature "
			    "are not zero");
	return true;
}

bool
snp_report_read(struct bytes b, struct snp_report *out, struct fault *f)
{
	struct cursor c = cursor_of(b);

	*out = (struct snp_report){0};
	if (b.len != SNP_REPORT_SIZE)
		return fault_set(f, FAULT_INVALID,
		    "SNP report of %zu bytes, not %zu", b.len, SNP_REPORT_SIZE);
	read_body(&c, out);
	if (out->version < 2 || out->version > 5)
		return fault_set(f, FAULT_UNSUPPORTED, "SNP report: version %u",
		    out->version);
	if (out->signature_algorithm != 1)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "SNP report: signature algorithm %u",
		    out->signature_algorithm);
	out->signed_part = bytes_of(b.at, SIGNED_SIZE);
	return read_signature(
	    bytes_of(b.at + SIGNED_SIZE, b.len - SIGNED_SIZE), out, f);
}
