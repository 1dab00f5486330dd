/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCK extension: a sequence of (OID, value) pairs below one arc. Each may
 * stand there once; what the verifier needs must be there.
 */
#include "attestation/tdx_pck.h"

#include <string.h>

#include "attestation/der.h"

/* The arc above, as DER content: 1.2.840.113741.1.13.1 */
static const uint8_t arc[] = {
    0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

enum {
	PCK_PPID = 1,
	PCK_TCB,
	PCK_PCEID,
	PCK_FMSPC,
	PCK_TYPE,
	PCK_PIID,
	PCK_CONFIGURATION
};

/* Takes a pair whose OID is the arc, `depth` - 1 known numbers and one more,
 * which is *number. */
static bool
take_pair(struct bytes *in, const uint8_t *above, size_t depth,
    unsigned *number, uint8_t *tag, struct bytes *value)
{
	struct bytes pair, oid;

	if (!der_take(in, DER_SEQUENCE, &pair) ||
	    !der_take(&pair, DER_OID, &oid) || oid.len != sizeof(arc) + depth ||
	    memcmp(oid.at, arc, sizeof(arc)) != 0 ||
	    memcmp(oid.at + sizeof(arc), above, depth - 1) != 0 ||
	    oid.at[oid.len - 1] >= 0x80)
		return false;
	*number = oid.at[oid.len - 1];
	return der_next(&pair, tag, value) && pair.len == 0;
}

static bool
store(uint8_t tag, struct bytes value, uint8_t *out, size_t len)
{
	if (tag != DER_OCTET_STRING || value.len != len)
		return false;
	memcpy(out, value.at, len);
	return true;
}

/* .2: sixteen component SVNs, the PCE SVN and the raw CPUSVN. */
static bool
read_tcb(struct bytes in, struct tdx_pck *out)
{
	const uint8_t above[] = {PCK_TCB};
	unsigned number, seen = 0;
	struct bytes value;
	uint8_t tag;
	uint32_t n;

	while (in.len > 0) {
		if (!take_pair(&in, above, 2, &number, &tag, &value) ||
		    number < 1 || number > 18 || (seen & 1u << number))
			return false;
		seen |= 1u << number;
		if (number == 18)
			continue;
		if (tag != DER_INTEGER || !der_uint(value, &n) ||
		    n > (number == 17 ? 0xffffu : 0xffu))
			return false;
		if (number == 17)
			out->pcesvn = (uint16_t)n;
		else
			out->svn[number - 1] = (uint8_t)n;
	}
	return (seen & 0x3fffeu) == 0x3fffeu;
}

static bool
read_configuration(struct bytes in, struct tdx_pck *out)
{
	const uint8_t above[] = {PCK_CONFIGURATION};
	bool *const at[] = {
	    &out->dynamic_platform, &out->cached_keys, &out->smt};
	unsigned number;
	struct bytes value;
	uint8_t tag;

	while (in.len > 0)
		if (!take_pair(&in, above, 2, &number, &tag, &value) ||
		    number < 1 || number > 3 || tag != DER_BOOLEAN ||
		    !der_bool(value, at[number - 1]))
			return false;
	out->has_configuration = true;
	return true;
}

static bool
read_member(
    unsigned number, uint8_t tag, struct bytes value, struct tdx_pck *out)
{
	switch (number) {
	case PCK_PPID:
		return store(tag, value, out->ppid, sizeof(out->ppid));
	case PCK_TCB:
		return tag == DER_SEQUENCE && read_tcb(value, out);
	case PCK_PCEID:
		return store(tag, value, out->pceid, sizeof(out->pceid));
	case PCK_FMSPC:
		return store(tag, value, out->fmspc, sizeof(out->fmspc));
	case PCK_TYPE:
		return tag == DER_ENUMERATED && der_uint(value, &out->sgx_type);
	case PCK_PIID:
		out->has_piid = true;
		return store(tag, value, out->piid, sizeof(out->piid));
	case PCK_CONFIGURATION:
		return tag == DER_SEQUENCE && read_configuration(value, out);
	default:
		return true;
	}
}

bool
tdx_pck_read(const struct cert *leaf, struct tdx_pck *out, struct fault *f)
{
	const unsigned needed = 1u << PCK_PPID | 1u << PCK_TCB |
				1u << PCK_PCEID | 1u << PCK_FMSPC |
				1u << PCK_TYPE;
	struct bytes in, all, value;
	unsigned number, seen = 0;
	uint8_t tag;

	memset(out, 0, sizeof(*out));
	if (!cert_extension(leaf, bytes_of(arc, sizeof(arc)), &in) ||
	    !der_only(in, DER_SEQUENCE, &all))
		return fault_set(
		    f, FAULT_INVALID, "PCK certificate: no SGX extension");
	while (all.len > 0) {
		if (!take_pair(&all, arc, 1, &number, &tag, &value) ||
		    number > 31 || (seen & 1u << number) ||
		    !read_member(number, tag, value, out))
			return fault_set(f, FAULT_INVALID,
			    "PCK certificate: broken SGX extension");
		seen |= 1u << number;
	}
	if ((seen & needed) != needed)
		return fault_set(f, FAULT_INVALID,
		    "PCK certificate: incomplete SGX extension");
	return true;
}
