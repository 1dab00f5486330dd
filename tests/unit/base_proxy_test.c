/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROXY protocol version 2, byte by byte, and the networks it is believed
 * from.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/proxy.h"

#define SIGN "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xcb\x00\x71\x09\x7f\x00\x00\x01\x12\x67\x01\xbb"
#define V6                                                                     \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                           \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"                           \
	"\x12\x67\x01\xbb"
#define P(s) s, sizeof(s) - 1

struct probe {
	const char *name;
	const char *bytes;
	size_t len;
	const char *remote; /* NULL: refused */
	const char *why;
};

/* clang-format off */
static const struct probe probes[] = {
	{"TCP over IPv4", P(SIGN "\x21\x11\x00\x0c" V4), "203.0.113.9:4711", NULL},
	{"with more after", P(SIGN "\x21\x11\x00\x0f" V4 "\x04\0\0"), "203.0.113.9:4711", NULL},
	{"TCP over IPv6", P(SIGN "\x21\x21\x00\x24" V6), "[2001:db8::1]:4711", NULL},
	{"LOCAL", P(SIGN "\x20\x00\x00\x00"), "", NULL},
	{"LOCAL with an address", P(SIGN "\x20\x11\x00\x0c" V4), "", NULL},
	{"unspecified", P(SIGN "\x21\x00\x00\x00"), "", NULL},
	{"version 1", P("PROXY TCP4 1.2.3.4"), NULL, "no PROXY protocol header where one is required"},
	{"version 3", P(SIGN "\x31\x11\x00\x0c" V4), NULL, "PROXY header of version and command 0x31"},
	{"command 2", P(SIGN "\x22\x11\x00\x0c" V4), NULL, "PROXY header of version and command 0x22"},
	{"UDP", P(SIGN "\x21\x12\x00\x0c" V4), NULL, "PROXY header of family 0x12"},
	{"too short", P(SIGN "\x21\x11\x00\x0b" "\xcb\x00\x71\x09\x7f\x00\x00\x01\x12\x67\x01"), NULL, "PROXY header too short for its family: 11 bytes"},
	{"too long", P(SIGN "\x21\x11\xff\xff" V4), NULL, "PROXY header of 65535 bytes"},
};
/* clang-format on */

/* As a reader does: never more than is asked for. */
static bool
read_all(const struct probe *p, size_t step, char remote[PROXY_REMOTE],
    struct fault *f)
{
	struct proxy x = {0};
	size_t missing = 1;

	while (missing > 0) {
		if (!proxy_need(&x, &missing, f))
			return false;
		if (missing > step)
			missing = step;
		if (missing == 0)
			break;
		assert_true(x.have + missing <= p->len);
		memcpy(x.bytes + x.have, p->bytes + x.have, missing);
		x.have += missing;
	}
	assert_int_equal(x.have, p->len);
	return proxy_remote(&x, remote, f);
}

static void
test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
		for (size_t step = 1; step < 40; step++) {
			const struct probe *p = &probes[i];
			char remote[PROXY_REMOTE];
			struct fault f;
			bool fine = read_all(p, step, remote, &f);

			if (fine != (p->remote != NULL))
				fail_msg(
				    "%s: %s", p->name, fine ? remote : f.why);
			if (fine)
				assert_string_equal(remote, p->remote);
			else
				assert_string_equal(f.why, p->why);
		}
}

static bool
has(const char *list, const char *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return networks_have(list, (struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return networks_have(list, (struct sockaddr *)&v6);
}

static void
test_networks(void **state)
{
	static const char list[] = "10.0.0.0/8, 192.0.2.128/25,::1/128,"
				   "2001:db8::/33";

	(void)state;
	assert_true(has(list, "10.255.0.1"));
	assert_false(has(list, "11.0.0.1"));
	assert_true(has(list, "192.0.2.129"));
	assert_false(has(list, "192.0.2.127"));
	assert_true(has(list, "::1"));
	assert_false(has(list, "::2"));
	assert_true(has(list, "2001:db8:7fff::1"));
	assert_false(has(list, "2001:db8:8000::1"));
	assert_true(has(list, "::ffff:10.1.1.1"));
	assert_false(has(list, "::ffff:11.1.1.1"));
	assert_true(has("0.0.0.0/0", "1.2.3.4"));
	assert_false(has("0.0.0.0/0", "::1"));
	assert_true(has("::/0", "1.2.3.4"));
	assert_true(has("127.0.0.1", "127.0.0.1"));
	assert_false(has("127.0.0.1", "127.0.0.2"));
	assert_false(has("", "127.0.0.1"));
}

static void
test_networks_check(void **state)
{
	static const char *const bad[] = {"10.0.0.0/33", "10.0.0/8", "x",
	    "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "1.2.3.4:5"};
	struct fault f;

	(void)state;
	assert_true(networks_check("10.0.0.0/8, ::1", &f));
	assert_true(networks_check("", &f));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (networks_check(bad[i], &f))
			fail_msg("%s", bad[i]);
	assert_string_equal(f.why, "\"1.2.3.4:5\" is no network");
}

static void
test_unix_is_in_no_network(void **state)
{
	struct sockaddr a = {.sa_family = AF_UNIX};
	char text[PROXY_REMOTE];

	(void)state;
	assert_false(networks_have("0.0.0.0/0,::/0", &a));
	address_text(&a, text);
	assert_string_equal(text, "unix");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_networks),
	    cmocka_unit_test(test_networks_check),
	    cmocka_unit_test(test_unix_is_in_no_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
