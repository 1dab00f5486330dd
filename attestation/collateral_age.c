/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece that claims to come from the future would stay young for as long as
 * it likes, so it is refused before its age is counted.
 */
#include "attestation/collateral_age.h"

enum { CLOCK_LEAD_MS = 60 * 1000 };

bool
collateral_list_young(
    const struct policy *p, int64_t issued, const char *name, struct verdict *v)
{
	int64_t end = issued + p->max_crl_age_s * 1000;

	verdict_until(v, end);
	return verdict_need(v, v->judged_at <= end,
	    (struct check){name, SOURCE_OPERATOR, CODE_STALE,
		verdict_time(v, issued),
		verdict_format(v, "signed at most %lld s ago",
		    (long long)p->max_crl_age_s)});
}

int64_t
collateral_age_end(
    const struct examination *x, const struct collateral_item *item)
{
	return item->fetched_at + x->policy->max_collateral_age_s * 1000;
}

bool
collateral_has_come(const struct examination *x,
    const struct collateral_item *item, const char *name, struct verdict *v)
{
	return item->fetched_at <= x->now_ms + CLOCK_LEAD_MS ||
	       verdict_need(v, false,
		   (struct check){name, SOURCE_OPERATOR, CODE_NOT_YET_VALID,
		       verdict_time(v, item->fetched_at),
		       verdict_time(v, x->now_ms)});
}

bool
collateral_young(const struct examination *x,
    const struct collateral_item *item, const char *name, struct verdict *v)
{
	int64_t end = collateral_age_end(x, item);

	if (!collateral_has_come(x, item, name, v))
		return false;
	verdict_until(v, end);
	return verdict_need(v, x->now_ms <= end,
	    (struct check){name, SOURCE_OPERATOR, CODE_STALE,
		verdict_time(v, item->fetched_at),
		verdict_format(v, "at most %lld s old",
		    (long long)x->policy->max_collateral_age_s)});
}
