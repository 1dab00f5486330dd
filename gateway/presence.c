/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tables over the same entries: by session, as offers name a way, and by
 * (DID, slot), where a newer tunnel supersedes.
 */
#include "gateway/presence.h"

#include "base/mem.h"
#include <stdio.h>
#include <string.h>

#define uthash_malloc(size) mem_new(size)
#define uthash_free(at, size) mem_free(at)
#include <uthash.h>

#define PLACE_SIZE 232 /* DID, a blank, the slot */

struct row {
	struct presence_entry entry;
	char place[PLACE_SIZE];
	UT_hash_handle by_session;
	UT_hash_handle by_place;
};

struct presence {
	struct row *by_session;
	struct row *by_place;
};

struct presence *
presence_new(void)
{
	return mem_new(sizeof(struct presence));
}

static void
take_out(struct presence *p, struct row *r)
{
	HASH_DELETE(by_session, p->by_session, r);
	HASH_DELETE(by_place, p->by_place, r);
}

void
presence_free(struct presence **pp)
{
	struct presence *p = *pp;

	if (p == NULL)
		return;
	while (p->by_session != NULL) {
		struct row *r = p->by_session;

		take_out(p, r);
		mem_free(r);
	}
	mem_free(p);
	*pp = NULL;
}

static struct row *
find(const struct presence *p, const char *session)
{
	struct row *r;

	HASH_FIND(by_session, p->by_session, session, strlen(session), r);
	return r;
}

static void
supersede(struct presence *p, const char *place)
{
	struct fault why;
	struct row *r;

	HASH_FIND(by_place, p->by_place, place, strlen(place), r);
	if (r == NULL)
		return;
	take_out(p, r);
	fault_set(&why, FAULT_CANCELLED,
	    "a newer tunnel of this device took slot %lld",
	    (long long)r->entry.slot);
	r->entry.on_end(r->entry.path, &why);
	mem_free(r);
}

void
presence_enter(struct presence *p, const struct presence_entry *e)
{
	struct row *r = mem_new(sizeof(*r));

	r->entry = *e;
	snprintf(
	    r->place, sizeof(r->place), "%s %lld", e->did, (long long)e->slot);
	supersede(p, r->place);
	presence_leave(p, e->session);
	HASH_ADD(by_session, p->by_session, entry.session,
	    strlen(r->entry.session), r);
	HASH_ADD(by_place, p->by_place, place, strlen(r->place), r);
}

void
presence_leave(struct presence *p, const char *session)
{
	struct row *r = find(p, session);

	if (r == NULL)
		return;
	take_out(p, r);
	mem_free(r);
}

struct path *
presence_find(const struct presence *p, const char *session)
{
	struct row *r = find(p, session);

	return r == NULL ? NULL : r->entry.path;
}

unsigned
presence_count(const struct presence *p)
{
	return HASH_CNT(by_session, p->by_session);
}

void
presence_each(const struct presence *p,
    void (*fn)(void *arg, const struct presence_entry *e), void *arg)
{
	for (struct row *r = p->by_session; r != NULL; r = r->by_session.next)
		fn(arg, &r->entry);
}
