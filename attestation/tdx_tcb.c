/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and matching of TCB levels. The order of levels in the file means
 * nothing: they are sorted here, greatest first, and the first that a platform
 * reaches in every component is its level.
 */
#include "attestation/tdx_tcb.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/json.h"

#define LEVELS_MAX 256
#define ADVISORIES_MAX 128

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

static bool
get_hex(const json_t *o, const char *name, uint8_t *out, size_t size,
    struct fault *f)
{
	const json_t *j = json_object_get(o, name);
	size_t len;

	if (!json_is_string(j) ||
	    !hex_decode(
		(struct text){json_string_value(j), json_string_length(j)}, out,
		size, &len) ||
	    len != size)
		return broken(name, f);
	return true;
}

static bool
get_int(const json_t *o, const char *name, int64_t max, int64_t *out,
    struct fault *f)
{
	const json_t *j = json_object_get(o, name);

	if (!json_is_integer(j) || json_integer_value(j) < 0 ||
	    json_integer_value(j) > max)
		return broken(name, f);
	*out = json_integer_value(j);
	return true;
}

static bool
get_u16(const json_t *o, const char *name, uint16_t *out, struct fault *f)
{
	int64_t n;

	if (!get_int(o, name, UINT16_MAX, &n, f))
		return false;
	*out = (uint16_t)n;
	return true;
}

static bool
get_time(const json_t *o, const char *name, int64_t *out, struct fault *f)
{
	const json_t *j = json_object_get(o, name);

	if (!json_is_string(j) ||
	    !time_of_rfc3339(
		(struct text){json_string_value(j), json_string_length(j)},
		out))
		return broken(name, f);
	return true;
}

static bool
get_list(const json_t *o, const char *name, const json_t **out, size_t *count,
    struct fault *f)
{
	*out = json_object_get(o, name);
	*count = json_array_size(*out);
	if (!json_is_array(*out) || *count == 0 || *count > LEVELS_MAX)
		return broken(name, f);
	return true;
}

static bool
get_status(const json_t *o, enum tdx_status *out, struct fault *f)
{
	const char *word = json_string_value(json_object_get(o, "tcbStatus"));
	int i;

	for (i = 0; word != NULL && i < TDX_STATUS_COUNT; i++)
		if (strcmp(word, status_names[i]) == 0 && i != TDX_RELAUNCH &&
		    i != TDX_RELAUNCH_CONFIGURATION) {
			*out = (enum tdx_status)i;
			return true;
		}
	return fault_set(f, FAULT_UNSUPPORTED,
	    "TDX collateral: unknown TCB status %.40s",
	    word != NULL ? word : "(none)");
}

static bool
get_advisories(struct arena *a, const json_t *o, struct tdx_advisories *out,
    struct fault *f)
{
	const json_t *list = json_object_get(o, "advisoryIDs");
	size_t i, n = json_array_size(list);

	*out = (struct tdx_advisories){0};
	if (list == NULL)
		return true;
	if (!json_is_array(list) || n > ADVISORIES_MAX)
		return broken("advisoryIDs", f);
	out->at = arena_alloc(a, (n + 1) * sizeof(*out->at));
	for (i = 0; i < n; i++) {
		const json_t *id = json_array_get(list, i);

		if (!json_is_string(id) || json_string_length(id) > 64)
			return broken("advisoryIDs", f);
		out->at[i] = arena_string(a, json_string_value(id));
	}
	out->count = n;
	return true;
}

static bool
get_components(
    const json_t *tcb, const char *name, uint8_t out[16], struct fault *f)
{
	const json_t *list;
	size_t i, n;
	int64_t svn;

	if (!get_list(tcb, name, &list, &n, f))
		return false;
	if (n != 16)
		return broken(name, f);
	for (i = 0; i < 16; i++) {
		if (!get_int(json_array_get(list, i), "svn", 255, &svn, f))
			return false;
		out[i] = (uint8_t)svn;
	}
	return true;
}

static int
compare_levels(const void *x, const void *y)
{
	const struct tdx_level *a = x, *b = y;
	int n = memcmp(b->sgx, a->sgx, 16);

	if (n == 0)
		n = memcmp(b->tdx, a->tdx, 16);
	return n != 0 ? n : (int)b->pcesvn - (int)a->pcesvn;
}

static bool
read_levels(
    struct arena *a, const json_t *o, struct tdx_tcb_info *out, struct fault *f)
{
	const json_t *list, *tcb;
	size_t i;

	if (!get_list(o, "tcbLevels", &list, &out->count, f))
		return false;
	out->levels = arena_alloc(a, out->count * sizeof(*out->levels));
	for (i = 0; i < out->count; i++) {
		const json_t *j = json_array_get(list, i);
		struct tdx_level *l = &out->levels[i];

		tcb = json_object_get(j, "tcb");
		if (!get_components(tcb, "sgxtcbcomponents", l->sgx, f) ||
		    !get_components(tcb, "tdxtcbcomponents", l->tdx, f) ||
		    !get_u16(tcb, "pcesvn", &l->pcesvn, f) ||
		    !get_status(j, &l->status, f) ||
		    !get_advisories(a, j, &l->advisories, f))
			return false;
	}
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

/* Levels of a module or enclave: by its own version number alone. */
static bool
read_svn_levels(struct arena *a, const json_t *o, struct tdx_svn_level **out,
    size_t *count, struct fault *f)
{
	const json_t *list;
	size_t i;

	if (!get_list(o, "tcbLevels", &list, count, f))
		return false;
	*out = arena_alloc(a, *count * sizeof(**out));
	for (i = 0; i < *count; i++) {
		const json_t *j = json_array_get(list, i);
		struct tdx_svn_level *l = &(*out)[i];

		if (!get_u16(
			json_object_get(j, "tcb"), "isvsvn", &l->isvsvn, f) ||
		    !get_status(j, &l->status, f) ||
		    !get_advisories(a, j, &l->advisories, f))
			return false;
		if (l->status != TDX_UP_TO_DATE &&
		    l->status != TDX_OUT_OF_DATE && l->status != TDX_REVOKED)
			return fault_set(f, FAULT_UNSUPPORTED,
			    "TDX collateral: status %s of a module or enclave",
			    tdx_status_name(l->status));
	}
	qsort(*out, *count, sizeof(**out), compare_svn_levels);
	for (i = 1; i < *count; i++)
		if ((*out)[i - 1].isvsvn == (*out)[i].isvsvn)
			return fault_set(f, FAULT_INVALID,
			    "TDX collateral: the same version level twice");
	return true;
}

static bool
read_module(const json_t *o, struct tdx_module *out, struct fault *f)
{
	return get_hex(o, "mrsigner", out->mrsigner, 48, f) &&
	       get_hex(o, "attributes", out->attributes, 8, f) &&
	       get_hex(o, "attributesMask", out->mask, 8, f);
}

/* "TDX_01": the version in hex. */
static bool
read_module_id(const json_t *o, uint8_t *version, struct fault *f)
{
	const char *id = json_string_value(json_object_get(o, "id"));

	if (id == NULL || strlen(id) != 6 || strncmp(id, "TDX_", 4) != 0 ||
	    !hex_decode(text_of(id + 4), version, 1, NULL) || *version == 0)
		return broken("tdxModuleIdentities.id", f);
	return true;
}

static bool
read_modules(
    struct arena *a, const json_t *o, struct tdx_tcb_info *out, struct fault *f)
{
	const json_t *list;
	size_t i, k;

	if (json_object_get(o, "tdxModuleIdentities") == NULL)
		return true;
	if (!get_list(o, "tdxModuleIdentities", &list, &out->module_count, f))
		return false;
	out->modules =
	    arena_alloc(a, out->module_count * sizeof(*out->modules));
	for (i = 0; i < out->module_count; i++) {
		const json_t *j = json_array_get(list, i);
		struct tdx_module *m = &out->modules[i];

		if (!read_module_id(j, &m->version, f) ||
		    !read_module(j, m, f) ||
		    !read_svn_levels(a, j, &m->levels, &m->count, f))
			return false;
		for (k = 0; k < i; k++)
			if (out->modules[k].version == m->version)
				return fault_set(f, FAULT_INVALID,
				    "TDX collateral: the same module twice");
	}
	return true;
}

static bool
check_kind(const json_t *o, const char *id, int64_t version, struct fault *f)
{
	const char *seen = json_string_value(json_object_get(o, "id"));
	int64_t n;

	if (!get_int(o, "version", INT32_MAX, &n, f))
		return false;
	if (n != version)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX collateral: version %lld where %lld is known",
		    (long long)n, (long long)version);
	if (seen == NULL || strcmp(seen, id) != 0)
		return fault_set(f, FAULT_CONFLICT,
		    "TDX collateral: about %.20s, not %s",
		    seen != NULL ? seen : "(nothing)", id);
	return true;
}

static bool
read_dates(const json_t *o, int64_t *issued, int64_t *next, int64_t *number,
    struct fault *f)
{
	if (!get_time(o, "issueDate", issued, f) ||
	    !get_time(o, "nextUpdate", next, f) ||
	    !get_int(o, "tcbEvaluationDataNumber", INT32_MAX, number, f))
		return false;
	*next += 999; /* whole seconds, the last one included */
	return true;
}

static bool
read_tcb_info(
    struct arena *a, const json_t *o, struct tdx_tcb_info *out, struct fault *f)
{
	int64_t type;

	if (!check_kind(o, "TDX", 3, f) ||
	    !get_int(o, "tcbType", INT32_MAX, &type, f))
		return false;
	if (type != 0)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "TDX collateral: TCB type %lld", (long long)type);
	return read_dates(
		   o, &out->issued, &out->next_update, &out->evaluation, f) &&
	       get_hex(o, "fmspc", out->fmspc, 6, f) &&
	       get_hex(o, "pceId", out->pceid, 2, f) &&
	       read_module(json_object_get(o, "tdxModule"), &out->general, f) &&
	       read_modules(a, o, out, f) && read_levels(a, o, out, f);
}

bool
tdx_tcb_info_read(
    struct arena *a, struct text t, struct tdx_tcb_info *out, struct fault *f)
{
	json_t *j = NULL;
	bool read;

	memset(out, 0, sizeof(*out));
	if (!json_read(t, TDX_TEXT_MAX, &j, f))
		return false;
	read = read_tcb_info(a, j, out, f);
	json_free(&j);
	return read;
}

static bool
read_qe_identity(struct arena *a, const json_t *o, struct tdx_qe_identity *out,
    struct fault *f)
{
	return check_kind(o, "TD_QE", 2, f) &&
	       read_dates(
		   o, &out->issued, &out->next_update, &out->evaluation, f) &&
	       get_hex(o, "miscselect", out->miscselect, 4, f) &&
	       get_hex(o, "miscselectMask", out->miscselect_mask, 4, f) &&
	       get_hex(o, "attributes", out->attributes, 16, f) &&
	       get_hex(o, "attributesMask", out->attributes_mask, 16, f) &&
	       get_hex(o, "mrsigner", out->mrsigner, 32, f) &&
	       get_u16(o, "isvprodid", &out->isvprodid, f) &&
	       read_svn_levels(a, o, &out->levels, &out->count, f);
}

bool
tdx_qe_identity_read(struct arena *a, struct text t,
    struct tdx_qe_identity *out, struct fault *f)
{
	json_t *j = NULL;
	bool read;

	memset(out, 0, sizeof(*out));
	if (!json_read(t, TDX_TEXT_MAX, &j, f))
		return false;
	read = read_qe_identity(a, j, out, f);
	json_free(&j);
	return read;
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
