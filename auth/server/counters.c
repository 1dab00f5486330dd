/* SPDX-License-Identifier: Apache-2.0 */
/* The families, in the order they are rendered. */
#include "auth/server/counters.h"

#include "base/mem.h"

#define X(name, code) code,
static const char *const codes[] = {"none", FAULT_KINDS(X)};
#undef X

static const double seconds[] = {
    .0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, 1};

struct counters *
counters_new(void)
{
	static const struct metric_label code = {
	    "code", codes, sizeof codes / sizeof *codes};
	struct counters *c = mem_new(sizeof *c);
	struct metrics *m = c->all = metrics_new();

	c->minted = metric_counter(m, "assay_auth_handoffs_total",
	    "Handoffs asked for, by how it ended.", &code, 1);
	c->mint_seconds = metric_histogram(m, "assay_auth_mint_seconds",
	    "Time from a mint request's first byte to its answer.", NULL, 0,
	    seconds, sizeof seconds / sizeof *seconds);
	c->enrolled = metric_counter(m, "assay_auth_enrolments_total",
	    "Enrolments asked for, by how it ended.", &code, 1);
	c->renewed = metric_counter(m, "assay_auth_renewals_total",
	    "Renewals asked for, by how it ended.", &code, 1);
	c->keys_served = metric_counter(m, "assay_auth_jwks_total",
	    "Times the key set was asked for.", NULL, 0);
	c->spool_waiting = metric_gauge(m, "assay_auth_spool_records",
	    "Records of handoffs that Postgres does not have yet.", NULL, 0);
	c->spool_bytes = metric_gauge(m, "assay_auth_spool_bytes",
	    "Bytes of the spool on disk.", NULL, 0);
	c->postgres_up = metric_gauge(m, "assay_auth_postgres_up",
	    "1 while Postgres can be asked.", NULL, 0);
	c->can_sign = metric_gauge(m, "assay_auth_can_sign",
	    "1 while the current signing key is here.", NULL, 0);
	c->gateways = metric_gauge(m, "assay_auth_gateway_links",
	    "Gateways connected to the mint listener.", NULL, 0);
	return c;
}

void
counters_free(struct counters **c)
{
	if (*c == NULL)
		return;
	metrics_free(&(*c)->all);
	mem_free(*c);
	*c = NULL;
}

void
counters_outcome(struct metric *m, enum fault_kind kind)
{
	metric_count(m, (size_t)kind, 0, 0);
}
