/* SPDX-License-Identifier: Apache-2.0 */
/* Declaring the gateway's metrics. */
#include "gateway/counters.h"

#include <string.h>

#include "attestation/verdict.h"
#include "base/fault.h"
#include "base/mem.h"

#define ENDPOINTS_MAX 32

static const char *const steps[] = {"auth", "route", "mint"};
static const char *const directions[] = {"in", "out"};
static const char *const ends[] = {"accepted", "refused", "ended"};
static const char *const dependencies[] = {"postgres", "mint"};
static const double seconds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600};

static const char *const outcomes[] = {"served", "minted", "refused", "failed",
    "truncated", "buyer_gone", "drained"};

static const char *const sources[] = {"intel", "amd", "nvidia", "nras"};
static const char *const evidence[] = {
    "tdx", "tdx+gpu", "snp", "snp+gpu", "gpu", "device"};
static const char *const chains[] = {"full", "kept"};
static const double cpu_seconds[] = {0.00025, 0.0005, 0.001, 0.002, 0.004,
    0.008, 0.016, 0.032, 0.064, 0.128, 0.256};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* The label arrays are borrowed by the metrics; they live as long. */
struct labels {
	struct counters counters; /* first member */
	const char *endpoints[ENDPOINTS_MAX];
	const char *codes[FAULT_COUNT];
	const char *verdicts[CODE_COUNT];
};

static void
fill(struct labels *l)
{
	for (size_t i = 0; i < endpoint_count() && i < ENDPOINTS_MAX; i++)
		l->endpoints[i] = endpoint_at(i)->name;
	l->codes[0] = "ok";
	for (size_t i = 1; i < FAULT_COUNT; i++)
		l->codes[i] = fault_code((enum fault_kind)i);
	for (size_t i = 0; i < CODE_COUNT; i++)
		l->verdicts[i] = verdict_code_name((enum verdict_code)i);
}

static void
declare_requests(struct counters *c, const struct metric_label *endpoint,
    const struct metric_label *code)
{
	struct metric_label outcome = {"outcome", outcomes, COUNT(outcomes)};
	struct metric_label both[] = {*endpoint, outcome};
	struct metric_label step = {"step", steps, COUNT(steps)};
	struct metric_label dir = {"direction", directions, 2};

	c->requests = metric_counter(c->all, "assay_requests_total",
	    "Buyer requests by how they ended.", both, 2);
	c->faults = metric_counter(c->all, "assay_request_faults_total",
	    "Buyer requests that were not served, by code.", code, 1);
	c->attempts = metric_counter(c->all, "assay_attempts_total",
	    "Providers tried by how it ended.", &outcome, 1);
	c->seconds = metric_histogram(c->all, "assay_request_seconds",
	    "Time from a request's first byte to its end.", endpoint, 1,
	    seconds, COUNT(seconds));
	c->first_byte = metric_histogram(c->all, "assay_first_byte_seconds",
	    "Time from a request's first byte to that of the answer.", endpoint,
	    1, seconds, COUNT(seconds));
	c->step_seconds = metric_histogram(c->all, "assay_step_seconds",
	    "Time in one step of the gateway.", &step, 1, seconds,
	    COUNT(seconds));
	c->sent_bytes = metric_counter(c->all, "assay_sent_bytes_total",
	    "Body bytes sent to buyers.", NULL, 0);
	c->tokens = metric_counter(c->all, "assay_tokens_total",
	    "Tokens, as providers' usage says.", &dir, 1);
	c->open = metric_gauge(
	    c->all, "assay_requests_open", "Requests under way.", NULL, 0);
}

static void
declare_rest(struct counters *c)
{
	struct metric_label end = {"what", ends, COUNT(ends)};
	struct metric_label dep = {"which", dependencies, COUNT(dependencies)};

	c->tunnels = metric_gauge(
	    c->all, "assay_tunnels", "Provider tunnels that serve.", NULL, 0);
	c->hearings = metric_gauge(c->all, "assay_verdicts_waiting",
	    "Tunnels whose evidence waits for its turn to be judged.", NULL, 0);
	c->private_held = metric_gauge(c->all, "assay_private_held_bytes",
	    "Private answers held back, or not yet taken by their buyers.",
	    NULL, 0);
	c->tunnels_total = metric_gauge(c->all, "assay_tunnel_connections",
	    "Tunnel connections since the start, by what became of them.", &end,
	    1);
	c->probes = metric_gauge(c->all, "assay_tunnel_probes",
	    "Hellos sent since the start.", NULL, 0);
	c->offers = metric_gauge(c->all, "assay_offers",
	    "Offers (provider, task, model) that are live.", NULL, 0);
	c->backlog = metric_gauge(c->all, "assay_ledger_backlog",
	    "Outcomes in the spool that Postgres has not taken yet.", NULL, 0);
	c->signatures = metric_gauge(c->all, "assay_signatures_backlog",
	    "Signatures in the spool that Postgres has not taken yet.", NULL,
	    0);
	c->dependency = metric_gauge(c->all, "assay_dependency_up",
	    "1 where the dependency is connected.", &dep, 1);
}

static void
declare_evidence(struct counters *c, const struct metric_label *code,
    const struct metric_label *verdict)
{
	struct metric_label source = {"source", sources, COUNT(sources)};
	struct metric_label kind = {"kind", evidence, COUNT(evidence)};
	struct metric_label how = {"how", chains, COUNT(chains)};
	struct metric_label answer[] = {source, *code};
	struct metric_label judged[] = {kind, *verdict};
	struct metric_label walked[] = {kind, how};

	c->collateral_answers =
	    metric_counter(c->all, "assay_collateral_answers_total",
		"Collateral asked of its source, by how it ended.", answer, 2);
	c->collateral_kept = metric_gauge(c->all, "assay_collateral_kept",
	    "Pieces of collateral that serve on although their source fails.",
	    &source, 1);
	c->collateral_older = metric_counter(c->all,
	    "assay_collateral_older_total",
	    "Pieces of collateral that came in an older edition than what is "
	    "held, and were refused.",
	    &source, 1);
	c->verdicts = metric_counter(c->all, "assay_verdicts_total",
	    "Evidence judged, by what it was and its stable code.", judged, 2);
	c->verdict_cpu = metric_histogram(c->all, "assay_verdict_cpu_seconds",
	    "CPU time of one verdict.", &kind, 1, cpu_seconds,
	    COUNT(cpu_seconds));
	c->verdict_chains = metric_counter(c->all, "assay_verdict_chains_total",
	    "Makers' chains that a verdict verified, or found verified before.",
	    walked, 2);
}

size_t
counters_outcome(const char *outcome)
{
	size_t i = 0;

	while (i < COUNT(outcomes) && strcmp(outcomes[i], outcome) != 0)
		i++;
	return i;
}

struct counters *
counters_new(void)
{
	struct labels *l = mem_new(sizeof(*l));
	struct counters *c = &l->counters;
	struct metric_label endpoint = {
	    "endpoint", l->endpoints, endpoint_count()};
	struct metric_label code = {"code", l->codes, FAULT_COUNT};
	struct metric_label verdict = {"code", l->verdicts, CODE_COUNT};

	fill(l);
	c->all = metrics_new();
	declare_requests(c, &endpoint, &code);
	declare_rest(c);
	declare_evidence(c, &code, &verdict);
	return c;
}

void
counters_free(struct counters **c)
{
	if (*c == NULL)
		return;
	metrics_free(&(*c)->all);
	mem_free(*c); /* the first member of its labels */
	*c = NULL;
}

size_t
counters_endpoint(const struct endpoint *e)
{
	return e == NULL ? ENDPOINTS_MAX : (size_t)(e - endpoint_at(0));
}
