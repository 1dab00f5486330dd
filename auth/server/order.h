/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gateways and devices ask for, read from the bodies of their requests.
 * Pure; what is read is in form, and nothing is granted by that.
 */
#ifndef AUTH_SERVER_ORDER_H
#define AUTH_SERVER_ORDER_H

#include "auth/device.h"
#include "auth/handoff.h"
#include "base/json.h"

#define HANDOFF_ORDER_MAX 8192
#define DEVICE_ORDER_MAX (CSR_BYTES_MAX + 4096)

/* A gateway's: claims without iss, jti and iat. Texts are borrowed. Fails
 * INVALID_REQUEST; their form is handoff_claims_check's to judge. */
bool handoff_order_read(
    const json_t *body, struct handoff_claims *out, struct fault *f);

/* A device's: {"code", "csr"}, or {"csr"} where code_sha256 is NULL; the code
 * is known by its digest alone. The caller frees the key. Fails
 * INVALID_REQUEST or CSR_INVALID. */
bool device_order_read(const json_t *body, uint8_t code_sha256[32],
    struct ec_key **key, struct fault *f);

#endif
