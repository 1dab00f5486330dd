/* SPDX-License-Identifier: Apache-2.0 */
/* See canary_answer.h. What is read here was written by a provider: lists and
 * tokens are bounded, and a number that is no log-probability ends the list. */
#include "gateway/canary_answer.h"

#include <math.h>
#include <string.h>

#include "base/crypto.h"
#include "base/json.h"

#define ANSWER_MAX (256 * 1024)
#define LIST_MAX 4096
#define PROMPT_MAX 2000
#define PROMPTS_MAX 65536

/* ------------------------------------------------------------------ prompts */

static const char *const openings[] = {"Explain briefly", "Describe",
    "Give me a short overview of", "In one paragraph, tell me about",
    "Write two sentences on", "What should a beginner know about", "Summarise",
    "I have a question about", "Help me understand",
    "Compare two common views of", "List three facts about",
    "Write the first lines of an article on", "How would you teach",
    "Why do people care about", "Give an example of", "Outline the history of"};
static const char *const subjects[] = {"tide tables", "sourdough bread",
    "double-entry bookkeeping", "the water cycle", "binary search",
    "city bus timetables", "renting a flat", "houseplants that like shade",
    "the causes of inflation", "proofreading a letter", "bicycle gears",
    "how vaccines are tested", "keeping bees", "a good cover letter",
    "regular expressions", "the night sky in winter",
    "training for a 10 km run", "map projections", "making cheese",
    "the rules of chess", "backing up a laptop", "photosynthesis",
    "learning to play the guitar", "train travel in the mountains",
    "writing unit tests", "soil for tomatoes", "tax returns", "glaciers",
    "lending libraries", "sorting recyclables", "public speaking",
    "mechanical watches"};
static const char *const turns[] = {"", " for a ten-year-old",
    " in plain words", " and say where it goes wrong most often",
    " with one example", ", please", " as you would to a colleague",
    " without technical terms", " and why it matters today",
    " in a friendly tone", " for somebody in a hurry", ", step by step",
    " with the most common mistake", " and how to begin", " from memory",
    " so that I can check my notes"};

#define PICK(table, bits) table[(bits) % (sizeof(table) / sizeof(*(table)))]

bool
canary_prompts_read(struct text file, struct arena *a,
    struct canary_prompts *out, struct fault *f)
{
	const char *at = file.at, *end = file.at + file.len;

	out->at = arena_alloc(a, PROMPTS_MAX * sizeof(*out->at));
	out->count = 0;
	for (size_t line = 1; at < end; line++) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		struct text t = {at, (size_t)((stop ? stop : end) - at)};

		at += t.len + 1;
		if (t.len > 0 && t.at[t.len - 1] == '\r')
			t.len--;
		if (t.len == 0)
			continue;
		if (t.len > PROMPT_MAX || !text_is_utf8(t) ||
		    memchr(t.at, '\0', t.len) != NULL)
			return fault_set(f, FAULT_INVALID,
			    "prompt in line %zu is longer than %d bytes or no "
			    "UTF-8",
			    line, PROMPT_MAX);
		if (out->count == PROMPTS_MAX)
			return fault_set(f, FAULT_INVALID,
			    "there are more than %d prompts", PROMPTS_MAX);
		out->at[out->count++] = arena_copy(a, t.at, t.len);
	}
	return out->count > 0 ||
	       fault_set(f, FAULT_INVALID, "there is no prompt");
}

static const char *
prompt_of(uint64_t seed, const struct canary_prompts *own, struct arena *a)
{
	if (own->count > 0 && (seed >> 56) % 4 != 0)
		return own->at[(seed & 0xffffff) % own->count];
	return arena_printf(a, "%s %s%s.", PICK(openings, seed),
	    PICK(subjects, seed >> 8), PICK(turns, seed >> 16));
}

char *
canary_body(int64_t seed, const char *task, const char *model,
    const struct canary_prompts *own, struct arena *a)
{
	uint64_t bits = (uint64_t)seed;
	const char *prompt = prompt_of(bits, own, a);
	json_int_t tokens = 16 + (json_int_t)((bits >> 24) % 33);
	json_int_t number = (json_int_t)((bits >> 32) % 100000);
	json_int_t top = CANARY_TOP - (json_int_t)((bits >> 50) % 3);
	json_t *o;
	char *out;

	if (strcmp(task, "chat") == 0)
		o = json_pack("{s:s, s:[{s:s, s:s}], s:i, s:I, s:b, s:I}",
		    "model", model, "messages", "role", "user", "content",
		    prompt, "temperature", 0, "max_tokens", tokens, "logprobs",
		    1, "top_logprobs", top);
	else if (strcmp(task, "completion") == 0)
		o = json_pack("{s:s, s:s, s:i, s:I, s:I}", "model", model,
		    "prompt", prompt, "temperature", 0, "max_tokens", tokens,
		    "logprobs", top);
	else
		return NULL;
	if ((bits >> 55) % 2 == 0)
		json_object_set_new(o, "seed", json_integer(number));
	out = json_write(a, o);
	json_free(&o);
	return out;
}

int64_t
canary_prompt_id(const char *body)
{
	uint8_t digest[32];
	int64_t id;

	sha256((struct bytes){(const uint8_t *)body, strlen(body)}, digest);
	memcpy(&id, digest, sizeof(id));
	return id;
}

/* ------------------------------------------------------------------ reading */

/* Cut, where it is long, between two characters. */
static void
keep_token(const char *token, char out[CANARY_TOKEN])
{
	size_t len = strnlen(token, CANARY_TOKEN);

	if (len == CANARY_TOKEN) {
		len--;
		while (len > 0 && ((unsigned char)token[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out, token, len);
	out[len] = '\0';
}

static double
probability_of(const struct canary_position *p, const char *token)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->top[i].token, token) == 0)
			return p->top[i].probability;
	return 0;
}

static bool
add_top(struct canary_position *p, const json_t *token, const json_t *logprob)
{
	double x = json_number_value(logprob);
	struct canary_top *t = &p->top[p->count];

	if (!json_is_string(token) || !json_is_number(logprob) || x > 1e-3)
		return false;
	keep_token(json_string_value(token), t->token);
	if (probability_of(p, t->token) > 0)
		return true; /* said twice, it counts once */
	t->probability = exp(fmin(x, 0));
	p->count++;
	return true;
}

/* {"token", "logprob", "top_logprobs": [{"token", "logprob"}]} */
static bool
read_chat_position(const json_t *o, struct canary_position *out)
{
	const json_t *token = json_object_get(o, "token");
	const json_t *list = json_object_get(o, "top_logprobs");

	memset(out, 0, sizeof(*out));
	if (!json_is_string(token))
		return false;
	keep_token(json_string_value(token), out->token);
	for (size_t i = 0; i < json_array_size(list) && i < CANARY_TOP; i++) {
		const json_t *one = json_array_get(list, i);

		if (!add_top(out, json_object_get(one, "token"),
			json_object_get(one, "logprob")))
			return false;
	}
	return out->count > 0;
}

/* {"tokens": ["…"], "top_logprobs": [{"…": -0.1}]} */
static bool
read_text_position(const json_t *o, size_t i, struct canary_position *out)
{
	const json_t *token = json_array_get(json_object_get(o, "tokens"), i);
	json_t *top = json_array_get(json_object_get(o, "top_logprobs"), i);
	const char *name;
	json_t *value;

	memset(out, 0, sizeof(*out));
	if (!json_is_string(token))
		return false;
	keep_token(json_string_value(token), out->token);
	json_object_foreach(top, name, value)
	{
		json_t *text = json_string(name);
		bool ok = out->count < CANARY_TOP && add_top(out, text, value);

		json_free(&text);
		if (!ok)
			break;
	}
	return out->count > 0;
}

static void
read_logprobs(const json_t *o, struct canary_answer *out)
{
	const json_t *content = json_object_get(o, "content");
	size_t len = content != NULL
			 ? json_array_size(content)
			 : json_array_size(json_object_get(o, "tokens"));

	out->count = 0;
	for (size_t i = 0; i < len && i < CANARY_POSITIONS; i++) {
		struct canary_position *p = &out->at[i];

		if (!(content != NULL
			    ? read_chat_position(json_array_get(content, i), p)
			    : read_text_position(o, i, p)))
			break;
		out->count++;
	}
}

bool
canary_read(struct text body, struct canary_answer *out, struct fault *f)
{
	const json_t *choices, *logprobs;
	json_t *o;
	bool ok = false;

	if (!json_read(body, ANSWER_MAX, &o, f))
		return false;
	if (!json_get_array(
		o, "choices", LIST_MAX, &choices, FAULT_INVALID, f) ||
	    !json_get_object(json_array_get(choices, 0), "logprobs", &logprobs,
		FAULT_NOT_FOUND, f))
		goto out;
	read_logprobs(logprobs, out);
	ok = out->count > 0 ||
	     fault_set(f, FAULT_NOT_FOUND,
		 "the answer has no log-probabilities that can be read");
out:
	json_free(&o);
	return ok;
}

/* ------------------------------------------------------------------ keeping */

char *
canary_write(const struct canary_answer *x, struct arena *a)
{
	json_t *list = json_array();
	json_t *o = json_pack("{s:o}", "content", list);
	char *out;

	for (size_t i = 0; i < x->count; i++) {
		const struct canary_position *p = &x->at[i];
		json_t *top = json_array();

		for (size_t k = 0; k < p->count; k++)
			json_array_append_new(
			    top, json_pack("{s:s, s:f}", "token",
				     p->top[k].token, "logprob",
				     log(fmax(p->top[k].probability, 1e-30))));
		json_array_append_new(list, json_pack("{s:s, s:o}", "token",
						p->token, "top_logprobs", top));
	}
	out = json_write(a, o);
	json_free(&o);
	return out;
}

bool
canary_read_kept(struct text kept, struct canary_answer *out, struct fault *f)
{
	json_t *o;

	if (!json_read(kept, ANSWER_MAX, &o, f))
		return false;
	read_logprobs(o, out);
	json_free(&o);
	return out->count > 0 ||
	       fault_set(f, FAULT_INVALID, "a kept answer holds nothing");
}

/* ---------------------------------------------------------------- comparing */

/* The part of what x lists to which y gives as much. */
static double
share(const struct canary_position *x, const struct canary_position *y)
{
	double sum = 0, both = 0, least = 1;

	for (size_t i = 0; i < y->count; i++)
		least = fmin(least, y->top[i].probability);
	for (size_t i = 0; i < x->count; i++) {
		double p = x->top[i].probability;

		sum += p;
		both +=
		    fmin(p, fmax(probability_of(y, x->top[i].token), least));
	}
	return sum <= 0 ? 0 : both / sum;
}

struct canary_measure
canary_compare(const struct canary_answer *x, const struct canary_answer *y)
{
	struct canary_measure m = {0, 0, 0, false};
	double sum = 0;

	while (m.positions < x->count && m.positions < y->count &&
	       !m.has_diverged) {
		const struct canary_position *p = &x->at[m.positions];
		const struct canary_position *q = &y->at[m.positions];
		double overlap = fmin(share(p, q), share(q, p));

		sum += overlap;
		m.least = m.positions == 0 ? overlap : fmin(m.least, overlap);
		m.has_diverged = strcmp(p->token, q->token) != 0;
		m.positions++;
	}
	if (m.positions > 0)
		m.mean = sum / (double)m.positions;
	return m;
}

static bool
is_agreed(const struct canary_measure *m)
{
	return m->mean >= CANARY_MEAN && m->least >= CANARY_FLOOR;
}

static bool
agree(const struct canary_answer *x, const struct canary_answer *y)
{
	struct canary_measure m = canary_compare(x, y);

	return is_agreed(&m);
}

/* ------------------------------------------------------------------ judging */

/* Who of the other workspaces speaks, one each. */
static size_t
choose_others(const struct canary_known *known, size_t count,
    const char *workspace, const struct canary_known **out)
{
	size_t n = 0;

	for (size_t i = 0; i < count && n < CANARY_KNOWN_MAX; i++) {
		bool is_new = known[i].has_tier &&
			      strcmp(known[i].workspace, workspace) != 0;

		for (size_t k = 0; k < n; k++)
			is_new = is_new && strcmp(out[k]->workspace,
					       known[i].workspace) != 0;
		if (is_new)
			out[n++] = &known[i];
	}
	return n;
}

/* How many agree with the one at `first` and each with each, taken in order. */
static size_t
group_of(const struct canary_known *const *others, size_t n, size_t first)
{
	const struct canary_known *in[CANARY_KNOWN_MAX] = {others[first]};
	size_t count = 1;

	for (size_t i = 0; i < n; i++) {
		bool is_one = i != first;

		for (size_t k = 0; is_one && k < count; k++)
			is_one = agree(&in[k]->answer, &others[i]->answer);
		if (is_one)
			in[count++] = others[i];
	}
	return count;
}

/* One of the largest group that agrees among itself. */
static const struct canary_known *
middle_of(const struct canary_known *const *others, size_t n, size_t *most)
{
	const struct canary_known *best = NULL;

	*most = 0;
	for (size_t i = 0; i < n; i++) {
		size_t with = group_of(others, n, i);

		if (with > *most) {
			*most = with;
			best = others[i];
		}
	}
	return best;
}

static void
hold_against(struct canary_finding *out, const struct canary_answer *x,
    const struct canary_known *y, const char *what)
{
	out->against = what;
	out->did = y->did;
	out->measure = canary_compare(x, &y->answer);
	out->verdict =
	    is_agreed(&out->measure) ? CANARY_AGREES : CANARY_DISAGREES;
}

static const struct canary_known *
find_own(const char *did, const struct canary_known *known, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(known[i].did, did) == 0)
			return &known[i];
	return NULL;
}

struct canary_finding
canary_judge(const struct canary_answer *x, const char *did,
    const char *workspace, const struct canary_known *known, size_t count)
{
	struct canary_finding out = {.against = "nothing"};
	const struct canary_known *others[CANARY_KNOWN_MAX];
	const struct canary_known *own = find_own(did, known, count);
	const struct canary_known *middle;

	out.others = choose_others(known, count, workspace, others);
	middle = middle_of(others, out.others, &out.in_majority);
	if (out.in_majority >= CANARY_OTHERS &&
	    3 * out.in_majority > 2 * out.others) {
		hold_against(&out, x, middle, "majority");
		if (out.verdict == CANARY_DISAGREES && own != NULL &&
		    agree(x, &own->answer))
			out.verdict = CANARY_UNKNOWN;
	} else if (own != NULL)
		hold_against(&out, x, own, "itself");
	return out;
}
