/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA publishes one list per issuer (l1-root, l2-gh100, l2-gb100, …), and
 * none for the per-device issuers below; which ones a chain needs is said by
 * the caller as a number of levels counted from the anchor.
 */
#include "attestation/revocation.h"

#include <openssl/x509v3.h>
#include <string.h>

/* RFC 5280 5.3.1: certificateHold is 6. */
static bool
entry_is_hold(X509_REVOKED *entry)
{
	ASN1_ENUMERATED *reason =
	    X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
	bool hold = reason != NULL &&
		    ASN1_ENUMERATED_get(reason) == CRL_REASON_CERTIFICATE_HOLD;

	ASN1_ENUMERATED_free(reason);
	return hold;
}

static bool
only_held(X509_CRL *list, X509 *certificate)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(list);

	for (int i = 0; i < sk_X509_REVOKED_num(all); i++) {
		X509_REVOKED *entry = sk_X509_REVOKED_value(all, i);

		if (ASN1_INTEGER_cmp(
			X509_REVOKED_get0_serialNumber(entry), serial) == 0 &&
		    !entry_is_hold(entry))
			return false;
	}
	return true;
}

static bool
list_clears(
    X509_CRL *list, X509 *subject, const struct revocation *r, struct fault *f)
{
	char name[64];

	if (!crl_lists(list, subject) ||
	    (r->allow_hold && only_held(list, subject)))
		return true;
	if (!certificate_common_name(subject, name, sizeof(name)))
		name[0] = '\0';
	return fault_set(f, FAULT_REVOKED,
	    "certificate '%s' is on its issuer's revocation list", name);
}

/* The certificate below issuer i, and the root where it is the issuer: one that
 * lists itself has been given up. */
static bool
list_clears_at(X509_CRL *list, const struct chain *c, size_t i,
    const struct revocation *r, struct fault *f)
{
	X509 *issuer = c->at[i];
	bool is_root = X509_NAME_cmp(X509_get_issuer_name(issuer),
			   X509_get_subject_name(issuer)) == 0;

	return list_clears(list, c->at[i - 1], r, f) &&
	       (!is_root || list_clears(list, issuer, r, f));
}

/* What is known of each issuer's certificate, by the issuer's place. */
struct inquiry {
	const struct revocation *r;
	const struct chain *c;
	int64_t now_ms;
	struct window *window;
	bool answered[CHAIN_MAX];	 /* by a valid answer */
	bool listed[CHAIN_MAX];		 /* by a valid list */
	struct fault refused[CHAIN_MAX]; /* why an answer does not count */
	bool lenient; /* an answer that says nothing is none */
};

/* A list that is too old is none: an answer may stand for it. */
static bool
list_too_old(struct inquiry *q, size_t i, const char *what, struct fault *f)
{
	return q->answered[i] || !q->r->required ||
	       fault_set(f, FAULT_STALE,
		   "the list of issuer %zu %s too long "
		   "ago",
		   i, what);
}

/* A list that came too late is no loss where an answer is at hand. */
static bool
list_stands(
    struct inquiry *q, X509_CRL *list, int64_t end, size_t i, struct fault *f)
{
	struct window own;

	if (!crl_verify(list, q->c->at[i], q->now_ms, &own, f))
		return f->kind == FAULT_STALE && q->answered[i] &&
		       list_clears_at(list, q->c, i, q->r, f);
	if (!list_clears_at(list, q->c, i, q->r, f))
		return false;
	if (q->now_ms > end)
		return list_too_old(q, i, "came", f);
	if (q->r->list_age_s > 0) {
		int64_t signed_end = own.from + q->r->list_age_s * 1000;

		if (q->now_ms > signed_end)
			return list_too_old(q, i, "was signed", f);
		end = signed_end < end ? signed_end : end;
	}
	own.until = end < own.until ? end : own.until;
	*q->window = window_meet(*q->window, own);
	q->listed[i] = true;
	return true;
}

/* One list against the chain: finds its issuer, if it is there at all. */
static bool
list_judge(struct inquiry *q, size_t n, struct fault *f)
{
	const int64_t *ends = q->r->list_ends;
	int64_t end = ends != NULL ? ends[n] : INT64_MAX;
	X509_CRL *list = NULL;
	bool ok = true;

	if (!crl_read(q->r->lists[n], &list, f))
		return false;
	for (size_t i = 1; ok && i < q->c->count; i++)
		if (X509_NAME_cmp(X509_CRL_get_issuer(list),
			X509_get_subject_name(q->c->at[i])) == 0)
			ok = list_stands(q, list, end, i, f);
	X509_CRL_free(list);
	return ok;
}

static const struct revocation_answer *
answer_find(const struct revocation *r, const char *name)
{
	for (size_t i = 0; name != NULL && i < r->answer_count; i++)
		if (strcmp(r->answers[i].name, name) == 0)
			return &r->answers[i];
	return NULL;
}

/* The answer about the certificate below issuer i. Only "revoked" ends the
 * matter; any other fault waits for what a list says. */
static bool
answer_judge(struct inquiry *q, struct arena *a, size_t i, struct fault *f)
{
	const struct ocsp_rules rules = {
	    q->now_ms, q->r->answer_age_s, q->r->allow_hold};
	X509 *subject = q->c->at[i - 1], *issuer = q->c->at[i];
	const struct revocation_answer *answer =
	    answer_find(q->r, ocsp_name(a, subject, issuer));
	struct window own;

	if (answer == NULL)
		return true;
	if (ocsp_verify(
		answer->body, subject, issuer, &rules, &own, &q->refused[i])) {
		*q->window = window_meet(*q->window, own);
		q->answered[i] = true;
	} else if (q->refused[i].kind == FAULT_REVOKED) {
		*f = q->refused[i];
		return false;
	}
	return true;
}

static bool
answers_judge(struct inquiry *q, struct fault *f)
{
	struct arena *a;
	bool ok = true;

	if (q->r->answer_count == 0)
		return true;
	a = arena_new();
	for (size_t i = 1; ok && i < q->c->count; i++)
		ok = answer_judge(q, a, i, f);
	arena_free(&a);
	return ok;
}

/* Of an answer that cannot be used: it holds nothing for or against. */
static bool
says_nothing(const struct fault *f)
{
	return f->kind == FAULT_STALE || f->kind == FAULT_NOT_FOUND ||
	       f->kind == FAULT_UNAVAILABLE;
}

static bool
all_covered(const struct inquiry *q, bool *covered, struct fault *f)
{
	*covered = true;
	for (size_t level = 0; level + 1 < q->c->count; level++) {
		size_t i = q->c->count - 1 - level;

		if (q->answered[i] || q->listed[i])
			continue;
		*covered = false;
		if (q->refused[i].kind != FAULT_NONE &&
		    !(q->lenient && says_nothing(&q->refused[i]))) {
			*f = q->refused[i];
			return false;
		}
		if (q->r->required && level < q->r->levels)
			return fault_set(f, FAULT_NOT_FOUND,
			    "no revocation list of issuer %zu below the "
			    "anchor, and no OCSP answer by it",
			    level);
	}
	return true;
}

static bool
inquire(struct inquiry *q, bool *covered, struct fault *f)
{
	const struct revocation *r = q->r;

	if (r->count > REVOCATION_LISTS_MAX ||
	    r->answer_count > REVOCATION_ANSWERS_MAX)
		return fault_set(f, FAULT_LIMIT,
		    "%zu revocation lists and %zu OCSP answers", r->count,
		    r->answer_count);
	if (!answers_judge(q, f))
		return false;
	for (size_t i = 0; i < r->count; i++)
		if (!list_judge(q, i, f))
			return false;
	return all_covered(q, covered, f);
}

bool
revocation_check(const struct revocation *r, const struct chain *c,
    int64_t now_ms, struct window *window, struct fault *f)
{
	struct inquiry q = {.r = r, .c = c, .now_ms = now_ms, .window = window};
	bool covered;

	return inquire(&q, &covered, f);
}

bool
revocation_ask(const struct revocation *r, const struct chain *c,
    int64_t now_ms, struct window *window, bool *covered, struct fault *f)
{
	struct inquiry q = {.r = r,
	    .c = c,
	    .now_ms = now_ms,
	    .window = window,
	    .lenient = !r->required};

	*covered = false;
	return inquire(&q, covered, f);
}
