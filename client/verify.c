/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `assay verify`: a report of evidence, and an exchange with a worker in it if
 * one is given, judged here by a policy of the caller's at a time of the
 * caller's. A file is judged without a network; `verify model` first asks a
 * gateway for the evidence, over a nonce of this very moment. The exit status
 * begins as "no trustworthy verdict" (3) and must earn any other.
 */
#include <stdio.h>
#include <string.h>

#include "attestation/binding.h"
#include "attestation/chain.h"
#include "attestation/test_roots.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/file.h"
#include "client/ask.h"
#include "client/exchange.h"
#include "client/question.h"
#include "client/verdict_print.h"

/* --------------------------------------------------------------- a report */

static const char *const report_limits[] = {
    "that the report is of now, unless it answers a nonce of yours (--nonce)",
    "that your connection ends in this machine, unless its TLS key is bound "
    "and is the one you see (--tls-certificate)",
    "that the software measured does what it should: that is what the "
    "policy's pins stand for",
    NULL};

static const char *const joined_limits[] = {
    "that the report is of now, unless it answers a nonce of yours (--nonce)",
    "that the software measured does what it should: that is what the "
    "policy's pins stand for",
    "which model answered: the name in the text is the worker's own word",
    "when the answer was made, or that it was made only once",
    "that the answer is good", NULL};

/* The leaf of a chain, as servers send it. */
static bool
read_tls(const struct cli *c, struct bytes *out, struct fault *f)
{
	const char *path = cli_option(c, "tls-certificate");
	unsigned char *der = NULL;
	struct chain chain = {0};
	struct bytes pem;
	int len = 0;
	bool ok;

	if (path == NULL)
		return true;
	ok = question_file(c, path, CHAIN_PEM_MAX, &pem, f) &&
	     chain_read_pem(
		 (struct text){(const char *)pem.at, pem.len}, &chain, f);
	if (ok) {
		len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(chain.at[0]), &der);
		ok = len > 0 ||
		     fault_set(f, FAULT_INVALID, "%.100s: no key", path);
	}
	if (ok)
		*out = bytes_of(
		    arena_copy(c->arena, der, (size_t)len), (size_t)len);
	OPENSSL_free(der);
	chain_free(&chain);
	return ok;
}

/* A file that is no report at all was tampered with or never was one: that is
 * a verdict on it, and not a mistake of the caller's. */
static void
tell_unread(const struct question *q, const struct fault *why)
{
	const struct report_node n = {.name = "report"};
	struct tally o = {VERDICT_VERIFIED, json_array()};
	struct verdict v;

	verdict_init(&v, q->cli->arena, q->now_ms);
	verdict_check_fault(&v, false, "report.format", SOURCE_PROVIDER, why);
	tell_node(q->cli, &n, &v, &o);
	tell_end(q, &o, report_limits);
	if (!q->cli->json)
		json_decref(o.nodes);
}

/* ------------------------------------------------- an exchange with a node */

struct joining {
	struct exchange exchange;
	bool is_given;
	bool is_joined;
};

/* The exchange belongs to the node whose evidence binds its signer's key;
 * binding.report_data is what proves that it does. */
static void
join(struct joining *j, const struct report_node *n, struct verdict *v)
{
	const char *signer = exchange_signer(&j->exchange, v);
	const struct claim *bound = verdict_find(v, "binding.report_data");

	if (!j->is_given || j->is_joined || n->signing_address == NULL ||
	    strcmp(n->signing_address, signer) != 0)
		return;
	j->is_joined = true;
	exchange_check(&j->exchange, v);
	verdict_check(v, bound != NULL && bound->result == CLAIM_ASSERTED,
	    (struct check){"exchange.signing_address", SOURCE_HARDWARE,
		CODE_BINDING, signer, "a key that the report data bind"});
}

static void
tell_strange(const struct question *q, struct joining *j, struct tally *o)
{
	const struct report_node n = {.name = "exchange"};
	struct verdict v;

	if (!j->is_given || j->is_joined)
		return;
	verdict_init(&v, q->cli->arena, q->now_ms);
	if (exchange_check(&j->exchange, &v))
		verdict_check(&v, false,
		    (struct check){"exchange.signing_address", SOURCE_HARDWARE,
			CODE_BINDING, exchange_signer(&j->exchange, &v),
			"the signing address of a node of this report"});
	tell_node(q->cli, &n, &v, o);
}

/* --------------------------------------------------------------- judging */

static bool
judge_nodes(const struct question *q, struct judging *judging,
    struct joining *j, struct tally *o, struct fault *f)
{
	const struct report *r = judging->report;
	const char *only = cli_option(q->cli, "node");
	const struct report_node *one = NULL;
	struct verdict v;

	if (only != NULL && !report_node_find(r, only, &one, f))
		return false;
	for (size_t i = 0; i < r->count; i++) {
		if (one != NULL && one != &r->nodes[i])
			continue;
		if (!judge_node(judging, &r->nodes[i], &v, NULL, f))
			return false;
		join(j, &r->nodes[i], &v);
		tell_node(q->cli, &r->nodes[i], &v, o);
	}
	tell_strange(q, j, o);
	return true;
}

/* The pinned roots; in a test build, those of --test-root in their places. */
static bool
anchors_find(const struct cli *c, const struct anchors **out, struct fault *f)
{
	*out = anchors_pinned();
#ifdef ASSAY_TEST_BUILD
	const char *path = cli_option(c, "test-root");
	struct anchors *roots = NULL;
	struct bytes pem;

	if (path == NULL)
		return true;
	*out = NULL;
	if (!question_file(c, path, CHAIN_PEM_MAX, &pem, f) ||
	    !test_roots_read(
		(struct text){(const char *)pem.at, pem.len}, &roots, f))
		return false;
	*out = roots;
#else
	(void)c;
	(void)f;
#endif
	return true;
}

static void
anchors_leave(const struct anchors *a)
{
#ifdef ASSAY_TEST_BUILD
	struct anchors *roots = (struct anchors *)(uintptr_t)a;

	if (a != anchors_pinned())
		anchors_test_free(&roots);
#else
	(void)a;
#endif
}

static bool
judge_report(const struct question *q, const struct report *r,
    const uint8_t *nonce, struct fault *f)
{
	struct judging judging = {.arena = q->cli->arena,
	    .policies = &q->policies,
	    .report = r,
	    .folder = cli_option(q->cli, "collateral"),
	    .database = q->database,
	    .nonce = nonce,
	    .now_ms = q->now_ms};
	struct joining j = {.is_given = exchange_is_given(q->cli)};
	struct tally o = {VERDICT_VERIFIED, json_array()};
	bool ok;

	ok = anchors_find(q->cli, &judging.anchors, f) &&
	     read_tls(q->cli, &judging.tls_spki, f) &&
	     (!j.is_given || exchange_read(q->cli, &j.exchange, f)) &&
	     judge_nodes(q, &judging, &j, &o, f);
	if (ok)
		tell_end(q, &o, j.is_given ? joined_limits : report_limits);
	anchors_leave(judging.anchors);
	if (!ok || !q->cli->json)
		json_decref(o.nodes);
	return ok;
}

static bool
judge_text(const struct question *q, struct text file, const uint8_t *nonce,
    struct fault *f)
{
	struct report r = {0};
	struct fault why = {0};
	bool ok = true;

	if (report_read(q->cli->arena, file, &r, &why))
		ok = judge_report(q, &r, nonce, f);
	else
		tell_unread(q, &why);
	report_free(&r);
	return ok;
}

/* 32 bytes of --nonce, filled up as services do it, or NULL. */
static bool
read_nonce(const struct cli *c, const uint8_t **out, struct fault *f)
{
	const char *hex = cli_option(c, "nonce");
	uint8_t *nonce = arena_alloc(c->arena, BINDING_NONCE);
	struct fault why = {0};

	*out = NULL;
	if (hex == NULL)
		return true;
	*out = nonce;
	return binding_nonce_read(text_of(hex), nonce, &why) ||
	       fault_set(f, FAULT_INVALID_OPTION, "--nonce: %s", why.why);
}

/* ----------------------------------------------------------- assay verify */

static bool
verify_report(struct cli *c, struct fault *f)
{
	struct question q = {.cli = c};
	const uint8_t *nonce;
	struct bytes file;
	bool ok;

	c->status = verdict_status(VERDICT_ERROR);
	ok = question_time(c, &q.now_ms, f) && question_policy(&q, true, f) &&
	     read_nonce(c, &nonce, f) &&
	     question_file(c, c->arguments[0], REPORT_BYTES_MAX, &file, f) &&
	     judge_text(
		 &q, (struct text){(const char *)file.at, file.len}, nonce, f);
	pg_session_free(&q.database);
	return ok;
}

/* ----------------------------------------------------- assay verify model */

/* The answer is kept as it came before it is judged: whatever comes of it, it
 * can be judged again. */
static bool
ask_evidence(const struct cli *c, const uint8_t *nonce, struct text *answer,
    struct fault *f)
{
	const char *save = cli_option(c, "save");
	char hex[HEX_SIZE(BINDING_NONCE)];

	hex_encode(bytes_of(nonce, BINDING_NONCE), hex);
	return ask_gateway(c,
		   arena_printf(c->arena,
		       "/v1/attestation/report?model=%s&nonce=%s"
		       "&collateral=true",
		       ask_escape(c, c->arguments[0]), hex),
		   NULL, answer, f) &&
	       (save == NULL ||
		   file_write(save, answer->at, answer->len, 0644, f));
}

static bool
verify_model(struct cli *c, struct fault *f)
{
	struct question q = {.cli = c};
	uint8_t nonce[BINDING_NONCE];
	struct text answer;
	bool ok;

	c->status = verdict_status(VERDICT_ERROR);
	random_bytes(nonce, sizeof(nonce));
	ok = question_policy(&q, true, f) &&
	     ask_evidence(c, nonce, &answer, f) &&
	     question_time(c, &q.now_ms, f) && judge_text(&q, answer, nonce, f);
	pg_session_free(&q.database);
	return ok;
}

#define REPORT_OPTIONS                                                         \
	{"policy", "FILE",                                                     \
	    "a policy or Contrast manifest; else the active one"},             \
	    {"collateral", "FOLDER",                                           \
		"what makers published, files named as items"},                \
	{                                                                      \
		"node", "NAME", "this one alone, for example \"model 0\""      \
	}

static const struct option_rule report_options[] = {REPORT_OPTIONS,
#ifdef ASSAY_TEST_BUILD
    {"test-root", "FILE", "PEM, in the place of the makers' roots"},
#endif
    {"at", "TIME", "judge as of then, RFC 3339; default now"},
    {"nonce", "HEX", "your nonce, 16 to 32 bytes, that it must answer"},
    {"tls-certificate", "FILE",
	"PEM, leaf first, of your connection; where bound"},
    EXCHANGE_OPTIONS, {"model", "NAME", "the model that the exchange asked"},
    {0}};

static const struct option_rule model_options[] = {REPORT_OPTIONS,
#ifdef ASSAY_TEST_BUILD
    {"test-root", "FILE", "PEM, in the place of the makers' roots"},
#endif
    {"save", "FILE", "keep the gateway's answer, as it came"}, EXCHANGE_OPTIONS,
    {0}};

/* clang-format off */
const struct command verify_commands[] = {
    {"verify", NULL, "FILE", 1, 1, report_options,
     "judge a report of evidence by a policy, offline", verify_report},
    {"verify", "model", "MODEL", 1, 1, model_options,
     "ask a gateway for fresh evidence of a model, and judge it", verify_model},
    {0},
};
/* clang-format on */
