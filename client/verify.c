/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `assay verify`: evidence or one exchange, judged here and without a network
 * by a policy of the caller's, at a time of the caller's. The exit status
 * begins as "no trustworthy verdict" (3) and must earn any other.
 */
#include <stdio.h>
#include <string.h>

#include "attestation/binding.h"
#include "attestation/chain.h"
#include "attestation/eip191.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "client/judge.h"
#include "client/verdict_print.h"

enum { UNDECIDED = 3, EXCHANGE_MAX = 64 << 20, SIGNATURE_MAX = 64 << 10 };

/* ------------------------------------------------------------ the question */

struct question {
	struct cli *cli;
	struct policies policies; /* none: count is 0 */
	struct pg_session *database;
	int64_t now_ms;
};

static bool
read_time(const struct cli *c, int64_t *out, struct fault *f)
{
	const char *at = cli_option(c, "at");

	*out = clock_unix_ms();
	return at == NULL || time_of_rfc3339(text_of(at), out) ||
	       fault_set(f, FAULT_INVALID_OPTION,
		   "--at \"%.40s\" is not a time like 2026-01-31T12:00:00Z",
		   at);
}

/* A file's policy needs no database; the database is asked where it is named
 * on the command line or holds the policy. */
static bool
read_policy(struct question *q, bool needed, struct fault *f)
{
	const char *file = cli_option(q->cli, "policy");
	bool named = cli_option(q->cli, "database") != NULL;

	if (file == NULL && !named && !needed)
		return true;
	if (file == NULL && q->cli->database == NULL)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "which policy? give --policy FILE, or --database for the "
		    "active one");
	if ((named || file == NULL) && !cli_database(q->cli, &q->database, f))
		return false;
	return file != NULL
		   ? policies_read(q->cli->arena, file, &q->policies, f)
		   : policies_load(q->cli->arena, q->database, &q->policies, f);
}

static bool
read_file(struct arena *a, const char *path, size_t max, struct bytes *out,
    struct fault *f)
{
	size_t len;
	char *at;

	if (!file_read(path, max, &at, &len, f))
		return false;
	*out = bytes_of(arena_copy(a, at, len), len);
	mem_free(at);
	return true;
}

static json_t *
policy_json(const struct policies *p)
{
	const struct policy *first = p->count > 0 ? p->at[0] : NULL;

	if (first == NULL)
		return json_null();
	return json_pack("{s:s, s:I, s:s*, s:s*}", "source", p->source,
	    "version", (json_int_t)first->version, "name", first->name,
	    "digest", first->digest);
}

static void
print_json(json_t *j)
{
	char *text = json_dumps(j, JSON_INDENT(2));

	puts(text);
	free(text);
	json_decref(j);
}

/* --------------------------------------------------------------- a report */

static const char *const report_limits[] = {
    "that the report is of now, unless it answers a nonce of yours (--nonce)",
    "that your connection ends in this machine, unless its TLS key is bound "
    "and is the one you see (--tls-certificate)",
    "that the software measured does what it should: that is what the "
    "policy's pins stand for",
    NULL};

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
	ok = read_file(c->arena, path, CHAIN_PEM_MAX, &pem, f) &&
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

static bool
read_asked(const struct cli *c, struct judging *j, struct fault *f)
{
	const char *hex = cli_option(c, "nonce");
	uint8_t *nonce = arena_alloc(c->arena, BINDING_NONCE);
	struct fault why = {0};

	if (hex != NULL) {
		if (!binding_nonce_read(text_of(hex), nonce, &why))
			return fault_set(
			    f, FAULT_INVALID_OPTION, "--nonce: %s", why.why);
		j->nonce = nonce;
	}
	return read_tls(c, &j->tls_spki, f);
}

struct outcome {
	enum verdict_outcome worst;
	json_t *nodes;
};

static void
tell_node(const struct cli *c, const struct report_node *n, struct verdict *v,
    struct outcome *o)
{
	json_t *j;

	if (n->left_out != NULL)
		verdict_unknown(v,
		    (struct check){"report.left_out", SOURCE_PROVIDER,
			CODE_UNSUPPORTED, n->left_out, "is not judged here"});
	o->worst = verdict_worse(o->worst, v->outcome);
	if (!c->json) {
		verdict_print(stdout, n->name, v, verdict_wants_colour(stdout));
		putchar('\n');
		return;
	}
	j = verdict_json(v);
	json_object_set_new(j, "node", json_string(n->name));
	if (n->signing_address != NULL)
		json_object_set_new(
		    j, "signing_address", json_string(n->signing_address));
	json_array_append_new(o->nodes, j);
}

static json_t *
limits_json(const char *const *limits)
{
	json_t *list = json_array();

	for (; *limits != NULL; limits++)
		json_array_append_new(list, json_string(*limits));
	return list;
}

static void
tell_end(const struct question *q, const struct outcome *o,
    const char *const *limits)
{
	if (q->cli->json) {
		print_json(json_pack("{s:s, s:o, s:o, s:o}", "verdict",
		    verdict_outcome_name(o->worst), "policy",
		    policy_json(&q->policies), "nodes", o->nodes, "not_proven",
		    limits_json(limits)));
	} else {
		puts("This does not prove:");
		for (; *limits != NULL; limits++)
			printf("  - %s\n", *limits);
	}
	q->cli->status = verdict_status(o->worst);
}

/* A file that is no report at all was tampered with or never was one: that is
 * a verdict on it, and not a mistake of the caller's. */
static void
tell_unread(const struct question *q, const struct fault *why)
{
	const struct report_node n = {.name = "report"};
	struct outcome o = {VERDICT_VERIFIED, json_array()};
	struct verdict v;

	verdict_init(&v, q->cli->arena, q->now_ms);
	verdict_check_fault(&v, false, "report.format", SOURCE_PROVIDER, why);
	tell_node(q->cli, &n, &v, &o);
	tell_end(q, &o, report_limits);
	if (!q->cli->json)
		json_decref(o.nodes);
}

static bool
judge_report(const struct question *q, const struct report *r, struct fault *f)
{
	const char *only = cli_option(q->cli, "node");
	struct judging j = {.arena = q->cli->arena,
	    .policies = &q->policies,
	    .anchors = anchors_pinned(),
	    .report = r,
	    .folder = cli_option(q->cli, "collateral"),
	    .database = q->database,
	    .now_ms = q->now_ms};
	struct outcome o = {VERDICT_VERIFIED, json_array()};
	const struct report_node *one = NULL;
	struct verdict v;
	bool ok;

	ok = read_asked(q->cli, &j, f) &&
	     (only == NULL || report_node_find(r, only, &one, f));
	for (size_t i = 0; ok && i < r->count; i++) {
		if (only != NULL && one != &r->nodes[i])
			continue;
		ok = judge_node(&j, &r->nodes[i], &v, NULL, f);
		if (ok)
			tell_node(q->cli, &r->nodes[i], &v, &o);
	}
	if (ok)
		tell_end(q, &o, report_limits);
	if (!ok || !q->cli->json)
		json_decref(o.nodes);
	return ok;
}

static bool
verify_report(struct cli *c, struct fault *f)
{
	struct question q = {.cli = c};
	struct report r = {0};
	struct fault why = {0};
	struct bytes file;
	bool ok;

	c->status = UNDECIDED;
	ok = read_time(c, &q.now_ms, f) && read_policy(&q, true, f) &&
	     read_file(c->arena, c->arguments[0], REPORT_BYTES_MAX, &file, f);
	if (ok && report_read(c->arena,
		      (struct text){(const char *)file.at, file.len}, &r, &why))
		ok = judge_report(&q, &r, f);
	else if (ok)
		tell_unread(&q, &why);
	report_free(&r);
	pg_session_free(&q.database);
	return ok;
}

/* ------------------------------------------------------------ an exchange */

static const char *const exchange_limits[] = {
    "which model answered: the name in the text is the signer's own word",
    "that the signer is in a TEE: that is what evidence says whose report "
    "data bind this address (assay verify REPORT, then pin it under "
    "signing_addresses)",
    "when the answer was made, or that it was made only once",
    "that the answer is good", NULL};

struct exchange {
	struct chat_signature signature;
	struct bytes request;
	struct bytes response;
	struct text model;
};

static bool
read_signature(struct arena *a, const char *path, struct chat_signature *out,
    struct fault *f)
{
	const char *text, *signature, *address, *algorithm;
	struct bytes file;
	json_t *j;
	bool ok;

	if (!read_file(a, path, SIGNATURE_MAX, &file, f) ||
	    !json_read((struct text){(const char *)file.at, file.len},
		SIGNATURE_MAX, &j, f))
		return false;
	ok = json_get_string(j, "text", 1024, &text, FAULT_INVALID, f) &&
	     json_get_string(
		 j, "signature", 200, &signature, FAULT_INVALID, f) &&
	     json_get_string(
		 j, "signing_address", 130, &address, FAULT_INVALID, f) &&
	     json_get_string_or(
		 j, "signing_algo", 16, "ecdsa", &algorithm, FAULT_INVALID, f);
	if (ok)
		*out = (struct chat_signature){text_of(arena_string(a, text)),
		    text_of(arena_string(a, signature)),
		    text_of(arena_string(a, address)),
		    text_of(arena_string(a, algorithm))};
	json_free(&j);
	return ok;
}

static bool
read_exchange(struct cli *c, struct exchange *out, struct verdict *v,
    bool *sound, struct fault *f)
{
	const char *request, *response, *signature;
	struct fault why = {0};

	if (!cli_require(c, "request", &request, f) ||
	    !cli_require(c, "response", &response, f) ||
	    !cli_require(c, "signature", &signature, f) ||
	    !read_file(c->arena, request, EXCHANGE_MAX, &out->request, f) ||
	    !read_file(c->arena, response, EXCHANGE_MAX, &out->response, f))
		return false;
	out->model = text_of(cli_option(c, "model"));
	*sound = read_signature(c->arena, signature, &out->signature, &why);
	if (!*sound &&
	    (why.kind == FAULT_INVALID || why.kind == FAULT_INVALID_JSON)) {
		verdict_check_fault(
		    v, false, "exchange.format", SOURCE_PROVIDER, &why);
		return true;
	}
	if (!*sound)
		*f = why;
	return *sound;
}

/* One spelling: lower case, with 0x for an address. */
static const char *
signer_text(const struct exchange *e, struct verdict *v)
{
	struct fault f = {0};
	struct binding_key k;

	if (!binding_key_read(
		e->signature.algorithm, e->signature.address, &k, &f))
		return verdict_text(v, e->signature.address);
	return verdict_format(v, "%s%s", k.len == EIP191_ADDRESS ? "0x" : "",
	    verdict_hex(v, bytes_of(k.at, k.len)));
}

/* Anybody can sign with a key of their own: without a word on whose key it
 * must be there is nothing to verify. */
static void
check_signer(
    const struct policies *p, const struct exchange *e, struct verdict *v)
{
	const struct policy *policy = p->count > 0 ? p->at[0] : NULL;
	const char *signer = signer_text(e, v);

	if (verdict_need(v, policy != NULL && policy->signing_addresses.given,
		(struct check){"exchange.signer_pinned", SOURCE_OPERATOR,
		    CODE_BAD_POLICY, signer,
		    "a policy with signing_addresses (--policy)"}))
		policy_check_text(v, &policy->signing_addresses,
		    "exchange.signing_address", SOURCE_OPERATOR,
		    text_of(signer));
}

static void
check_model(
    const struct exchange *e, const struct chat_text *t, struct verdict *v)
{
	const char *seen = verdict_text(v, t->model);

	if (e->model.len == 0 || t->model.len == 0)
		verdict_unknown(v,
		    (struct check){"exchange.model", SOURCE_PROVIDER,
			CODE_MISMATCH, t->model.len > 0 ? seen : "not signed",
			e->model.len > 0 ? verdict_text(v, e->model)
					 : "none was asked for (--model)"});
	else
		verdict_check(v, text_equal(t->model, e->model),
		    (struct check){"exchange.model", SOURCE_PROVIDER,
			CODE_MISMATCH, seen, verdict_text(v, e->model)});
}

static void
check_hash(const char *name, const uint8_t signed_hash[32], struct bytes body,
    struct verdict *v)
{
	uint8_t hash[32];

	sha256(body, hash);
	verdict_check(v, memcmp(hash, signed_hash, 32) == 0,
	    (struct check){name, SOURCE_VERIFIER, CODE_MISMATCH,
		verdict_hex(v, bytes_of(hash, 32)),
		verdict_hex(v, bytes_of(signed_hash, 32))});
}

static void
judge_exchange(
    const struct policies *p, const struct exchange *e, struct verdict *v)
{
	struct fault f = {0};
	struct chat_text t;

	if (!verdict_check_fault(v,
		chat_signature_verify(&e->signature, &t, &f),
		"exchange.signature", SOURCE_VERIFIER, &f))
		return;
	check_hash("exchange.request", t.request, e->request, v);
	check_hash("exchange.response", t.response, e->response, v);
	check_model(e, &t, v);
	check_signer(p, e, v);
	verdict_conclude(v);
}

static bool
verify_exchange(struct cli *c, struct fault *f)
{
	const struct report_node n = {.name = "exchange"};
	struct outcome o = {VERDICT_VERIFIED, json_array()};
	struct question q = {.cli = c};
	struct exchange e = {0};
	struct verdict v;
	bool ok, sound = false;

	c->status = UNDECIDED;
	ok = read_time(c, &q.now_ms, f) && read_policy(&q, false, f);
	verdict_init(&v, c->arena, q.now_ms);
	ok = ok && read_exchange(c, &e, &v, &sound, f);
	if (ok && sound)
		judge_exchange(&q.policies, &e, &v);
	if (ok) {
		tell_node(c, &n, &v, &o);
		tell_end(&q, &o, exchange_limits);
	}
	if (!ok || !c->json)
		json_decref(o.nodes);
	pg_session_free(&q.database);
	return ok;
}

static const struct option_rule report_options[] = {
    {"policy", "FILE", "a policy or Contrast manifest; else the active one"},
    {"at", "TIME", "judge as of then, RFC 3339; default now"},
    {"nonce", "HEX", "your nonce, 16 to 32 bytes, that it must answer"},
    {"collateral", "FOLDER", "what makers published, files named as items"},
    {"tls-certificate", "FILE",
	"PEM, leaf first, of your connection; where bound"},
    {"node", "NAME", "this one alone, for example \"model 0\""}, {0}};

static const struct option_rule exchange_options[] = {
    {"request", "FILE", "the request's body, byte for byte"},
    {"response", "FILE", "the response's body, byte for byte"},
    {"signature", "FILE", "JSON as GET /v1/signature/{id} gives it"},
    {"policy", "FILE", "whose signing_addresses are accepted"},
    {"model", "NAME", "the model that you asked for"},
    {"at", "TIME", "the time to write into the verdict"}, {0}};

/* clang-format off */
const struct command verify_commands[] = {
    {"verify", NULL, "FILE", 1, 1, report_options,
     "judge a report of evidence by a policy, offline", verify_report},
    {"verify", "exchange", "", 0, 0, exchange_options,
     "does this signature cover this request and answer?", verify_exchange},
    {0},
};
/* clang-format on */
