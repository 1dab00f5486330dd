/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROXY protocol version 2 (section 2.2 of its specification) and the list of
 * networks from which such a header is believed.
 */
#include "base/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { HEAD = 16, V4_BYTES = 12, V6_BYTES = 36 };

static const uint8_t signature[12] = {
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static size_t
length_of(const struct proxy *p)
{
	return (size_t)p->bytes[14] << 8 | p->bytes[15];
}

bool
proxy_need(const struct proxy *p, size_t *missing, struct fault *f)
{
	size_t known = p->have < sizeof signature ? p->have : sizeof signature;

	*missing = 0;
	if (memcmp(p->bytes, signature, known) != 0)
		return fault_set(f, FAULT_INVALID,
		    "no PROXY protocol header where one is required");
	if (p->have >= 13 && p->bytes[12] != 0x20 && p->bytes[12] != 0x21)
		return fault_set(f, FAULT_INVALID,
		    "PROXY header of version and command 0x%02x", p->bytes[12]);
	if (p->have < HEAD) {
		*missing = HEAD - p->have;
		return true;
	}
	if (length_of(p) > PROXY_MAX - HEAD)
		return fault_set(
		    f, FAULT_LIMIT, "PROXY header of %zu bytes", length_of(p));
	*missing = HEAD + length_of(p) - p->have;
	return true;
}

void
address_text(const struct sockaddr *address, char out[PROXY_REMOTE])
{
	char host[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
		snprintf(out, PROXY_REMOTE, "%s:%u", host, ntohs(v4->sin_port));
	} else if (address->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		snprintf(
		    out, PROXY_REMOTE, "[%s]:%u", host, ntohs(v6->sin6_port));
	} else {
		snprintf(out, PROXY_REMOTE, "unix");
	}
}

bool
proxy_remote(const struct proxy *p, char out[PROXY_REMOTE], struct fault *f)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	const uint8_t *at = p->bytes + HEAD;
	size_t len = length_of(p);

	out[0] = '\0';
	/* LOCAL: whatever follows is to be ignored. */
	if (p->bytes[12] == 0x20)
		return true;
	switch (p->bytes[13]) {
	case 0x11: /* TCP over IPv4 */
		if (len < V4_BYTES)
			break;
		memcpy(&v4.sin_addr, at, 4);
		memcpy(&v4.sin_port, at + 8, 2);
		address_text((const void *)&v4, out);
		return true;
	case 0x21: /* TCP over IPv6 */
		if (len < V6_BYTES)
			break;
		memcpy(&v6.sin6_addr, at, 16);
		memcpy(&v6.sin6_port, at + 32, 2);
		address_text((const void *)&v6, out);
		return true;
	case 0x00: /* unspecified */
	case 0x31: /* a Unix stream */
		return true;
	default:
		return fault_set(f, FAULT_INVALID,
		    "PROXY header of family 0x%02x", p->bytes[13]);
	}
	return fault_set(f, FAULT_INVALID,
	    "PROXY header too short for its family: %zu bytes", len);
}

struct network {
	uint8_t bytes[16];
	unsigned bits;
};

static void
map_v4(uint8_t out[16], const void *v4)
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, v4, 4);
}

static bool
network_read(struct text t, struct network *out)
{
	char copy[64];
	char *slash;
	uint64_t bits = 128;
	struct in_addr v4;

	if (!text_store(t, copy, sizeof copy))
		return false;
	slash = strchr(copy, '/');
	if (slash != NULL) {
		*slash = '\0';
		if (!text_to_u64(text_of(slash + 1), &bits))
			return false;
	}
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		if (slash == NULL)
			bits = 32;
		map_v4(out->bytes, &v4);
		out->bits = (unsigned)bits + 96;
		return bits <= 32;
	}
	out->bits = (unsigned)bits;
	return bits <= 128 && inet_pton(AF_INET6, copy, out->bytes) == 1;
}

static bool
network_has(const struct network *n, const uint8_t address[16])
{
	unsigned whole = n->bits / 8;
	unsigned rest = n->bits % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	return memcmp(n->bytes, address, whole) == 0 &&
	       (rest == 0 || ((n->bytes[whole] ^ address[whole]) & mask) == 0);
}

/* Cuts the next item off *list; false at the end. Blanks around are fine. */
static bool
next_item(const char **list, struct text *out)
{
	const char *at = *list + strspn(*list, " ,");

	out->at = at;
	out->len = strcspn(at, " ,");
	*list = at + out->len;
	return out->len > 0;
}

bool
networks_check(const char *list, struct fault *f)
{
	struct network n;
	struct text item;

	while (next_item(&list, &item))
		if (!network_read(item, &n))
			return fault_set(f, FAULT_INVALID,
			    "\"%.*s\" is no network",
			    (int)(item.len < 60 ? item.len : 60), item.at);
	return true;
}

bool
networks_have(const char *list, const struct sockaddr *address)
{
	uint8_t bytes[16];
	struct network n;
	struct text item;

	if (address->sa_family == AF_INET)
		map_v4(
		    bytes, &((const struct sockaddr_in *)(const void *)address)
				->sin_addr);
	else if (address->sa_family == AF_INET6)
		memcpy(bytes,
		    &((const struct sockaddr_in6 *)(const void *)address)
			 ->sin6_addr,
		    16);
	else
		return false;
	while (next_item(&list, &item))
		if (network_read(item, &n) && network_has(&n, bytes))
			return true;
	return false;
}
