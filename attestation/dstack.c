/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay of dstack event logs (Dstack-TEE/dstack, cc-eventlog). A listed
 * digest is only a hint: whoever keeps the digest and forges the payload
 * beside it would pass a replay of listed digests, so the digest of each
 * runtime event is always computed here and the listed one held against it.
 */
#include "attestation/dstack.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"

enum { NAME_MAX_ = 256, PAYLOAD_MAX = 16 * 1024, RUNTIME_REGISTER = 3 };

/* clang-format off */
static const struct {
	const char *name;
	size_t bytes; /* 0: any length */
} items[DSTACK_ITEMS] = {
	[DSTACK_APP_ID]        = { "app-id",        20 },
	[DSTACK_COMPOSE_HASH]  = { "compose-hash",  32 },
	[DSTACK_INSTANCE_ID]   = { "instance-id",   0  },
	[DSTACK_OS_IMAGE_HASH] = { "os-image-hash", 32 },
	[DSTACK_KEY_PROVIDER]  = { "key-provider",  0  },
	[DSTACK_MR_KMS]        = { "mr-kms",        0  },
};
/* clang-format on */

const char *
dstack_item_name(enum dstack_item item)
{
	return items[item].name;
}

/* Digest of a runtime event: SHA-384(LE32(type) ":" name ":" payload). */
static void
runtime_digest(const struct dstack_event *e, uint8_t out[DSTACK_DIGEST])
{
	uint8_t type[4];
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	for (int i = 0; i < 4; i++)
		type[i] = (uint8_t)(e->type >> (8 * i));
	EVP_DigestInit_ex(c, EVP_sha384(), NULL);
	EVP_DigestUpdate(c, type, sizeof(type));
	EVP_DigestUpdate(c, ":", 1);
	EVP_DigestUpdate(c, e->name.at, e->name.len);
	EVP_DigestUpdate(c, ":", 1);
	EVP_DigestUpdate(c, e->payload.at, e->payload.len);
	EVP_DigestFinal_ex(c, out, NULL);
	EVP_MD_CTX_free(c);
}

static void
extend(uint8_t rtmr[DSTACK_DIGEST], const uint8_t digest[DSTACK_DIGEST])
{
	uint8_t both[2 * DSTACK_DIGEST];

	memcpy(both, rtmr, DSTACK_DIGEST);
	memcpy(both + DSTACK_DIGEST, digest, DSTACK_DIGEST);
	sha384(bytes_of(both, sizeof(both)), rtmr);
}

static bool
payload_read(
    struct arena *a, const char *hex, struct bytes *out, struct fault *f)
{
	size_t len = strlen(hex);
	uint8_t *at;

	if (len > (size_t)2 * PAYLOAD_MAX)
		return fault_set(f, FAULT_LIMIT,
		    "event log: payload of %zu digits is too long", len);
	at = arena_alloc(a, len / 2 + 1);
	if (!hex_decode(text_of(hex), at, len / 2 + 1, NULL))
		return fault_set(
		    f, FAULT_INVALID, "event log: payload is not hexadecimal");
	*out = bytes_of(at, len / 2);
	return true;
}

/* A listed digest may be shorter than the register (another hash): it is
 * filled with zeros on the right. *len 0: none is listed. */
static bool
digest_read(
    const char *hex, uint8_t out[DSTACK_DIGEST], size_t *len, struct fault *f)
{
	memset(out, 0, DSTACK_DIGEST);
	if (!hex_decode(text_of(hex), out, DSTACK_DIGEST, len))
		return fault_set(f, FAULT_INVALID,
		    "event log: digest is not at most 48 bytes "
		    "in hexadecimal");
	return true;
}

static bool
runtime_read(struct arena *a, const char *payload, size_t listed_bytes,
    struct dstack_event *e, struct fault *f)
{
	uint8_t listed[DSTACK_DIGEST];

	if (e->imr != RUNTIME_REGISTER)
		return fault_set(f, FAULT_INVALID,
		    "event log: runtime event %.40s in register %u", e->name.at,
		    e->imr);
	if (!payload_read(a, payload, &e->payload, f))
		return false;
	memcpy(listed, e->digest, sizeof(listed));
	runtime_digest(e, e->digest);
	if (listed_bytes > 0 && memcmp(listed, e->digest, sizeof(listed)) != 0)
		return fault_set(f, FAULT_TAMPERED,
		    "event log: digest of %.40s is not that of its payload",
		    e->name.at);
	return true;
}

static bool
event_read(
    struct arena *a, const json_t *o, struct dstack_event *e, struct fault *f)
{
	const char *digest, *name, *payload;
	int64_t imr, type;
	size_t listed;

	/* Agents write all five, be it empty: one that is missing has been
	 * taken out or renamed. */
	if (!json_get_int(
		o, "imr", 0, DSTACK_REGISTERS - 1, &imr, FAULT_INVALID, f) ||
	    !json_get_int(
		o, "event_type", 0, UINT32_MAX, &type, FAULT_INVALID, f) ||
	    !json_get_string(o, "digest", (size_t)2 * DSTACK_DIGEST, &digest,
		FAULT_INVALID, f) ||
	    !json_get_string(o, "event", NAME_MAX_, &name, FAULT_INVALID, f) ||
	    !json_get_string(o, "event_payload", (size_t)2 * PAYLOAD_MAX,
		&payload, FAULT_INVALID, f) ||
	    !digest_read(digest, e->digest, &listed, f))
		return false;
	e->imr = (unsigned)imr;
	e->type = (uint32_t)type;
	e->name = text_of(arena_string(a, name));
	if (e->type == DSTACK_RUNTIME_EVENT)
		return runtime_read(a, payload, listed, e, f);
	if (e->imr == RUNTIME_REGISTER)
		return fault_set(f, FAULT_INVALID,
		    "event log: event of type %#x in register 3", e->type);
	if (listed == 0)
		return fault_set(f, FAULT_INVALID,
		    "event log: boot event of register %u without digest",
		    e->imr);
	return true;
}

static bool
item_take(struct dstack_log *l, const struct dstack_event *e, struct fault *f)
{
	for (size_t i = 0; i < DSTACK_ITEMS; i++) {
		if (!text_is(e->name, items[i].name))
			continue;
		if (items[i].bytes > 0 && e->payload.len != items[i].bytes)
			return fault_set(f, FAULT_INVALID,
			    "event log: %s of %zu bytes, %zu wanted",
			    items[i].name, e->payload.len, items[i].bytes);
		l->item[i] = e->payload;
	}
	return true;
}

/* What the platform says must be said once: with a colon in the name, or the
 * name twice, the digests would allow a second reading. */
static bool
platform_event(const struct dstack_event *events, size_t index,
    struct dstack_log *l, struct fault *f)
{
	const struct dstack_event *e = &events[index];

	if (e->name.len == 0 || memchr(e->name.at, ':', e->name.len) != NULL)
		return fault_set(f, FAULT_CONFLICT,
		    "event log: platform event with the name '%.40s'",
		    e->name.at);
	for (size_t i = 0; i < index; i++)
		if (events[i].imr == RUNTIME_REGISTER &&
		    text_equal(events[i].name, e->name))
			return fault_set(f, FAULT_CONFLICT,
			    "event log: %.40s stands twice before "
			    "system-ready",
			    e->name.at);
	return item_take(l, e, f);
}

static bool
events_read(
    struct arena *a, const json_t *list, struct dstack_log *l, struct fault *f)
{
	size_t count = json_array_size(list);
	struct dstack_event *events;
	bool ready = false;

	if (count == 0 || count > DSTACK_EVENTS_MAX)
		return fault_set(
		    f, FAULT_LIMIT, "event log: %zu events", count);
	events = arena_alloc(a, count * sizeof(*events));
	for (size_t i = 0; i < count; i++) {
		struct dstack_event *e = &events[i];

		if (!event_read(a, json_array_get(list, i), e, f))
			return false;
		extend(l->rtmr[e->imr], e->digest);
		if (e->imr != RUNTIME_REGISTER)
			continue;
		e->workload = ready;
		if (ready)
			l->workload_events++;
		else if (!platform_event(events, i, l, f))
			return false;
		ready |= text_is(e->name, "system-ready");
	}
	l->event = events;
	l->events = count;
	if (!ready)
		return fault_set(f, FAULT_NOT_FOUND,
		    "event log: no system-ready, so the platform's events "
		    "cannot be told from the workload's");
	return true;
}

bool
dstack_log_of_json(struct arena *a, const json_t *list, struct dstack_log *out,
    struct fault *f)
{
	*out = (struct dstack_log){.event = NULL};
	if (!json_is_array(list))
		return fault_set(f, FAULT_INVALID, "event log is not an array");
	return events_read(a, list, out, f);
}

bool
dstack_log_read(
    struct arena *a, struct text json, struct dstack_log *out, struct fault *f)
{
	json_t *list = NULL;
	bool ok = json_read(json, DSTACK_LOG_MAX, &list, f) &&
		  dstack_log_of_json(a, list, out, f);

	json_free(&list);
	return ok;
}

bool
dstack_register_reached(const struct dstack_log *l, unsigned index,
    const uint8_t seen[DSTACK_DIGEST], struct fault *f)
{
	char wanted[17];

	if (memcmp(l->rtmr[index], seen, DSTACK_DIGEST) == 0)
		return true;
	hex_encode(bytes_of(l->rtmr[index], 8), wanted);
	return fault_set(f, FAULT_CONFLICT,
	    "event log: replay of RTMR%u gives %s..., not what the quote says",
	    index, wanted);
}

bool
dstack_log_reaches(const struct dstack_log *l,
    const uint8_t rtmr[DSTACK_REGISTERS][DSTACK_DIGEST], struct fault *f)
{
	for (unsigned i = 0; i < DSTACK_REGISTERS; i++)
		if (!dstack_register_reached(l, i, rtmr[i], f))
			return false;
	return true;
}

bool
dstack_mr_config_is_unused(const uint8_t mr_config_id[48])
{
	static const uint8_t zero[48];

	return memcmp(mr_config_id, zero, sizeof(zero)) == 0;
}

bool
dstack_mr_config_compose(
    const uint8_t mr_config_id[48], struct text compose, struct fault *f)
{
	uint8_t wanted[48] = {1};

	if (dstack_mr_config_is_unused(mr_config_id))
		return fault_set(f, FAULT_NOT_FOUND,
		    "MRCONFIGID is zero: it names no compose document");
	if (mr_config_id[0] != 1)
		return fault_set(f, FAULT_UNSUPPORTED,
		    "MRCONFIGID has version %u, 1 wanted", mr_config_id[0]);
	sha256(bytes_of(compose.at, compose.len), wanted + 1);
	if (memcmp(wanted, mr_config_id, sizeof(wanted)) != 0)
		return fault_set(f, FAULT_CONFLICT,
		    "MRCONFIGID is not that of the compose document");
	return true;
}

bool
dstack_log_compose(
    const struct dstack_log *l, struct text compose, struct fault *f)
{
	uint8_t hash[32];
	struct bytes said = l->item[DSTACK_COMPOSE_HASH];

	if (said.len == 0)
		return fault_set(
		    f, FAULT_NOT_FOUND, "event log: no compose-hash");
	sha256(bytes_of(compose.at, compose.len), hash);
	if (!bytes_equal(said, bytes_of(hash, sizeof(hash))))
		return fault_set(f, FAULT_CONFLICT,
		    "event log: compose-hash is not that of the compose "
		    "document");
	return true;
}

bool
dstack_compose_check(const struct dstack_log *l, const uint8_t mr_config_id[48],
    struct text compose, struct fault *f)
{
	if (!dstack_log_compose(l, compose, f))
		return false;
	return dstack_mr_config_is_unused(mr_config_id) ||
	       dstack_mr_config_compose(mr_config_id, compose, f);
}

bool
dstack_base_is_pinned(const struct dstack_base *seen,
    const struct dstack_base *pinned, size_t count, struct fault *f)
{
	char mrtd[17];

	for (size_t i = 0; i < count; i++)
		if (memcmp(seen->mrtd, pinned[i].mrtd, DSTACK_DIGEST) == 0 &&
		    memcmp(seen->rtmr, pinned[i].rtmr, sizeof(seen->rtmr)) == 0)
			return true;
	hex_encode(bytes_of(seen->mrtd, 8), mrtd);
	return fault_set(f, FAULT_REFUSED,
	    "MRTD %s... with RTMR0-2 is none of the %zu pinned images", mrtd,
	    count);
}
