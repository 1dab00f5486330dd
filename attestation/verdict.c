/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording of checks and the outcome that follows from them. Every verifier
 * writes here and nobody takes a refusal back: the first one names the code,
 * and an outcome can only get worse until the conclusion.
 */
#include "attestation/verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"

static const char *const code_names[] = {
#define X(name, code) [CODE_##name] = code,
    VERDICT_CODES(X)
#undef X
};

void
verdict_init(struct verdict *v, struct arena *a, int64_t now_ms)
{
	memset(v, 0, sizeof(*v));
	v->arena = a;
	v->outcome = VERDICT_ERROR;
	v->judged_at = now_ms;
	v->renew_by = VERDICT_FOREVER;
}

static void
record(struct verdict *v, struct check c, enum claim_result result)
{
	struct claim *grown;

	if (v->count == VERDICT_CLAIMS_MAX)
		return;
	if (v->count == v->room) {
		v->room = v->room == 0 ? 64 : v->room * 2;
		grown = arena_alloc(v->arena, v->room * sizeof(*grown));
		if (v->count > 0)
			memcpy(grown, v->claims, v->count * sizeof(*grown));
		v->claims = grown;
	}
	v->claims[v->count++] = (struct claim){c, result, v->subject};
}

static void
refuse(struct verdict *v, struct check c, enum verdict_outcome outcome)
{
	/* An error is not softened into a failure, nor a failure hidden
	 * behind an error: the first refusal decides. */
	if (v->code != CODE_OK)
		return;
	v->outcome = outcome;
	v->code = c.code == CODE_OK ? CODE_MALFORMED : c.code;
	v->failed = c.name;
	if (c.seen != NULL && c.wanted != NULL)
		v->why = verdict_format(v, "%s%s%s: %s, wanted %s",
		    v->subject != NULL ? v->subject : "",
		    v->subject != NULL ? " " : "", c.name, c.seen, c.wanted);
	else
		v->why = verdict_format(v, "%s%s%s: %s",
		    v->subject != NULL ? v->subject : "",
		    v->subject != NULL ? " " : "", c.name,
		    c.seen != NULL ? c.seen : verdict_code_name(v->code));
}

static bool
judge(
    struct verdict *v, bool holds, struct check c, enum verdict_outcome outcome)
{
	/* A full list can no longer be shown whole, so nothing passes it. */
	if (v->count == VERDICT_CLAIMS_MAX) {
		refuse(v,
		    (struct check){"verdict.size", SOURCE_VERIFIER,
			CODE_MALFORMED, "too many checks", NULL},
		    VERDICT_ERROR);
		return false;
	}
	record(v, c, holds ? CLAIM_ASSERTED : CLAIM_REFUTED);
	if (!holds)
		refuse(v, c, outcome);
	return holds;
}

bool
verdict_check(struct verdict *v, bool holds, struct check c)
{
	return judge(v, holds, c, VERDICT_FAILED);
}

bool
verdict_need(struct verdict *v, bool holds, struct check c)
{
	return judge(v, holds, c, VERDICT_ERROR);
}

void
verdict_unknown(struct verdict *v, struct check c)
{
	record(v, c, CLAIM_UNKNOWN);
}

static struct check
check_of_fault(struct verdict *v, bool holds, const char *name,
    enum claim_source source, const struct fault *f)
{
	struct check c = {name, source, CODE_OK, NULL, NULL};

	if (!holds) {
		c.code = verdict_code_of_fault(f);
		c.seen = verdict_format(v, "%s", f->why);
	}
	return c;
}

bool
verdict_check_fault(struct verdict *v, bool holds, const char *name,
    enum claim_source source, const struct fault *f)
{
	return verdict_check(
	    v, holds, check_of_fault(v, holds, name, source, f));
}

bool
verdict_need_fault(struct verdict *v, bool holds, const char *name,
    enum claim_source source, const struct fault *f)
{
	return verdict_need(
	    v, holds, check_of_fault(v, holds, name, source, f));
}

bool
verdict_conclude(struct verdict *v)
{
	size_t i;

	if (v->code != CODE_OK)
		return false;
	for (i = 0; i < v->count; i++)
		if (v->claims[i].result == CLAIM_ASSERTED)
			v->outcome = VERDICT_VERIFIED;
	return v->outcome == VERDICT_VERIFIED;
}

void
verdict_until(struct verdict *v, int64_t end_ms)
{
	if (end_ms < v->renew_by)
		v->renew_by = end_ms;
}

void
verdict_advise(struct verdict *v, const char *advisory)
{
	size_t i;

	for (i = 0; i < v->advisory_count; i++)
		if (strcmp(v->advisories[i], advisory) == 0)
			return;
	if (v->advisory_count < VERDICT_ADVISORIES_MAX)
		v->advisories[v->advisory_count++] =
		    arena_string(v->arena, advisory);
}

const char *
verdict_hex(struct verdict *v, struct bytes b)
{
	char *out;

	if (b.len > 1024)
		b.len = 1024;
	out = arena_alloc(v->arena, HEX_SIZE(b.len));
	hex_encode(b, out);
	return out;
}

const char *
verdict_text(struct verdict *v, struct text t)
{
	char out[512];

	text_escape(t, out, sizeof(out));
	return arena_string(v->arena, out);
}

const char *
verdict_format(struct verdict *v, const char *format, ...)
{
	char raw[512], out[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	text_escape(text_of(raw), out, sizeof(out));
	return arena_string(v->arena, out);
}

const char *
verdict_time(struct verdict *v, int64_t unix_ms)
{
	char out[RFC3339_TEXT];

	time_to_rfc3339(unix_ms, out);
	return arena_string(v->arena, out);
}

const struct claim *
verdict_find(const struct verdict *v, const char *name)
{
	size_t i;

	for (i = 0; i < v->count; i++)
		if (strcmp(v->claims[i].check.name, name) == 0)
			return &v->claims[i];
	return NULL;
}

const char *
verdict_outcome_name(enum verdict_outcome o)
{
	switch (o) {
	case VERDICT_VERIFIED:
		return "verified";
	case VERDICT_FAILED:
		return "failed";
	case VERDICT_ERROR:
		break;
	}
	return "error";
}

const char *
verdict_code_name(enum verdict_code c)
{
	return (unsigned)c < CODE_COUNT ? code_names[c] : "malformed";
}

bool
verdict_code_of(const char *name, enum verdict_code *out)
{
	int i;

	for (i = 0; i < CODE_COUNT; i++)
		if (strcmp(code_names[i], name) == 0) {
			*out = (enum verdict_code)i;
			return true;
		}
	return false;
}

enum verdict_code
verdict_code_of_fault(const struct fault *f)
{
	static const struct {
		enum fault_kind kind;
		enum verdict_code code;
	} table[] = {
	    {FAULT_UNSUPPORTED, CODE_UNSUPPORTED},
	    {FAULT_TAMPERED, CODE_TAMPERED},
	    {FAULT_UNTRUSTED, CODE_UNTRUSTED},
	    {FAULT_EXPIRED, CODE_EXPIRED},
	    {FAULT_NOT_YET_VALID, CODE_NOT_YET_VALID},
	    {FAULT_STALE, CODE_STALE},
	    {FAULT_REVOKED, CODE_REVOKED},
	    {FAULT_CONFLICT, CODE_MISMATCH},
	    {FAULT_NOT_FOUND, CODE_MISSING},
	    {FAULT_REFUSED, CODE_POLICY},
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].kind == f->kind)
			return table[i].code;
	return CODE_MALFORMED;
}

const char *
claim_result_name(enum claim_result r)
{
	switch (r) {
	case CLAIM_ASSERTED:
		return "asserted";
	case CLAIM_REFUTED:
		return "refuted";
	case CLAIM_UNKNOWN:
		break;
	}
	return "unknown";
}

const char *
claim_source_name(enum claim_source s)
{
	switch (s) {
	case SOURCE_HARDWARE:
		return "hardware-proven";
	case SOURCE_VERIFIER:
		return "verifier-derived";
	case SOURCE_OPERATOR:
		return "operator-asserted";
	case SOURCE_PROVIDER:
		break;
	}
	return "provider-asserted";
}

static json_t *
string_or_null(const char *s)
{
	return s != NULL ? json_string(s) : json_null();
}

static json_t *
claim_json(const struct claim *c)
{
	bool held = c->result == CLAIM_ASSERTED;

	return json_pack("{s:s, s:o, s:s, s:s, s:s, s:o, s:o}", "name",
	    c->check.name, "subject", string_or_null(c->subject), "result",
	    claim_result_name(c->result), "source",
	    claim_source_name(c->check.source), "code",
	    verdict_code_name(held ? CODE_OK : c->check.code), "seen",
	    string_or_null(c->check.seen), "wanted",
	    string_or_null(c->check.wanted));
}

json_t *
verdict_json(const struct verdict *v)
{
	json_t *advisories = json_array(), *checks = json_array();
	char judged[RFC3339_TEXT], renew[RFC3339_TEXT];
	bool ends = v->renew_by != VERDICT_FOREVER;
	size_t i;

	for (i = 0; i < v->advisory_count; i++)
		json_array_append_new(
		    advisories, json_string(v->advisories[i]));
	for (i = 0; i < v->count; i++)
		json_array_append_new(checks, claim_json(&v->claims[i]));
	time_to_rfc3339(v->judged_at, judged);
	time_to_rfc3339(ends ? v->renew_by : 0, renew);
	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:b, s:o, s:o}",
	    "outcome", verdict_outcome_name(v->outcome), "code",
	    verdict_code_name(v->code), "failed", string_or_null(v->failed),
	    "why", string_or_null(v->why), "judged_at", judged, "renew_by",
	    string_or_null(ends ? renew : NULL), "status",
	    string_or_null(v->status), "test_root", v->test_root, "advisories",
	    advisories, "checks", checks);
}
