/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies as a buyer may send them to a daemon: JSON and multipart. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text body = {(const char *)data, size};
	struct body_model m;

	if (body_model_find("application/json", body, &m, NULL))
		assert(m.value.at >= body.at &&
		       m.value.at + m.value.len <= body.at + body.len);
	if (body_model_find(
		"multipart/form-data; boundary=\"b\"", body, &m, NULL))
		assert(m.value.at >= body.at &&
		       m.value.at + m.value.len <= body.at + body.len);
	return 0;
}
