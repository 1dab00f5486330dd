/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY header reader on any bytes, given as it asks for them; the rest
 * of the input as a list of networks. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_networks(const uint8_t *data, size_t size)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6};
	char *list = malloc(size + 1);
	struct fault f;

	if (list == NULL)
		abort();
	if (size > 0)
		memcpy(list, data, size);
	list[size] = '\0';
	memcpy(&a.sin6_addr, data, size < 16 ? size : 16);
	networks_check(list, &f);
	networks_have(list, (const struct sockaddr *)&a);
	free(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy p = {0};
	char remote[PROXY_REMOTE];
	size_t missing;
	struct fault f;

	if (size == 0)
		return 0;
	try_networks(data, size);
	for (;;) {
		if (!proxy_need(&p, &missing, &f))
			return 0;
		if (missing == 0)
			break;
		if (missing > sizeof p.bytes - p.have)
			abort();
		if (missing > size)
			return 0;
		memcpy(p.bytes + p.have, data, missing);
		p.have += missing;
		data += missing;
		size -= missing;
	}
	if (proxy_remote(&p, remote, &f) && strlen(remote) >= sizeof remote)
		abort();
	return 0;
}
