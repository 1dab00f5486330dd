/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog: models, and the artifacts whose hashes prove them. `add` reads
 * and hashes the files itself; nobody types a hash.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "artifact/artifact.h"
#include "base/file.h"
#include "client/command.h"
#include "client/table.h"

#define DESCRIPTOR_BYTES 65536

static void
show_progress(void *arg, const char *name, uint64_t done, uint64_t size)
{
	(void)arg;
	fprintf(stderr, "\rhashing %s  %3.0f %%%s", name,
	    size > 0 ? 100.0 * (double)done / (double)size : 100.0,
	    done == size ? "\n" : "");
}

static bool
read_descriptor(
    struct cli *c, const char *path, struct artifact *out, struct fault *f)
{
	char *text = NULL;
	json_t *j = NULL;
	size_t len;
	bool ok;

	ok = file_read(path, DESCRIPTOR_BYTES, &text, &len, f) &&
	     json_read((struct text){text, len}, DESCRIPTOR_BYTES, &j, f) &&
	     artifact_of_descriptor(c->arena, j, out, f);
	json_free(&j);
	mem_free(text);
	return ok;
}

/* Exactly one of the four sources. */
static bool
read_source(struct cli *c, enum runtime_kind runtime, struct artifact *out,
    struct fault *f)
{
	const char *folder = cli_option(c, "folder");
	const char *ollama = cli_option(c, "ollama");
	const char *descriptor = cli_option(c, "descriptor");
	const char *models = cli_option(c, "ollama-models");
	const char **files;
	size_t count = cli_options(c, "file", &files);

	if ((count > 0) + (folder != NULL) + (ollama != NULL) +
		(descriptor != NULL) !=
	    1)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "give one of --file (repeatable), --folder, --ollama, "
		    "--descriptor");
	if ((descriptor != NULL) != (runtime == RUNTIME_CLOUD_BRIDGE))
		return fault_set(f, FAULT_INVALID_OPTION,
		    "--descriptor goes with --runtime cloud_bridge");
	if (descriptor != NULL)
		return read_descriptor(c, descriptor, out, f);
	if (folder != NULL)
		return artifact_of_folder(c->arena, runtime, folder, out, f);
	if (ollama == NULL)
		return artifact_of_files(
		    c->arena, runtime, files, count, out, f);
	if (models == NULL)
		models = arena_printf(c->arena, "%s/.ollama/models",
		    getenv("HOME") != NULL ? getenv("HOME") : "");
	if (!artifact_of_ollama(c->arena, models, ollama, out, f))
		return false;
	out->runtime = runtime;
	return true;
}

struct addition {
	const char *canonical;
	const char *quantization;
	const char **tasks;
	size_t task_count;
	enum runtime_kind runtime;
	struct artifact artifact;
	const char *id;
};

static bool
write_model(struct cli *c, struct pg_session *s, const struct addition *add,
    struct fault *f)
{
	const char *values[] = {add->canonical, cli_option(c, "workspace"),
	    cli_option(c, "display-name"), cli_option(c, "context-length")};
	const char *tasks[] = {
	    add->canonical, pg_array(c->arena, add->tasks, add->task_count)};
	struct pg_rows *rows = NULL;
	bool ok;

	ok = pg_session_run(s,
	    "INSERT INTO assay.model (canonical, workspace_id, display_name, "
	    "context_length) SELECT $1, w.id, coalesce($3, ''), $4::integer "
	    "FROM (SELECT 1) one LEFT JOIN assay.workspace w ON w.name = $2 "
	    "WHERE $2::text IS NULL OR w.id IS NOT NULL "
	    "ON CONFLICT (canonical) DO UPDATE SET display_name = "
	    "coalesce($3, assay.model.display_name), context_length = "
	    "coalesce($4::integer, assay.model.context_length) "
	    "WHERE assay.model.workspace_id IS NOT DISTINCT FROM "
	    "excluded.workspace_id RETURNING canonical",
	    4, values, &rows, f);
	if (ok && pg_count(rows) == 0)
		ok = fault_set(f, FAULT_CONFLICT,
		    "no such workspace, or the model is there already as "
		    "somebody else's");
	pg_rows_free(&rows);
	return ok &&
	       pg_session_run(s,
		   "INSERT INTO assay.model_task (canonical, task) SELECT $1, "
		   "unnest($2::text[]) ON CONFLICT DO NOTHING",
		   2, tasks, NULL, f);
}

static bool
write_artifact(
    struct cli *c, struct pg_session *s, struct addition *add, struct fault *f)
{
	const struct artifact *artifact = &add->artifact;
	uint8_t digest[32];
	const char *values[5];

	artifact_digest(artifact, digest);
	add->id = values[0] = cli_id(c);
	values[1] = add->canonical;
	values[2] = runtime_kind_name(artifact->runtime);
	values[3] = add->quantization;
	values[4] = pg_bytea(c->arena, digest, sizeof digest);
	if (!pg_session_run(s,
		"INSERT INTO assay.artifact (id, canonical, runtime, "
		"quantization, digest) VALUES ($1, $2, "
		"$3::assay.runtime_kind, $4, $5::bytea)",
		5, values, NULL, f)) {
		if (f->kind == FAULT_CONFLICT)
			fault_set(f, FAULT_CONFLICT,
			    "this exact set of files is in the catalog "
			    "already (assay catalog list)");
		return false;
	}
	for (size_t i = 0; i < artifact->count; i++) {
		const struct artifact_file *file = &artifact->files[i];

		values[1] = pg_int(c->arena, (int64_t)i);
		values[2] = file->name;
		values[3] = pg_int(c->arena, (int64_t)file->size);
		values[4] = pg_bytea(c->arena, file->sha256, 32);
		if (!pg_session_run(s,
			"INSERT INTO assay.artifact_file (artifact_id, "
			"ordinal, name, size, sha256) VALUES ($1, $2, $3, $4, "
			"$5::bytea)",
			5, values, NULL, f))
			return false;
	}
	return true;
}

static const struct column catalog_columns[] = {{"canonical", COLUMN_TEXT},
    {"tasks", COLUMN_TEXT}, {"runtime", COLUMN_TEXT},
    {"quantization", COLUMN_TEXT}, {"files", COLUMN_NUMBER},
    {"bytes", COLUMN_NUMBER}, {"workspace", COLUMN_TEXT},
    {"state", COLUMN_TEXT}};

#define CATALOG_SELECT                                                         \
	"SELECT m.canonical, (SELECT string_agg(t.task, ' ' ORDER BY t.task) " \
	"FROM assay.model_task t WHERE t.canonical = m.canonical), "           \
	"a.runtime, "                                                          \
	"a.quantization, (SELECT count(*) FROM assay.artifact_file f WHERE "   \
	"f.artifact_id = a.id), (SELECT sum(size) FROM assay.artifact_file f " \
	"WHERE f.artifact_id = a.id), w.name, CASE WHEN m.state = 'active' "   \
	"THEN coalesce(a.state, 'active') ELSE m.state END FROM assay.model "  \
	"m "                                                                   \
	"LEFT JOIN assay.artifact a USING (canonical) LEFT JOIN "              \
	"assay.workspace w ON w.id = m.workspace_id "

static bool
catalog_add(struct cli *c, struct fault *f)
{
	struct addition add = {0};
	const char *runtime, *values[1];
	struct pg_session *s = NULL;
	struct pg_rows *rows = NULL;
	bool ok;

	if (!cli_require(c, "canonical", &add.canonical, f) ||
	    !cli_require(c, "quantization", &add.quantization, f) ||
	    !cli_require(c, "runtime", &runtime, f))
		return false;
	if (!runtime_kind_of(runtime, &add.runtime))
		return fault_set(f, FAULT_INVALID_OPTION,
		    "--runtime is llama.cpp, ollama, mlx or cloud_bridge");
	add.task_count = cli_options(c, "task", &add.tasks);
	if (add.task_count == 0)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "--task is needed (repeatable): chat, completion, ...");
	if (!read_source(c, add.runtime, &add.artifact, f) ||
	    !artifact_hash(&add.artifact,
		isatty(STDERR_FILENO) ? show_progress : NULL, NULL, f) ||
	    !cli_database(c, &s, f))
		return false;
	values[0] = add.canonical;
	ok = pg_session_run(s, "BEGIN", 0, NULL, NULL, f) &&
	     write_model(c, s, &add, f) && write_artifact(c, s, &add, f) &&
	     pg_session_run(s, "COMMIT", 0, NULL, NULL, f) &&
	     pg_session_run(s,
		 CATALOG_SELECT "WHERE m.canonical = $1 ORDER BY a.created_at "
				"DESC LIMIT 1",
		 1, values, &rows, f);
	if (ok)
		table_print_one(c, COLUMNS(catalog_columns), rows, 0);
	pg_rows_free(&rows);
	pg_session_free(&s);
	return ok;
}

static bool
catalog_list(struct cli *c, struct fault *f)
{
	return table_query(c, COLUMNS(catalog_columns),
	    CATALOG_SELECT "ORDER BY m.canonical, a.created_at LIMIT 10000", 0,
	    NULL, f);
}

static bool
catalog_show(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"canonical", COLUMN_TEXT},
	    {"artifact", COLUMN_TEXT}, {"runtime", COLUMN_TEXT},
	    {"quantization", COLUMN_TEXT}, {"state", COLUMN_TEXT},
	    {"file", COLUMN_TEXT}, {"bytes", COLUMN_NUMBER},
	    {"sha256", COLUMN_TEXT}};
	const char *values[] = {c->arguments[0]};

	return table_query(c, COLUMNS(columns),
	    "SELECT m.canonical, a.id, a.runtime, a.quantization, a.state, "
	    "f.name, f.size, encode(f.sha256, 'hex') FROM assay.model m LEFT "
	    "JOIN assay.artifact a USING (canonical) LEFT JOIN "
	    "assay.artifact_file f ON f.artifact_id = a.id WHERE m.canonical "
	    "= $1 ORDER BY a.created_at, f.ordinal",
	    1, values, f);
}

static bool
catalog_revoke(struct cli *c, struct fault *f)
{
	static const struct column columns[] = {{"canonical", COLUMN_TEXT},
	    {"state", COLUMN_TEXT}, {"withdrawn_at", COLUMN_TEXT}};

	return table_query_one(c, COLUMNS(columns),
	    "UPDATE assay.model SET state = 'withdrawn', withdrawn_at = "
	    "coalesce(withdrawn_at, now()) WHERE canonical = $1 RETURNING "
	    "canonical, state, withdrawn_at",
	    c->arguments[0], "no such model", f);
}

static const struct option_rule add_options[] = {
    {"canonical", "ID", "canonical id, for example lovelace:llama-3.1-8b"},
    {"task", "TASK", "repeatable: chat, completion, embedding, …"},
    {"quantization", "Q", "for example Q4_K_M"},
    {"runtime", "KIND", "llama.cpp, ollama, mlx or cloud_bridge"},
    {"file", "PATH", "a GGUF file; repeatable for shards"},
    {"folder", "PATH", "a folder of safetensors"},
    {"ollama", "NAME", "an Ollama model, name[:tag]"},
    {"ollama-models", "PATH", "default ~/.ollama/models"},
    {"descriptor", "PATH", "JSON {base_url, model, revision}"},
    {"workspace", "NAME", "private to that workspace; default: public"},
    {"display-name", "TEXT", "for people"}, {"context-length", "N", "tokens"},
    {0}};

/* clang-format off */
const struct command catalog_commands[] = {
    {"catalog", "add", "", 0, 0, add_options,
     "hash a model's files and write the catalog rows", catalog_add},
    {"catalog", "create", "", 0, 0, add_options,
     "the same as catalog add", catalog_add},
    {"catalog", "list", "", 0, 0, NULL,
     "list models and their artifacts", catalog_list},
    {"catalog", "show", "CANONICAL", 1, 1, NULL,
     "show a model's artifacts, file by file", catalog_show},
    {"catalog", "revoke", "CANONICAL", 1, 1, NULL,
     "withdraw a model: its offers go within 2 s", catalog_revoke},
    {0},
};
/* clang-format on */
