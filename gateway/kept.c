/* SPDX-License-Identifier: Apache-2.0 */
/* See kept.h. Few platforms at a time: the oldest entry makes room. */
#include "gateway/kept.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { PLATFORMS = 32, NAME_SIZE = 64 };

struct platform {
	char name[NAME_SIZE];
	uint64_t generation;
	bool revocation;
	struct tdx_collateral *collateral; /* NULL: free */
};

struct kept {
	const struct anchors *anchors;
	struct platform platforms[PLATFORMS];
	size_t next; /* to overwrite */
	struct nvidia_kept nvidia;
	struct collateral_issuers issuers;
};

struct kept *
kept_new(const struct anchors *anchors)
{
	struct kept *k = mem_new(sizeof(*k));

	k->anchors = anchors;
	k->issuers.anchors = anchors;
	k->issuers.nvidia = &k->nvidia;
	return k;
}

void
kept_free(struct kept **at)
{
	struct kept *k = *at;

	if (k == NULL)
		return;
	for (size_t i = 0; i < PLATFORMS; i++)
		tdx_collateral_free(&k->platforms[i].collateral);
	nvidia_kept_clear(&k->nvidia);
	collateral_issuers_clear(&k->issuers);
	mem_free(k);
	*at = NULL;
}

struct nvidia_kept *
kept_nvidia(struct kept *k)
{
	return &k->nvidia;
}

static bool
holds(const struct tdx_collateral *c, int64_t now_ms)
{
	struct window tcb = {c->tcb.issued, c->tcb.next_update};
	struct window qe = {c->qe.issued, c->qe.next_update};

	return window_holds(c->chain_window, now_ms) &&
	       window_holds(tcb, now_ms) && window_holds(qe, now_ms) &&
	       window_holds(c->root_crl_window, now_ms) &&
	       window_holds(c->pck_crl_window, now_ms);
}

static bool
verify(const struct anchors *anchors, struct bytes body, bool revocation,
    struct verdict *v, struct tdx_collateral **out, struct fault *f)
{
	struct tdx_source s;

	return tdx_source_of_bundle(v->arena,
		   (struct text){(const char *)body.at, body.len}, &s, f) &&
	       tdx_collateral_new(&s, anchors, revocation, v, out);
}

static struct platform *
find(struct kept *k, const char *name)
{
	for (size_t i = 0; i < PLATFORMS; i++)
		if (k->platforms[i].collateral != NULL &&
		    strcmp(k->platforms[i].name, name) == 0)
			return &k->platforms[i];
	return NULL;
}

static struct platform *
room(struct kept *k)
{
	struct platform *p = &k->platforms[k->next];

	k->next = (k->next + 1) % PLATFORMS;
	tdx_collateral_free(&p->collateral);
	return p;
}

/* What was checked of the collateral is part of this verdict. */
static void
tell(const struct verdict *from, struct verdict *to)
{
	for (size_t i = 0; i < from->count; i++)
		verdict_check(to, true, from->claims[i].check);
}

static const struct tdx_collateral *
take(struct kept *k, const char *name, uint64_t generation, struct bytes body,
    bool revocation, struct verdict *v)
{
	struct tdx_collateral *c = NULL;
	struct platform *p;
	struct verdict own;
	struct fault f;

	verdict_init(&own, v->arena, v->judged_at);
	if (!verify(k->anchors, body, revocation, &own, &c, &f))
		return NULL;
	if (!holds(c, v->judged_at)) {
		tdx_collateral_free(&c);
		return NULL;
	}
	tell(&own, v);
	p = room(k);
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->generation = generation;
	p->revocation = revocation;
	p->collateral = c;
	return c;
}

const struct tdx_collateral *
kept_tdx(struct kept *k, const char *name, uint64_t generation,
    struct bytes body, bool revocation, struct verdict *v, bool *fresh)
{
	struct platform *p = find(k, name);

	*fresh = false;
	if (p != NULL && p->generation == generation &&
	    p->revocation == revocation && holds(p->collateral, v->judged_at))
		return p->collateral;
	if (p != NULL)
		tdx_collateral_free(&p->collateral);
	if (strlen(name) >= NAME_SIZE)
		return NULL;
	*fresh = true;
	return take(k, name, generation, body, revocation, v);
}

enum genuine
kept_judge(struct kept *k, const char *name, struct bytes body, int64_t now_ms,
    struct fault *f)
{
	return collateral_judge(&k->issuers, name, body, now_ms, f);
}
