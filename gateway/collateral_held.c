/* SPDX-License-Identifier: Apache-2.0 */
/* See collateral_held.h. */
#include "gateway/collateral_held.h"

#include <string.h>

#include "base/mem.h"

enum {
	PAUSE_LEAST_MS = 1000,
	REFRESHES = 24, /* at most that many in refresh_ms */
	OVER_MS = 60000 /* while the source gives what has ended */
};

static bool
is_same(const struct collateral_held *h, const struct collateral_piece *p)
{
	return h->body != NULL && h->len == p->body.len &&
	       memcmp(h->body, p->body.at, h->len) == 0;
}

/* A list by another issuer has numbers of its own. */
static bool
is_others(const struct collateral_held *h, const struct collateral_piece *p)
{
	return memcmp(h->facts.issuer, p->facts.issuer, ISSUER_DIGEST) != 0;
}

static bool
may_replace(const struct collateral_held *h, const struct collateral_piece *p,
    int64_t now_ms, struct fault *f)
{
	if (h->body == NULL || h->genuine != GENUINE_YES)
		return true;
	if (p->genuine != GENUINE_YES)
		return fault_set(f, FAULT_UNTRUSTED,
		    "it cannot be verified, and what is held is");
	if (is_others(h, p))
		return now_ms > h->facts.next_update ||
		       fault_set(f, FAULT_CONFLICT,
			   "of another issuer than what is held");
	return !collateral_edition_is_older(
		   &p->facts.edition, &h->facts.edition) ||
	       fault_set(f, FAULT_STALE, "an older edition than what is held");
}

/* By its edition, or else by when it came. Between editions that differ, when
 * they came does not count: a file may be newer than its date. */
static bool
is_newer(const struct collateral_held *h, const struct collateral_piece *p)
{
	return h->body == NULL || p->any_time ||
	       p->fetched_at > h->fetched_at ||
	       (h->genuine == GENUINE_YES && !is_same(h, p) &&
		   collateral_edition_is_older(
		       &h->facts.edition, &p->facts.edition));
}

bool
collateral_held_take(struct collateral_held *h,
    const struct collateral_piece *p, int64_t now_ms, bool *changed,
    struct fault *f)
{
	*changed = false;
	if (!is_same(h, p) && !may_replace(h, p, now_ms, f))
		return false;
	if (!is_newer(h, p))
		return true;
	/* The same again is only younger. */
	if (!is_same(h, p)) {
		mem_free(h->body);
		h->body = mem_copy(p->body.at, p->body.len);
		h->len = p->body.len;
		*changed = true;
	}
	h->fetched_at = p->fetched_at;
	h->facts = p->facts;
	h->genuine = p->genuine;
	return true;
}

void
collateral_held_clear(struct collateral_held *h)
{
	mem_free(h->body);
	memset(h, 0, sizeof(*h));
}

/* What was nearly over when it came, or over already, is not asked for over
 * and over. */
static int64_t
least_wait(const struct collateral_held *h, int64_t refresh_ms)
{
	int64_t least = refresh_ms / REFRESHES;
	int64_t left = h->facts.next_update - h->fetched_at;

	if (left <= 0)
		return least < OVER_MS ? least : OVER_MS;
	if (left / 2 < least)
		least = left / 2;
	return least > PAUSE_LEAST_MS ? least : PAUSE_LEAST_MS;
}

int64_t
collateral_held_due(const struct collateral_held *h, int64_t refresh_ms)
{
	int64_t due = h->fetched_at + refresh_ms;
	int64_t least = h->fetched_at + least_wait(h, refresh_ms);

	if (h->facts.next_update - refresh_ms < due)
		due = h->facts.next_update - refresh_ms;
	return due > least ? due : least;
}
