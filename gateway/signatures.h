/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signatures of private exchanges: asked of the provider when an answer
 * is over, judged, and kept for the buyer. What was decided is in a spool
 * before anybody is told, and from there goes to Postgres; an exchange that
 * is left early is signed for all the same, and where there can be no
 * signature it is the reason that is kept.
 */
#ifndef GATEWAY_SIGNATURES_H
#define GATEWAY_SIGNATURES_H

#include "base/log.h"
#include "base/loop.h"
#include "gateway/path.h"
#include "gateway/signature.h"

struct signatures;
bool signatures_open(struct loop *l, struct pg *pg, const char *folder,
    const struct log *log, struct signatures **out, struct fault *f);
/* Those still being asked for are kept as not given. */
void signatures_free(struct signatures **s);
/* Records that are not yet in Postgres. */
uint64_t signatures_backlog(const struct signatures *s);
/* fn(arg), once, when all is in Postgres or it can not be asked. */
void signatures_drain(struct signatures *s, void (*fn)(void *arg), void *arg);

struct signature_order {
	struct path *path; /* NULL: the provider is gone */
	const char *account, *request_id, *did;
	const char *chat_id; /* the answer's own, or NULL */
	struct signature_wish wish;
	bool is_whole; /* the answer went out to its end */
	bool is_sent;  /* bytes of it did: if there is no signature, the reason
			* is kept */
};
/* row: the signature, on its way to Postgres and lost by nothing any more; or
 * NULL and why there is none (SIGNATURE_INVALID, PROVIDER_UNREACHABLE), or
 * none that is safe (UPSTREAM_DEPENDENCY_UNAVAILABLE: the spool took it not).
 * Cancelling only forgets the asker. fn NULL: nobody waits, and NULL is
 * returned. All of the order is copied. */
typedef void signatures_answer(
    void *arg, const struct signature_row *row, const struct fault *f);
struct pending *signatures_take(struct signatures *s,
    const struct signature_order *o, signatures_answer *fn, void *arg);

/* Pure, for the spool: a row as one JSON text, and back into the arena. */
char *signature_record_write(struct arena *a, const struct signature_row *r);
bool signature_record_read(
    struct text t, struct arena *a, struct signature_row *r, struct fault *f);

#endif
