/* SPDX-License-Identifier: Apache-2.0 */
/* See order.h: who sends them is a stranger, or a gateway like one. */
#include "auth/server/order.h"

#include "auth/key.h"

#define CODE_BYTES_MAX 200
#define NAME_BYTES_MAX 200

static bool
name(const json_t *o, const char *member, const char **out, struct fault *f)
{
	return json_get_string(
	    o, member, NAME_BYTES_MAX, out, FAULT_INVALID_REQUEST, f);
}

bool
handoff_order_read(
    const json_t *body, struct handoff_claims *c, struct fault *f)
{
	return name(body, "aud", &c->aud, f) && name(body, "sub", &c->sub, f) &&
	       name(body, "workspace", &c->workspace, f) &&
	       name(body, "task", &c->task, f) &&
	       name(body, "model", &c->model, f) &&
	       name(body, "pool", &c->pool, f) &&
	       name(body, "request_id", &c->request_id, f) &&
	       json_get_string_or(body, "cnf_x5t_s256", NAME_BYTES_MAX, NULL,
		   &c->cnf_x5t_s256, FAULT_INVALID_REQUEST, f);
}

bool
device_order_read(const json_t *body, uint8_t code_sha256[32],
    struct ec_key **key, struct fault *f)
{
	const char *code, *csr;

	*key = NULL;
	if (code_sha256 != NULL) {
		if (!json_get_string(body, "code", CODE_BYTES_MAX, &code,
			FAULT_INVALID_REQUEST, f))
			return false;
		key_sha256(text_of(code), code_sha256);
	}
	return json_get_string(body, "csr", CSR_BYTES_MAX, &csr,
		   FAULT_INVALID_REQUEST, f) &&
	       csr_read(text_of(csr), key, f);
}
