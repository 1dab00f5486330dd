/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items of a bundle through their registered verifiers: GPUs with policy and
 * collateral, an event log against the registers of a quote, a Mac's
 * statement against its tunnel's key.
 */
#include "tests/unit/attestation_gpu_forge.h"
#include "tests/unit/attestation_ocsp_forge.h"

#include "attestation/apple_evidence.h"
#include "attestation/apple_mda.h"
#include "attestation/dstack.h"
#include "attestation/dstack_evidence.h"
#include "attestation/gpu_evidence.h"
#include "base/crypto.h"
#include "base/json.h"

enum { ITEMS = 5 };

struct scene {
	struct policy policy;
	struct collateral_item items[ITEMS];
	struct collateral collateral;
	struct evidence_bound bound;
	struct examination x;
};

static void
scene_set(struct machine *m, struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->policy = policy_defaults();
	s->policy.nvidia.present = true;
	s->collateral = (struct collateral){.items = s->items};
	s->bound = (struct evidence_bound){.nonce = bytes_of(nonce, 32),
	    .did = text_of("did:assay:z1"),
	    .tls_spki = bytes_of("spki", 4)};
	s->x = (struct examination){.policy = &s->policy,
	    .anchors = m->anchors,
	    .collateral = &s->collateral,
	    .bound = &s->bound,
	    .now_ms = FORGE_NOW_MS};
}

static void
put(struct scene *s, const char *name, struct bytes body)
{
	assert_true(s->collateral.count < ITEMS);
	s->items[s->collateral.count++] =
	    (struct collateral_item){name, body, FORGE_NOW_MS};
}

static const char *
base64(struct machine *m, struct bytes b)
{
	char *out = arena_alloc(m->a, BASE64_SIZE(b.len));

	base64_encode(b, out);
	return out;
}

static json_t *
gpu_entry(struct machine *m, struct bytes report, struct text chain)
{
	return json_pack("{s:s, s:s}", "evidence", base64(m, report),
	    "certificate", base64(m, bytes_of(chain.at, chain.len)));
}

/* An item of these entries (taken). */
static json_t *
gpu_item(json_t *one, json_t *two)
{
	json_t *list = json_array();

	json_array_append_new(list, one);
	if (two != NULL)
		json_array_append_new(list, two);
	return json_pack("{s:s, s:s, s:o}", "kind", "nvidia", "arch", "HOPPER",
	    "evidence_list", list);
}

/* Runs a verifier and frees the item; the check that refused, or "". */
static const char *
ran(struct machine *m, struct scene *s, const struct verifier *by, json_t *item,
    enum verdict_code code)
{
	struct verdict v;
	bool held;

	verdict_init(&v, m->a, FORGE_NOW_MS);
	held = by->verify(&s->x, item, &v);
	json_free(&item);
	assert_int_equal(held, v.code == CODE_OK);
	if (v.code != code)
		fail_msg("%s: %s", v.failed, v.why);
	return v.failed != NULL ? v.failed : "";
}

#define DRIVER_RIM "nvidia/rim/NV_GPU_DRIVER_GH100_550.1"
#define VBIOS_RIM "nvidia/rim/NV_GPU_VBIOS_1010_0200_882_96005E0001"

/* The second manifest is for the VBIOS: other version, other index. */
static struct bytes
vbios_manifest(struct machine *m)
{
	struct bytes out;

	m->version = "96.00.5E.00.01";
	out = manifest(m, resource(m, 4, "True", 5), "", NULL, NULL);
	m->version = NULL;
	return out;
}

static void
gpus_of_a_node(void **state)
{
	struct machine *m = *state;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct bytes report = REPORT(m, plain);
	int64_t next = FORGE_NOW + FORGE_DAY;
	struct scene s;
	struct rim rim;
	struct fault f = {0};
	struct rim_rules start = {m->anchors, NULL, FORGE_NOW_MS};

	/* Starts the XML library, which signing needs. */
	assert_false(rim_read(m->a, bytes_of("<a/>", 4), &start, &rim, &f));
	scene_set(m, &s);
	put(&s, "nvidia/crl/l1-root",
	    forge_list(m->a, &m->device[ROOT], 0, next));
	put(&s, "nvidia/crl/l2-gh100",
	    forge_list(m->a, &m->device[IDENTITY], 0, next));
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier,
		gpu_item(gpu_entry(m, report, chain), NULL), CODE_MISSING),
	    "nvidia.driver_rim");
	put(&s, DRIVER_RIM,
	    manifest(m, resource(m, 3, "True", 4), "", NULL, NULL));
	put(&s, VBIOS_RIM, vbios_manifest(m));
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier,
		gpu_item(gpu_entry(m, report, chain), NULL), CODE_OK),
	    "");
	assert_int_equal(s.x.facts.gpus, 1);
	assert_non_null(s.x.facts.gpu);
	/* The same device twice; and GPUs in a second item. */
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier,
		gpu_item(gpu_entry(m, report, chain), NULL), CODE_MISMATCH),
	    "nvidia.once");
	s.x.facts.gpu = NULL;
	assert_string_equal(ran(m, &s, &nvidia_verifier,
				gpu_item(gpu_entry(m, report, chain),
				    gpu_entry(m, report, chain)),
				CODE_MISMATCH),
	    "nvidia.distinct");
}

static void
age_judge(struct machine *m, struct scene *s, size_t i, int64_t age_ms,
    enum verdict_code code, const char *check)
{
	json_t *item = gpu_item(
	    gpu_entry(m, REPORT(m, plain), forged_pem(m->a, m->device, LEVELS)),
	    NULL);

	s->x.facts.gpu = NULL;
	s->items[i].fetched_at = FORGE_NOW_MS - age_ms;
	assert_string_equal(ran(m, s, &nvidia_verifier, item, code), check);
	s->items[i].fetched_at = FORGE_NOW_MS;
}

/* However long a list, a manifest or a key set calls itself valid. */
static void
collateral_grows_old(void **state)
{
	static const char *const names[] = {"nvidia.revocation",
	    "nvidia.revocation", "nvidia.driver_rim", "nvidia.vbios_rim"};
	struct machine *m = *state;
	int64_t next = FORGE_NOW + FORGE_DAY;
	int64_t age = policy_defaults().max_collateral_age_s * 1000;
	struct scene s;

	scene_set(m, &s);
	put(&s, "nvidia/crl/l1-root",
	    forge_list(m->a, &m->device[ROOT], 0, next));
	put(&s, "nvidia/crl/l2-gh100",
	    forge_list(m->a, &m->device[IDENTITY], 0, next));
	put(&s, DRIVER_RIM,
	    manifest(m, resource(m, 3, "True", 4), "", NULL, NULL));
	put(&s, VBIOS_RIM, vbios_manifest(m));
	for (size_t i = 0; i < 4; i++) {
		age_judge(m, &s, i, age, CODE_OK, "");
		age_judge(m, &s, i, age + 1, CODE_STALE, names[i]);
		age_judge(m, &s, i, -60000, CODE_OK, "");
		age_judge(m, &s, i, -60001, CODE_NOT_YET_VALID,
		    i < 2 ? "nvidia.crl_at_hand" : names[i]);
	}
	s.policy.revocation = false;
	age_judge(m, &s, 0, age + 1, CODE_OK, "");
	put(&s, "nras/jwks", bytes_of("{}", 2));
	s.items[4].fetched_at = FORGE_NOW_MS - age - 1;
	assert_string_equal(
	    ran(m, &s, &nras_verifier, json_object(), CODE_STALE), "nras.keys");
}

/* What a maker signed long ago stays old, however often it is given. */
static void
lists_are_as_old_as_signed(void **state)
{
	struct machine *m = *state;
	int64_t age = policy_defaults().max_crl_age_s;
	struct forge_list_wish w = {
	    .from = FORGE_NOW - age, .next = FORGE_NOW + 3650 * FORGE_DAY};
	struct scene s;

	scene_set(m, &s);
	s.policy.nvidia.allow_no_rim = true;
	put(&s, "nvidia/crl/l1-root",
	    forge_list_of(m->a, &m->device[ROOT], &w));
	put(&s, "nvidia/crl/l2-gh100",
	    forge_list(m->a, &m->device[IDENTITY], 0, w.next));
	age_judge(m, &s, 0, 0, CODE_OK, "");
	w.from--;
	s.items[0].body = forge_list_of(m->a, &m->device[ROOT], &w);
	age_judge(m, &s, 0, 0, CODE_STALE, "nvidia.revocation");
	s.policy.max_crl_age_s++;
	age_judge(m, &s, 0, 0, CODE_OK, "");
	/* A revoked certificate is one however old the list. */
	w.serial = 10 + IDENTITY;
	s.policy.max_crl_age_s = 1;
	s.items[0].body = forge_list_of(m->a, &m->device[ROOT], &w);
	age_judge(m, &s, 0, 0, CODE_REVOKED, "nvidia.revocation");
	/* So is a root that lists itself. */
	w.serial = 10 + ROOT;
	s.items[0].body = forge_list_of(m->a, &m->device[ROOT], &w);
	age_judge(m, &s, 0, 0, CODE_REVOKED, "nvidia.revocation");
	s.policy.revocation = false;
	w.serial = 0;
	s.items[0].body = forge_list_of(m->a, &m->device[ROOT], &w);
	age_judge(m, &s, 0, 0, CODE_OK, "");
}

static void
policy_of_gpus(void **state)
{
	static const char *const other[] = {"551.2"};
	struct machine *m = *state;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct bytes report = REPORT(m, plain);
	struct scene s;

	scene_set(m, &s);
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier,
		gpu_item(gpu_entry(m, report, chain), NULL), CODE_MISSING),
	    "nvidia.revocation");
	s.policy.revocation = false;
	s.policy.nvidia.allow_no_rim = true;
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier,
		gpu_item(gpu_entry(m, report, chain), NULL), CODE_OK),
	    "");
	s.x.facts.gpu = NULL;
	s.policy.nvidia.drivers = (struct policy_texts){true, 1, other};
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier,
		gpu_item(gpu_entry(m, report, chain), NULL), CODE_POLICY),
	    "nvidia.driver");
	s.policy.nvidia.drivers.given = false;
	s.policy.nvidia.gpus = 8;
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier,
		gpu_item(gpu_entry(m, report, chain), NULL), CODE_POLICY),
	    "nvidia.count");
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier, json_pack("{s:s}", "kind", "nvidia"),
		CODE_MALFORMED),
	    "nvidia.report");
	assert_string_equal(
	    ran(m, &s, &nras_verifier, json_pack("{s:s}", "kind", "nras"),
		CODE_MISSING),
	    "nras.keys");
}

/* A switch of this id beside a GPU that names two. */
static json_t *
switch_item(struct machine *m, const struct forged *leaf, const char *id)
{
	const struct field fields[] = {{6, "96.10.55.00.01", 14}, {22, id, 8}};
	struct forged chain[LEVELS];
	struct bytes report;
	struct text pem;
	json_t *list = json_array();

	memcpy(chain, m->device, sizeof(chain));
	chain[LEAF] = *leaf;
	pem = forged_pem(m->a, chain, LEVELS);
	report_begin(m, 3);
	report = report_end(m, fields, 2, leaf->key);
	json_array_append_new(list, gpu_entry(m, report, pem));
	return json_pack(
	    "{s:s, s:o}", "kind", "nvswitch", "evidence_list", list);
}

static void
switches_of_a_node(void **state)
{
	struct machine *m = *state;
	struct nvidia_device gpu = {.key = {1}, .pdi = {"switch-1"}, .pdis = 1};
	struct forged leaf;
	struct scene s;

	forge(&leaf, &m->device[BROM],
	    &(struct forge_wish){
		.name = "LS_10 A01 FSP FMC LF", .curve = "P-384"});
	scene_set(m, &s);
	s.policy.revocation = false;
	s.policy.nvidia.allow_no_rim = true;
	s.x.facts.gpu = &gpu;
	s.x.facts.gpus = 1;
	assert_string_equal(ran(m, &s, &nvswitch_verifier,
				switch_item(m, &leaf, "switch-1"), CODE_OK),
	    "");
	assert_int_equal(s.x.facts.switches, 1);
	assert_string_equal(
	    ran(m, &s, &nvswitch_verifier, switch_item(m, &leaf, "switch-2"),
		CODE_MISMATCH),
	    "nvswitch.topology");
	s.policy.nvidia.switches = 4;
	assert_string_equal(ran(m, &s, &nvswitch_verifier,
				switch_item(m, &leaf, "switch-1"), CODE_POLICY),
	    "nvswitch.count");
	/* A switch's report does not pass for a GPU's. */
	s.x.facts.gpu = NULL;
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier, switch_item(m, &leaf, "switch-1"),
		CODE_MISMATCH),
	    "nvidia.kind");
	forged_free(&leaf);
}

static void
needs_are_named(void **state)
{
	static const char *const wanted[] = {"nvidia/crl/l1-root",
	    "nvidia/crl/l1-corim", "nvidia/crl/l2-gh100", DRIVER_RIM,
	    VBIOS_RIM};
	struct machine *m = *state;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct bytes report = REPORT(m, plain);
	json_t *item =
	    gpu_item(gpu_entry(m, report, chain), gpu_entry(m, report, chain));
	const char *names[EVIDENCE_NEEDS_MAX];
	struct fault f = {0};
	size_t count = 0;

	assert_true(gpu_needs(m->a, item, names, &count, &f));
	assert_int_equal(count, 5);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(names[i], wanted[i]);
	json_free(&item);
}

/* Certificates that name a responder; what it says is then to be had. */
static void
answers_are_needed(void **state)
{
	static const int upper[] = {IDENTITY, PROVISIONER};
	struct machine *m = *state;
	struct forged kept[LEVELS];
	const char *names[EVIDENCE_NEEDS_MAX];
	struct text chain;
	struct fault f = {0};
	size_t count = 0;
	json_t *item;
	struct scene s;

	memcpy(kept, m->device, sizeof(kept));
	for (size_t i = 0; i < 2; i++)
		forge(&m->device[upper[i]], &m->device[upper[i] + 1],
		    &(struct forge_wish){.name = "authority",
			.curve = "P-384",
			.ca = true,
			.serial = 10 + upper[i],
			.extension = {{"1.3.6.1.5.5.7.1.1",
			    bytes_of(
				forge_responder, sizeof(forge_responder))}}});
	forge(&m->device[BROM], &m->device[PROVISIONER],
	    &(struct forge_wish){.name = "brom", .curve = "P-384", .ca = true});
	leaf_make(m, &m->device[LEAF]);
	chain = forged_pem(m->a, m->device, LEVELS);
	item = gpu_item(gpu_entry(m, REPORT(m, plain), chain), NULL);
	assert_true(gpu_needs(m->a, item, names, &count, &f));
	assert_int_equal(count, 7);
	scene_set(m, &s);
	s.policy.nvidia.allow_no_rim = true;
	for (size_t i = 0; i < 2; i++) {
		int at = upper[1 - i];
		const struct forge_answer wish = {.subject = &m->device[at],
		    .issuer = &m->device[at + 1],
		    .reason = -1};

		assert_string_equal(
		    names[5 + i], ocsp_name(m->a, m->device[at].x509,
				      m->device[at + 1].x509));
		assert_string_equal(ran(m, &s, &nvidia_verifier,
					json_incref(item), CODE_MISSING),
		    "nvidia.revocation");
		put(&s, names[5 + i], forge_answer(m->a, &wish));
	}
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier, json_incref(item), CODE_OK), "");
	s.x.facts.gpu = NULL;
	/* Each under the other's name: an authority answers for itself. */
	s.items[0].name = names[6];
	s.items[1].name = names[5];
	assert_string_equal(
	    ran(m, &s, &nvidia_verifier, json_incref(item), CODE_UNTRUSTED),
	    "nvidia.revocation");
	json_free(&item);
	for (int i = LEAF; i <= IDENTITY; i++) {
		forged_free(&m->device[i]);
		m->device[i] = kept[i];
	}
}

/* SHA-384 over type, name and payload, as agents write it. */
static void
event_extend(
    uint8_t rtmr[48], const char *name, const void *payload, size_t len)
{
	uint8_t raw[512] = {1, 0, 0, 8, ':'}, both[96];
	size_t n = 5;

	memcpy(raw + n, name, strlen(name));
	n += strlen(name);
	raw[n++] = ':';
	memcpy(raw + n, payload, len);
	memcpy(both, rtmr, 48);
	sha384(bytes_of(raw, n + len), both + 48);
	sha384(bytes_of(both, 96), rtmr);
}

static json_t *
event(const char *name, const char *payload)
{
	return json_pack("{s:i, s:i, s:s, s:s, s:s}", "imr", 3, "event_type",
	    DSTACK_RUNTIME_EVENT, "digest", "", "event", name, "event_payload",
	    payload);
}

#define IMAGE "1111111111111111111111111111111111111111111111111111111111111111"

static json_t *
dstack_item(struct machine *m, struct scene *s, const char *file)
{
	json_t *list = json_array();
	const char *compose = arena_printf(
	    m->a, "{\"name\":\"demo\",\"docker_compose_file\":\"%s\"}", file);
	uint8_t hash[32];
	char hex[HEX_SIZE(32)];

	sha256(bytes_of(compose, strlen(compose)), hash);
	hex_encode(bytes_of(hash, 32), hex);
	memset(s->x.facts.rtmr, 0, sizeof(s->x.facts.rtmr));
	memset(s->x.facts.mrconfigid, 0, 48);
	s->x.facts.mrconfigid[0] = 1;
	memcpy(s->x.facts.mrconfigid + 1, hash, 32);
	event_extend(s->x.facts.rtmr[3], "compose-hash", hash, 32);
	event_extend(s->x.facts.rtmr[3], "system-ready", "", 0);
	json_array_append_new(list, event("compose-hash", hex));
	json_array_append_new(list, event("system-ready", ""));
	return json_pack("{s:s, s:o, s:s}", "kind", "dstack", "event_log", list,
	    "app_compose", compose);
}

#define SERVICE "services:\\n  a:\\n    image: x@sha256:"

static void
workload_of_a_td(void **state)
{
	static const char *const images[] = {IMAGE};
	struct machine *m = *state;
	struct scene s;

	scene_set(m, &s);
	assert_string_equal(
	    ran(m, &s, &dstack_verifier, dstack_item(m, &s, ""), CODE_MISSING),
	    "dstack.quote");
	s.x.facts.cpu = s.x.facts.is_tdx = true;
	assert_string_equal(
	    ran(m, &s, &dstack_verifier, dstack_item(m, &s, ""), CODE_POLICY),
	    "dstack.base_pinned");
	s.policy.dstack.allow_unpinned_base = true;
	assert_string_equal(
	    ran(m, &s, &dstack_verifier, dstack_item(m, &s, ""), CODE_OK), "");
	s.policy.image_digests = (struct policy_texts){true, 1, images};
	assert_string_equal(ran(m, &s, &dstack_verifier,
				dstack_item(m, &s, SERVICE IMAGE), CODE_OK),
	    "");
	assert_string_equal(
	    ran(m, &s, &dstack_verifier, dstack_item(m, &s, ""), CODE_MISSING),
	    "dstack.images");
	assert_string_equal(
	    ran(m, &s, &dstack_verifier,
		dstack_item(m, &s, "services:\\n  a:\\n    image: x:latest"),
		CODE_POLICY),
	    "dstack.image_digest");
	assert_string_equal(
	    ran(m, &s, &dstack_verifier,
		dstack_item(m, &s, SERVICE IMAGE "\\n  b: {image: evil}"),
		CODE_UNSUPPORTED),
	    "dstack.images");
	s.policy.image_digests.given = false;
	s.policy.kms_roots = (struct policy_texts){true, 1, images};
	assert_string_equal(ran(m, &s, &dstack_verifier, dstack_item(m, &s, ""),
				CODE_MALFORMED),
	    "dstack.key_provider");
}

static void
registers_of_another_td(void **state)
{
	struct machine *m = *state;
	struct scene s;
	json_t *item;

	scene_set(m, &s);
	s.policy.dstack.allow_unpinned_base = true;
	s.x.facts.cpu = s.x.facts.is_tdx = true;
	item = dstack_item(m, &s, "");
	s.x.facts.rtmr[3][0] ^= 1;
	assert_string_equal(ran(m, &s, &dstack_verifier, item, CODE_MISMATCH),
	    "dstack.registers");
	item = dstack_item(m, &s, "");
	s.x.facts.mrconfigid[5] ^= 1;
	assert_string_equal(ran(m, &s, &dstack_verifier, item, CODE_MISMATCH),
	    "dstack.compose");
}

/* {fmt "apple", attStmt {x5c [leaf]}}: enough CBOR for one statement. */
static json_t *
mac_item(struct machine *m, X509 *leaf)
{
	struct bytes der = forged_der(m->a, leaf);
	uint8_t *out = arena_alloc(m->a, der.len + 64);
	static const uint8_t head[] = "\xa2\x63"
				      "fmt"
				      "\x65"
				      "apple"
				      "\x67"
				      "attStmt"
				      "\xa1\x63"
				      "x5c"
				      "\x81\x59";
	size_t n = sizeof(head) - 1;

	memcpy(out, head, n);
	out[n++] = (uint8_t)(der.len >> 8);
	out[n++] = (uint8_t)der.len;
	memcpy(out + n, der.at, der.len);
	return json_pack("{s:s, s:s}", "kind", "apple-mda", "attestation",
	    base64(m, bytes_of(out, n + der.len)));
}

#define APPLE "1.2.840.113635.100.8."

/* A version that is missing, or is none, reaches no floor. */
static void
floors_of_a_mac(struct machine *m, struct scene *s, X509 *leaf)
{
	struct policy_apple *p = &s->policy.apple;

	p->min_os_version = "15.5";
	assert_string_equal(
	    ran(m, s, &apple_mda_verifier, mac_item(m, leaf), CODE_OK), "");
	p->min_os_version = "15.5.1";
	assert_string_equal(
	    ran(m, s, &apple_mda_verifier, mac_item(m, leaf), CODE_POLICY),
	    "apple_mda.least_os_version");
	p->min_os_version = NULL;
	p->min_sepos_version = "15";
	assert_string_equal(
	    ran(m, s, &apple_mda_verifier, mac_item(m, leaf), CODE_MISSING),
	    "apple_mda.least_sepos_version");
	p->min_sepos_version = NULL;
	p->min_llb_version = "15";
	assert_string_equal(
	    ran(m, s, &apple_mda_verifier, mac_item(m, leaf), CODE_POLICY),
	    "apple_mda.least_llb_version");
	p->min_llb_version = NULL;
}

static void
a_mac_and_its_tunnel(void **state)
{
	struct machine *m = *state;
	struct forged root, leaf;
	struct scene s;
	uint8_t freshness[32];

	scene_set(m, &s);
	forge(&root, NULL,
	    &(struct forge_wish){.name = "root", .curve = "P-384", .ca = true});
	anchors_test_set(m->anchors, ANCHOR_APPLE_ENTERPRISE, root.x509);
	apple_evidence_freshness(&s.x, freshness);
	forge(&leaf, &root,
	    &(struct forge_wish){.name = "mac",
		.curve = "P-384",
		.extension = {{APPLE "11.1", bytes_of(freshness, 32)},
		    {APPLE "10.1", bytes_of("15.5", 4)},
		    {APPLE "10.3", bytes_of("15.5 beta", 9)},
		    {APPLE "13.1", bytes_of("\x02\x01\x00", 3)},
		    {APPLE "13.2", bytes_of("Full Security", 13)}}});
	assert_string_equal(ran(m, &s, &apple_mda_verifier,
				mac_item(m, leaf.x509), CODE_MISSING),
	    "apple_mda.kexts");
	assert_false(s.x.facts.device);
	s.policy.apple.allow_kexts = true;
	assert_string_equal(
	    ran(m, &s, &apple_mda_verifier, mac_item(m, leaf.x509), CODE_OK),
	    "");
	assert_true(s.x.facts.device);
	assert_int_equal(s.x.facts.mac->os_version.len, 4);
	floors_of_a_mac(m, &s, leaf.x509);
	/* Another tunnel's key: the statement was made for somebody else. */
	s.bound.tls_spki = bytes_of("other", 5);
	assert_string_equal(
	    ran(m, &s, &apple_mda_verifier, mac_item(m, leaf.x509), CODE_NONCE),
	    "apple_mda.freshness");
	assert_string_equal(
	    ran(m, &s, &app_attest_verifier,
		json_pack("{s:s}", "attestation", ""), CODE_BAD_POLICY),
	    "app_attest.apps");
	forged_free(&leaf);
	forged_free(&root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gpus_of_a_node),
	    cmocka_unit_test(collateral_grows_old),
	    cmocka_unit_test(lists_are_as_old_as_signed),
	    cmocka_unit_test(policy_of_gpus),
	    cmocka_unit_test(switches_of_a_node),
	    cmocka_unit_test(needs_are_named),
	    cmocka_unit_test(answers_are_needed),
	    cmocka_unit_test(workload_of_a_td),
	    cmocka_unit_test(registers_of_another_td),
	    cmocka_unit_test(a_mac_and_its_tunnel),
	};

	return cmocka_run_group_tests(tests, machine_make, machine_free);
}
