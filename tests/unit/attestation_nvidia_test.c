/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPUs of our own making: a chain of five certificates under a test root, a
 * report signed by its leaf, a manifest signed inside. Each test breaks one
 * thing and looks for the one check that must see it.
 */
#include "tests/unit/attestation_gpu_forge.h"

/* Judges one GPU; returns the name of the check that refused, or "". */
static const char *
judged(struct machine *m, struct bytes report, struct text chain,
    struct nvidia_device *d, enum verdict_code code)
{
	struct verdict v;
	bool ok;

	verdict_init(&v, m->a, FORGE_NOW_MS);
	ok = nvidia_device_judge(&v, &m->rules, NVIDIA_GPU, report, chain, d);
	verdict_conclude(&v);
	assert_int_equal(ok, v.outcome == VERDICT_VERIFIED);
	assert_int_equal(v.code, code);
	return v.failed != NULL ? v.failed : "";
}

static void
a_sound_gpu_is_verified(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);

	assert_string_equal(
	    judged(m, REPORT(m, plain), chain, &d, CODE_OK), "");
	assert_string_equal(d.chip, "GH100");
	assert_string_equal(d.driver, "550.1");
	assert_string_equal(d.vbios, "96.00.5E.00.01");
	assert_int_equal(d.mode, NVIDIA_SPT);
	assert_string_equal(
	    nvidia_driver_rim_id(m->a, &d), "NV_GPU_DRIVER_GH100_550.1");
	assert_string_equal(nvidia_vbios_rim_id(m->a, &d),
	    "NV_GPU_VBIOS_1010_0200_882_96005E0001");
}

static void
every_part_is_signed(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct bytes report = REPORT(m, plain);
	uint8_t *copy = mem_copy(report.at, report.len);
	struct verdict v;

	for (size_t i = 0; i < report.len; i += 7) {
		copy[i] ^= 1;
		verdict_init(&v, m->a, FORGE_NOW_MS);
		assert_false(nvidia_device_judge(&v, &m->rules, NVIDIA_GPU,
		    bytes_of(copy, report.len), chain, &d));
		copy[i] ^= 1;
	}
	for (size_t len = 0; len < report.len; len++) {
		verdict_init(&v, m->a, FORGE_NOW_MS);
		assert_false(nvidia_device_judge(
		    &v, &m->rules, NVIDIA_GPU, bytes_of(copy, len), chain, &d));
		assert_int_not_equal(v.code, CODE_OK);
	}
	mem_free(copy);
}

static void
signed_but_wrong(void **state)
{
	static const struct field twice[] = {FIELDS, {11, "\x55", 1}};
	static const struct field firmware[] = {
	    {6, "\x00\x5e\x00\x96\x01\x00\x00\x00", 8}, {3, "550.1\0", 6},
	    {20, "000000000000000000000000000000000000000000000000", 48}};
	static const struct field modes[] = {
	    FIELDS, {21, "\x55", 1}, {36, "\x02\0", 2}};
	static const struct field unknown_mode[] = {FIELDS, {36, "\x07\0", 2}};
	static const struct field no_driver[] = {
	    {6, "\x00\x5e\x00\x96\x01\x00\x00\x00", 8}};
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct forged other;

	assert_string_equal(
	    judged(m, REPORT(m, twice), chain, &d, CODE_MALFORMED),
	    "nvidia.report");
	assert_string_equal(
	    judged(m, REPORT(m, firmware), chain, &d, CODE_MISMATCH),
	    "nvidia.fwid");
	assert_string_equal(
	    judged(m, REPORT(m, modes), chain, &d, CODE_MISMATCH),
	    "nvidia.mode");
	assert_string_equal(
	    judged(m, REPORT(m, unknown_mode), chain, &d, CODE_MISMATCH),
	    "nvidia.mode");
	assert_string_equal(
	    judged(m, REPORT(m, no_driver), chain, &d, CODE_MISMATCH),
	    "nvidia.kind");
	leaf_make(m, &other);
	report_begin(m, BLOCKS);
	assert_string_equal(judged(m, report_end(m, plain, 9, other.key), chain,
				&d, CODE_TAMPERED),
	    "nvidia.signature");
	forged_free(&other);
	nonce[0] ^= 1; /* the report answers another question */
	assert_string_equal(
	    judged(m, REPORT(m, plain), chain, &d, CODE_OK), "");
	m->rules.nonce = bytes_of(nonce + 1, 31);
	assert_string_equal(
	    judged(m, REPORT(m, plain), chain, &d, CODE_NONCE), "nvidia.nonce");
	m->rules.nonce = bytes_of(nonce, 32);
}

/* Newer leafs: DiceTcbInfo with members after the firmware ids. */
static void
firmware_ids_of_both_structures(void **state)
{
	static const uint8_t before[] = {0x30, 0x48, 0x84, 0x01, 0x00, 0xa6,
	    0x3f, 0x30, 0x3d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
	    0x04, 0x02, 0x02, 0x04, 0x30};
	static const struct field firmware[] = {
	    {6, "\x00\x5e\x00\x96\x01\x00\x00\x00", 8}, {3, "550.1\0", 6},
	    {20, "111111111111111111111111111111111111111111111111", 48}};
	struct machine *m = *state;
	struct forged chain[LEVELS], *leaf = &chain[LEAF];
	struct nvidia_device d;
	uint8_t info[sizeof(before) + 48 + 4];
	const char *const wanted[] = {"", "nvidia.fwid", "nvidia.fwid"};

	memcpy(info, before, sizeof(before));
	memset(info + sizeof(before), '1', 48);
	memcpy(info + sizeof(before) + 48, "\x87\x02\x00\x80", 4);
	memcpy(chain, m->device, sizeof(chain));
	for (int i = 0; i < 3; i++) {
		if (i == 1)
			info[sizeof(before)] = '2';
		if (i == 2) /* the firmware ids below another tag */
			memcpy(info + 5, (uint8_t[]){0xa5}, 1);
		forge(leaf, &m->device[BROM],
		    &(struct forge_wish){.name = "GB100 A01 GSP FMC LF",
			.curve = "P-384",
			.extension = {
			    {"2.23.133.5.4.1", bytes_of(info, sizeof(info))}}});
		report_begin(m, BLOCKS);
		assert_string_equal(
		    judged(m, report_end(m, firmware, 3, leaf->key),
			forged_pem(m->a, chain, LEVELS), &d,
			i == 0 ? CODE_OK : CODE_MISMATCH),
		    wanted[i]);
		info[sizeof(before)] = '1';
		forged_free(leaf);
	}
}

/* Blackwell's name two layers, of which one may have measured nothing: the
 * report's must be one of them, and something. */
static void
firmware_ids_of_two_layers(void **state)
{
	static const uint8_t one[] = {0x30, 0x3d, 0x06, 0x09, 0x60, 0x86, 0x48,
	    0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x04, 0x30};
	static const char fills[] = {'1', 0, '2', '3'};
	static const char *const wanted[] = {
	    "", "nvidia.fwid", "", "nvidia.fwid"};
	struct machine *m = *state;
	struct forged chain[LEVELS], *leaf = &chain[LEAF];
	struct nvidia_device d;
	uint8_t info[138] = {0x30, 0x81, 0x87, 0xa6, 0x7e}, said[48];

	for (int i = 0; i < 2; i++)
		memcpy(info + 5 + 63 * i, one, sizeof(one));
	memcpy(info + 131, "\x87\x05\x00\x90\x00\x00\x01", 7);
	memcpy(chain, m->device, sizeof(chain));
	for (size_t i = 0; i < sizeof(fills); i++) {
		const struct field firmware[] = {
		    {6, "\x00\x5e\x00\x96\x01\x00\x00\x00", 8},
		    {3, "550.1\0", 6}, {20, (const char *)said, 48}};

		memset(said, fills[i], sizeof(said));
		memset(info + 20, '1', 48);
		memset(info + 83, fills[i] == '2' ? '2' : 0, 48);
		forge(leaf, &m->device[BROM],
		    &(struct forge_wish){.name = "GB100 A01 FSP FMC LF",
			.curve = "P-384",
			.extension = {
			    {"2.23.133.5.4.1", bytes_of(info, sizeof(info))}}});
		report_begin(m, BLOCKS);
		assert_string_equal(
		    judged(m, report_end(m, firmware, 3, leaf->key),
			forged_pem(m->a, chain, LEVELS), &d,
			*wanted[i] == 0 ? CODE_OK : CODE_MISMATCH),
		    wanted[i]);
		forged_free(leaf);
	}
}

static void
measurement_blocks_stand_once(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);

	report_begin(m, 2);
	m->raw[45 + 55] = 1; /* the second block's index */
	assert_string_equal(
	    judged(m, report_end(m, plain, 9, m->device[LEAF].key), chain, &d,
		CODE_MALFORMED),
	    "nvidia.report");
	report_begin(m, 2);
	m->raw[41] = 3; /* one block more than there is */
	assert_string_equal(
	    judged(m, report_end(m, plain, 9, m->device[LEAF].key), chain, &d,
		CODE_MALFORMED),
	    "nvidia.report");
}

static void
revocation_is_asked(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct bytes report = REPORT(m, plain);
	int64_t next = FORGE_NOW + FORGE_DAY;
	struct bytes lists[] = {forge_list(m->a, &m->device[ROOT], 0, next),
	    forge_list(m->a, &m->device[IDENTITY], 0, next)};

	m->rules.revocation =
	    (struct revocation){.lists = lists, .count = 2, .required = true};
	assert_string_equal(judged(m, report, chain, &d, CODE_OK), "");
	m->rules.revocation.count = 1;
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_MISSING), "nvidia.revocation");
	m->rules.revocation.count = 2;
	lists[1] =
	    forge_list(m->a, &m->device[IDENTITY], 10 + PROVISIONER, next);
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_REVOKED), "nvidia.revocation");
	lists[1] = forge_list(m->a, &m->device[IDENTITY], 0, FORGE_NOW - 1);
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_STALE), "nvidia.revocation");
	m->rules.revocation = (struct revocation){.count = 0};
}

/* A kept chain spares the walk, but only for the same bytes and lists, and
 * only inside their window. */
static void
chains_are_kept(void **state)
{
	struct machine *m = *state;
	struct nvidia_kept *kept = arena_alloc(m->a, sizeof(*kept));
	struct nvidia_device d;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct bytes report = REPORT(m, plain);
	struct bytes lists[] = {forge_list(m->a, &m->device[IDENTITY],
	    10 + PROVISIONER, FORGE_NOW + FORGE_DAY)};

	m->rules.kept = kept;
	assert_string_equal(judged(m, report, chain, &d, CODE_OK), "");
	assert_int_equal(kept->next, 1);
	assert_string_equal(judged(m, report, chain, &d, CODE_OK), "");
	assert_int_equal(kept->next, 1);
	m->rules.revocation.lists = lists;
	m->rules.revocation.count = 1;
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_REVOKED), "nvidia.revocation");
	m->rules.revocation.count = 0;
	m->rules.now_ms += 31 * FORGE_DAY * 1000;
	assert_string_equal(
	    judged(m, report, chain, &d, CODE_EXPIRED), "nvidia.chain");
	m->rules.now_ms = FORGE_NOW_MS;
	assert_string_equal(judged(m, report, chain, &d, CODE_OK), "");
	assert_int_equal(kept->next, 1);
	m->rules.kept = NULL;
	nvidia_kept_clear(kept);
}

static bool
rim_of(struct machine *m, struct bytes xml, struct rim *out, struct fault *f)
{
	const struct rim_rules r = {m->anchors, NULL, FORGE_NOW_MS};

	return rim_read(m->a, xml, &r, out, f);
}

static void
refuses_manifest(
    struct machine *m, struct bytes xml, enum fault_kind kind, const char *why)
{
	struct rim rim;
	struct fault f = {0};

	assert_false(rim_of(m, xml, &rim, &f));
	if (strstr(f.why, why) == NULL)
		fail_msg("'%s' lacks '%s'", f.why, why);
	assert_int_equal(f.kind, kind);
}

static void
manifests_are_judged_whole(void **state)
{
	struct machine *m = *state;
	const char *one = resource(m, 3, "True", 4);
	const char *two = arena_printf(m->a, "%s%s", one, one);
	struct rim rim;
	struct fault f = {0};

	/* The first call starts the XML library, which signing needs too. */
	refuses_manifest(m, bytes_of("<a/>", 4), FAULT_INVALID, "Software");
	assert_true(rim_of(m, manifest(m, one, "", NULL, NULL), &rim, &f));
	assert_string_equal(rim.version, "550.1");
	assert_true(rim.entry[3].active);
	assert_int_equal(rim.active, 1);
	refuses_manifest(m, manifest(m, two, "", NULL, NULL), FAULT_INVALID,
	    "index 3 stands twice");
	refuses_manifest(m, manifest(m, one, "", "040404", "040405"),
	    FAULT_TAMPERED, "does not hold");
	refuses_manifest(m, manifest(m, one, "", "GH100\"/>", "GB100\"/>"),
	    FAULT_TAMPERED, "does not hold");
	refuses_manifest(m, manifest(m, one, "#x", NULL, NULL),
	    FAULT_UNSUPPORTED, "whole document");
	refuses_manifest(m,
	    manifest(m, one, "", "<Entity", "<!DOCTYPE a []><Entity"),
	    FAULT_INVALID, "document type");
	refuses_manifest(m,
	    manifest(m, one, "", "<Entity", "<Payload></Payload><Entity"),
	    FAULT_INVALID, "stands twice");
	refuses_manifest(m,
	    manifest(m, one, "", "</Payload>", "<Other/></Payload>"),
	    FAULT_TAMPERED, "does not hold");
	refuses_manifest(m, manifest(m, one, "", "ecdsa-sha384", "hmac-sha1"),
	    FAULT_UNSUPPORTED, "ECDSA");
	refuses_manifest(m,
	    manifest(m, resource(m, 3, "true", 4), "", NULL, NULL),
	    FAULT_INVALID, "neither active nor not");
	refuses_manifest(m,
	    manifest(m, resource(m, 3, "False", 4), "", NULL, NULL),
	    FAULT_INVALID, "no active");
	refuses_manifest(m,
	    manifest(m, resource(m, 254, "True", 4), "", NULL, NULL),
	    FAULT_INVALID, "sound index");
	refuses_manifest(m, bytes_of("", 0), FAULT_INVALID, "0 bytes");
	refuses_manifest(m, bytes_of("<a", 2), FAULT_INVALID, "not XML");
}

static struct rim *
rim_made(struct machine *m, const char *resources)
{
	struct rim *rim = arena_alloc(m->a, sizeof(*rim));
	struct fault f = {0};

	if (!rim_of(m, manifest(m, resources, "", NULL, NULL), rim, &f))
		fail_msg("%s", f.why);
	return rim;
}

static const char *
compared(struct machine *m, const struct nvidia_device *d,
    const struct rim *driver, const struct rim *vbios)
{
	struct verdict v;

	verdict_init(&v, m->a, FORGE_NOW_MS);
	nvidia_manifests_judge(&v, d, driver, vbios);
	verdict_conclude(&v);
	return v.failed != NULL ? v.failed : "";
}

static void
measurements_against_manifests(void **state)
{
	static const struct field enabled[] = {
	    {6, "\x00\x5e\x00\x96\x01\x00\x00\x00", 8}, {3, "550.1\0", 6},
	    {11, "\xaa", 1}};
	struct machine *m = *state;
	struct nvidia_device d, e;
	struct text chain = forged_pem(m->a, m->device, LEVELS);
	struct rim *good, *bad, *nvdec, *beyond;

	assert_string_equal(
	    judged(m, REPORT(m, plain), chain, &d, CODE_OK), "");
	assert_string_equal(
	    judged(m, REPORT(m, enabled), chain, &e, CODE_OK), "");
	good = rim_made(m, arena_printf(m->a, "%s%s", resource(m, 3, "True", 4),
			       resource(m, 4, "False", 9)));
	bad = rim_made(m, resource(m, 4, "True", 9));
	nvdec =
	    rim_made(m, arena_printf(m->a, "%s%s", resource(m, 5, "True", 6),
			    resource(m, 35, "True", 9)));
	beyond = rim_made(m, resource(m, 200, "True", 201));
	assert_string_equal(compared(m, &d, good, NULL), "");
	assert_string_equal(compared(m, &d, bad, NULL), "nvidia.measurements");
	/* Index 35 counts only where NVDEC0 is on. */
	assert_string_equal(compared(m, &d, nvdec, NULL), "");
	assert_string_equal(
	    compared(m, &e, nvdec, NULL), "nvidia.measurements");
	/* An active index that the report does not measure. */
	assert_string_equal(
	    compared(m, &d, beyond, NULL), "nvidia.measurements");
	snprintf(d.vbios, sizeof(d.vbios), "550.1");
	assert_string_equal(compared(m, &d, good, good), "nvidia.rim_conflict");
	snprintf(d.vbios, sizeof(d.vbios), "96");
	assert_string_equal(
	    compared(m, &d, good, good), "nvidia.vbios_version");
	snprintf(d.driver, sizeof(d.driver), "550.2");
	assert_string_equal(
	    compared(m, &d, good, NULL), "nvidia.driver_version");
	snprintf(d.driver, sizeof(d.driver), "550.1");
	snprintf(d.chip, sizeof(d.chip), "GB100");
	assert_string_equal(compared(m, &d, good, NULL), "nvidia.product");
}

static const char *
set_judged(struct machine *m, const struct nvidia_device *d, size_t count,
    int64_t wanted)
{
	struct verdict v;

	verdict_init(&v, m->a, FORGE_NOW_MS);
	nvidia_set_judge(&v, d, count, wanted);
	verdict_conclude(&v);
	return v.failed != NULL ? v.failed : "";
}

static void
eight_reports_are_eight_devices(void **state)
{
	struct machine *m = *state;
	struct nvidia_device d[2] = {{.key = {1},
					 .chip = "GH100",
					 .mode = NVIDIA_PPCIE,
					 .pdi = {{1}, {2}},
					 .pdis = 2},
	    {.key = {2},
		.chip = "GH100",
		.mode = NVIDIA_PPCIE,
		.pdi = {{1}, {2}},
		.pdis = 2}};
	struct nvidia_device s[2] = {
	    {.kind = NVIDIA_SWITCH, .key = {3}, .pdi = {{1}}, .pdis = 1},
	    {.kind = NVIDIA_SWITCH, .key = {4}, .pdi = {{2}}, .pdis = 1}};
	struct verdict v;

	assert_string_equal(set_judged(m, d, 2, 2), "");
	assert_string_equal(set_judged(m, d, 2, 8), "nvidia.count");
	assert_string_equal(set_judged(m, d, 0, -1), "nvidia.count");
	d[1].key[0] = 1;
	assert_string_equal(set_judged(m, d, 2, 2), "nvidia.distinct");
	d[1].key[0] = 2;
	d[1].mode = NVIDIA_SPT;
	assert_string_equal(set_judged(m, d, 2, 2), "nvidia.modes_agree");
	d[1].mode = NVIDIA_PPCIE;
	d[1].pdi[1][0] = 3;
	assert_string_equal(set_judged(m, d, 2, 2), "nvidia.pdis_agree");
	d[1].pdi[1][0] = 2;
	verdict_init(&v, m->a, FORGE_NOW_MS);
	assert_true(nvidia_topology_judge(&v, d, 2, s, 2));
	assert_false(nvidia_topology_judge(&v, d, 2, s, 1));
	verdict_init(&v, m->a, FORGE_NOW_MS);
	assert_true(nvidia_switches_judge(&v, s, 2, 2));
	assert_false(nvidia_switches_judge(&v, s, 2, 4));
	assert_string_equal(v.failed, "nvswitch.count");
	s[1].pdi[0][0] = 1; /* one switch twice, the other missing */
	verdict_init(&v, m->a, FORGE_NOW_MS);
	assert_false(nvidia_switches_judge(&v, s, 2, -1));
	assert_string_equal(v.failed, "nvswitch.distinct");
	verdict_init(&v, m->a, FORGE_NOW_MS);
	assert_false(nvidia_topology_judge(&v, d, 2, s, 2));
	assert_string_equal(v.failed, "nvswitch.topology");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sound_gpu_is_verified),
	    cmocka_unit_test(every_part_is_signed),
	    cmocka_unit_test(signed_but_wrong),
	    cmocka_unit_test(firmware_ids_of_both_structures),
	    cmocka_unit_test(firmware_ids_of_two_layers),
	    cmocka_unit_test(measurement_blocks_stand_once),
	    cmocka_unit_test(revocation_is_asked),
	    cmocka_unit_test(chains_are_kept),
	    cmocka_unit_test(manifests_are_judged_whole),
	    cmocka_unit_test(measurements_against_manifests),
	    cmocka_unit_test(eight_reports_are_eight_devices),
	};

	return cmocka_run_group_tests(tests, machine_make, machine_free);
}
