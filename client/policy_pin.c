/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pins as members of a policy's sections: lists of what is accepted, and the
 * least that is. What is pinned was proven by the verdict that it comes from.
 */
#include "client/policy_pin.h"

#include <string.h>

#include "attestation/apple_mda.h"
#include "attestation/dotted.h"
#include "attestation/snp_key.h"

static void
add_unique(json_t *list, const char *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(list, i)), value) ==
		    0)
			return;
	json_array_append_new(list, json_string(value));
}

void
policy_pin_text(json_t *section, const char *name, const char *value)
{
	json_t *list = json_object_get(section, name);

	if (list == NULL) {
		list = json_array();
		json_object_set_new(section, name, list);
	}
	add_unique(list, value);
}

void
policy_pin_bytes(
    struct verdict *v, json_t *section, const char *name, struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.at[i] != 0) {
			policy_pin_text(section, name, verdict_hex(v, b));
			return;
		}
}

static void
pin_least_tcb(json_t *s, const char *name, const char *product,
    const struct policy_tcb *t)
{
	json_t *parts =
	    json_pack("{s:i, s:i, s:i, s:i}", "bootloader", t->bootloader,
		"tee", t->tee, "snp", t->snp, "microcode", t->microcode);

	if (t->fmc >= 0)
		json_object_set_new(parts, "fmc", json_integer(t->fmc));
	json_object_set_new(s, name, json_pack("{s:o}", product, parts));
}

void
policy_pin_snp(struct verdict *v, json_t *s, const struct evidence_facts *k)
{
	const char *product = snp_product_name(k->product);

	json_object_del(s, "any_workload");
	policy_pin_bytes(v, s, "measurement", bytes_of(k->measurement, 48));
	policy_pin_bytes(v, s, "host_data", bytes_of(k->host_data, 32));
	policy_pin_text(s, "products", product);
	pin_least_tcb(s, "min_tcb", product, &k->reported_tcb);
	pin_least_tcb(s, "min_launch_tcb", product, &k->launch_tcb);
}

static void
pin_least_version(
    struct verdict *v, json_t *s, const char *name, struct bytes b)
{
	struct text t = {(const char *)b.at, b.len};

	if (dotted_is(t))
		json_object_set_new(s, name, json_string(verdict_text(v, t)));
}

void
policy_pin_mac(struct verdict *v, json_t *s, const struct apple_mda_facts *k)
{
	if (k->serial.len > 0)
		policy_pin_text(s, "serials",
		    verdict_text(v, (struct text){(const char *)k->serial.at,
					k->serial.len}));
	pin_least_version(v, s, "min_os_version", k->os_version);
	pin_least_version(v, s, "min_sepos_version", k->sepos_version);
	pin_least_version(v, s, "min_llb_version", k->llb_version);
}
