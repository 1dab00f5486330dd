/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `assay policy init`: what one sound report shows becomes what every later
 * one must show. The report is judged first, by the makers' rules with
 * nothing pinned; only what such a verdict proves is pinned, and the policy
 * is written only if the report it came from is verified by it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "attestation/dstack.h"
#include "attestation/nvidia.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"
#include "client/judge.h"
#include "client/policy_pin.h"
#include "client/verdict_print.h"

struct making {
	struct cli *cli;
	struct report report;
	const struct report_node *node;
	struct judging judging;
	struct policies policies;
	struct verdict verdict;
	struct evidence_facts facts;
	json_t *open;	/* nothing pinned */
	json_t *policy; /* what will be written */
};

static const json_t *
item_of(const struct making *m, const char *kind)
{
	const json_t *items = json_object_get(m->node->bundle, "items");

	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *item = json_array_get(items, i);
		const char *k =
		    json_string_value(json_object_get(item, "kind"));

		if (k != NULL && strcmp(k, kind) == 0)
			return item;
	}
	return NULL;
}

/* ------------------------------------------------- first: nothing pinned */

static json_t *
open_tdx(void)
{
	/* Any status that may be accepted at all: the one seen is then told
	 * and pinned. */
	return json_pack("{s:b, s:[s,s,s,s,s,s,s,s]}", "any_workload", 1,
	    "accept_status", "UpToDate", "SWHardeningNeeded",
	    "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
	    "OutOfDate", "OutOfDateConfigurationNeeded", "TDRelaunchAdvised",
	    "TDRelaunchAdvisedConfigurationNeeded");
}

static void
make_open(struct making *m, int64_t version)
{
	const bool no_rim = cli_option(m->cli, "allow-no-rim") != NULL;
	const char *name = cli_option(m->cli, "name");
	json_t *require = json_array(), *p;

	p = json_pack(
	    "{s:I, s:o}", "version", (json_int_t)version, "require", require);
	m->open = p;
	if (name != NULL)
		json_object_set_new(p, "name", json_string(name));
	if (cli_option(m->cli, "no-revocation") != NULL)
		json_object_set_new(p, "revocation", json_false());
	if (item_of(m, "tdx") != NULL)
		json_object_set_new(p, "tdx", open_tdx());
	if (item_of(m, "snp") != NULL)
		json_object_set_new(
		    p, "snp", json_pack("{s:b}", "any_workload", 1));
	if (item_of(m, "tdx") != NULL || item_of(m, "snp") != NULL)
		json_array_append_new(require, json_string("cpu"));
	if (item_of(m, "nvidia") != NULL) {
		json_array_append_new(require, json_string("gpu"));
		json_object_set_new(p, "nvidia",
		    no_rim ? json_pack("{s:b}", "allow_no_rim", 1)
			   : json_object());
	}
	if (item_of(m, "nras") != NULL)
		json_object_set_new(p, "nras", json_object());
	if (item_of(m, "dstack") != NULL)
		json_object_set_new(
		    p, "dstack", json_pack("{s:b}", "allow_unpinned_base", 1));
	if (item_of(m, "apple-mda") != NULL ||
	    item_of(m, "apple-app-attest") != NULL) {
		json_array_append_new(require, json_string("device"));
		json_object_set_new(p, "apple", json_object());
	}
}

static bool
judge_by(struct making *m, const json_t *policy, struct fault *f)
{
	m->policies = (struct policies){.count = 1, .source = "policy init"};
	return policy_of_json(m->cli->arena, policy, &m->policies.at[0], f) &&
	       judge_node(&m->judging, m->node, &m->verdict, &m->facts, f);
}

/* Advisories are known only once the platform was found in Intel's list. */
static bool
judge_open(struct making *m, struct fault *f)
{
	json_t *tdx = json_object_get(m->open, "tdx");

	if (!judge_by(m, m->open, f))
		return false;
	if (tdx == NULL || m->verdict.failed == NULL ||
	    strcmp(m->verdict.failed, "tdx.policy_advisory") != 0)
		return true;
	for (size_t i = 0; i < m->verdict.advisory_count; i++)
		policy_pin_text(
		    tdx, "accept_advisories", m->verdict.advisories[i]);
	return judge_by(m, m->open, f);
}

/* ---------------------------------------------------- then: what it shows */

static void
pin_tdx(struct making *m, json_t *s)
{
	const struct evidence_facts *k = &m->facts;
	const char *status = m->verdict.status;

	json_object_del(s, "any_workload");
	json_object_set_new(s, "accept_status", json_pack("[s]", "UpToDate"));
	if (status != NULL)
		policy_pin_text(s, "accept_status", status);
	policy_pin_bytes(&m->verdict, s, "mrtd", bytes_of(k->mrtd, 48));
	policy_pin_bytes(&m->verdict, s, "rtmr0", bytes_of(k->rtmr[0], 48));
	policy_pin_bytes(&m->verdict, s, "rtmr1", bytes_of(k->rtmr[1], 48));
	policy_pin_bytes(&m->verdict, s, "rtmr2", bytes_of(k->rtmr[2], 48));
	policy_pin_bytes(
	    &m->verdict, s, "mrconfigid", bytes_of(k->mrconfigid, 48));
	/* dstack writes the instance's id there; its log is pinned instead. */
	if (item_of(m, "dstack") == NULL)
		policy_pin_bytes(
		    &m->verdict, s, "rtmr3", bytes_of(k->rtmr[3], 48));
}

static void
pin_gpus(struct making *m, json_t *s)
{
	json_object_set_new(s, "gpus", json_integer((json_int_t)m->facts.gpus));
	if (m->facts.switches > 0)
		json_object_set_new(
		    s, "switches", json_integer((json_int_t)m->facts.switches));
	for (size_t i = 0; i < m->facts.gpus; i++) {
		const struct nvidia_device *d = &m->facts.gpu[i];

		policy_pin_text(s, "architectures", nvidia_architecture(d));
		policy_pin_text(s, "drivers", d->driver);
		policy_pin_text(s, "vbios", d->vbios);
	}
}

static bool
pin_log(struct making *m, json_t *s, struct fault *f)
{
	static const struct {
		enum dstack_item item;
		const char *name;
	} pins[] = {{DSTACK_APP_ID, "app_ids"},
	    {DSTACK_COMPOSE_HASH, "compose_hashes"},
	    {DSTACK_OS_IMAGE_HASH, "os_images"},
	    {DSTACK_KEY_PROVIDER, "key_providers"}};
	const json_t *list = json_object_get(item_of(m, "dstack"), "event_log");
	struct text text = {json_string_value(list), json_string_length(list)};
	struct dstack_log log;

	if (json_is_string(list)
		? !dstack_log_read(m->cli->arena, text, &log, f)
		: !dstack_log_of_json(m->cli->arena, list, &log, f))
		return false;
	json_object_del(s, "allow_unpinned_base");
	for (size_t i = 0; i < sizeof pins / sizeof *pins; i++) {
		struct bytes b = log.item[pins[i].item];

		/* A longer one would not be told whole. */
		if (b.len > 0 && b.len <= 256)
			policy_pin_text(
			    s, pins[i].name, verdict_hex(&m->verdict, b));
	}
	return true;
}

static bool
make_pins(struct making *m, struct fault *f)
{
	json_t *p = json_deep_copy(m->open), *section;

	m->policy = p;
	if ((section = json_object_get(p, "tdx")) != NULL)
		pin_tdx(m, section);
	if ((section = json_object_get(p, "snp")) != NULL)
		policy_pin_snp(&m->verdict, section, &m->facts);
	if ((section = json_object_get(p, "nvidia")) != NULL)
		pin_gpus(m, section);
	if ((section = json_object_get(p, "apple")) != NULL &&
	    m->facts.mac != NULL)
		policy_pin_mac(&m->verdict, section, m->facts.mac);
	if (cli_option(m->cli, "pin-signing-address") != NULL) {
		if (m->node->signing_address == NULL)
			return fault_set(f, FAULT_INVALID_OPTION,
			    "the report names no signing address");
		policy_pin_text(
		    p, "signing_addresses", m->node->signing_address);
	}
	section = json_object_get(p, "dstack");
	return section == NULL || pin_log(m, section, f);
}

/* ----------------------------------------------------------- and write it */

static void
tell_pins(FILE *out, const json_t *o, const char *section)
{
	const char *name;
	json_t *value;
	char *text, path[160];

	json_object_foreach((json_t *)(uintptr_t)o, name, value)
	{
		if (json_is_object(value)) {
			snprintf(path, sizeof(path), "%s%s%s", section,
			    section[0] != '\0' ? "." : "", name);
			tell_pins(out, value, path);
			continue;
		}
		text = json_dumps(
		    value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
		fprintf(out, "  %s%s%s: %s\n", section,
		    section[0] != '\0' ? "." : "", name, text);
		free(text);
	}
}

static void
tell(const struct making *m, FILE *out)
{
	const char *status = m->verdict.status;

	fputs("pinned from this report:\n", out);
	tell_pins(out, m->policy, "");
	if (status != NULL && strcmp(status, "UpToDate") != 0)
		fprintf(out,
		    "the platform's TCB status is %s: that and its advisories "
		    "are accepted\n",
		    status);
	fputs("everything else stands at its default\n", out);
}

static bool
write_policy(struct making *m, struct fault *f)
{
	const char *path = cli_option(m->cli, "out");
	char *dumped = json_dumps(m->policy, JSON_INDENT(1));
	char *text = arena_printf(m->cli->arena, "%s\n", dumped);
	struct stat st;

	free(dumped);
	if (path == NULL) {
		fputs(text, stdout);
		tell(m, stderr);
		return true;
	}
	if (stat(path, &st) == 0)
		return fault_set(f, FAULT_CONFLICT,
		    "%.120s is there already and is not written over", path);
	if (!file_write(path, text, strlen(text), 0644, f))
		return false;
	tell(m, m->cli->json ? stderr : stdout);
	return true;
}

static bool
refuse(struct making *m)
{
	verdict_print(
	    stderr, m->node->name, &m->verdict, verdict_wants_colour(stderr));
	fputs("no policy was written: what is not sound is not to be pinned\n",
	    stderr);
	m->cli->status = verdict_status(m->verdict.outcome);
	return true;
}

static bool
make(struct making *m, int64_t version, struct fault *f)
{
	make_open(m, version);
	if (!judge_open(m, f))
		return false;
	if (m->verdict.outcome != VERDICT_VERIFIED)
		return refuse(m);
	if (!make_pins(m, f) || !judge_by(m, m->policy, f))
		return false;
	if (m->verdict.outcome != VERDICT_VERIFIED)
		return refuse(m);
	m->cli->status = 0;
	return write_policy(m, f);
}

static bool
read_call(struct making *m, uint64_t *version, struct fault *f)
{
	const char *number = cli_option(m->cli, "version");
	const char *at = cli_option(m->cli, "at");

	*version = 1;
	m->judging = (struct judging){.arena = m->cli->arena,
	    .policies = &m->policies,
	    .anchors = anchors_pinned(),
	    .report = &m->report,
	    .folder = cli_option(m->cli, "collateral"),
	    .now_ms = clock_unix_ms()};
	if (at != NULL && !time_of_rfc3339(text_of(at), &m->judging.now_ms))
		return fault_set(f, FAULT_INVALID_OPTION,
		    "--at \"%.40s\" is not a time like 2026-01-31T12:00:00Z",
		    at);
	if (number != NULL && (!text_to_u64(text_of(number), version) ||
				  *version == 0 || *version > INT64_MAX))
		return fault_set(f, FAULT_INVALID_OPTION,
		    "--version \"%.40s\" is not a number above 0", number);
	return cli_option(m->cli, "database") == NULL ||
	       cli_database(m->cli, &m->judging.database, f);
}

bool
policy_init(struct cli *c, struct fault *f)
{
	struct making m = {.cli = c};
	uint64_t version;
	char *text = NULL;
	size_t len;
	bool ok;

	c->status = 3;
	ok = read_call(&m, &version, f) &&
	     file_read(c->arguments[0], REPORT_BYTES_MAX, &text, &len, f) &&
	     report_read(c->arena, (struct text){text, len}, &m.report, f) &&
	     report_node_find(&m.report, cli_option(c, "node"), &m.node, f) &&
	     make(&m, (int64_t)version, f);
	mem_free(text);
	json_free(&m.open);
	json_free(&m.policy);
	report_free(&m.report);
	pg_session_free(&m.judging.database);
	return ok;
}

const struct option_rule policy_init_options[] = {
    {"out", "FILE", "where to write it; default: standard output"},
    {"version", "NUMBER", "the policy's version; default 1"},
    {"name", "TEXT", "a label for people"},
    {"at", "TIME", "judge the report as of then; default now"},
    {"collateral", "FOLDER", "what makers published, files named as items"},
    {"node", "NAME", "of several: this one, for example \"model 0\""},
    {"allow-no-rim", NULL, "GPUs without NVIDIA's signed manifests"},
    {"no-revocation", NULL, "without revocation lists"},
    {"pin-signing-address", NULL, "the address that signs answers, too"}, {0}};
