/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange's own struct, for the files that are it: exchange.c (the
 * table, the driver, the steps up to the choice), attempt.c (one provider
 * tried), outcome.c (how it ended), and those of the steps named below.
 * Nobody else includes this.
 */
#ifndef GATEWAY_EXCHANGE_PRIV_H
#define GATEWAY_EXCHANGE_PRIV_H

#include "gateway/client.h"
#include "gateway/exchange.h"
#include "gateway/relay.h"

#define TRIES_MAX 8

enum step {
	READ,
	BUYER,
	BUYER_KNOWN,
	DESCRIBE,
	DESCRIBED,
	JUDGE,
	ATTEST,
	ATTESTED,
	VERIFY,
	VERIFY_DONE,
	QUERY,
	KEPT,
	KEPT_KNOWN,
	FEEDBACK,
	FEEDBACK_DONE,
	ROUTE,
	MINT,
	MINTED,
	KEEP,
	KEEP_DONE,
	RELAY,
	RELAYED,
	SIGN,
	SIGNED,
	LEDGER,
	ANSWER,
	CLOSE,
	WAIT
};

struct exchange {
	struct exchange *next, *before; /* among those of the house */
	struct house *house;
	struct client *client;
	struct arena *arena; /* the request's */
	enum step step;
	struct pending *question;
	struct timer *patience;
	struct fault fault; /* FAULT_NONE: all is well */

	char id[UUID_TEXT];
	int64_t created_ms; /* Unix; the time in id */
	int64_t began_us;   /* clock_mono_us, as all _us below */
	const struct endpoint *endpoint;
	const char *allow;
	char variable[512];
	int64_t retry_after_ms;

	bool is_known;	 /* there is a principal */
	bool is_counted; /* against its limits */
	struct principal principal;
	const struct catalog *catalog;
	bool has_query;
	struct query query;
	const char *idempotency_key;
	bool is_judged_again; /* its key is looked for a second time */
	struct feedback feedback;
	uint8_t body_sha256[32];

	bool has_route, is_reserved;
	struct route route;
	json_t *rejected, *decision;
	const char *direct[DIRECT_ENDPOINTS];
	char direct_spki[65];
	const char *token;
	int64_t token_expires_ms;

	struct attempt_row attempts[TRIES_MAX];
	struct fault attempt_faults[TRIES_MAX];
	size_t attempt_count;
	const char *tried[TRIES_MAX];
	char quantization[40]; /* of the last one tried */
	struct relay_result relayed;
	struct evbuffer *held;
	size_t holding;		      /* of the house's, this exchange's */
	struct private_part *private; /* private.c; NULL: not one */
	struct attest_part *attest;   /* attest.c; NULL: not one */

	int status;	    /* of an answer that is ours */
	const char *answer; /* JSON */
	int64_t auth_us, route_us, mint_us, connect_us, first_byte_us;
	int64_t asked_us; /* when the question under way was asked */
};

/* exchange.c: walks the table from x->step; a callback's last act. */
void exchange_advance(struct exchange *x);
/* The offer's place is given back, whatever became of it. */
void exchange_leave_offer(struct exchange *x);

/* attempt.c: the steps RELAY and RELAYED. */
enum step attempt_ask(struct exchange *x);
enum step attempt_got(struct exchange *x);
/* The bytes held for it count as the house's. */
void exchange_count_held(struct exchange *x);
/* Ends the one under way, if there is one. */
void attempt_end(
    struct exchange *x, const char *outcome, const struct fault *f);
/* How the last one ended, as assay.outcome names it. */
const char *attempt_end_name(const struct exchange *x);
/* The fields of ours that every reply carries. */
void attempt_add_fields(struct exchange *x, struct http_fields *fs);

/* Adds all our fields to those of a reply that begins; arg is the exchange. */
void attempt_start(void *arg, struct http_fields *fs);

/* private.c: a private exchange, and the steps SIGN and SIGNED. Before the
 * relay: false where the provider's evidence binds no key, with the relay's
 * fault set. */
bool private_begin(struct exchange *x, struct relay_order *o);
/* Its answer is over, or cut, and nobody has asked for a signature yet. */
bool private_is_unsigned(const struct exchange *x);
enum step private_ask(struct exchange *x);
enum step private_got(struct exchange *x);
/* Who signs; and once it is signed, the signature. */
void private_add_fields(const struct exchange *x, struct http_fields *fs);
/* Left in the middle: it is signed as far as it went. */
void private_left(struct exchange *x);
/* The whole reply, which nothing has been sent of. */
void private_answer(struct exchange *x);
void private_free(struct exchange *x);

/* lookup.c: the steps DESCRIBE and DESCRIBED. */
enum step lookup_ask(struct exchange *x);
enum step lookup_got(struct exchange *x);

/* attest.c: the steps ATTEST, ATTESTED and VERIFY. */
enum step attest_ask(struct exchange *x);
enum step attest_got(struct exchange *x);
enum step attest_verify(struct exchange *x);
void attest_free(struct exchange *x);

/* The request's body, in one piece. */
struct text exchange_body(struct exchange *x);

/* device.c: in the step BUYER, a provider that shows its certificate. */
bool device_asks(const struct exchange *x);
enum step device_know(struct exchange *x);

/* standing.c: the private part of a provider's own description. */
enum step standing_ask(struct exchange *x);

/* judge.c: the steps JUDGE, FEEDBACK and FEEDBACK_DONE. */
enum step judge_read(struct exchange *x);
enum step judge_ask(struct exchange *x);
enum step judge_got(struct exchange *x);

/* outcome.c: the step LEDGER. */
enum step outcome_write(struct exchange *x);

#endif
