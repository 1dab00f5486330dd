/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quote as columns of reads. Lengths inside must add up exactly; only
 * after the declared end may anything follow (hosts pad their buffers), and
 * nobody looks at it.
 */
#include "attestation/tdx_quote.h"

#include "base/cursor.h"

#define TEE_SGX 0x00u
#define TEE_TDX 0x81u

enum { BODY_SGX = 1, BODY_TD10 = 2, BODY_TD15 = 3 };
enum { SIZE_HEADER = 48, SIZE_TD10 = 584, SIZE_TD15 = 648, SIZE_QE = 384 };

static bool
read_header(struct cursor *c, struct tdx_quote *q, struct fault *f)
{
	q->version = cursor_u16le(c);
	q->key_type = cursor_u16le(c);
	q->tee_type = cursor_u32le(c);
	cursor_take(c, 4);
	q->vendor = cursor_take(c, 16);
	cursor_take(c, 20);
	if (c->failed)
		return fault_set(
		    f, FAULT_INVALID, "TDX quote: ends inside the header");
	if (q->version == 3 ||
	    (q->version >= 4 && q->version <= 5 && q->tee_type == TEE_SGX))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX quote: this is a quote of an SGX enclave");
	if (q->version != 4 && q->version != 5)
		return fault_set(
		    f, FAULT_UNSUPPORTED, "TDX quote: version %u", q->version);
	if (q->tee_type != TEE_TDX)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX quote: TEE type %#x", q->tee_type);
	if (q->key_type != 2)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX quote: attestation key type %u", q->key_type);
	return true;
}

/* A.4: version 5 says which body follows and how long it is. */
static bool
read_descriptor(struct cursor *c, bool *is_15, struct fault *f)
{
	uint16_t type = cursor_u16le(c);
	uint32_t size = cursor_u32le(c);

	if (c->failed)
		return fault_set(f, FAULT_INVALID,
		    "TDX quote: ends inside the body descriptor");
	if (type != BODY_TD10 && type != BODY_TD15)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX quote: body type %u%s", type,
		    type == BODY_SGX ? " (an SGX enclave)" : "");
	if (size != (type == BODY_TD15 ? SIZE_TD15 : SIZE_TD10))
		return fault_set(
		    f, FAULT_INVALID, "TDX quote: body of %u bytes", size);
	*is_15 = type == BODY_TD15;
	return true;
}

static bool
read_body(struct cursor *c, struct tdx_body *b, struct fault *f)
{
	int i;

	b->tee_tcb_svn = cursor_take(c, 16);
	b->mrseam = cursor_take(c, 48);
	b->mrsignerseam = cursor_take(c, 48);
	b->seamattributes = cursor_take(c, 8);
	b->tdattributes = cursor_take(c, 8);
	b->xfam = cursor_take(c, 8);
	b->mrtd = cursor_take(c, 48);
	b->mrconfigid = cursor_take(c, 48);
	b->mrowner = cursor_take(c, 48);
	b->mrownerconfig = cursor_take(c, 48);
	for (i = 0; i < 4; i++)
		b->rtmr[i] = cursor_take(c, 48);
	b->reportdata = cursor_take(c, 64);
	if (b->is_15) {
		b->tee_tcb_svn_2 = cursor_take(c, 16);
		b->mrservicetd = cursor_take(c, 48);
	}
	if (c->failed)
		return fault_set(
		    f, FAULT_INVALID, "TDX quote: ends inside the body");
	return true;
}

static void
read_qe(struct bytes report, struct tdx_qe *qe)
{
	struct cursor c = cursor_of(report);

	qe->report = report;
	cursor_take(&c, 16); /* CPUSVN */
	qe->miscselect = cursor_take(&c, 4);
	cursor_take(&c, 28);
	qe->attributes = cursor_take(&c, 16);
	qe->mrenclave = cursor_take(&c, 32);
	cursor_take(&c, 32);
	qe->mrsigner = cursor_take(&c, 32);
	cursor_take(&c, 96);
	qe->isvprodid = cursor_u16le(&c);
	qe->isvsvn = cursor_u16le(&c);
	cursor_take(&c, 60);
	qe->reportdata = cursor_take(&c, 64);
}

/* A.3.8: QE report certification data. */
static bool
read_certification(struct bytes data, struct tdx_quote *q, struct fault *f)
{
	struct cursor c = cursor_of(data);
	struct bytes report, chain;

	report = cursor_take(&c, SIZE_QE);
	q->qe_signature = cursor_take(&c, 64);
	q->auth_data = cursor_take(&c, cursor_u16le(&c));
	q->inner_type = cursor_u16le(&c);
	chain = cursor_take(&c, cursor_u32le(&c));
	if (!cursor_done(&c))
		return fault_set(f, FAULT_INVALID,
		    "TDX quote: lengths in the certification data do not "
		    "add up");
	if (q->inner_type != 5)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX quote: certification data type %u is no chain",
		    q->inner_type);
	read_qe(report, &q->qe);
	q->chain = (struct text){(const char *)chain.at, chain.len};
	return true;
}

static bool
read_signature(struct bytes data, struct tdx_quote *q, struct fault *f)
{
	struct cursor c = cursor_of(data);
	struct bytes outer;

	q->signature = cursor_take(&c, 64);
	q->attestation_key = cursor_take(&c, 64);
	q->outer_type = cursor_u16le(&c);
	outer = cursor_take(&c, cursor_u32le(&c));
	if (!cursor_done(&c))
		return fault_set(f, FAULT_INVALID,
		    "TDX quote: lengths in the signature data do not add up");
	if (q->outer_type != 6)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX quote: outer certification data type %u",
		    q->outer_type);
	return read_certification(outer, q, f);
}

bool
tdx_quote_read(struct bytes b, struct tdx_quote *out, struct fault *f)
{
	struct cursor c = cursor_of(b);
	struct bytes signature;

	*out = (struct tdx_quote){0};
	if (b.len > TDX_QUOTE_MAX)
		return fault_set(
		    f, FAULT_INVALID, "TDX quote of %zu bytes", b.len);
	if (!read_header(&c, out, f))
		return false;
	if (out->version == 5 && !read_descriptor(&c, &out->body.is_15, f))
		return false;
	if (!read_body(&c, &out->body, f))
		return false;
	out->signed_part = bytes_of(b.at, b.len - c.left);
	signature = cursor_take(&c, cursor_u32le(&c));
	if (c.failed)
		return fault_set(f, FAULT_INVALID,
		    "TDX quote: ends inside the signature data");
	out->trailing = c.left;
	return read_signature(signature, out, f);
}
