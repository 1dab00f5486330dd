/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One device at a time: the report of its SPDM responder, the certificate
 * chain that its boot ROM began, and the facts later steps lean on. After the
 * report is parsed, the chain comes first: nothing the report says counts
 * before its signature holds under a key of a genuine device.
 */
#include "attestation/nvidia.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "attestation/der.h"
#include "base/crypto.h"

#define DICE_TCB_INFO "2.23.133.5.4.1"

enum { ENABLED = 0xAA, DISABLED = 0x55, UPPER_LEVELS = 2 };

static const char *const mode_names[] = {
    [NVIDIA_LEGACY] = "LEGACY",
    [NVIDIA_SPT] = "SPT",
    [NVIDIA_MPT] = "MPT",
    [NVIDIA_PPCIE] = "PPCIE",
};

const char *
nvidia_mode_name(enum nvidia_mode m)
{
	return mode_names[m];
}

const char *
nvidia_architecture(const struct nvidia_device *d)
{
	if (strncmp(d->chip, "GH", 2) == 0)
		return "HOPPER";
	if (strncmp(d->chip, "GB", 2) == 0)
		return "BLACKWELL";
	if (strncmp(d->chip, "LS10", 4) == 0)
		return "LS10";
	return "UNKNOWN";
}

static void
kept_digest(const struct nvidia_rules *r, struct text pem, uint8_t out[32])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t one[32];

	EVP_DigestInit_ex(c, EVP_sha256(), NULL);
	sha256(bytes_of(pem.at, pem.len), one);
	EVP_DigestUpdate(c, one, sizeof(one));
	for (size_t i = 0; i < r->revocation.count; i++) {
		sha256(r->revocation.lists[i], one);
		EVP_DigestUpdate(c, one, sizeof(one));
		if (r->revocation.list_ends != NULL)
			EVP_DigestUpdate(c, &r->revocation.list_ends[i],
			    sizeof(r->revocation.list_ends[i]));
	}
	EVP_DigestUpdate(
	    c, &r->revocation.list_age_s, sizeof(r->revocation.list_age_s));
	for (size_t i = 0; i < r->revocation.answer_count; i++) {
		sha256(r->revocation.answers[i].body, one);
		EVP_DigestUpdate(c, one, sizeof(one));
		sha256(bytes_of(r->revocation.answers[i].name,
			   strlen(r->revocation.answers[i].name)),
		    one);
		EVP_DigestUpdate(c, one, sizeof(one));
	}
	EVP_DigestUpdate(
	    c, &r->revocation.answer_age_s, sizeof(r->revocation.answer_age_s));
	one[0] = r->revocation.required;
	one[1] = r->revocation.allow_hold;
	EVP_DigestUpdate(c, one, 2);
	EVP_DigestFinal_ex(c, out, NULL);
	EVP_MD_CTX_free(c);
}

/* The leaf of a chain that was verified before; its window may have ended. */
static X509 *
kept_find(const struct nvidia_rules *r, const uint8_t digest[32],
    struct window *window)
{
	struct nvidia_kept *k = r->kept;

	for (size_t i = 0; k != NULL && i < NVIDIA_KEPT_MAX; i++) {
		if (k->at[i].leaf == NULL ||
		    memcmp(k->at[i].digest, digest, 32) != 0 ||
		    !window_holds(k->at[i].window, r->now_ms))
			continue;
		*window = k->at[i].window;
		return k->at[i].leaf;
	}
	return NULL;
}

static void
keep(const struct nvidia_rules *r, const uint8_t digest[32],
    struct window window, X509 *leaf)
{
	struct nvidia_kept *k = r->kept;

	if (k == NULL)
		return;
	X509_free(k->at[k->next].leaf);
	memcpy(k->at[k->next].digest, digest, 32);
	k->at[k->next].window = window;
	k->at[k->next].leaf = leaf;
	X509_up_ref(leaf);
	k->next = (k->next + 1) % NVIDIA_KEPT_MAX;
}

/* Each once; the oldest makes room. */
static void
learn_one(X509 **all, size_t count, size_t *next, X509 *one)
{
	for (size_t i = 0; i < count; i++)
		if (all[i] != NULL && certificate_same(all[i], one))
			return;
	X509_free(all[*next]);
	X509_up_ref(one);
	all[*next] = one;
	*next = (*next + 1) % count;
}

/* The chain is good, and its last is the root. */
static void
learn(struct nvidia_kept *k, const struct chain *c)
{
	if (k == NULL)
		return;
	if (c->count > 2)
		learn_one(k->identities, NVIDIA_IDENTITIES_MAX,
		    &k->next_identity, c->at[c->count - 2]);
	for (size_t i = 1; i < c->count; i++)
		if (ocsp_is_offered(c->at[i - 1]))
			learn_one(k->asked, NVIDIA_ASKED_MAX, &k->next_asked,
			    c->at[i]);
}

void
nvidia_kept_signer(struct nvidia_kept *k, const struct chain *signer)
{
	for (size_t i = 1; k != NULL && i < signer->count; i++)
		if (ocsp_is_offered(signer->at[i - 1]))
			learn_one(k->signers, NVIDIA_SIGNERS_MAX,
			    &k->next_signer, signer->at[i]);
}

void
nvidia_kept_clear(struct nvidia_kept *k)
{
	for (size_t i = 0; i < NVIDIA_KEPT_MAX; i++)
		X509_free(k->at[i].leaf);
	for (size_t i = 0; i < NVIDIA_IDENTITIES_MAX; i++)
		X509_free(k->identities[i]);
	for (size_t i = 0; i < NVIDIA_ASKED_MAX; i++)
		X509_free(k->asked[i]);
	for (size_t i = 0; i < NVIDIA_SIGNERS_MAX; i++)
		X509_free(k->signers[i]);
	memset(k, 0, sizeof(*k));
}

static bool
revocation_judge(struct verdict *v, const struct nvidia_rules *r,
    const struct chain *c, struct window *window)
{
	struct revocation lists = r->revocation;
	struct fault f = {0};
	bool ok;

	if (lists.count == 0 && lists.answer_count == 0 && !lists.required) {
		verdict_unknown(
		    v, (struct check){"nvidia.revocation", SOURCE_VERIFIER,
			   CODE_MISSING, "no revocation list at hand", NULL});
		return true;
	}
	lists.levels = UPPER_LEVELS;
	ok = revocation_check(&lists, c, r->now_ms, window, &f);
	if (!ok && f.kind != FAULT_REVOKED)
		return verdict_need_fault(
		    v, ok, "nvidia.revocation", SOURCE_VERIFIER, &f);
	return verdict_check_fault(
	    v, ok, "nvidia.revocation", SOURCE_VERIFIER, &f);
}

static bool
chain_walked(struct verdict *v, const struct nvidia_rules *r,
    const struct chain *c, struct window *window)
{
	const struct chain_rules rules = {
	    .anchors = r->anchors,
	    .anchor = ANCHOR_NVIDIA_DEVICE,
	    .signing = CHAIN_ECDSA,
	    .now_ms = r->now_ms,
	};
	struct fault f = {0};
	bool ok = chain_walk(c, &rules, window, &f) &&
		  chain_check_root(c, &rules, &f);

	if (ok)
		learn(r->kept, c);
	return verdict_check_fault(
		   v, ok, "nvidia.chain", SOURCE_HARDWARE, &f) &&
	       revocation_judge(v, r, c, window);
}

/* *leaf is the device's certificate, which the caller frees. */
static bool
chain_judge(struct verdict *v, const struct nvidia_rules *r, struct text pem,
    X509 **leaf)
{
	struct chain c = {.count = 0};
	struct window window;
	uint8_t digest[32];
	struct fault f = {0};
	bool ok;

	v->test_root |= anchors_is_test(r->anchors, ANCHOR_NVIDIA_DEVICE);
	kept_digest(r, pem, digest);
	*leaf = kept_find(r, digest, &window);
	if (*leaf != NULL) {
		X509_up_ref(*leaf);
		verdict_until(v, window.until);
		return verdict_check(v, true,
		    (struct check){"nvidia.chain", SOURCE_HARDWARE, CODE_OK,
			"verified before and kept", NULL});
	}
	if (!chain_read_pem(pem, &c, &f))
		return verdict_check_fault(
		    v, false, "nvidia.chain", SOURCE_HARDWARE, &f);
	ok = chain_walked(v, r, &c, &window);
	if (ok) {
		verdict_until(v, window.until);
		keep(r, digest, window, c.at[0]);
		*leaf = c.at[0];
		X509_up_ref(*leaf);
	}
	chain_free(&c);
	return ok;
}

/* FWID: SHA-384 (2.16.840.1.101.3.4.2.2) and the digest; NULL if the bytes
 * are anything else. */
static const uint8_t *
fwid_of(struct bytes b)
{
	static const uint8_t head[] = {0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
	    0x03, 0x04, 0x02, 0x02, 0x04, 0x30};

	if (b.len != sizeof(head) + SPDM_DIGEST ||
	    memcmp(b.at, head, sizeof(head)) != 0)
		return NULL;
	return b.at + sizeof(head);
}

/* One or more: the one that is said, if it is among them, else the first. */
static const uint8_t *
fwid_of_list(struct bytes list, struct bytes said)
{
	const uint8_t *first = NULL, *fwid;
	struct bytes one;

	while (list.len > 0) {
		if (!der_take(&list, DER_SEQUENCE, &one) ||
		    (fwid = fwid_of(one)) == NULL)
			return NULL;
		if (bytes_equal(said, bytes_of(fwid, SPDM_DIGEST)))
			return fwid;
		first = first != NULL ? first : fwid;
	}
	return first;
}

/* TCG DICE attestation architecture 6.1.1, DiceTcbInfo: fwids [6], wherever
 * it stands among the tagged members. */
static const uint8_t *
fwid_of_tcb_info(struct bytes info, struct bytes said)
{
	struct bytes in, member;
	const uint8_t *fwid = NULL;
	uint8_t tag, last = 0;

	if (!der_only(info, DER_SEQUENCE, &in))
		return NULL;
	while (in.len > 0) {
		if (!der_next(&in, &tag, &member) || (tag & 0xc0) != 0x80 ||
		    (tag & 0x1f) < last)
			return NULL;
		last = (uint8_t)((tag & 0x1f) + 1);
		if (tag == 0xa6)
			fwid = fwid_of_list(member, said);
	}
	return fwid;
}

/* Hopper's leafs hold an older structure of DICE under the same name, a
 * version and a key before the FWID, which ends it. */
static const uint8_t *
leaf_fwid(X509 *leaf, struct bytes said)
{
	const size_t tail = 13 + SPDM_DIGEST;
	const uint8_t *fwid;
	struct bytes info;

	if (!certificate_extension(leaf, DICE_TCB_INFO, &info))
		return NULL;
	fwid = fwid_of_tcb_info(info, said);
	if (fwid == NULL && info.len >= tail)
		fwid = fwid_of(bytes_of(info.at + info.len - tail, tail));
	return fwid;
}

/* A layer that measured nothing has a digest of zeros. */
static bool
is_nothing(struct bytes fwid)
{
	static const uint8_t zero[SPDM_DIGEST];

	return bytes_equal(fwid, bytes_of(zero, sizeof(zero)));
}

/* Firmware of 2023 leaves the field out; where it is, it must be the one that
 * the boot ROM certified. */
static bool
fwid_judge(struct verdict *v, const struct spdm_report *report, X509 *leaf)
{
	struct bytes said = report->opaque[OPAQUE_FWID];
	const uint8_t *certified = leaf_fwid(leaf, said);
	struct check c = {
	    "nvidia.fwid", SOURCE_HARDWARE, CODE_MISMATCH, NULL, NULL};

	if (certified != NULL)
		c.wanted = verdict_hex(v, bytes_of(certified, SPDM_DIGEST));
	if (said.at == NULL) {
		c.seen = "the report names none";
		verdict_unknown(v, c);
		return true;
	}
	c.seen = verdict_hex(v, said);
	return verdict_check(v,
	    certified != NULL && !is_nothing(said) &&
		bytes_equal(said, bytes_of(certified, SPDM_DIGEST)),
	    c);
}

static bool
nonce_judge(struct verdict *v, const struct nvidia_rules *r,
    const struct spdm_report *report)
{
	return verdict_check(v,
	    r->nonce.len == SPDM_NONCE && bytes_equal(report->nonce, r->nonce),
	    (struct check){"nvidia.nonce", SOURCE_HARDWARE, CODE_NONCE,
		verdict_hex(v, report->nonce), verdict_hex(v, r->nonce)});
}

/* "GH100 A01 GSP FMC LF", "LS_10 A01 FSP FMC LF": the first word. */
static bool
chip_of_leaf(X509 *leaf, char *out, size_t size)
{
	char name[64];
	size_t n = 0;

	if (!certificate_common_name(leaf, name, sizeof(name)))
		return false;
	for (const char *at = name; *at != '\0' && *at != ' '; at++)
		if (*at != '_' && n + 1 < size)
			out[n++] = *at;
	out[n] = '\0';
	return n > 0;
}

/* GPUs give eight bytes, read 3.2.1.0 and then 4; switches a text. */
static bool
vbios_version(struct nvidia_device *d)
{
	struct bytes b = d->report.opaque[OPAQUE_VBIOS_VERSION];

	if (d->kind == NVIDIA_SWITCH)
		return spdm_opaque_text(&d->report, OPAQUE_VBIOS_VERSION,
		    d->vbios, sizeof(d->vbios));
	if (b.len != 8)
		return false;
	snprintf(d->vbios, sizeof(d->vbios), "%02X.%02X.%02X.%02X.%02X",
	    b.at[3], b.at[2], b.at[1], b.at[0], b.at[4]);
	return true;
}

static int
compare_pdis(const void *a, const void *b)
{
	return memcmp(a, b, NVIDIA_PDI);
}

/* One entry a link; unused links are zero. Kept once each, in order. */
static bool
pdis_read(struct nvidia_device *d)
{
	static const uint8_t none[NVIDIA_PDI];
	struct bytes b = d->report.opaque[OPAQUE_SWITCH_PDIS];
	unsigned n = 0;

	if (b.len % NVIDIA_PDI != 0 ||
	    b.len > (size_t)NVIDIA_PDIS_MAX * NVIDIA_PDI)
		return false;
	for (size_t i = 0; i < b.len; i += NVIDIA_PDI)
		if (memcmp(b.at + i, none, NVIDIA_PDI) != 0)
			memcpy(d->pdi[n++], b.at + i, NVIDIA_PDI);
	qsort(d->pdi, n, NVIDIA_PDI, compare_pdis);
	for (unsigned i = 0; i < n; i++)
		if (d->pdis == 0 ||
		    memcmp(d->pdi[d->pdis - 1], d->pdi[i], NVIDIA_PDI) != 0)
			memmove(d->pdi[d->pdis++], d->pdi[i], NVIDIA_PDI);
	return d->kind == NVIDIA_GPU || d->pdis == 1;
}

static bool
facts_read(struct nvidia_device *d, X509 *leaf)
{
	if (!chip_of_leaf(leaf, d->chip, sizeof(d->chip)) ||
	    !vbios_version(d) || !pdis_read(d))
		return false;
	return d->kind == NVIDIA_SWITCH ||
	       spdm_opaque_text(&d->report, OPAQUE_DRIVER_VERSION, d->driver,
		   sizeof(d->driver));
}

static bool
kind_judge(struct verdict *v, struct nvidia_device *d, X509 *leaf)
{
	bool ok = facts_read(d, leaf);

	ok &= (strncmp(d->chip, "LS", 2) == 0) == (d->kind == NVIDIA_SWITCH);
	return verdict_check(v, ok,
	    (struct check){"nvidia.kind", SOURCE_HARDWARE, CODE_MISMATCH,
		verdict_text(v, text_of(d->chip)),
		d->kind == NVIDIA_GPU ? "a GPU with its versions"
				      : "a switch with its version and id"});
}

bool
nvidia_device_peek(enum nvidia_kind kind, struct bytes evidence,
    struct text chain_pem, struct nvidia_device *out, struct fault *f)
{
	struct chain c = {.count = 0};
	bool ok;

	memset(out, 0, sizeof(*out));
	out->kind = kind;
	if (!spdm_report_read(evidence, &out->report, f) ||
	    !chain_read_pem(chain_pem, &c, f))
		return false;
	ok = facts_read(out, c.at[0]);
	chain_free(&c);
	return ok || fault_set(f, FAULT_INVALID,
			 "GPU report: no chip or versions in it");
}

/* 0 SPT, 1 MPT, 2 PPCIE; the older protected PCIe status must not contradict
 * it. False where the field has another value. */
static bool
mode_read(struct nvidia_device *d)
{
	struct bytes flag = d->report.opaque[OPAQUE_FEATURE_FLAG];
	struct bytes pcie = d->report.opaque[OPAQUE_PROTECTED_PCIE];
	bool protected = pcie.len == 1 && pcie.at[0] == ENABLED;

	if (pcie.at != NULL && !protected &&
	    !(pcie.len == 1 && pcie.at[0] == DISABLED))
		return false;
	if (flag.at == NULL) {
		d->mode = pcie.at == NULL ? NVIDIA_LEGACY
			  : protected	  ? NVIDIA_PPCIE
					  : NVIDIA_SPT;
		return true;
	}
	if (flag.len != 2 || flag.at[1] != 0 || flag.at[0] > 2)
		return false;
	d->mode = (enum nvidia_mode)(NVIDIA_SPT + flag.at[0]);
	return pcie.at == NULL || protected == (d->mode == NVIDIA_PPCIE);
}

static bool
mode_judge(struct verdict *v, struct nvidia_device *d)
{
	if (d->kind == NVIDIA_SWITCH)
		return true;
	return verdict_check(v, mode_read(d),
	    (struct check){"nvidia.mode", SOURCE_HARDWARE, CODE_MISMATCH,
		nvidia_mode_name(d->mode), "one known mode, said once"});
}

static bool
device_judge(struct verdict *v, const struct nvidia_rules *r, X509 *leaf,
    struct nvidia_device *d)
{
	EVP_PKEY *key = X509_get0_pubkey(leaf);
	bool ok;

	ok = key_is_curve(key, "P-384") &&
	     signature_p384(key, d->report.signed_part, d->report.signature);
	if (!verdict_check(v, ok,
		(struct check){"nvidia.signature", SOURCE_HARDWARE,
		    CODE_TAMPERED,
		    ok ? NULL : "it does not hold under the leaf's key",
		    "ECDSA P-384 over request and response"}))
		return false;
	spki_sha256(leaf, d->key);
	ok = nonce_judge(v, r, &d->report);
	ok &= fwid_judge(v, &d->report, leaf);
	ok &= kind_judge(v, d, leaf);
	ok &= mode_judge(v, d);
	return ok;
}

bool
nvidia_device_judge(struct verdict *v, const struct nvidia_rules *r,
    enum nvidia_kind kind, struct bytes evidence, struct text chain_pem,
    struct nvidia_device *out)
{
	struct fault f = {0};
	X509 *leaf = NULL;
	bool ok;

	memset(out, 0, sizeof(*out));
	out->kind = kind;
	ok = spdm_report_read(evidence, &out->report, &f);
	if (!verdict_check_fault(v, ok, "nvidia.report", SOURCE_HARDWARE, &f))
		return false;
	ok = chain_judge(v, r, chain_pem, &leaf) &&
	     device_judge(v, r, leaf, out);
	X509_free(leaf);
	return ok;
}

static bool
pdis_same(const struct nvidia_device *a, const struct nvidia_device *b)
{
	return a->pdis == b->pdis &&
	       memcmp(a->pdi, b->pdi, (size_t)a->pdis * NVIDIA_PDI) == 0;
}

static bool
keys_distinct(const struct nvidia_device *d, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (memcmp(d[i].key, d[j].key, 32) == 0)
				return false;
	return true;
}

bool
nvidia_set_judge(struct verdict *v, const struct nvidia_device *gpus,
    size_t count, int64_t wanted)
{
	bool ok = count > 0 && (wanted < 0 || (int64_t)count == wanted);
	bool modes = true, pdis = true, distinct = keys_distinct(gpus, count);

	ok = verdict_check(v, ok,
	    (struct check){"nvidia.count", SOURCE_HARDWARE, CODE_POLICY,
		verdict_format(v, "%zu", count),
		wanted < 0 ? "at least one"
			   : verdict_format(v, "%lld", (long long)wanted)});
	ok &= verdict_check(v, distinct,
	    (struct check){"nvidia.distinct", SOURCE_HARDWARE, CODE_MISMATCH,
		distinct ? NULL : "a device certificate stands twice",
		"one per report"});
	for (size_t i = 1; i < count; i++) {
		modes &= gpus[i].mode == gpus[0].mode &&
			 strcmp(gpus[i].chip, gpus[0].chip) == 0;
		pdis &= pdis_same(&gpus[i], &gpus[0]);
	}
	ok &= verdict_check(v, modes,
	    (struct check){"nvidia.modes_agree", SOURCE_HARDWARE, CODE_MISMATCH,
		modes ? NULL : "GPUs of different chips or modes", NULL});
	ok &= verdict_check(v, pdis,
	    (struct check){"nvidia.pdis_agree", SOURCE_HARDWARE, CODE_MISMATCH,
		pdis ? NULL : "GPUs linked to different switches", NULL});
	return ok;
}

/* A switch has one id; two certificates with one id are one switch. */
static bool
ids_distinct(const struct nvidia_device *switches, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (memcmp(switches[i].pdi[0], switches[j].pdi[0],
				NVIDIA_PDI) == 0)
				return false;
	return true;
}

bool
nvidia_switches_judge(struct verdict *v, const struct nvidia_device *switches,
    size_t count, int64_t wanted)
{
	bool ok = count > 0 && (wanted < 0 || (int64_t)count == wanted);
	bool distinct =
	    keys_distinct(switches, count) && ids_distinct(switches, count);

	ok = verdict_check(v, ok,
	    (struct check){"nvswitch.count", SOURCE_HARDWARE, CODE_POLICY,
		verdict_format(v, "%zu", count),
		wanted < 0 ? "at least one"
			   : verdict_format(v, "%lld", (long long)wanted)});
	return verdict_check(v, distinct,
		   (struct check){"nvswitch.distinct", SOURCE_HARDWARE,
		       CODE_MISMATCH,
		       distinct ? NULL : "a certificate or id stands twice",
		       "one per report"}) &&
	       ok;
}

/* How many of the switches call themselves by this id. */
static size_t
switches_of(const uint8_t pdi[NVIDIA_PDI], const struct nvidia_device *switches,
    size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += memcmp(pdi, switches[i].pdi[0], NVIDIA_PDI) == 0;
	return n;
}

bool
nvidia_topology_judge(struct verdict *v, const struct nvidia_device *gpus,
    size_t gpu_count, const struct nvidia_device *switches, size_t switch_count)
{
	const struct nvidia_device *g = gpu_count > 0 ? &gpus[0] : NULL;
	size_t once = 0;

	for (unsigned p = 0; g != NULL && p < g->pdis; p++)
		once += switches_of(g->pdi[p], switches, switch_count) == 1;
	return verdict_check(v,
	    g != NULL && once == g->pdis && once == switch_count,
	    (struct check){"nvswitch.topology", SOURCE_HARDWARE, CODE_MISMATCH,
		verdict_format(v, "%zu switches, %zu named once by GPUs",
		    switch_count, once),
		verdict_format(
		    v, "the %u that the GPUs name", g != NULL ? g->pdis : 0)});
}

size_t
nvidia_chain_answers(
    struct arena *a, const struct chain *c, const char *out[CHAIN_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i + 1 < c->count; i++) {
		const char *name = NULL;

		if (ocsp_is_offered(c->at[i]))
			name = ocsp_name(a, c->at[i], c->at[i + 1]);
		if (name != NULL)
			out[count++] = name;
	}
	return count;
}

size_t
nvidia_answer_names(
    struct arena *a, struct text chain_pem, const char *out[CHAIN_MAX])
{
	struct chain c = {.count = 0};
	struct fault f;
	size_t count;

	if (!chain_read_pem(chain_pem, &c, &f))
		return 0;
	count = nvidia_chain_answers(a, &c, out);
	chain_free(&c);
	return count;
}
