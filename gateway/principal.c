/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See principal.h: what each scope opens, in one place.
 */
#include "gateway/principal.h"

#include "auth/scope.h"

bool
principal_may_infer(const struct principal *p)
{
	return scopes_grant(p->scopes, SCOPE_INFERENCE);
}

bool
principal_may_read_catalog(const struct principal *p)
{
	return scopes_grant(p->scopes, SCOPE_CATALOG_READ);
}

bool
principal_may_use_market(const struct principal *p)
{
	return scopes_reach_marketplace(p->scopes);
}

bool
principal_may_stream(const struct principal *p)
{
	return scopes_grant(p->scopes, SCOPE_STREAMING);
}

bool
principal_is_workspace_only(const struct principal *p)
{
	return (p->scopes & SCOPE_WORKSPACE_ONLY) != 0;
}
