/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attestation/gpu_evidence: whether those who signed a device's manifests
 * stand unrevoked. By the list of the manifests' root and by answers about
 * each certificate; verified anew and kept.
 */
#include "tests/unit/attestation_gpu_forge.h"
#include "tests/unit/attestation_ocsp_forge.h"

#include "attestation/gpu_evidence.h"
#include "attestation/rim_kept.h"

enum { ITEMS = 8, SIGNER = 91 };

#define DRIVER_RIM "nvidia/rim/NV_GPU_DRIVER_GH100_550.1"
#define VBIOS_RIM "nvidia/rim/NV_GPU_VBIOS_1010_0200_882_96005E0001"
#define CORIM "nvidia/crl/l1-corim"
#define AIA "1.3.6.1.5.5.7.1.1"

struct scene {
	struct machine *m;
	struct policy policy;
	struct collateral_item items[ITEMS];
	struct collateral collateral;
	struct evidence_bound bound;
	struct nvidia_kept nvidia;
	struct rim_kept rims;
	struct verdict v;
};

static void
put(struct scene *s, const char *name, struct bytes body)
{
	assert_true(s->collateral.count < ITEMS);
	s->items[s->collateral.count++] =
	    (struct collateral_item){name, body, FORGE_NOW_MS};
}

static void
put_manifests(struct scene *s)
{
	struct machine *m = s->m;
	struct rim_rules begun = {m->anchors, NULL, FORGE_NOW_MS};
	struct rim rim;
	struct fault f;

	/* Starts the XML library, which signing needs. */
	assert_false(rim_read(m->a, bytes_of("<a/>", 4), &begun, &rim, &f));
	put(s, DRIVER_RIM,
	    manifest(m, resource(m, 3, "True", 4), "", NULL, NULL));
	m->version = "96.00.5E.00.01";
	put(s, VBIOS_RIM,
	    manifest(m, resource(m, 4, "True", 5), "", NULL, NULL));
	m->version = NULL;
}

/* A machine with all that is needed but news of the manifests' signer. */
static int
begin(void **state)
{
	struct scene *s = mem_new(sizeof(*s));
	int64_t next = FORGE_NOW + FORGE_DAY;
	struct machine *m;

	machine_make((void **)&s->m);
	m = s->m;
	forged_free(&m->rim[0]);
	forge(&m->rim[0], &m->rim[1],
	    &(struct forge_wish){.name = "RIM signer",
		.curve = "P-384",
		.serial = SIGNER,
		.extension = {{AIA,
		    bytes_of(forge_responder, sizeof(forge_responder))}}});
	s->policy = policy_defaults();
	s->policy.nvidia.present = true;
	s->bound.nonce = bytes_of(nonce, 32);
	s->collateral = (struct collateral){.items = s->items};
	put(s, "nvidia/crl/l1-root",
	    forge_list(m->a, &m->device[ROOT], 0, next));
	put(s, "nvidia/crl/l2-gh100",
	    forge_list(m->a, &m->device[IDENTITY], 0, next));
	put_manifests(s);
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct scene *s = *state;

	nvidia_kept_clear(&s->nvidia);
	rim_kept_clear(&s->rims);
	machine_free((void **)&s->m);
	mem_free(s);
	return 0;
}

static const char *
base64(struct machine *m, struct bytes b)
{
	char *out = arena_alloc(m->a, BASE64_SIZE(b.len));

	base64_encode(b, out);
	return out;
}

/* The check that refused, or "", at this time. */
static const char *
ran_at(struct scene *s, int64_t now_ms, enum verdict_code code)
{
	struct machine *m = s->m;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct examination x = {.policy = &s->policy,
	    .anchors = m->anchors,
	    .collateral = &s->collateral,
	    .bound = &s->bound,
	    .now_ms = now_ms};
	json_t *item = json_pack("{s:s, s:[{s:s, s:s}]}", "kind", "nvidia",
	    "evidence_list", "evidence", base64(m, REPORT(m, plain)),
	    "certificate", base64(m, bytes_of(chain.at, chain.len)));
	bool held;

	verdict_init(&s->v, m->a, now_ms);
	held = nvidia_verifier.verify(&x, item, &s->v);
	json_decref(item);
	assert_int_equal(held, s->v.code == CODE_OK);
	if (s->v.code != code)
		fail_msg("%s: %s", s->v.failed, s->v.why);
	return s->v.failed != NULL ? s->v.failed : "";
}

static const char *
ran(struct scene *s, enum verdict_code code)
{
	return ran_at(s, FORGE_NOW_MS, code);
}

static enum claim_result
said_of_signer(const struct scene *s)
{
	const struct claim *c = verdict_find(&s->v, "nvidia.rim_revocation");

	assert_non_null(c);
	return c->result;
}

static struct bytes
list(struct scene *s, long serial)
{
	return forge_list(
	    s->m->a, &s->m->rim[1], serial, FORGE_NOW + FORGE_DAY);
}

static struct bytes
answer(struct scene *s, int status, int64_t until)
{
	const struct forge_answer wish = {.subject = &s->m->rim[0],
	    .issuer = &s->m->rim[1],
	    .status = status,
	    .reason = -1,
	    .from = FORGE_NOW - 7200,
	    .until = until};

	return forge_answer(s->m->a, &wish);
}

static const char *
signers_name(struct scene *s)
{
	return ocsp_name(s->m->a, s->m->rim[0].x509, s->m->rim[1].x509);
}

/* Each step anew, and then with what was kept of the steps before. */
static void
lists_of_signers(void **state)
{
	struct scene *s = *state;

	for (int kept = 0; kept < 2; kept++) {
		s->collateral.rims = kept ? &s->rims : NULL;
		s->collateral.count = 4;
		assert_string_equal(ran(s, CODE_OK), "");
		assert_int_equal(said_of_signer(s), CLAIM_UNKNOWN);
		s->policy.nvidia.require_rim_revocation = true;
		assert_string_equal(
		    ran(s, CODE_MISSING), "nvidia.rim_revocation");
		assert_int_equal(s->v.outcome, VERDICT_ERROR);
		put(s, CORIM, list(s, SIGNER + 1));
		assert_string_equal(ran(s, CODE_OK), "");
		assert_int_equal(said_of_signer(s), CLAIM_ASSERTED);
		s->policy.nvidia.require_rim_revocation = false;
		s->items[4].body = list(s, SIGNER);
		assert_string_equal(ran(s, CODE_REVOKED), "nvidia.driver_rim");
		assert_int_equal(s->v.outcome, VERDICT_FAILED);
		/* Also without "revocation": what is known is known. */
		s->policy.revocation = false;
		assert_string_equal(ran(s, CODE_REVOKED), "nvidia.driver_rim");
		s->policy.revocation = true;
		/* A stranger's list under the root's name is no reason to go
		 * on without. */
		s->items[4].body = list(s, 0);
		((uint8_t *)(uintptr_t)s->items[4]
			.body.at)[s->items[4].body.len - 1] ^= 1;
		assert_string_equal(ran(s, CODE_TAMPERED), "nvidia.driver_rim");
	}
}

static void
answers_about_signers(void **state)
{
	struct scene *s = *state;
	int64_t hour = FORGE_NOW + 3600;

	put(s, signers_name(s), answer(s, V_OCSP_CERTSTATUS_GOOD, hour));
	for (int kept = 0; kept < 2; kept++) {
		s->collateral.rims = kept ? &s->rims : NULL;
		s->items[4].body = answer(s, V_OCSP_CERTSTATUS_GOOD, hour);
		assert_string_equal(ran(s, CODE_OK), "");
		assert_int_equal(said_of_signer(s), CLAIM_ASSERTED);
		assert_true(s->v.renew_by <= hour * 1000 + 999);
		s->items[4].body = answer(s, V_OCSP_CERTSTATUS_REVOKED, hour);
		assert_string_equal(ran(s, CODE_REVOKED), "nvidia.driver_rim");
		/* What says nothing is as if it were not there. */
		s->items[4].body =
		    answer(s, V_OCSP_CERTSTATUS_GOOD, FORGE_NOW - 3600);
		assert_string_equal(ran(s, CODE_OK), "");
		assert_int_equal(said_of_signer(s), CLAIM_UNKNOWN);
		s->items[4].body = answer(s, V_OCSP_CERTSTATUS_UNKNOWN, hour);
		assert_string_equal(ran(s, CODE_OK), "");
		assert_int_equal(said_of_signer(s), CLAIM_UNKNOWN);
		/* But for "revoked", also after its end; and what is broken. */
		s->items[4].body =
		    answer(s, V_OCSP_CERTSTATUS_REVOKED, FORGE_NOW - 3600);
		assert_string_equal(ran(s, CODE_REVOKED), "nvidia.driver_rim");
		s->items[4].body = bytes_of("0", 1);
		assert_string_equal(
		    ran(s, CODE_MALFORMED), "nvidia.driver_rim");
	}
}

/* The policy's age of lists counts also where the list was asked before. */
static void
lists_that_grow_old(void **state)
{
	struct scene *s = *state;
	struct forge_list_wish w = {
	    .from = FORGE_NOW - 100, .next = FORGE_NOW + FORGE_DAY};

	s->collateral.rims = &s->rims;
	put(s, CORIM, forge_list_of(s->m->a, &s->m->rim[1], &w));
	assert_string_equal(ran(s, CODE_OK), "");
	assert_int_equal(said_of_signer(s), CLAIM_ASSERTED);
	s->items[0].body = s->items[1].body = bytes_of("", 0);
	s->items[0].name = s->items[1].name = "nras/jwks";
	s->policy.revocation = false;
	s->policy.max_crl_age_s = 99;
	assert_string_equal(ran(s, CODE_OK), "");
	assert_int_equal(said_of_signer(s), CLAIM_UNKNOWN);
	s->policy.max_crl_age_s = 100;
	assert_string_equal(ran(s, CODE_OK), "");
	assert_int_equal(said_of_signer(s), CLAIM_ASSERTED);
}

/* Known once the manifests are at hand, whether kept or not; each once, and
 * with room for them however much the devices name. */
static void
answers_are_named(void **state)
{
	struct scene *s = *state;
	const char *names[EVIDENCE_NEEDS_MAX];
	size_t count;

	s->collateral.nvidia = &s->nvidia;
	for (int kept = 0; kept < 2; kept++) {
		s->collateral.rims = kept ? &s->rims : NULL;
		count = 0;
		gpu_manifest_needs(s->m->a, &s->collateral, names, &count);
		assert_int_equal(count, 1);
		assert_string_equal(names[0], signers_name(s));
		count = EVIDENCE_NEEDS_MAX;
		gpu_manifest_needs(s->m->a, &s->collateral, names, &count);
		assert_int_equal(count, EVIDENCE_NEEDS_MAX);
		assert_string_equal(ran(s, CODE_OK), "");
	}
	/* Whoever takes in answers knows the issuer now. */
	assert_true(certificate_same(s->nvidia.signers[0], s->m->rim[1].x509));
	assert_null(s->nvidia.signers[1]);
	s->collateral.rims = NULL;
	s->items[2].body = s->items[3].body = bytes_of("<a/>", 4);
	count = 0;
	gpu_manifest_needs(s->m->a, &s->collateral, names, &count);
	assert_int_equal(count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(lists_of_signers, begin, end),
	    cmocka_unit_test_setup_teardown(answers_about_signers, begin, end),
	    cmocka_unit_test_setup_teardown(lists_that_grow_old, begin, end),
	    cmocka_unit_test_setup_teardown(answers_are_named, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
