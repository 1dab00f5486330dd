/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SNP reports of our own making under roots of our own: what is sound holds,
 * what is not is refused for its own reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/rsa.h>

#include "attestation/evidence.h"
#include "attestation/snp.h"
#include "base/codec.h"
#include "tests/unit/attestation_forge.h"

/* Keys take long to make: once for all tests. */
struct roots {
	EVP_PKEY *ark, *ask;
};

struct maker {
	struct arena *a;
	struct anchors *anchors;
	struct forged ark, ask, leaf;
	struct bytes crl;
	uint8_t report[SNP_REPORT_SIZE];
	uint8_t hwid[64];
	const char *leaf_name;
	struct bytes product; /* DER */
	uint8_t snp_spl, spare_part;
	bool names_chip, names_cloud;
	int64_t until; /* of the leaf */
	struct policy policy;
};

enum {
	AT_VERSION = 0x00,
	AT_POLICY = 0x08,
	AT_VMPL = 0x30,
	AT_CURRENT_TCB = 0x38,
	AT_PLATFORM = 0x40,
	AT_FLAGS = 0x48,
	AT_MEASUREMENT = 0x90,
	AT_HOST_DATA = 0xc0,
	AT_REPORTED_TCB = 0x180,
	AT_CPUID = 0x188,
	AT_CHIP_ID = 0x1a0,
	AT_COMMITTED_TCB = 0x1e0,
	AT_LAUNCH_TCB = 0x1f0,
	AT_SIGNATURE = 0x2a0
};

static struct roots roots;

static int
make_roots(void **state)
{
	(void)state;
	roots.ark = EVP_RSA_gen(3072);
	roots.ask = EVP_RSA_gen(3072);
	return roots.ark == NULL || roots.ask == NULL;
}

static int
free_roots(void **state)
{
	(void)state;
	EVP_PKEY_free(roots.ark);
	EVP_PKEY_free(roots.ask);
	return 0;
}

static void
authority(struct forged *out, const struct forged *issuer, const char *name,
    long serial, EVP_PKEY *key, EVP_PKEY *by)
{
	forge(out, issuer,
	    &(struct forge_wish){
		.name = name, .curve = "P-256", .ca = true, .serial = serial});
	EVP_PKEY_free(out->key);
	EVP_PKEY_up_ref(out->key = key);
	X509_set_pubkey(out->x509, key);
	forge_sign_pss(out->x509, by);
}

/* The leaf says what the maker holds now. */
static void
make_leaf(struct maker *m)
{
	static const uint8_t zero[] = {2, 1, 0}, boot[] = {2, 1, 9};
	static const uint8_t ucode[] = {2, 1, 0x48};
	static const uint8_t cloud[] = {0x16, 4, 'c', 'n', '=', 'x'};
	const uint8_t snp[] = {2, 1, m->snp_spl};
	const uint8_t spare[] = {2, 1, m->spare_part};
	struct forge_wish w = {.name = m->leaf_name,
	    .curve = "P-384",
	    .serial = 7,
	    .until = m->until};

#define AMD "1.3.6.1.4.1.3704.1."
#define EXT(i, name, at, size)                                                 \
	w.extension[i].oid = AMD name;                                         \
	w.extension[i].value = bytes_of(at, size)
	EXT(0, "2", m->product.at, m->product.len);
	EXT(1, "3.1", boot, 3);
	EXT(2, "3.2", zero, 3);
	EXT(3, "3.3", snp, 3);
	EXT(4, "3.8", ucode, 3);
	if (m->names_chip) {
		EXT(5, "4", m->hwid, 64);
	}
	if (m->names_cloud) {
		EXT(6, "5", cloud, sizeof(cloud));
	}
	if (m->spare_part != 0) {
		EXT(7, "3.5", spare, 3);
	}
	forged_free(&m->leaf);
	forge(&m->leaf, &m->ask, &w);
	forge_sign_pss(m->leaf.x509, roots.ask);
}

static int
start(void **state)
{
	static const uint8_t genoa[] = {0x16, 5, 'G', 'e', 'n', 'o', 'a'};
	static const uint8_t tcb[8] = {9, 0, 0, 0, 0, 0, 0x15, 0x48};
	struct maker *m = mem_new(sizeof(*m));

	m->a = arena_new();
	authority(&m->ark, NULL, "ARK-Genoa", 1, roots.ark, roots.ark);
	authority(&m->ask, &m->ark, "SEV-Genoa", 2, roots.ask, roots.ark);
	m->anchors = anchors_test_new();
	anchors_test_set(m->anchors, ANCHOR_AMD_ARK_GENOA, m->ark.x509);
	anchors_test_set(m->anchors, ANCHOR_AMD_ASK_GENOA, m->ask.x509);
	m->crl = forge_list(m->a, &m->ark, 0, FORGE_NOW + FORGE_DAY);
	m->leaf_name = "SEV-VCEK";
	m->product = bytes_of(genoa, sizeof(genoa));
	m->snp_spl = 0x15;
	m->names_chip = true;
	memset(m->hwid, 0x5a, 64);
	m->report[AT_VERSION] = 3;
	m->report[AT_POLICY + 2] = 0x03;
	m->report[0x34] = 1;
	memcpy(m->report + AT_CURRENT_TCB, tcb, 8);
	memcpy(m->report + AT_REPORTED_TCB, tcb, 8);
	memcpy(m->report + AT_COMMITTED_TCB, tcb, 8);
	memcpy(m->report + AT_LAUNCH_TCB, tcb, 8);
	memcpy(m->report + AT_CPUID, "\x19\x11\x01", 3);
	memcpy(m->report + AT_CHIP_ID, m->hwid, 64);
	memset(m->report + AT_MEASUREMENT, 0xcd, 48);
	m->policy = policy_defaults();
	m->policy.version = 1;
	m->policy.require = REQUIRE_CPU;
	m->policy.snp.present = m->policy.snp.any_workload = true;
	make_leaf(m);
	*state = m;
	return 0;
}

static int
end(void **state)
{
	struct maker *m = *state;

	forged_free(&m->ark);
	forged_free(&m->ask);
	forged_free(&m->leaf);
	anchors_test_free(&m->anchors);
	arena_free(&m->a);
	mem_free(m);
	return 0;
}

static void
sign_report(struct maker *m)
{
	uint8_t rs[96];
	int i;

	forge_sign(m->leaf.key, EVP_sha384(), bytes_of(m->report, AT_SIGNATURE),
	    rs, 48);
	for (i = 0; i < 48; i++) {
		m->report[AT_SIGNATURE + i] = rs[47 - i];
		m->report[AT_SIGNATURE + 72 + i] = rs[95 - i];
	}
}

static struct verdict
judge_signed(struct maker *m)
{
	const struct forged upper[] = {m->ask, m->ark};
	struct snp_source s = {.leaf = forged_der(m->a, m->leaf.x509),
	    .chain = forged_pem(m->a, upper, 2),
	    .crl = m->crl};
	struct snp_key *k = NULL;
	struct snp_report r;
	struct verdict v;

	verdict_init(&v, m->a, FORGE_NOW_MS);
	if (snp_key_new(&s, m->anchors, m->policy.revocation, &v, &k) &&
	    snp_verify(bytes_of(m->report, sizeof(m->report)), k, &m->policy,
		FORGE_NOW_MS, &v, &r))
		verdict_conclude(&v);
	snp_key_free(&k);
	return v;
}

static struct verdict
judge(struct maker *m)
{
	sign_report(m);
	return judge_signed(m);
}

static void
refused(struct verdict v, enum verdict_outcome outcome, enum verdict_code code,
    const char *check)
{
	assert_non_null(v.failed);
	assert_string_equal(v.failed, check);
	assert_string_equal(verdict_code_name(v.code), verdict_code_name(code));
	assert_int_equal(v.outcome, outcome);
}

static void
holds(struct verdict v)
{
	assert_null(v.failed);
	assert_int_equal(v.outcome, VERDICT_VERIFIED);
}

static void
test_sound(void **state)
{
	struct maker *m = *state;
	struct verdict v = judge(m);

	holds(v);
	assert_true(v.test_root);
	assert_int_equal(v.renew_by, FORGE_NOW_MS + FORGE_DAY * 1000 + 999);
	m->report[AT_VERSION] = 5;
	holds(judge(m));
	m->report[AT_VERSION] = 2;
	refused(judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.reserved");
	memset(m->report + AT_CPUID, 0, 3);
	holds(judge(m));
}

/* The same key as the ASK's, under the name that issues VLEKs. */
static void
make_vlek(struct maker *m)
{
	forged_free(&m->ask);
	authority(&m->ask, &m->ark, "SEV-VLEK-Genoa", 2, roots.ask, roots.ark);
	m->leaf_name = "SEV-VLEK";
	m->names_chip = false;
	m->names_cloud = true;
	make_leaf(m);
	m->report[AT_FLAGS] = 1 << 2;
	anchors_test_set(m->anchors, ANCHOR_AMD_ASVK_GENOA, m->ask.x509);
	memset(m->report + AT_CHIP_ID, 0, 64);
}

static void
test_vlek(void **state)
{
	struct maker *m = *state;

	make_vlek(m);
	holds(judge(m));
	m->policy.snp.allow_vlek = false;
	refused(judge(m), VERDICT_FAILED, CODE_POLICY, "snp.policy_vlek");
	m->policy.snp.allow_vlek = true;
	m->report[AT_FLAGS] = 0;
	refused(judge(m), VERDICT_FAILED, CODE_MISMATCH, "snp.signing_key");
	m->report[AT_FLAGS] = 7 << 2;
	refused(judge(m), VERDICT_FAILED, CODE_MISMATCH, "snp.signing_key");
	m->report[AT_FLAGS] = 1 << 2;
	m->names_cloud = false;
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_MALFORMED, "snp.leaf");
	m->names_cloud = m->names_chip = true;
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_MALFORMED, "snp.leaf");
}

/* Each kind of leaf has its own issuer, and a root has its product's name. */
static void
test_issuer(void **state)
{
	struct maker *m = *state;

	m->names_cloud = true;
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_MALFORMED, "snp.leaf");
	m->names_cloud = false;
	m->spare_part = 1;
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.leaf");
	m->spare_part = 0;
	forged_free(&m->ask);
	authority(&m->ask, &m->ark, "SEV-VLEK-Genoa", 2, roots.ask, roots.ark);
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_UNTRUSTED, "snp.chain");
	forged_free(&m->ark);
	authority(&m->ark, NULL, "ARK-Milan", 1, roots.ark, roots.ark);
	forged_free(&m->ask);
	authority(&m->ask, &m->ark, "SEV-Genoa", 2, roots.ask, roots.ark);
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_UNTRUSTED, "snp.chain");
}

static void
test_format(void **state)
{
	struct maker *m = *state;
	struct snp_report r;
	struct fault f;
	size_t n;

	sign_report(m);
	for (n = 0; n < SNP_REPORT_SIZE; n++)
		assert_false(snp_report_read(bytes_of(m->report, n), &r, &f));
	m->report[AT_VERSION] = 6;
	refused(
	    judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.report_format");
	m->report[AT_VERSION] = 1;
	refused(
	    judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.report_format");
	m->report[AT_VERSION] = 3;
	m->report[0x34] = 2;
	refused(
	    judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.report_format");
	m->report[0x34] = 1;
	m->report[SNP_REPORT_SIZE - 1] = 1;
	refused(judge(m), VERDICT_FAILED, CODE_MALFORMED, "snp.report_format");
	m->report[SNP_REPORT_SIZE - 1] = 0;
	m->report[AT_SIGNATURE + 50] = 1;
	refused(judge(m), VERDICT_FAILED, CODE_MALFORMED, "snp.report_format");
}

static void
test_signature(void **state)
{
	struct maker *m = *state;

	sign_report(m);
	m->report[AT_MEASUREMENT] ^= 1;
	refused(judge_signed(m), VERDICT_FAILED, CODE_TAMPERED,
	    "snp.report_signature");
	m->report[AT_MEASUREMENT] ^= 1;
	m->report[AT_SIGNATURE] ^= 1;
	refused(judge_signed(m), VERDICT_FAILED, CODE_TAMPERED,
	    "snp.report_signature");
}

static void
test_key_of_report(void **state)
{
	struct maker *m = *state;

	m->report[AT_FLAGS] = 1 << 2;
	refused(judge(m), VERDICT_FAILED, CODE_MISMATCH, "snp.signing_key");
	m->report[AT_FLAGS] = 0;
	m->report[AT_CHIP_ID] ^= 1;
	refused(judge(m), VERDICT_FAILED, CODE_MISMATCH, "snp.chip_id");
	m->report[AT_CHIP_ID] ^= 1;
	m->report[AT_CPUID + 1] = 0x01;
	refused(judge(m), VERDICT_FAILED, CODE_MISMATCH, "snp.product");
	m->report[AT_CPUID + 1] = 0xa0;
	holds(judge(m));
	m->report[AT_REPORTED_TCB + 6] = 0x14;
	refused(judge(m), VERDICT_FAILED, CODE_MISMATCH, "snp.reported_tcb");
}

static void
test_reserved(void **state)
{
	struct maker *m = *state;

	m->report[AT_FLAGS + 1] = 1;
	refused(judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.reserved");
	m->report[AT_FLAGS + 1] = 0;
	m->report[0x290] = 1;
	refused(judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.reserved");
	m->report[0x290] = 0;
	m->report[0x1f8] = 1;
	refused(judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.reserved");
	m->report[AT_VERSION] = 5;
	holds(judge(m));
}

/* Between the parts of each TCB nothing may stand. */
static void
test_reserved_tcb(void **state)
{
	static const int at[] = {
	    AT_CURRENT_TCB, AT_REPORTED_TCB, AT_COMMITTED_TCB, AT_LAUNCH_TCB};
	struct maker *m = *state;

	for (size_t i = 0; i < 4; i++)
		for (int j = 2; j < 6; j++) {
			m->report[at[i] + j] = 1;
			refused(judge(m), VERDICT_FAILED, CODE_UNSUPPORTED,
			    "snp.reserved");
			m->report[at[i] + j] = 0;
		}
	holds(judge(m));
}

static void
test_versions_in_order(void **state)
{
	struct maker *m = *state;

	m->report[AT_LAUNCH_TCB + 6] = 0x16;
	refused(judge(m), VERDICT_FAILED, CODE_MISMATCH, "snp.launch_tcb");
	m->report[AT_LAUNCH_TCB + 6] = 0x14;
	holds(judge(m));
	m->report[AT_LAUNCH_TCB + 6] = 0x15;
	m->report[AT_LAUNCH_TCB + 7] = 0x40;

	m->report[AT_COMMITTED_TCB + 7] = 0x49;
	refused(judge(m), VERDICT_FAILED, CODE_MISMATCH, "snp.committed_tcb");
	m->report[AT_COMMITTED_TCB + 7] = 0x47;
	holds(judge(m));
	m->policy.snp.allow_provisional = false;
	refused(
	    judge(m), VERDICT_FAILED, CODE_POLICY, "snp.policy_provisional");
	m->policy.snp.allow_provisional = true;
	m->report[AT_CURRENT_TCB + 7] = 0x47;
	refused(judge(m), VERDICT_FAILED, CODE_MISMATCH, "snp.current_tcb");
}

static void
test_chain(void **state)
{
	struct maker *m = *state;
	static const uint8_t milan[] = {
	    0x16, 8, 'M', 'i', 'l', 'a', 'n', '-', 'B', '0'};
	static const uint8_t rome[] = {0x16, 4, 'R', 'o', 'm', 'e'};

	m->product = bytes_of(milan, sizeof(milan));
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_UNTRUSTED, "snp.chain");
	m->product = bytes_of(rome, sizeof(rome));
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.leaf");
}

static void
test_leaf(void **state)
{
	struct maker *m = *state;

	m->until = FORGE_NOW - 1;
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_EXPIRED, "snp.leaf_time");
	m->until = 0;
	m->leaf_name = "SEV-Genoa";
	make_leaf(m);
	refused(judge(m), VERDICT_FAILED, CODE_UNTRUSTED, "snp.leaf");
	m->leaf_name = "SEV-VCEK";
	make_leaf(m);
	X509_sign(m->leaf.x509, m->ask.key, EVP_sha384());
	refused(judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.leaf_format");
	make_leaf(m);
	forge_sign_pss(m->leaf.x509, roots.ark);
	refused(judge(m), VERDICT_FAILED, CODE_TAMPERED, "snp.chain");
}

/* Without test roots there is only AMD's own. */
static void
test_pinned(void **state)
{
	struct maker *m = *state;

	anchors_test_free(&m->anchors);
	m->anchors = anchors_test_new();
	refused(judge(m), VERDICT_FAILED, CODE_UNTRUSTED, "snp.chain");
	anchors_test_set(m->anchors, ANCHOR_AMD_ARK_GENOA, m->ark.x509);
	refused(judge(m), VERDICT_FAILED, CODE_UNTRUSTED, "snp.chain");
}

static void
test_list(void **state)
{
	struct forge_list_wish old = {.next = FORGE_NOW + FORGE_DAY};
	struct maker *m = *state;

	m->crl = forge_list(m->a, &m->ark, 2, FORGE_NOW + FORGE_DAY);
	refused(judge(m), VERDICT_FAILED, CODE_REVOKED, "snp.revoked");
	m->crl = forge_list(m->a, &m->ark, 7, FORGE_NOW + FORGE_DAY);
	refused(judge(m), VERDICT_FAILED, CODE_REVOKED, "snp.revoked");
	m->crl = forge_list(m->a, &m->ark, 1, FORGE_NOW + FORGE_DAY);
	refused(judge(m), VERDICT_FAILED, CODE_REVOKED, "snp.revoked");
	m->crl = forge_list(m->a, &m->ark, 0, FORGE_NOW - 1);
	refused(judge(m), VERDICT_ERROR, CODE_STALE, "snp.crl_time");
	m->crl = forge_list(m->a, &m->ask, 0, FORGE_NOW + FORGE_DAY);
	refused(judge(m), VERDICT_ERROR, CODE_MISMATCH, "snp.crl");
	/* Signed too long ago, whatever it says of its next update. */
	old.from = FORGE_NOW - m->policy.max_crl_age_s;
	m->crl = forge_list_of(m->a, &m->ark, &old);
	holds(judge(m));
	old.from--;
	m->crl = forge_list_of(m->a, &m->ark, &old);
	refused(judge(m), VERDICT_ERROR, CODE_STALE, "snp.policy_crl_age");
	m->crl.len = 0;
	refused(judge(m), VERDICT_ERROR, CODE_MISSING, "snp.crl_given");
	m->policy.revocation = false;
	holds(judge(m));
}

static void
test_guest(void **state)
{
	struct maker *m = *state;

	m->report[AT_POLICY + 2] = 0x0b;
	refused(judge(m), VERDICT_FAILED, CODE_DEBUG, "snp.debug");
	m->report[AT_POLICY + 2] = 0x01;
	refused(
	    judge(m), VERDICT_FAILED, CODE_MALFORMED, "snp.policy_reserved");
	m->report[AT_POLICY + 2] = 0x03;
	m->report[AT_POLICY + 3] = 0x04;
	refused(
	    judge(m), VERDICT_FAILED, CODE_UNSUPPORTED, "snp.policy_reserved");
	m->report[AT_POLICY + 3] = 0x03;
	holds(judge(m));
	m->report[AT_POLICY + 3] = 0;
	m->report[AT_PLATFORM] = 0x40;
	refused(judge(m), VERDICT_FAILED, CODE_UNSUPPORTED,
	    "snp.platform_reserved");
	m->report[AT_PLATFORM] = 0xbf;
	holds(judge(m));
	m->report[AT_PLATFORM] = 0;
	m->report[AT_POLICY + 2] = 0x07;
	refused(judge(m), VERDICT_FAILED, CODE_POLICY,
	    "snp.policy_migration_agent");
	m->report[AT_POLICY + 2] = 0x03;
	m->policy.snp.allow_smt = false;
	refused(judge(m), VERDICT_FAILED, CODE_POLICY, "snp.policy_smt");
	m->policy.snp.allow_smt = true;
	m->report[AT_VMPL] = 1;
	refused(judge(m), VERDICT_FAILED, CODE_POLICY, "snp.policy_vmpl");
	m->policy.snp.max_vmpl = 1;
	holds(judge(m));
	m->policy.snp.min_abi_major = 1;
	refused(judge(m), VERDICT_FAILED, CODE_POLICY, "snp.policy_abi");
}

static void
test_pins(void **state)
{
	static const uint8_t other[64] = {1};
	struct maker *m = *state;
	struct policy_snp *s = &m->policy.snp;

	s->measurement = (struct policy_digests){true, 1, 48, other};
	refused(
	    judge(m), VERDICT_FAILED, CODE_POLICY, "snp.policy_measurement");
	s->measurement.at = m->report + AT_MEASUREMENT;
	holds(judge(m));
	s->host_data = (struct policy_digests){true, 1, 32, other};
	refused(judge(m), VERDICT_FAILED, CODE_POLICY, "snp.policy_host_data");
	s->host_data.given = false;
	s->min_launch_tcb[SNP_GENOA] =
	    (struct policy_tcb){true, -1, 9, 0, 0x16, 0};
	refused(judge(m), VERDICT_FAILED, CODE_POLICY, "snp.policy_launch_tcb");
	s->min_launch_tcb[SNP_GENOA].snp = 0x15;
	s->min_tcb[SNP_GENOA] = (struct policy_tcb){true, -1, 10, 0, 0, 0};
	refused(judge(m), VERDICT_FAILED, CODE_POLICY, "snp.policy_tcb");
	s->present = false;
	refused(judge(m), VERDICT_ERROR, CODE_BAD_POLICY, "snp.policy");
}

static void
test_turin_layout(void **state)
{
	static const uint8_t raw[8] = {1, 2, 3, 4, 0, 0, 0, 5};
	struct snp_tcb turin = snp_tcb_of(raw, SNP_TURIN);
	struct snp_tcb genoa = snp_tcb_of(raw, SNP_GENOA);

	(void)state;
	assert_int_equal(turin.fmc, 1);
	assert_int_equal(turin.bootloader, 2);
	assert_int_equal(turin.tee, 3);
	assert_int_equal(turin.snp, 4);
	assert_int_equal(turin.microcode, 5);
	assert_int_equal(genoa.bootloader, 1);
	assert_int_equal(genoa.tee, 2);
	assert_int_equal(genoa.snp, 0);
	assert_true(snp_tcb_reaches(turin, turin));
	turin.tee--;
	assert_false(snp_tcb_reaches(turin, snp_tcb_of(raw, SNP_TURIN)));
}

/* Without CPUID a report does not say its product: what is named must do for
 * whichever the chip's certificate turns out to be of. */
static void
test_needs_of_old_reports(void **state)
{
	struct maker *m = *state;
	const struct forged upper[] = {m->ask, m->ark};
	struct text chain = forged_pem(m->a, upper, 2);
	struct collateral_item all[EVIDENCE_NEEDS_MAX];
	struct collateral c = {.items = all};
	struct examination x = {.policy = &m->policy,
	    .anchors = m->anchors,
	    .collateral = &c,
	    .now_ms = FORGE_NOW_MS};
	const char *names[EVIDENCE_NEEDS_MAX];
	char text[BASE64_SIZE(SNP_REPORT_SIZE)];
	struct verdict v;
	struct fault f;
	json_t *item;

	m->report[AT_VERSION] = 2;
	memset(m->report + AT_CPUID, 0, 3);
	sign_report(m);
	base64_encode(bytes_of(m->report, sizeof(m->report)), text);
	item = json_pack("{s:s, s:s}", "kind", "snp", "report", text);
	assert_true(cpu_needs(m->a, item, names, &c.count, &f));
	assert_int_equal(c.count, 5);
	for (size_t i = 0; i < c.count; i++) {
		struct bytes body = bytes_of("", 0);

		if (strncmp(names[i], "amd/vcek/", 9) == 0)
			body = forged_der(m->a, m->leaf.x509);
		else if (strcmp(names[i], "amd/chain/Genoa/vcek") == 0)
			body = bytes_of(chain.at, chain.len);
		else if (strcmp(names[i], "amd/crl/Genoa/vcek") == 0)
			body = m->crl;
		all[i] = (struct collateral_item){names[i], body, FORGE_NOW_MS};
	}
	verdict_init(&v, m->a, FORGE_NOW_MS);
	if (!snp_verifier.verify(&x, item, &v))
		fail_msg("%s: %s", v.failed, v.why);
	json_decref(item);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
	    T(test_sound),
	    T(test_vlek),
	    T(test_issuer),
	    T(test_reserved_tcb),
	    T(test_format),
	    T(test_signature),
	    T(test_key_of_report),
	    T(test_reserved),
	    T(test_versions_in_order),
	    T(test_chain),
	    T(test_leaf),
	    T(test_pinned),
	    T(test_list),
	    T(test_guest),
	    T(test_pins),
	    T(test_turin_layout),
	    T(test_needs_of_old_reports),
	};

	return cmocka_run_group_tests(tests, make_roots, free_roots);
}
