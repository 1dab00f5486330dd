/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and matching of TCB levels. The order of levels in the file means
 * nothing: they are sorted here, greatest first, and the first that a platform
 * reaches in every component is its level.
 */
#include "attestation/tdx_tcb.h"

#include <stdlib.h>
#include <string.h>

#include "attestation/tdx_json.h"
#include "base/codec.h"

#define LEVELS_MAX 256
#define ADVISORIES_MAX 128 /* of one level */
#define ADVISORY_MAX 64
#define DEPTH_MAX 32

static const char *const status_names[TDX_STATUS_COUNT] = {
    [TDX_UP_TO_DATE] = "UpToDate",
    [TDX_SW_HARDENING] = "SWHardeningNeeded",
    [TDX_CONFIGURATION] = "ConfigurationNeeded",
    [TDX_CONFIGURATION_AND_SW_HARDENING] = "ConfigurationAndSWHardeningNeeded",
    [TDX_RELAUNCH] = "TDRelaunchAdvised",
    [TDX_RELAUNCH_CONFIGURATION] = "TDRelaunchAdvisedConfigurationNeeded",
    [TDX_OUT_OF_DATE] = "OutOfDate",
    [TDX_OUT_OF_DATE_CONFIGURATION] = "OutOfDateConfigurationNeeded",
    [TDX_REVOKED] = "Revoked",
};

const char *
tdx_status_name(enum tdx_status s)
{
	return status_names[s];
}

static bool
broken(const char *where, struct fault *f)
{
	return fault_set(
	    f, FAULT_INVALID, "TDX collateral: %s is missing or broken", where);
}

/* A statement is about its members: each is wanted by name, and one that is
 * absent has an empty value, which is no value of any kind. */
static bool
read_hex(
    const struct scan_member *m, uint8_t *out, size_t size, struct fault *f)
{
	struct text hex;
	size_t len;

	return (tdx_json_string(m->value, &hex) &&
		   hex_decode(hex, out, size, &len) && len == size) ||
	       broken(m->name, f);
}

static bool
read_number(
    const struct scan_member *m, uint64_t max, uint64_t *out, struct fault *f)
{
	return tdx_json_number(m->value, max, out) || broken(m->name, f);
}

static bool
read_u16(const struct scan_member *m, uint16_t *out, struct fault *f)
{
	uint64_t n;

	if (!read_number(m, UINT16_MAX, &n, f))
		return false;
	*out = (uint16_t)n;
	return true;
}

static bool
read_time(const struct scan_member *m, int64_t *out, struct fault *f)
{
	struct text t;

	return (tdx_json_string(m->value, &t) && time_of_rfc3339(t, out)) ||
	       broken(m->name, f);
}

/* How many elements the list has; at least one. */
static bool
read_list(const struct scan_member *m, struct text *inside, size_t *count,
    struct fault *f)
{
	struct text rest, element;

	*count = 0;
	if (!tdx_json_array(m->value, inside))
		return broken(m->name, f);
	for (rest = *inside; tdx_json_next(&rest, &element);)
		if (++*count > LEVELS_MAX)
			return broken(m->name, f);
	return *count > 0 || broken(m->name, f);
}

static bool
read_status(const struct scan_member *m, enum tdx_status *out, struct fault *f)
{
	struct text word = {NULL, 0};
	char seen[41];
	int i;

	if (tdx_json_string(m->value, &word))
		for (i = 0; i < TDX_STATUS_COUNT; i++)
			if (text_is(word, status_names[i]) &&
			    i != TDX_RELAUNCH &&
			    i != TDX_RELAUNCH_CONFIGURATION) {
				*out = (enum tdx_status)i;
				return true;
			}
	text_escape(word, seen, sizeof(seen));
	return fault_set(f, FAULT_UNSUPPORTED,
	    "TDX collateral: unknown TCB status %s",
	    word.len > 0 ? seen : "(none)");
}

static bool
read_advisories(struct arena *a, const struct scan_member *m,
    struct tdx_advisories *out, struct fault *f)
{
	struct text rest, element, id;
	size_t n = 0;

	*out = (struct tdx_advisories){0};
	if (m->value.len == 0)
		return true;
	if (!tdx_json_array(m->value, &rest))
		return broken(m->name, f);
	for (struct text all = rest; tdx_json_next(&all, &element);)
		n++;
	if (n > ADVISORIES_MAX)
		return broken(m->name, f);
	out->at = arena_alloc(a, (n + 1) * sizeof(*out->at));
	while (tdx_json_next(&rest, &element)) {
		if (!tdx_json_string(element, &id) || id.len == 0 ||
		    id.len > ADVISORY_MAX)
			return broken(m->name, f);
		out->at[out->count++] = arena_copy(a, id.at, id.len);
	}
	return true;
}

static bool
read_components(const struct scan_member *m, uint8_t out[16], struct fault *f)
{
	struct scan_member svn = {.name = "svn"};
	struct text rest, element;
	size_t i, n;
	uint64_t value;

	if (!read_list(m, &rest, &n, f))
		return false;
	for (i = 0; n == 16 && i < n; i++) {
		tdx_json_next(&rest, &element);
		if (!tdx_json_members(element, &svn, 1) ||
		    !tdx_json_number(svn.value, 255, &value))
			return broken(m->name, f);
		out[i] = (uint8_t)value;
	}
	return n == 16 || broken(m->name, f);
}

/* SGX components, then the PCE, then TDX components: Intel's library sorts
 * levels so, and where none of two is above the other, this order decides. */
static int
compare_levels(const void *x, const void *y)
{
	const struct tdx_level *a = x, *b = y;
	int n = memcmp(b->sgx, a->sgx, 16);

	if (n == 0)
		n = (int)b->pcesvn - (int)a->pcesvn;
	return n != 0 ? n : memcmp(b->tdx, a->tdx, 16);
}

/* What every kind of level has: its date is not used, but must be one. */
enum { L_TCB, L_DATE, L_STATUS, L_ADVISORIES, L_COUNT };
#define LEVEL_MEMBERS                                                          \
	{                                                                      \
		[L_TCB] = {.name = "tcb"}, [L_DATE] = {.name = "tcbDate"},     \
		[L_STATUS] = {.name = "tcbStatus"},                            \
		[L_ADVISORIES] = {.name = "advisoryIDs"},                      \
	}

static bool
read_level(
    struct arena *a, struct text element, struct tdx_level *l, struct fault *f)
{
	enum { T_SGX, T_PCE, T_TDX, T_COUNT };
	struct scan_member tcb[T_COUNT] = {
	    [T_SGX] = {.name = "sgxtcbcomponents"},
	    [T_PCE] = {.name = "pcesvn"},
	    [T_TDX] = {.name = "tdxtcbcomponents"},
	};
	struct scan_member m[L_COUNT] = LEVEL_MEMBERS;
	int64_t date;

	if (!tdx_json_members(element, m, L_COUNT) ||
	    !tdx_json_members(m[L_TCB].value, tcb, T_COUNT))
		return broken("tcbLevels", f);
	return read_components(&tcb[T_SGX], l->sgx, f) &&
	       read_u16(&tcb[T_PCE], &l->pcesvn, f) &&
	       read_components(&tcb[T_TDX], l->tdx, f) &&
	       read_time(&m[L_DATE], &date, f) &&
	       read_status(&m[L_STATUS], &l->status, f) &&
	       read_advisories(a, &m[L_ADVISORIES], &l->advisories, f);
}

static bool
read_levels(struct arena *a, const struct scan_member *m,
    struct tdx_tcb_info *out, struct fault *f)
{
	struct text rest, element;
	size_t i;

	if (!read_list(m, &rest, &out->count, f))
		return false;
	out->levels = arena_alloc(a, out->count * sizeof(*out->levels));
	for (i = 0; tdx_json_next(&rest, &element); i++)
		if (!read_level(a, element, &out->levels[i], f))
			return false;
	qsort(out->levels, out->count, sizeof(*out->levels), compare_levels);
	for (i = 1; i < out->count; i++)
		if (compare_levels(&out->levels[i - 1], &out->levels[i]) == 0)
			return fault_set(f, FAULT_INVALID,
			    "TDX collateral: the same TCB level twice");
	return true;
}

static int
compare_svn_levels(const void *x, const void *y)
{
	const struct tdx_svn_level *a = x, *b = y;

	return (int)b->isvsvn - (int)a->isvsvn;
}

static bool
read_svn_level(struct arena *a, struct text element, struct tdx_svn_level *l,
    struct fault *f)
{
	struct scan_member isvsvn = {.name = "isvsvn"};
	struct scan_member m[L_COUNT] = LEVEL_MEMBERS;
	int64_t date;

	if (!tdx_json_members(element, m, L_COUNT) ||
	    !tdx_json_members(m[L_TCB].value, &isvsvn, 1))
		return broken("tcbLevels", f);
	if (!read_u16(&isvsvn, &l->isvsvn, f) ||
	    !read_time(&m[L_DATE], &date, f) ||
	    !read_status(&m[L_STATUS], &l->status, f) ||
	    !read_advisories(a, &m[L_ADVISORIES], &l->advisories, f))
		return false;
	if (l->status == TDX_UP_TO_DATE || l->status == TDX_OUT_OF_DATE ||
	    l->status == TDX_REVOKED)
		return true;
	return fault_set(f, FAULT_UNSUPPORTED,
	    "TDX collateral: status %s of a module or enclave",
	    tdx_status_name(l->status));
}

/* Levels of a module or enclave: by its own version number alone. */
static bool
read_svn_levels(struct arena *a, const struct scan_member *m,
    struct tdx_svn_level **out, size_t *count, struct fault *f)
{
	struct text rest, element;
	size_t i;

	if (!read_list(m, &rest, count, f))
		return false;
	*out = arena_alloc(a, *count * sizeof(**out));
	for (i = 0; tdx_json_next(&rest, &element); i++)
		if (!read_svn_level(a, element, &(*out)[i], f))
			return false;
	qsort(*out, *count, sizeof(**out), compare_svn_levels);
	for (i = 1; i < *count; i++)
		if ((*out)[i - 1].isvsvn == (*out)[i].isvsvn)
			return fault_set(f, FAULT_INVALID,
			    "TDX collateral: the same version level twice");
	return true;
}

/* "TDX_01": the version in hex. */
static bool
read_module_id(const struct scan_member *m, uint8_t *version, struct fault *f)
{
	struct text id;

	if (!tdx_json_string(m->value, &id) || id.len != 6 ||
	    !text_starts_with(id, "TDX_") ||
	    !hex_decode((struct text){id.at + 4, 2}, version, 1, NULL) ||
	    *version == 0)
		return broken("tdxModuleIdentities.id", f);
	return true;
}

/* The general entry has neither id nor levels. */
static bool
read_module(struct arena *a, struct text element, bool general,
    struct tdx_module *out, struct fault *f)
{
	enum { M_SIGNER, M_ATTRIBUTES, M_MASK, M_ID, M_LEVELS, M_COUNT };
	struct scan_member m[M_COUNT] = {
	    [M_SIGNER] = {.name = "mrsigner"},
	    [M_ATTRIBUTES] = {.name = "attributes"},
	    [M_MASK] = {.name = "attributesMask"},
	    [M_ID] = {.name = "id"},
	    [M_LEVELS] = {.name = "tcbLevels"},
	};

	if (!tdx_json_members(element, m, M_COUNT))
		return broken(general ? "tdxModule" : "tdxModuleIdentities", f);
	if (!read_hex(&m[M_SIGNER], out->mrsigner, 48, f) ||
	    !read_hex(&m[M_ATTRIBUTES], out->attributes, 8, f) ||
	    !read_hex(&m[M_MASK], out->mask, 8, f))
		return false;
	return general || (read_module_id(&m[M_ID], &out->version, f) &&
			      read_svn_levels(a, &m[M_LEVELS], &out->levels,
				  &out->count, f));
}

static bool
read_modules(struct arena *a, const struct scan_member *m,
    struct tdx_tcb_info *out, struct fault *f)
{
	struct text rest, element;
	size_t i, k;

	if (m->value.len == 0)
		return true;
	if (!read_list(m, &rest, &out->module_count, f))
		return false;
	out->modules =
	    arena_alloc(a, out->module_count * sizeof(*out->modules));
	for (i = 0; tdx_json_next(&rest, &element); i++) {
		out->modules[i] = (struct tdx_module){.version = 0};
		if (!read_module(a, element, false, &out->modules[i], f))
			return false;
		for (k = 0; k < i; k++)
			if (out->modules[k].version == out->modules[i].version)
				return fault_set(f, FAULT_INVALID,
				    "TDX collateral: the same module twice");
	}
	return true;
}

/* What both statements begin with. */
enum { S_ID, S_VERSION, S_ISSUED, S_NEXT, S_NUMBER, S_COUNT };
#define STATEMENT_MEMBERS                                                      \
	[S_ID] = {.name = "id"}, [S_VERSION] = {.name = "version"},            \
	[S_ISSUED] = {.name = "issueDate"}, [S_NEXT] = {.name = "nextUpdate"}, \
	[S_NUMBER] = {.name = "tcbEvaluationDataNumber"}

static bool
check_kind(const struct scan_member *m, const char *id, uint64_t version,
    struct fault *f)
{
	struct text seen = {NULL, 0};
	char escaped[24];
	uint64_t n;

	if (!read_number(&m[S_VERSION], INT32_MAX, &n, f))
		return false;
	if (n != version)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX collateral: version %llu where %llu is known",
		    (unsigned long long)n, (unsigned long long)version);
	if (tdx_json_string(m[S_ID].value, &seen) && text_is(seen, id))
		return true;
	text_escape(seen, escaped, sizeof(escaped));
	return fault_set(f, FAULT_CONFLICT, "TDX collateral: about %s, not %s",
	    seen.len > 0 ? escaped : "(nothing)", id);
}

static bool
read_dates(const struct scan_member *m, int64_t *issued, int64_t *next,
    int64_t *number, struct fault *f)
{
	uint64_t n;

	if (!read_time(&m[S_ISSUED], issued, f) ||
	    !read_time(&m[S_NEXT], next, f) ||
	    !read_number(&m[S_NUMBER], INT32_MAX, &n, f))
		return false;
	*number = (int64_t)n;
	*next += 999; /* whole seconds, the last one included */
	return true;
}

static bool
scan_statement(
    struct text t, struct scan_member *m, size_t count, struct fault *f)
{
	if (t.len > TDX_TEXT_MAX)
		return fault_set(f, FAULT_INVALID,
		    "TDX collateral: a statement of %zu bytes", t.len);
	return scan_object(t, DEPTH_MAX, m, count, f);
}

bool
tdx_tcb_info_read(
    struct arena *a, struct text t, struct tdx_tcb_info *out, struct fault *f)
{
	enum {
		T_TYPE = S_COUNT,
		T_FMSPC,
		T_PCEID,
		T_MODULE,
		T_MODULES,
		T_LEVELS,
		T_COUNT
	};
	struct scan_member m[T_COUNT] = {
	    STATEMENT_MEMBERS,
	    [T_TYPE] = {.name = "tcbType"},
	    [T_FMSPC] = {.name = "fmspc"},
	    [T_PCEID] = {.name = "pceId"},
	    [T_MODULE] = {.name = "tdxModule"},
	    [T_MODULES] = {.name = "tdxModuleIdentities"},
	    [T_LEVELS] = {.name = "tcbLevels"},
	};
	uint64_t type;

	memset(out, 0, sizeof(*out));
	if (!scan_statement(t, m, T_COUNT, f) || !check_kind(m, "TDX", 3, f) ||
	    !read_number(&m[T_TYPE], INT32_MAX, &type, f))
		return false;
	if (type != 0)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX collateral: TCB type %llu", (unsigned long long)type);
	return read_dates(
		   m, &out->issued, &out->next_update, &out->evaluation, f) &&
	       read_hex(&m[T_FMSPC], out->fmspc, 6, f) &&
	       read_hex(&m[T_PCEID], out->pceid, 2, f) &&
	       read_module(a, m[T_MODULE].value, true, &out->general, f) &&
	       read_modules(a, &m[T_MODULES], out, f) &&
	       read_levels(a, &m[T_LEVELS], out, f);
}

bool
tdx_qe_identity_read(struct arena *a, struct text t,
    struct tdx_qe_identity *out, struct fault *f)
{
	enum {
		Q_MISC = S_COUNT,
		Q_MISC_MASK,
		Q_ATTRIBUTES,
		Q_MASK,
		Q_SIGNER,
		Q_PRODUCT,
		Q_LEVELS,
		Q_COUNT
	};
	struct scan_member m[Q_COUNT] = {
	    STATEMENT_MEMBERS,
	    [Q_MISC] = {.name = "miscselect"},
	    [Q_MISC_MASK] = {.name = "miscselectMask"},
	    [Q_ATTRIBUTES] = {.name = "attributes"},
	    [Q_MASK] = {.name = "attributesMask"},
	    [Q_SIGNER] = {.name = "mrsigner"},
	    [Q_PRODUCT] = {.name = "isvprodid"},
	    [Q_LEVELS] = {.name = "tcbLevels"},
	};

	memset(out, 0, sizeof(*out));
	return scan_statement(t, m, Q_COUNT, f) &&
	       check_kind(m, "TD_QE", 2, f) &&
	       read_dates(
		   m, &out->issued, &out->next_update, &out->evaluation, f) &&
	       read_hex(&m[Q_MISC], out->miscselect, 4, f) &&
	       read_hex(&m[Q_MISC_MASK], out->miscselect_mask, 4, f) &&
	       read_hex(&m[Q_ATTRIBUTES], out->attributes, 16, f) &&
	       read_hex(&m[Q_MASK], out->attributes_mask, 16, f) &&
	       read_hex(&m[Q_SIGNER], out->mrsigner, 32, f) &&
	       read_u16(&m[Q_PRODUCT], &out->isvprodid, f) &&
	       read_svn_levels(a, &m[Q_LEVELS], &out->levels, &out->count, f);
}

static bool
reaches(const uint8_t *svn, const uint8_t *level, size_t from)
{
	size_t i;

	for (i = from; i < 16; i++)
		if (svn[i] < level[i])
			return false;
	return true;
}

static const struct tdx_module *
find_module(const struct tdx_tcb_info *info, uint8_t version)
{
	size_t i;

	if (version == 0)
		return &info->general;
	for (i = 0; i < info->module_count; i++)
		if (info->modules[i].version == version)
			return &info->modules[i];
	return NULL;
}

static const struct tdx_svn_level *
find_svn_level(const struct tdx_svn_level *levels, size_t count, uint16_t svn)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (svn >= levels[i].isvsvn)
			return &levels[i];
	return NULL;
}

void
tdx_match_find(const struct tdx_tcb_info *info,
    const struct tdx_qe_identity *identity, const struct tdx_pck *pck,
    const struct tdx_quote *q, struct tdx_match *out)
{
	const uint8_t *svn = q->body.tee_tcb_svn.at;
	/* 4.1.2.4.17.3: a versioned module has its own levels, so its two
	 * bytes do not count among the platform's. */
	size_t i, from = svn[1] > 0 ? 2 : 0;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < info->count && out->platform == NULL; i++) {
		const struct tdx_level *l = &info->levels[i];

		if (!reaches(pck->svn, l->sgx, 0) || pck->pcesvn < l->pcesvn)
			continue;
		if (out->sgx == NULL)
			out->sgx = l;
		if (reaches(svn, l->tdx, from))
			out->platform = l;
	}
	out->module = find_module(info, svn[1]);
	if (out->module != NULL && svn[1] > 0)
		out->module_level = find_svn_level(
		    out->module->levels, out->module->count, svn[0]);
	out->qe =
	    find_svn_level(identity->levels, identity->count, q->qe.isvsvn);
}

static bool
wants_configuration(enum tdx_status s)
{
	return s == TDX_CONFIGURATION ||
	       s == TDX_CONFIGURATION_AND_SW_HARDENING ||
	       s == TDX_OUT_OF_DATE_CONFIGURATION ||
	       s == TDX_RELAUNCH_CONFIGURATION;
}

/* 4.1.2.4.17.4 and .5: what a module or enclave does to a platform. */
static enum tdx_status
converge(enum tdx_status platform, enum tdx_status part)
{
	if (part == TDX_REVOKED || platform == TDX_REVOKED)
		return TDX_REVOKED;
	if (part != TDX_OUT_OF_DATE || platform == TDX_RELAUNCH ||
	    platform == TDX_RELAUNCH_CONFIGURATION)
		return platform;
	return wants_configuration(platform) ? TDX_OUT_OF_DATE_CONFIGURATION
					     : TDX_OUT_OF_DATE;
}

/* 4.1.2.4.17.4.3: may a restart heal a TD that was started before its module
 * was updated under it? */
static bool
relaunch_applies(
    const struct tdx_match *m, const struct tdx_quote *q, enum tdx_status tdx)
{
	return q->body.is_15 && m->qe->status == TDX_UP_TO_DATE &&
	       m->sgx->status <= TDX_CONFIGURATION_AND_SW_HARDENING &&
	       (tdx == TDX_OUT_OF_DATE ||
		   tdx == TDX_OUT_OF_DATE_CONFIGURATION) &&
	       m->module_level != NULL &&
	       m->module_level->status == TDX_OUT_OF_DATE;
}

static bool
relaunch_heals(const struct tdx_tcb_info *info, const uint8_t *svn,
    const struct tdx_module *module)
{
	const struct tdx_level *latest = &info->levels[0];
	uint16_t least = svn[1] > 0 ? module->levels[0].isvsvn : latest->tdx[0];

	return svn[0] >= least && svn[2] >= latest->tdx[2];
}

bool
tdx_match_status(const struct tdx_match *m, const struct tdx_tcb_info *info,
    const struct tdx_quote *q, enum tdx_status *out, struct fault *f)
{
	enum tdx_status s = m->platform->status;
	const uint8_t *svn = q->body.tee_tcb_svn_2.at;
	const struct tdx_module *module;

	if (m->sgx->status == TDX_REVOKED)
		s = TDX_REVOKED;
	if (m->module_level != NULL)
		s = converge(s, m->module_level->status);
	if (relaunch_applies(m, q, s)) {
		module = find_module(info, svn[1]);
		if (module == NULL)
			return fault_set(f, FAULT_CONFLICT,
			    "the TDX module now running, version %u, is not "
			    "known",
			    svn[1]);
		if (relaunch_heals(info, svn, module))
			s = wants_configuration(s) ||
				    wants_configuration(m->sgx->status)
				? TDX_RELAUNCH_CONFIGURATION
				: TDX_RELAUNCH;
	}
	*out = converge(s, m->qe->status);
	return true;
}
