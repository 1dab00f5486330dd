/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A responder's answer clears one certificate, under its issuer's authority,
 * for a while; everything else that an answer may be is refused, each for its
 * own reason, and beside revocation lists either source can refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attestation/revocation.h"
#include "tests/unit/attestation_ocsp_forge.h"

enum {
	GOOD = V_OCSP_CERTSTATUS_GOOD,
	REVOKED = V_OCSP_CERTSTATUS_REVOKED,
	UNKNOWN = V_OCSP_CERTSTATUS_UNKNOWN
};
enum { HOLD = OCSP_REVOKED_STATUS_CERTIFICATEHOLD };

struct scene {
	struct arena *a;
	struct forged root, subject, other, stranger;
	struct ocsp_rules rules;
};

static int
scene_make(void **state)
{
	struct scene *s = mem_new(sizeof(*s));

	s->a = arena_new();
	forge(&s->root, NULL,
	    &(struct forge_wish){.name = "root", .curve = "P-384", .ca = true});
	forge(&s->stranger, NULL,
	    &(struct forge_wish){.name = "root", .curve = "P-384", .ca = true});
	forge(&s->subject, &s->root,
	    &(struct forge_wish){.name = "subject",
		.curve = "P-384",
		.serial = 7,
		.extension = {{"1.3.6.1.5.5.7.1.1",
		    bytes_of(forge_responder, sizeof(forge_responder))}}});
	forge(&s->other, &s->root,
	    &(struct forge_wish){
		.name = "other", .curve = "P-384", .serial = 8});
	s->rules = (struct ocsp_rules){FORGE_NOW_MS, 86400, false};
	*state = s;
	return 0;
}

static int
scene_free(void **state)
{
	struct scene *s = *state;

	forged_free(&s->root);
	forged_free(&s->subject);
	forged_free(&s->other);
	forged_free(&s->stranger);
	arena_free(&s->a);
	mem_free(s);
	return 0;
}

static enum fault_kind
judged(struct scene *s, struct bytes der, struct window *w)
{
	struct fault f = {0};

	if (ocsp_verify(der, s->subject.x509, s->root.x509, &s->rules, w, &f))
		return FAULT_NONE;
	assert_true(f.kind != FAULT_NONE && f.why[0] != '\0');
	return f.kind;
}

static void
is(struct scene *s, struct forge_answer wish, enum fault_kind wanted)
{
	struct window w;

	if (wish.subject == NULL)
		wish.subject = &s->subject;
	if (wish.issuer == NULL)
		wish.issuer = &s->root;
	assert_int_equal(judged(s, forge_answer(s->a, &wish), &w), wanted);
}

static void
statuses(void **state)
{
	struct scene *s = *state;
	struct forge_answer hold = {.status = REVOKED, .reason = HOLD};

	is(s, (struct forge_answer){.status = GOOD}, FAULT_NONE);
	is(s, (struct forge_answer){.status = UNKNOWN}, FAULT_NOT_FOUND);
	is(s, (struct forge_answer){.status = REVOKED, .reason = -1},
	    FAULT_REVOKED);
	is(s, hold, FAULT_REVOKED);
	s->rules.allow_hold = true;
	is(s, hold, FAULT_NONE);
	hold.reason = OCSP_REVOKED_STATUS_KEYCOMPROMISE;
	is(s, hold, FAULT_REVOKED);
	s->rules.allow_hold = false;
}

static void
digests_of_names(void **state)
{
	struct scene *s = *state;

	is(s, (struct forge_answer){.named_by = EVP_sha1()}, FAULT_NONE);
	is(s, (struct forge_answer){.named_by = EVP_sha256()}, FAULT_NONE);
	is(s, (struct forge_answer){.named_by = EVP_md5()}, FAULT_CONFLICT);
	is(s, (struct forge_answer){.signed_by = EVP_sha1()},
	    FAULT_UNSUPPORTED);
	is(s, (struct forge_answer){.signed_by = EVP_sha256()}, FAULT_NONE);
}

static void
times(void **state)
{
	struct scene *s = *state;
	const int64_t now = FORGE_NOW, hour = 3600;
	struct window w;
	struct forge_answer wish = {.subject = &s->subject, .issuer = &s->root};

	assert_int_equal(judged(s, forge_answer(s->a, &wish), &w), FAULT_NONE);
	assert_true(w.from == (now - hour / 2) * 1000 - OCSP_SKEW_MS);
	assert_true(w.until == (now + hour) * 1000 + 999);
	is(s, (struct forge_answer){.until = now - 1}, FAULT_STALE);
	is(s, (struct forge_answer){.until = now}, FAULT_NONE);
	is(s, (struct forge_answer){.until = now - 2 * hour}, FAULT_INVALID);
	is(s, (struct forge_answer){.endless = true}, FAULT_INVALID);
	is(s, (struct forge_answer){.from = now + hour / 2},
	    FAULT_NOT_YET_VALID);
	is(s, (struct forge_answer){.from = now + 60}, FAULT_NONE);
	is(s, (struct forge_answer){.produced = now + hour},
	    FAULT_NOT_YET_VALID);
	/* Older than the policy wants, whatever the responder promised. */
	is(s, (struct forge_answer){.from = now - 2 * FORGE_DAY}, FAULT_STALE);
	is(s, (struct forge_answer){.produced = now - 2 * FORGE_DAY},
	    FAULT_STALE);
	s->rules.max_age_s = 0;
	is(s, (struct forge_answer){.from = now - 2 * FORGE_DAY}, FAULT_NONE);
	s->rules.max_age_s = 86400;
	/* What was revoked once stays so; what will be is not yet. */
	is(s,
	    (struct forge_answer){
		.status = REVOKED, .reason = -1, .until = now - 1},
	    FAULT_REVOKED);
	is(s,
	    (struct forge_answer){
		.status = REVOKED, .reason = -1, .from = now + hour / 2},
	    FAULT_NOT_YET_VALID);
}

static void
about_whom(void **state)
{
	struct scene *s = *state;

	is(s, (struct forge_answer){.subject = &s->other}, FAULT_CONFLICT);
	is(s, (struct forge_answer){.twice = true}, FAULT_CONFLICT);
	is(s,
	    (struct forge_answer){
		.status = REVOKED, .reason = -1, .twice = true},
	    FAULT_CONFLICT);
	is(s, (struct forge_answer){.critical = true}, FAULT_UNSUPPORTED);
	/* Same name and serial number under another key. */
	is(s, (struct forge_answer){.issuer = &s->stranger, .signer = &s->root},
	    FAULT_CONFLICT);
}

static void
signers(void **state)
{
	struct scene *s = *state;
	struct forged one;

	is(s, (struct forge_answer){.signer = &s->stranger}, FAULT_TAMPERED);
	is(s, (struct forge_answer){.signer = &s->other}, FAULT_UNTRUSTED);
	forge_delegate(&one, &s->root, true, 0);
	is(s, (struct forge_answer){.signer = &one}, FAULT_NONE);
	forged_free(&one);
	forge_delegate(&one, &s->root, false, 0);
	is(s, (struct forge_answer){.signer = &one}, FAULT_UNTRUSTED);
	forged_free(&one);
	forge_delegate(&one, &s->root, true, FORGE_NOW - 1);
	is(s, (struct forge_answer){.signer = &one}, FAULT_EXPIRED);
	forged_free(&one);
	forge_delegate(&one, &s->stranger, true, 0);
	is(s, (struct forge_answer){.signer = &one}, FAULT_TAMPERED);
	forged_free(&one);
	/* A responder that another issuer appointed. */
	forge_delegate(&one, &s->other, true, 0);
	is(s, (struct forge_answer){.signer = &one}, FAULT_UNTRUSTED);
	forged_free(&one);
}

/* By way of a delegate, so that its certificate is in the bytes too. */
static void
spoiled(void **state)
{
	struct scene *s = *state;
	struct forged one;
	struct bytes der;
	struct window w;
	uint8_t *copy;

	forge_delegate(&one, &s->root, true, 0);
	der = forge_answer(s->a,
	    &(struct forge_answer){
		.subject = &s->subject, .issuer = &s->root, .signer = &one});
	assert_int_equal(judged(s, der, &w), FAULT_NONE);
	for (size_t n = 0; n < der.len; n++) {
		uint8_t *cut = mem_copy(der.at, n + 1);

		assert_int_not_equal(
		    judged(s, bytes_of(cut, n), &w), FAULT_NONE);
		mem_free(cut);
	}
	copy = mem_copy(der.at, der.len);
	for (size_t n = 0; n < der.len; n++) {
		copy[n] ^= 1;
		if (judged(s, bytes_of(copy, der.len), &w) == FAULT_NONE)
			fail_msg("byte %zu of %zu", n, der.len);
		copy[n] ^= 1;
	}
	mem_free(copy);
	forged_free(&one);
}

static void
refusals_and_sizes(void **state)
{
	static const uint8_t unauthorized[] = {0x30, 0x03, 0x0a, 0x01, 0x06};
	struct scene *s = *state;
	uint8_t *big = arena_alloc(s->a, OCSP_BYTES_MAX + 1);
	struct window w;
	struct ocsp_times times;
	struct fault f;

	assert_int_equal(
	    judged(s, bytes_of(unauthorized, 5), &w), FAULT_UNAVAILABLE);
	assert_false(ocsp_peek(bytes_of(unauthorized, 5), &times, &f));
	assert_int_equal(judged(s, bytes_of("", 0), &w), FAULT_LIMIT);
	memset(big, 0x30, OCSP_BYTES_MAX + 1);
	assert_int_equal(
	    judged(s, bytes_of(big, OCSP_BYTES_MAX + 1), &w), FAULT_LIMIT);
	assert_true(ocsp_peek(
	    forge_answer(s->a, &(struct forge_answer){.subject = &s->subject,
				   .issuer = &s->root}),
	    &times, &f));
	assert_true(times.next_update == (FORGE_NOW + 3600) * 1000 + 999);
	assert_true(times.this_update == (FORGE_NOW - 3600) * 1000);
	assert_true(times.produced >= times.this_update);
}

static enum fault_kind
genuine(struct bytes answer, const char *name, X509 *issuer)
{
	struct fault f;

	return ocsp_is_genuine(answer, name, issuer, FORGE_NOW_MS, &f)
		   ? FAULT_NONE
		   : f.kind;
}

/* By whom and about what, without the certificate: for what comes when nobody
 * shows it. */
static void
genuine_by_name(void **state)
{
	struct scene *s = *state;
	struct forge_answer wish = {
	    .subject = &s->subject, .issuer = &s->root, .from = 1, .until = 2};
	const char *name = ocsp_name(s->a, s->subject.x509, s->root.x509);
	const char *next =
	    arena_printf(s->a, "%.*s7f", (int)strlen(name) - 2, name);
	struct bytes good = forge_answer(s->a, &wish), other;
	struct forged stranger;

	forge(&stranger, NULL,
	    &(struct forge_wish){.name = "root", .curve = "P-384", .ca = true});
	/* However old, and whatever it says. */
	assert_int_equal(genuine(good, name, s->root.x509), FAULT_NONE);
	wish.status = V_OCSP_CERTSTATUS_REVOKED;
	wish.reason = -1;
	other = forge_answer(s->a, &wish);
	assert_int_equal(genuine(other, name, s->root.x509), FAULT_NONE);
	wish.signer = &stranger;
	other = forge_answer(s->a, &wish);
	assert_int_equal(genuine(other, name, s->root.x509), FAULT_TAMPERED);
	/* Another serial number, another issuer, no name at all. */
	assert_int_equal(genuine(good, next, s->root.x509), FAULT_CONFLICT);
	assert_int_equal(genuine(good, name, stranger.x509), FAULT_NOT_FOUND);
	assert_int_equal(
	    genuine(good, "nvidia/ocsp/x", s->root.x509), FAULT_NOT_FOUND);
	forged_free(&stranger);
}

/* A question that OpenSSL reads as the one for this certificate. */
static void
questions(void **state)
{
	struct scene *s = *state;
	const char *name = ocsp_name(s->a, s->subject.x509, s->root.x509);
	OCSP_CERTID *own =
	    OCSP_cert_to_id(EVP_sha384(), s->subject.x509, s->root.x509);
	const unsigned char *at;
	OCSP_REQUEST *request;
	struct bytes der;
	struct fault f;

	assert_true(ocsp_is_offered(s->subject.x509));
	assert_false(ocsp_is_offered(s->other.x509));
	assert_true(ocsp_question(s->a, name, &der, &f));
	at = der.at;
	request = d2i_OCSP_REQUEST(NULL, &at, (long)der.len);
	assert_non_null(request);
	assert_int_equal(OCSP_request_onereq_count(request), 1);
	assert_int_equal(
	    OCSP_id_cmp(
		own, OCSP_onereq_get0_id(OCSP_request_onereq_get0(request, 0))),
	    0);
	OCSP_REQUEST_free(request);
	OCSP_CERTID_free(own);
	for (size_t n = 0; n < strlen(name) - 2; n++)
		assert_false(ocsp_question(
		    s->a, arena_printf(s->a, "%.*s", (int)n, name), &der, &f));
	assert_false(
	    ocsp_question(s->a, arena_printf(s->a, "%s/x", name), &der, &f));
	assert_false(
	    ocsp_question(s->a, arena_printf(s->a, "%s0A", name), &der, &f));
	assert_false(ocsp_question(
	    s->a, arena_printf(s->a, "%s%042d", name, 0), &der, &f));
}

/* ------------------------------------------------------ beside the lists */

struct sources {
	struct bytes list;   /* of the root; empty: none */
	struct bytes answer; /* about the subject; empty: none */
	bool required;
};

static enum fault_kind
checked(struct scene *s, struct sources by)
{
	struct revocation_answer answer = {
	    ocsp_name(s->a, s->subject.x509, s->root.x509), by.answer};
	const struct revocation r = {.lists = &by.list,
	    .count = by.list.len > 0,
	    .answers = &answer,
	    .answer_count = by.answer.len > 0,
	    .required = by.required,
	    .levels = 1};
	struct chain c = {{s->subject.x509, s->root.x509}, 2};
	struct window w = WINDOW_ALWAYS;
	struct fault f = {0};

	if (!revocation_check(&r, &c, FORGE_NOW_MS, &w, &f))
		return f.kind;
	if (by.answer.len > 0 && by.list.len == 0)
		assert_true(w.until == (FORGE_NOW + 3600) * 1000 + 999);
	return FAULT_NONE;
}

static struct bytes
answer_of(struct scene *s, int status, int64_t until)
{
	return forge_answer(s->a, &(struct forge_answer){.subject = &s->subject,
				      .issuer = &s->root,
				      .status = status,
				      .reason = -1,
				      .until = until});
}

static void
beside_lists(void **state)
{
	struct scene *s = *state;
	const int64_t later = FORGE_NOW + FORGE_DAY, past = FORGE_NOW - 1;
	struct bytes clear = forge_list(s->a, &s->root, 0, later);
	struct bytes lists = forge_list(s->a, &s->root, 7, later);
	struct bytes old = forge_list(s->a, &s->root, 0, past);
	struct bytes forged = forge_list(s->a, &s->stranger, 0, later);
	struct bytes good = answer_of(s, GOOD, 0);
	struct bytes revoked = answer_of(s, REVOKED, 0);
	struct bytes stale = answer_of(s, GOOD, past);
	struct bytes unknown = answer_of(s, UNKNOWN, 0);
	struct bytes none = bytes_of(NULL, 0);
	const struct {
		struct sources by;
		enum fault_kind wanted;
	} all[] = {
	    {{none, none, true}, FAULT_NOT_FOUND},
	    {{none, none, false}, FAULT_NONE},
	    {{clear, none, true}, FAULT_NONE},
	    {{none, good, true}, FAULT_NONE},
	    {{clear, good, true}, FAULT_NONE},
	    {{clear, revoked, true}, FAULT_REVOKED},
	    {{lists, good, true}, FAULT_REVOKED},
	    {{none, revoked, false}, FAULT_REVOKED},
	    {{clear, stale, true}, FAULT_NONE},
	    {{clear, unknown, true}, FAULT_NONE},
	    {{none, stale, true}, FAULT_STALE},
	    {{none, unknown, false}, FAULT_NOT_FOUND},
	    {{old, none, true}, FAULT_STALE},
	    {{old, good, true}, FAULT_NONE},
	    {{old, stale, true}, FAULT_STALE},
	    {{forged, good, true}, FAULT_TAMPERED},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (checked(s, all[i].by) != all[i].wanted)
			fail_msg("case %zu", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(statuses),
	    cmocka_unit_test(digests_of_names),
	    cmocka_unit_test(times),
	    cmocka_unit_test(about_whom),
	    cmocka_unit_test(signers),
	    cmocka_unit_test(spoiled),
	    cmocka_unit_test(refusals_and_sizes),
	    cmocka_unit_test(genuine_by_name),
	    cmocka_unit_test(questions),
	    cmocka_unit_test(beside_lists),
	};

	return cmocka_run_group_tests(tests, scene_make, scene_free);
}
