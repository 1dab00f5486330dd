/* SPDX-License-Identifier: Apache-2.0 */
/* See exchange.h. */
#include "client/exchange.h"

#include <string.h>

#include "attestation/binding.h"
#include "base/crypto.h"
#include "base/json.h"
#include "client/ask.h"
#include "client/question.h"
#include "client/verdict_print.h"

enum { EXCHANGE_MAX = 64 << 20, SIGNATURE_MAX = 64 << 10 };

/* ---------------------------------------------------------------- reading */

bool
exchange_is_given(const struct cli *c)
{
	return cli_option(c, "request") != NULL ||
	       cli_option(c, "response") != NULL ||
	       cli_option(c, "signature") != NULL ||
	       cli_option(c, "id") != NULL;
}

bool
exchange_signature_read(struct arena *a, struct text file,
    struct chat_signature *out, struct fault *f)
{
	const char *text, *signature, *address, *algorithm;
	json_t *j;
	bool ok;

	if (!json_read(file, SIGNATURE_MAX, &j, f))
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

/* From a file, or from the gateway where an id is given. */
static bool
find_signature(const struct cli *c, struct text *out, struct fault *f)
{
	const char *id = cli_option(c, "id"), *path;
	struct bytes file;

	if (id != NULL && cli_option(c, "signature") != NULL)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "--signature is a file's, --id the gateway's: which?");
	if (id != NULL)
		return ask_gateway(c,
		    arena_printf(
			c->arena, "/v1/signature/%s", ask_escape(c, id)),
		    NULL, out, f);
	if (!cli_require(c, "signature", &path, f) ||
	    !question_file(c, path, SIGNATURE_MAX, &file, f))
		return false;
	*out = (struct text){(const char *)file.at, file.len};
	return true;
}

bool
exchange_read(const struct cli *c, struct exchange *out, struct fault *f)
{
	const char *request, *response;
	struct text signature;

	if (!cli_require(c, "request", &request, f) ||
	    !cli_require(c, "response", &response, f) ||
	    !question_file(c, request, EXCHANGE_MAX, &out->request, f) ||
	    !question_file(c, response, EXCHANGE_MAX, &out->response, f) ||
	    !find_signature(c, &signature, f))
		return false;
	out->model = text_of(cli_option(c, "model"));
	out->unread.kind = FAULT_NONE;
	exchange_signature_read(
	    c->arena, signature, &out->signature, &out->unread);
	return true;
}

/* --------------------------------------------------------------- checking */

const char *
exchange_signer(const struct exchange *e, struct verdict *v)
{
	struct fault f = {0};
	struct binding_key k;

	if (!binding_key_read(
		e->signature.algorithm, e->signature.address, &k, &f))
		return verdict_text(v, e->signature.address);
	return verdict_format(v, "%s%s", k.len == EIP191_ADDRESS ? "0x" : "",
	    verdict_hex(v, bytes_of(k.at, k.len)));
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

bool
exchange_check(const struct exchange *e, struct verdict *v)
{
	struct fault f = e->unread;
	struct chat_text t;

	if (f.kind != FAULT_NONE)
		return verdict_check_fault(
		    v, false, "exchange.format", SOURCE_PROVIDER, &f);
	if (!verdict_check_fault(v,
		chat_signature_verify(&e->signature, &t, &f),
		"exchange.signature", SOURCE_VERIFIER, &f))
		return false;
	check_hash("exchange.request", t.request, e->request, v);
	check_hash("exchange.response", t.response, e->response, v);
	check_model(e, &t, v);
	return true;
}

/* -------------------------------------------------- assay verify exchange */

static const char *const exchange_limits[] = {
    "which model answered: the name in the text is the signer's own word",
    "that the signer is in a TEE: that is what evidence says whose report "
    "data bind this address (assay verify REPORT, then pin it under "
    "signing_addresses)",
    "when the answer was made, or that it was made only once",
    "that the answer is good", NULL};

/* Anybody can sign with a key of their own: without a word on whose key it
 * must be there is nothing to verify. */
static void
check_signer(
    const struct policies *p, const struct exchange *e, struct verdict *v)
{
	const struct policy *policy = p->count > 0 ? p->at[0] : NULL;
	const char *signer = exchange_signer(e, v);

	if (verdict_need(v, policy != NULL && policy->signing_addresses.given,
		(struct check){"exchange.signer_pinned", SOURCE_OPERATOR,
		    CODE_BAD_POLICY, signer,
		    "a policy with signing_addresses (--policy)"}))
		policy_check_text(v, &policy->signing_addresses,
		    "exchange.signing_address", SOURCE_OPERATOR,
		    text_of(signer));
}

static bool
verify_exchange(struct cli *c, struct fault *f)
{
	const struct report_node n = {.name = "exchange"};
	struct tally o = {VERDICT_VERIFIED, json_array()};
	struct question q = {.cli = c};
	struct exchange e = {0};
	struct verdict v;
	bool ok;

	c->status = verdict_status(VERDICT_ERROR);
	ok = question_time(c, &q.now_ms, f) && question_policy(&q, false, f) &&
	     exchange_read(c, &e, f);
	verdict_init(&v, c->arena, q.now_ms);
	if (ok && exchange_check(&e, &v)) {
		check_signer(&q.policies, &e, &v);
		verdict_conclude(&v);
	}
	if (ok) {
		tell_node(c, &n, &v, &o);
		tell_end(&q, &o, exchange_limits);
	}
	if (!ok || !c->json)
		json_decref(o.nodes);
	pg_session_free(&q.database);
	return ok;
}

static const struct option_rule exchange_options[] = {EXCHANGE_OPTIONS,
    {"policy", "FILE", "whose signing_addresses are accepted"},
    {"model", "NAME", "the model that you asked for"},
    {"at", "TIME", "the time to write into the verdict"}, {0}};

/* clang-format off */
const struct command exchange_commands[] = {
    {"verify", "exchange", "", 0, 0, exchange_options,
     "does this signature cover this request and answer?", verify_exchange},
    {0},
};
/* clang-format on */
