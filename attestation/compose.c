/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compose file decides what runs, so it is read as the engine reads it, by
 * a YAML parser, and what may be read in two ways is refused: anchors,
 * aliases, tags, merges, directives, second documents, repeated keys, escapes
 * in keys, tabs. Nothing may name code that no digest here stands for.
 */
#include "attestation/compose.h"

#include <string.h>
#include <strings.h>
#include <yaml.h>

enum { DEPTH_MAX = 16, KEYS_MAX = 512, NODES_MAX = 20000, KEY_MAX = 256 };
enum { KEYS_FIRST = 4 };
enum { LEVEL_TOP = 1, LEVEL_SERVICES = 2, LEVEL_SERVICE = 3 };

struct frame {
	bool is_mapping, is_flow;
	bool has_key; /* and its value comes next */
	bool has_image;
	struct text key;
	struct text *keys;
	size_t count;
};

struct reader {
	struct arena *arena;
	struct compose *out;
	struct fault *f;
	struct frame frame[DEPTH_MAX];
	size_t depth, nodes, documents;
};

static bool
unsupported(struct reader *r, const char *what, const yaml_event_t *e)
{
	return fault_set(r->f, FAULT_UNSUPPORTED,
	    "line %zu of the compose file: %s", e->start_mark.line + 1, what);
}

static bool
one_of(struct text t, const char *const *list)
{
	for (; *list != NULL; list++)
		if (t.len == strlen(*list) &&
		    strncasecmp(t.at, *list, t.len) == 0)
			return true;
	return false;
}

/* Readers differ on which of these end a line or indent one. */
static bool
is_plain_text(struct text t)
{
	static const char *const breaks[] = {
	    "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf"};

	for (size_t i = 0; i < sizeof(breaks) / sizeof(*breaks); i++)
		if (memmem(t.at, t.len, breaks[i], strlen(breaks[i])) != NULL)
			return false;
	for (size_t i = 0; i < t.len; i++) {
		unsigned char c = (unsigned char)t.at[i];

		if ((c < ' ' && c != '\n') || c == 0x7f)
			return false;
	}
	return text_is_utf8(t);
}

/* Whether the innermost mapping is the one of a service. */
static bool
in_service(const struct reader *r)
{
	return r->depth == LEVEL_SERVICE &&
	       text_is(r->frame[0].key, "services");
}

/* Above the services stands nothing that brings in other files or models; in
 * a service nothing that makes, borrows or hands out what runs. */
static bool
key_allowed(const struct reader *r, struct text key)
{
	static const char *const top[] = {"version", "name", "services",
	    "networks", "volumes", "configs", "secrets", NULL};
	static const char *const foreign[] = {
	    "build", "extends", "develop", "provider", "models", NULL};

	if (r->depth == LEVEL_TOP)
		return text_starts_with(key, "x-") || one_of(key, top);
	return !in_service(r) || !one_of(key, foreign);
}

/* Room for twice as many, whenever their count is a power of two. */
static void
keys_grow(struct arena *a, struct frame *m)
{
	size_t room = m->count == 0 ? KEYS_FIRST : 2 * m->count;
	struct text *more;

	if (m->count > 0 &&
	    (m->count < KEYS_FIRST || (m->count & (m->count - 1)) != 0))
		return;
	more = arena_alloc(a, room * sizeof(*more));
	if (m->count > 0)
		memcpy(more, m->keys, m->count * sizeof(*more));
	m->keys = more;
}

static bool
key_is_new(struct arena *a, struct frame *m, struct text key)
{
	for (size_t i = 0; i < m->count; i++)
		if (text_equal(m->keys[i], key))
			return false;
	keys_grow(a, m);
	m->keys[m->count++] = key;
	return true;
}

static bool
key_is_plain(const yaml_event_t *e, struct text key)
{
	bool quoted = e->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
		      e->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	size_t span = e->end_mark.index - e->start_mark.index;

	return span == key.len + (quoted ? 2 : 0) && key.len > 0 &&
	       key.len <= KEY_MAX && !text_is(key, "<<") &&
	       memchr(key.at, '\n', key.len) == NULL;
}

static bool
take_key(struct reader *r, const yaml_event_t *e, struct text key)
{
	static const char *const image[] = {"image", NULL};
	struct frame *m = &r->frame[r->depth - 1];

	if (!key_is_plain(e, key))
		return unsupported(r, "a key that is not plain", e);
	if (m->count == KEYS_MAX)
		return unsupported(r, "too many keys", e);
	if (!key_is_new(r->arena, m, key))
		return unsupported(r, "a repeated key", e);
	if (!key_allowed(r, key))
		return unsupported(
		    r, "a key that may bring in what no digest names", e);
	if (one_of(key, image) && (m->is_flow || !text_is(key, "image")))
		return unsupported(r, "an image in another form", e);
	m->key = key;
	m->has_key = true;
	return true;
}

/* A volume of type image mounts one, and a variable may say so. */
static bool
take_value(struct reader *r, const yaml_event_t *e, struct text value)
{
	struct frame *m = &r->frame[r->depth - 1];

	if (m->is_mapping && text_is(m->key, "type") &&
	    (text_is(value, "image") ||
		memchr(value.at, '$', value.len) != NULL))
		return unsupported(r, "a volume that may be an image", e);
	if (m->is_mapping && text_is(m->key, "image")) {
		if (r->out->images == COMPOSE_IMAGES_MAX)
			return unsupported(r, "too many images", e);
		r->out->image[r->out->images++] = value;
		m->has_image = true;
	}
	m->has_key = false;
	return true;
}

static bool
take_scalar(struct reader *r, const yaml_event_t *e)
{
	struct text t = {NULL, e->data.scalar.length};

	if (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL)
		return unsupported(r, "an anchor or a tag", e);
	if (r->depth == 0 ||
	    (r->depth < LEVEL_SERVICE && r->frame[r->depth - 1].has_key &&
		text_is(r->frame[0].key, "services")))
		return unsupported(r, "no mapping where one belongs", e);
	t.at = arena_copy(r->arena, e->data.scalar.value, t.len);
	if (r->frame[r->depth - 1].is_mapping &&
	    !r->frame[r->depth - 1].has_key)
		return take_key(r, e, t);
	return take_value(r, e, t);
}

/* A mapping or a sequence begins: where a value may be one. */
static bool
open_frame(
    struct reader *r, const yaml_event_t *e, bool is_mapping, bool is_flow)
{
	struct frame *m = r->depth > 0 ? &r->frame[r->depth - 1] : NULL;

	if (m != NULL && m->is_mapping && !m->has_key)
		return unsupported(r, "a key that is not plain", e);
	if (m != NULL && m->is_mapping &&
	    (text_is(m->key, "image") || text_is(m->key, "type")))
		return unsupported(r, "an image in another form", e);
	if (!is_mapping &&
	    (m == NULL || (r->depth < LEVEL_SERVICE &&
			      text_is(r->frame[0].key, "services"))))
		return unsupported(r, "no mapping where one belongs", e);
	if (r->depth == DEPTH_MAX)
		return unsupported(r, "nested too deep", e);
	r->frame[r->depth++] = (struct frame){.is_mapping = is_mapping,
	    .is_flow = is_flow || (m != NULL && m->is_flow)};
	return true;
}

static bool
close_frame(struct reader *r, const yaml_event_t *e)
{
	if (in_service(r) && !r->frame[r->depth - 1].has_image)
		return fault_set(r->f, FAULT_NOT_FOUND,
		    "the service that ends at line %zu of the compose file "
		    "names no image",
		    e->start_mark.line + 1);
	r->depth--;
	if (r->depth > 0)
		r->frame[r->depth - 1].has_key = false;
	return true;
}

static bool
open_document(struct reader *r, const yaml_event_t *e)
{
	if (r->documents++ > 0)
		return unsupported(r, "a second document", e);
	if (e->data.document_start.version_directive != NULL ||
	    e->data.document_start.tag_directives.start !=
		e->data.document_start.tag_directives.end)
		return unsupported(r, "a directive", e);
	return true;
}

static bool
open_mapping(struct reader *r, const yaml_event_t *e)
{
	if (e->data.mapping_start.anchor != NULL ||
	    e->data.mapping_start.tag != NULL)
		return unsupported(r, "an anchor or a tag", e);
	return open_frame(
	    r, e, true, e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
}

static bool
open_sequence(struct reader *r, const yaml_event_t *e)
{
	if (e->data.sequence_start.anchor != NULL ||
	    e->data.sequence_start.tag != NULL)
		return unsupported(r, "an anchor or a tag", e);
	return open_frame(r, e, false,
	    e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
}

static bool
take_event(struct reader *r, const yaml_event_t *e)
{
	if (++r->nodes > NODES_MAX)
		return unsupported(r, "too many nodes", e);
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return open_document(r, e);
	case YAML_SCALAR_EVENT:
		return take_scalar(r, e);
	case YAML_MAPPING_START_EVENT:
		return open_mapping(r, e);
	case YAML_SEQUENCE_START_EVENT:
		return open_sequence(r, e);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return close_frame(r, e);
	case YAML_ALIAS_EVENT:
		return unsupported(r, "an alias", e);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return true;
}

static bool
read_events(struct reader *r, yaml_parser_t *p)
{
	bool ok = true, done = false;
	yaml_event_t e;

	while (ok && !done) {
		if (!yaml_parser_parse(p, &e))
			return fault_set(r->f, FAULT_INVALID,
			    "line %zu of the compose file is no YAML",
			    p->problem_mark.line + 1);
		ok = take_event(r, &e);
		done = e.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&e);
	}
	return ok;
}

bool
compose_read(
    struct arena *a, struct text file, struct compose *out, struct fault *f)
{
	struct reader r = {.arena = a, .out = out, .f = f};
	yaml_parser_t p;
	bool ok;

	out->images = 0;
	if (file.len > COMPOSE_FILE_MAX)
		return fault_set(
		    f, FAULT_LIMIT, "the compose file has %zu bytes", file.len);
	if (!is_plain_text(file))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "the compose file has a tab, a control character or a "
		    "line end other than a line feed");
	if (!yaml_parser_initialize(&p))
		return fault_set(f, FAULT_LIMIT, "no memory for a YAML parser");
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
	    &p, (const unsigned char *)file.at, file.len);
	ok = read_events(&r, &p);
	yaml_parser_delete(&p);
	if (ok && out->images == 0)
		return fault_set(
		    f, FAULT_NOT_FOUND, "the compose file names no image");
	return ok;
}

static bool
all_of(struct text t, const char *set)
{
	for (size_t i = 0; i < t.len; i++)
		if (t.at[i] == '\0' || strchr(set, t.at[i]) == NULL)
			return false;
	return t.len > 0;
}

bool
compose_image_digest(struct text image, struct text *digest)
{
	static const char mark[] = "@sha256:";
	const size_t tail = sizeof(mark) - 1 + 64;
	struct text name = {image.at, image.len - tail};

	if (image.len <= tail ||
	    memcmp(image.at + name.len, mark, sizeof(mark) - 1) != 0)
		return false;
	*digest = (struct text){image.at + image.len - 64, 64};
	return all_of(*digest, "0123456789abcdef") &&
	       all_of(name, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/-");
}
