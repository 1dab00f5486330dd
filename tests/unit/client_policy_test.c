/* SPDX-License-Identifier: Apache-2.0 */
/* Pins that become a policy: each can be read again and asks for what was
 * seen, or for no less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "attestation/apple_mda.h"
#include "client/policy_pin.h"

struct scene {
	struct arena *a;
	struct verdict v;
	json_t *doc;
};

static int
start(void **state)
{
	struct scene *s = mem_new(sizeof(*s));

	s->a = arena_new();
	verdict_init(&s->v, s->a, 0);
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct scene *s = *state;

	json_decref(s->doc);
	arena_free(&s->a);
	mem_free(s);
	return 0;
}

static struct policy *
policy_of(struct scene *s)
{
	struct policy *p = NULL;
	struct fault f = {0};

	if (!policy_of_json(s->a, s->doc, &p, &f))
		fail_msg("%s", f.why);
	return p;
}

static void
same_tcb(const struct policy_tcb *a, const struct policy_tcb *b)
{
	assert_true(a->given && b->given);
	assert_int_equal(a->fmc, b->fmc);
	assert_int_equal(a->bootloader, b->bootloader);
	assert_int_equal(a->tee, b->tee);
	assert_int_equal(a->snp, b->snp);
	assert_int_equal(a->microcode, b->microcode);
}

static void
firmware_of_snp(void **state)
{
	struct scene *s = *state;
	struct evidence_facts k = {.product = SNP_TURIN,
	    .reported_tcb = {true, 1, 3, 1, 4, 75},
	    .launch_tcb = {true, 1, 3, 1, 2, 70}};
	struct policy *p;
	json_t *section;

	s->doc = json_pack("{s:i, s:[s], s:{s:b}}", "version", 1, "require",
	    "cpu", "snp", "any_workload", 1);
	section = json_object_get(s->doc, "snp");
	memset(k.measurement, 7, 48);
	policy_pin_snp(&s->v, section, &k);
	p = policy_of(s);
	assert_false(p->snp.any_workload);
	assert_true(p->snp.measurement.given);
	assert_false(p->snp.host_data.given); /* all zeros */
	assert_string_equal(p->snp.products.at[0], "Turin");
	same_tcb(&p->snp.min_tcb[SNP_TURIN], &k.reported_tcb);
	same_tcb(&p->snp.min_launch_tcb[SNP_TURIN], &k.launch_tcb);
	assert_false(p->snp.min_tcb[SNP_GENOA].given);
	/* Only Turin has that part. */
	k.product = SNP_GENOA;
	k.reported_tcb.fmc = k.launch_tcb.fmc = -1;
	json_object_del(section, "products");
	policy_pin_snp(&s->v, section, &k);
	p = policy_of(s);
	assert_string_equal(p->snp.products.at[0], "Genoa");
	assert_int_equal(p->snp.min_tcb[SNP_GENOA].fmc, -1);
	assert_int_equal(p->snp.min_tcb[SNP_GENOA].microcode, 75);
}

static void
versions_of_a_mac(void **state)
{
	struct scene *s = *state;
	const struct apple_mda_facts k = {.serial = bytes_of("SYN1", 4),
	    .os_version = bytes_of("15.5", 4),
	    .llb_version = bytes_of("15.5 beta", 9)};
	struct policy *p;

	s->doc = json_pack(
	    "{s:i, s:[s], s:{}}", "version", 1, "require", "device", "apple");
	policy_pin_mac(&s->v, json_object_get(s->doc, "apple"), &k);
	p = policy_of(s);
	assert_string_equal(p->apple.serials.at[0], "SYN1");
	assert_string_equal(p->apple.min_os_version, "15.5");
	assert_null(p->apple.min_sepos_version); /* not told */
	assert_null(p->apple.min_llb_version);	 /* no version */
	assert_false(p->apple.allow_sip_off);
}

static void
texts_once(void **state)
{
	struct scene *s = *state;

	s->doc = json_object();
	policy_pin_text(s->doc, "list", "a");
	policy_pin_text(s->doc, "list", "b");
	policy_pin_text(s->doc, "list", "a");
	assert_int_equal(json_array_size(json_object_get(s->doc, "list")), 2);
}

#define T(test) cmocka_unit_test_setup_teardown(test, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(firmware_of_snp),
	    T(versions_of_a_mac),
	    T(texts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
