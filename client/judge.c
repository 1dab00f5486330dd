/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a node of a report to its verdict. Nothing found here needs to be
 * trusted: collateral is signed by its makers and verified at each use, and
 * what is missing shows as a check that names it.
 */
#include "client/judge.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "attestation/gpu_evidence.h"
#include "base/file.h"

enum { COLLATERAL_BODY_MAX = 16 << 20 };

static bool
find_in_folder(const struct judging *j, const char *name,
    struct collateral_item *out, struct fault *f)
{
	const char *path;
	struct stat st;
	size_t len;
	char *at;

	if (j->folder == NULL || strstr(name, "..") != NULL)
		return true;
	path = arena_printf(j->arena, "%s/%s", j->folder, name);
	if (stat(path, &st) != 0)
		return errno == ENOENT || errno == ENOTDIR ||
		       fault_set(f, FAULT_UNAVAILABLE, "%.100s: %s", path,
			   strerror(errno));
	if (!file_read(path, COLLATERAL_BODY_MAX, &at, &len, f))
		return false;
	out->name = name;
	out->body = bytes_of(arena_copy(j->arena, at, len), len);
	out->fetched_at = (int64_t)st.st_mtim.tv_sec * 1000;
	mem_free(at);
	return true;
}

static bool
find_in_database(const struct judging *j, const char *name,
    struct collateral_item *out, struct fault *f)
{
	const char *values[] = {
	    name, arena_printf(j->arena, "%lld", (long long)j->now_ms)};
	struct pg_rows *rows = NULL;

	if (j->database == NULL)
		return true;
	/* What was held at that time; else the first that ever was. */
	if (!pg_session_run(j->database,
		"SELECT body, floor(extract(epoch FROM fetched_at) * "
		"1000)::bigint FROM assay.collateral_version WHERE name = $1 "
		"ORDER BY first_fetched_at <= to_timestamp($2::bigint / "
		"1000.0) DESC, CASE WHEN first_fetched_at <= "
		"to_timestamp($2::bigint / 1000.0) THEN first_fetched_at END "
		"DESC, first_fetched_at LIMIT 1",
		2, values, &rows, f))
		return false;
	if (pg_count(rows) == 1) {
		out->name = name;
		pg_bytes(rows, 0, 0, j->arena, &out->body.at, &out->body.len);
		out->fetched_at = pg_i64(rows, 0, 1);
	}
	pg_rows_free(&rows);
	return true;
}

/* The caller's own first: a report may bring a list from before a key was
 * revoked, and may say of it what it likes. Now may be a time of the past: what
 * was fetched after it counts as fetched then, and its own times decide. */
static bool
find(const struct judging *j, const char *name, struct collateral_item *out,
    size_t *reported, struct fault *f)
{
	const struct collateral in_report = {.items = j->report->collateral,
	    .count = j->report->collateral_count};
	const struct collateral_item *item;

	out->name = NULL;
	if (!find_in_folder(j, name, out, f) ||
	    (out->name == NULL && !find_in_database(j, name, out, f)))
		return false;
	item = out->name == NULL ? collateral_find(&in_report, name) : NULL;
	if (item != NULL) {
		*out = *item;
		(*reported)++;
	}
	if (out->name != NULL && out->fetched_at > j->now_ms)
		out->fetched_at = j->now_ms;
	return true;
}

struct collected {
	struct collateral_item items[EVIDENCE_NEEDS_MAX];
	size_t count;
	size_t reported; /* of them the report's own */
};

static bool
collect_named(const struct judging *j, const char *const *names, size_t count,
    struct collected *out, struct fault *f)
{
	for (size_t i = 0; i < count; i++) {
		if (!find(j, names[i], &out->items[out->count], &out->reported,
			f))
			return false;
		out->count += out->items[out->count].name != NULL;
	}
	return true;
}

/* What manifests need besides is known once they are there. */
static bool
collect(const struct judging *j, const json_t *bundle, struct collected *out,
    struct fault *f)
{
	const char *names[EVIDENCE_NEEDS_MAX];
	struct fault unread = {0};
	struct collateral have = {.items = out->items};
	size_t wanted = 0, first;

	out->count = out->reported = 0;
	/* Evidence that cannot be read is refused later, for its reason. */
	if (!evidence_needs(j->arena, bundle, names, &wanted, &unread))
		return true;
	if (!collect_named(j, names, wanted, out, f))
		return false;
	have.count = out->count;
	first = wanted;
	gpu_manifest_needs(j->arena, &have, names, &wanted);
	return collect_named(j, names + first, wanted - first, out, f);
}

/* What the evidence is held against, where anything is known of it. */
static const struct evidence_bound *
bound_of(const struct judging *j, const struct report_node *n,
    struct evidence_bound *room)
{
	*room = n->bound;
	if (j->nonce != NULL)
		room->nonce = bytes_of(j->nonce, 32);
	if (j->tls_spki.len > 0)
		room->tls_spki = j->tls_spki;
	if (j->nonce == NULL && n->bound.nonce.len == 0)
		return NULL;
	return room;
}

/* What only the caller can know: the question that was asked, and where the
 * connection ends. */
static void
say_unknown(const struct judging *j, const struct report_node *n,
    size_t reported, struct verdict *v)
{
	struct bytes said = n->bound.tls_spki_sha256;

	if (reported > 0)
		verdict_unknown(v,
		    (struct check){"report.collateral_age", SOURCE_PROVIDER,
			CODE_STALE,
			verdict_format(v,
			    "%zu pieces came with the report, fetched when it "
			    "says",
			    reported),
			"your own (--collateral, --database)"});

	if (said.len > 0 && j->tls_spki.len == 0)
		verdict_unknown(
		    v, (struct check){"binding.tls_connection", SOURCE_VERIFIER,
			   CODE_BINDING, verdict_hex(v, said),
			   "the key of your connection (--tls-certificate)"});
	if (j->nonce == NULL)
		verdict_unknown(
		    v, (struct check){"binding.freshness", SOURCE_VERIFIER,
			   CODE_NONCE, "no nonce of yours was given",
			   "a report that answers it (--nonce)"});
}

static void
judge_by(const struct judging *j, const struct report_node *n,
    const struct policy *policy, const struct collected *have,
    struct verdict *v, struct evidence_facts *facts)
{
	const struct collateral collateral = {
	    .items = have->items, .count = have->count};
	struct evidence_bound room;
	struct examination x = {.policy = policy,
	    .anchors = j->anchors,
	    .collateral = &collateral,
	    .bound = bound_of(j, n, &room),
	    .now_ms = j->now_ms};

	verdict_init(v, j->arena, j->now_ms);
	evidence_judge(&x, n->bundle, v);
	say_unknown(j, n, have->reported, v);
	*facts = x.facts;
}

bool
judge_node(const struct judging *j, const struct report_node *n,
    struct verdict *v, struct evidence_facts *out, struct fault *f)
{
	struct evidence_facts facts;
	struct collected have;
	struct verdict one;

	verdict_init(v, j->arena, j->now_ms);
	if (!collect(j, n->bundle, &have, f))
		return false;
	for (size_t i = 0; i < j->policies->count; i++) {
		judge_by(j, n, j->policies->at[i], &have, &one, &facts);
		if (i > 0 && one.outcome != VERDICT_VERIFIED &&
		    one.count <= v->count)
			continue;
		*v = one;
		if (out != NULL)
			*out = facts;
		if (one.outcome == VERDICT_VERIFIED)
			break;
	}
	return true;
}
