/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings from table to struct. The four sources are read in falling order
 * of precedence and each setting keeps the first text it gets; only then are
 * the texts parsed, so a fault always names the source that counts.
 */
#include "base/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

enum { FILE_BYTES = 1 << 20, WHERE_BYTES = 128 };

/* What one setting has got so far. */
struct found {
	const char *text; /* NULL: nothing yet */
	const char *where;
};

struct load {
	const struct setting *table;
	size_t count;
	struct found *found;
	char *prefix; /* "ASSAY_GATEWAY_" */
	struct arena *arena;
	struct fault *fault;
};

static bool
bad(struct load *l, const char *where, const char *what)
{
	return fault_set(l->fault, FAULT_INVALID_OPTION, "%s: %s", where, what);
}

static const struct setting *
row_of(const struct load *l, struct text name)
{
	for (size_t i = 0; i < l->count; i++)
		if (text_is(name, l->table[i].name))
			return &l->table[i];
	return NULL;
}

/* Each source names a setting at most once; a stronger one came before. */
static bool
keep(struct load *l, struct found *mine, struct text name, struct text value,
    const char *where)
{
	const struct setting *row = row_of(l, name);
	size_t i;

	if (row == NULL)
		return bad(l, where, "there is no such setting");
	i = (size_t)(row - l->table);
	if (mine[i].text != NULL)
		return bad(l, where, "the setting is given twice");
	if (memchr(value.at, '\0', value.len) != NULL || !text_is_utf8(value))
		return bad(l, where, "the value is not plain UTF-8");
	mine[i].text = arena_copy(l->arena, value.at, value.len);
	mine[i].where = where;
	return true;
}

static void
merge(struct load *l, const struct found *weaker)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->found[i].text == NULL)
			l->found[i] = weaker[i];
}

static struct found *
new_found(struct load *l)
{
	return arena_alloc(l->arena, (l->count + 1) * sizeof(struct found));
}

static char
shouted(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return c == '.' || c == '-' ? '_' : c;
}

static char *
environment_name(struct arena *a, const char *prefix, const char *name)
{
	char *shout = arena_printf(a, "%s%s", prefix, name);

	for (char *c = shout; *c != '\0'; c++)
		*c = shouted(*c);
	return shout;
}

/* --name=value or --name value; the latter moves *i. */
static bool
read_argument(struct load *l, int argc, char *const *argv, int *i,
    struct text *name, struct text *value)
{
	const char *arg = argv[*i];
	const char *equals = strchr(arg, '=');

	if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0' || arg[2] == '=')
		return fault_set(l->fault, FAULT_INVALID_OPTION,
		    "%.80s: not of the form --name=value", arg);
	*name = text_of(arg + 2);
	if (equals != NULL) {
		name->len = (size_t)(equals - arg - 2);
		*value = text_of(equals + 1);
		return true;
	}
	if (*i + 1 == argc)
		return fault_set(l->fault, FAULT_INVALID_OPTION,
		    "%.80s: a value must follow", arg);
	(*i)++;
	*value = text_of(argv[*i]);
	return true;
}

static bool
read_command_line(
    struct load *l, int argc, char *const *argv, const char **config)
{
	for (int i = 1; i < argc; i++) {
		struct text name;
		struct text value;
		const char *where;

		if (!read_argument(l, argc, argv, &i, &name, &value))
			return false;
		where = arena_printf(l->arena, "--%.*s",
		    (int)(name.len < 80 ? name.len : 80), name.at);
		if (text_is(name, "config")) {
			if (*config != NULL)
				return bad(l, where, "given twice");
			*config = value.at;
		} else if (!keep(l, l->found, name, value, where)) {
			return false;
		}
	}
	return true;
}

static bool
read_environment(struct load *l, const char **config)
{
	struct found *mine = new_found(l);
	const char *value;

	for (size_t i = 0; i < l->count; i++) {
		const char *name =
		    environment_name(l->arena, l->prefix, l->table[i].name);

		value = getenv(name);
		if (value != NULL && !keep(l, mine, text_of(l->table[i].name),
					 text_of(value), name))
			return false;
	}
	value = getenv(environment_name(l->arena, l->prefix, "config"));
	if (*config == NULL && value != NULL && *value != '\0')
		*config = value;
	merge(l, mine);
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct text
trimmed(struct text t)
{
	while (t.len > 0 && is_blank(t.at[0])) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && is_blank(t.at[t.len - 1]))
		t.len--;
	return t;
}

static bool
read_line(
    struct load *l, struct found *mine, struct text line, const char *where)
{
	const char *equals;
	struct text name;
	struct text value;

	line = trimmed(line);
	if (line.len == 0 || line.at[0] == '#')
		return true;
	equals = memchr(line.at, '=', line.len);
	if (equals == NULL)
		return bad(l, where, "not of the form name = value");
	name = (struct text){line.at, (size_t)(equals - line.at)};
	value = (struct text){
	    equals + 1, (size_t)(line.at + line.len - equals - 1)};
	return keep(l, mine, trimmed(name), trimmed(value), where);
}

static bool
read_lines(struct load *l, const char *path, struct text rest)
{
	struct found *mine = new_found(l);

	for (unsigned number = 1; rest.len > 0; number++) {
		const char *end = memchr(rest.at, '\n', rest.len);
		size_t len = end == NULL ? rest.len : (size_t)(end - rest.at);

		if (!read_line(l, mine, (struct text){rest.at, len},
			arena_printf(l->arena, "%s:%u", path, number)))
			return false;
		if (end != NULL)
			len++;
		rest.at += len;
		rest.len -= len;
	}
	merge(l, mine);
	return true;
}

static bool
read_config(struct load *l, const char *path)
{
	struct fault inner;
	char *at;
	size_t len;
	bool ok;

	if (!file_read(path, FILE_BYTES, &at, &len, &inner))
		return fault_set(
		    l->fault, FAULT_INVALID_OPTION, "%s", inner.why);
	ok = read_lines(l, path, (struct text){at, len});
	mem_wipe_free(at, len); /* passwords may stand in it */
	return ok;
}

/* A number and one of the units; *out the product. */
struct unit {
	const char *name;
	uint64_t factor;
};

static bool
parse_with_unit(struct text t, const struct unit *units, uint64_t *out)
{
	struct text digits = {t.at, 0};
	uint64_t n;

	while (digits.len < t.len && t.at[digits.len] >= '0' &&
	       t.at[digits.len] <= '9')
		digits.len++;
	if (!text_to_u64(digits, &n))
		return false;
	t.at += digits.len;
	t.len -= digits.len;
	for (; units->name != NULL; units++) {
		if (!text_is(t, units->name))
			continue;
		*out = n * units->factor;
		return n <= (uint64_t)INT64_MAX / units->factor;
	}
	return false;
}

static const char *
parse_duration(struct text t, int64_t *out)
{
	static const struct unit units[] = {{"ms", 1}, {"s", 1000},
	    {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
	    {NULL, 0}};
	uint64_t n;

	if (!parse_with_unit(t, units, &n))
		return "must be a duration such as 250ms, 10s, 5m, 12h or 7d";
	*out = (int64_t)n;
	return NULL;
}

static const char *
parse_size(struct text t, size_t *out)
{
	static const struct unit units[] = {{"", 1}, {"KiB", 1 << 10},
	    {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};
	uint64_t n;

	if (!parse_with_unit(t, units, &n))
		return "must be a size such as 512, 64KiB, 1MiB or 2GiB";
	*out = (size_t)n;
	return NULL;
}

static const char *
parse_int(
    const struct setting *row, struct text t, struct arena *a, int64_t *out)
{
	bool negative = text_starts_with(t, "-");
	uint64_t n;

	if (negative) {
		t.at++;
		t.len--;
	}
	if (text_to_u64(t, &n) && n <= INT64_MAX) {
		*out = negative ? -(int64_t)n : (int64_t)n;
		if (*out >= row->min && *out <= row->max)
			return NULL;
	}
	return arena_printf(a, "must be an integer from %lld to %lld",
	    (long long)row->min, (long long)row->max);
}

static const char *
parse_bool(struct text t, bool *out)
{
	*out = text_is(t, "true");
	return *out || text_is(t, "false") ? NULL : "must be true or false";
}

/* The form only: whether the host exists is for whoever binds or dials. */
static bool
is_address(const char *s)
{
	const char *colon = strrchr(s, ':');
	struct text host = {s, colon == NULL ? 0 : (size_t)(colon - s)};
	uint64_t port;

	if (strncmp(s, "unix:", 5) == 0)
		return s[5] != '\0';
	if (host.len == 0 || !text_to_u64(text_of(colon + 1), &port) ||
	    port > 65535)
		return false;
	if (host.at[0] == '[')
		return host.len > 2 && host.at[host.len - 1] == ']';
	for (size_t i = 0; i < host.len; i++)
		if (strchr(":[]/@ ", host.at[i]) != NULL)
			return false;
	return true;
}

static const char *
parse_address(const char *text, const char **out)
{
	*out = *text == '\0' ? NULL : text;
	return *out == NULL || is_address(text)
		   ? NULL
		   : "must be host:port, [v6]:port or unix:/path";
}

static const char *
parse_list(const char *text, struct arena *a, struct setting_list *out)
{
	const char **items;
	size_t most = 1;

	*out = (struct setting_list){NULL, 0};
	if (*text == '\0')
		return NULL;
	for (const char *c = text; *c != '\0'; c++)
		if (*c == ',')
			most++;
	items = arena_alloc(a, most * sizeof(*items));
	for (size_t i = 0; i < most; i++) {
		size_t len = strcspn(text, ",");
		struct text item = trimmed((struct text){text, len});

		if (item.len == 0)
			return "has an empty item";
		items[i] = arena_copy(a, item.at, item.len);
		text += len + 1;
	}
	*out = (struct setting_list){items, most};
	return NULL;
}

/* NULL, or what is wrong with the text. */
static const char *
parse(const struct setting *row, const char *text, struct arena *a, void *out)
{
	void *field = (char *)out + row->offset;
	struct text t = text_of(text);

	switch (row->type) {
	case SETTING_IS_STRING:
	case SETTING_IS_PATH:
		*(const char **)field = *text == '\0' ? NULL : text;
		return NULL;
	case SETTING_IS_ADDRESS:
		return parse_address(text, field);
	case SETTING_IS_LIST:
		return parse_list(text, a, field);
	case SETTING_IS_INT:
		return parse_int(row, t, a, field);
	case SETTING_IS_BOOL:
		return parse_bool(t, field);
	case SETTING_IS_DURATION:
		return parse_duration(t, field);
	case SETTING_IS_SIZE:
		return parse_size(t, field);
	case SETTING_IS_LEVEL:
		return log_level_of(text, field)
			   ? NULL
			   : "must be debug, info, warn or error";
	}
	return "has a type that is not known";
}

static bool
fill(struct load *l, void *out)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct setting *row = &l->table[i];
		const struct found *found = &l->found[i];
		const char *what;

		if (found->text == NULL)
			continue;
		what = parse(row, found->text, l->arena, out);
		if (what != NULL)
			return fault_set(l->fault, FAULT_INVALID_OPTION,
			    "%s: %s %s", found->where, row->name, what);
	}
	return true;
}

/* Our own table's mistakes end us at the first start. */
static void
fill_defaults(struct load *l, void *out)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct setting *row = &l->table[i];

		if ((i > 0 && strcmp(row[-1].name, row->name) >= 0) ||
		    parse(row, row->otherwise, l->arena, out) != NULL) {
			(void)fprintf(
			    stderr, "settings table: bad row %s\n", row->name);
			abort();
		}
	}
}

bool
settings_load(const struct setting *table, size_t count, const char *program,
    int argc, char *const *argv, void *out, struct arena *a, struct fault *f)
{
	struct load l = {
	    .table = table, .count = count, .arena = a, .fault = f};
	const char *config = NULL;

	l.found = new_found(&l);
	l.prefix = environment_name(a, program, "_");
	fill_defaults(&l, out);
	return read_command_line(&l, argc, argv, &config) &&
	       read_environment(&l, &config) &&
	       (config == NULL || read_config(&l, config)) && fill(&l, out);
}

bool
settings_answered(const struct setting *table, size_t count,
    const char *program, const char *summary, int argc, char *const *argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			settings_print_help(
			    stdout, table, count, program, summary);
			return true;
		}
		if (strcmp(argv[i], "--version") == 0) {
			(void)printf("%s %s\n", program, ASSAY_VERSION);
			return true;
		}
		if (strcmp(argv[i], "--settings-markdown") == 0) {
			settings_print_markdown(stdout, table, count);
			return true;
		}
		if (strcmp(argv[i], "--settings-example") == 0) {
			settings_print_example(stdout, table, count, program);
			return true;
		}
	}
	return false;
}

static const char *
type_name(enum setting_type type)
{
	switch (type) {
	case SETTING_IS_STRING:
		return "text";
	case SETTING_IS_PATH:
		return "path";
	case SETTING_IS_ADDRESS:
		return "address";
	case SETTING_IS_LIST:
		return "list";
	case SETTING_IS_INT:
		return "integer";
	case SETTING_IS_BOOL:
		return "bool";
	case SETTING_IS_DURATION:
		return "duration";
	case SETTING_IS_SIZE:
		return "size";
	case SETTING_IS_LEVEL:
		return "level";
	}
	return "";
}

/* Words of s between the margin and column 79, continued under themselves;
 * `lead` is put in front of every line. */
static void
print_folded(FILE *to, const char *lead, const char *s)
{
	size_t column = 0;

	while (*s != '\0') {
		size_t word = strcspn(s, " ");

		if (column > 0 && column + 1 + word > 79) {
			(void)fputc('\n', to);
			column = 0;
		}
		if (column == 0)
			column = (size_t)fprintf(to, "%s", lead);
		else
			column += (size_t)fprintf(to, " ");
		column += (size_t)fprintf(to, "%.*s", (int)word, s);
		s += word;
		s += strspn(s, " ");
	}
	(void)fputc('\n', to);
}

void
settings_print_help(FILE *to, const struct setting *table, size_t count,
    const char *program, const char *summary)
{
	(void)fprintf(
	    to, "Usage: %s [--config FILE] [--name=value ...]\n\n", program);
	print_folded(to, "", summary);
	(void)fprintf(to,
	    "\n  --config FILE\n"
	    "      A file of `name = value` lines with the settings below.\n"
	    "  --help, --version\n"
	    "      Print this text, or the version.\n"
	    "  --settings-example, --settings-markdown\n"
	    "      Print the settings as a file, or as a table.\n\n"
	    "Settings:\n");
	for (size_t i = 0; i < count; i++) {
		(void)fprintf(
		    to, "  --%s=%s", table[i].name, type_name(table[i].type));
		if (*table[i].otherwise != '\0')
			(void)fprintf(
			    to, "  (default: %s)", table[i].otherwise);
		(void)fputc('\n', to);
		print_folded(to, "      ", table[i].what);
	}
}

/* A bar would end the cell. */
static void
print_cell(FILE *to, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '|')
			(void)fputc('\\', to);
		(void)fputc(*s, to);
	}
}

void
settings_print_markdown(FILE *to, const struct setting *table, size_t count)
{
	(void)fprintf(to, "| setting | type | default | meaning |\n"
			  "| --- | --- | --- | --- |\n");
	for (size_t i = 0; i < count; i++) {
		const struct setting *row = &table[i];

		(void)fprintf(
		    to, "| `%s` | %s | ", row->name, type_name(row->type));
		if (*row->otherwise != '\0') {
			(void)fputc('`', to);
			print_cell(to, row->otherwise);
			(void)fputc('`', to);
		}
		(void)fprintf(to, " | ");
		print_cell(to, row->what);
		(void)fprintf(to, " |\n");
	}
}

void
settings_print_example(
    FILE *to, const struct setting *table, size_t count, const char *program)
{
	(void)fprintf(
	    to, "# Settings of %s. Every line shows the default.\n", program);
	for (size_t i = 0; i < count; i++) {
		(void)fputc('\n', to);
		print_folded(to, "# ", table[i].what);
		(void)fprintf(to, "%s =%s%s\n", table[i].name,
		    *table[i].otherwise == '\0' ? "" : " ", table[i].otherwise);
	}
}
