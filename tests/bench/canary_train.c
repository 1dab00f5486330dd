/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_canary_train TEXT OUT LAYERS WIDTH SECONDS SEED: trains a small
 * language model of the llama architecture on the bytes of a text, for so many
 * seconds of this processor's time, and writes its weights as floats, for
 * canary.mjs to make a GGUF file of. What ./dev bench canary needs of models is
 * that they are real ones: trained, of different sizes, and as unsure as such
 * models are.
 *
 * A token is a byte plus BYTE_0, or SPACE for a blank. All matrices are stored
 * with a row for each input. Gradients stand where the weights stand, in an
 * array of their own.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"

enum {
	VOCABULARY = 272,
	BYTE_0 = 3,
	SPACE = 259,
	HEAD = 32,
	CONTEXT = 64,
	BATCH = 16,
	TOKENS = CONTEXT * BATCH,
	LAYERS_MOST = 8
};
#define EPSILON 1e-5f

/* ------------------------------------------------------------------ weights */

struct layer {
	float *norm1, *q, *k, *v, *o, *norm2, *gate, *up, *down;
};
struct weights {
	float *all, *embedding, *norm, *output;
	struct layer layers[LAYERS_MOST];
	size_t count;
};
struct shape {
	size_t layers, width, hidden;
};

static float *
take(float **at, size_t count)
{
	float *out = *at;

	*at += count;
	return out;
}

static void
weights_init(struct weights *w, const struct shape *s)
{
	size_t d = s->width, h = s->hidden;
	size_t of_layer = 2 * d + 4 * d * d + 3 * d * h;
	float *at;

	w->count = 2 * VOCABULARY * d + d + s->layers * of_layer;
	w->all = at = mem_array(w->count, sizeof(float));
	w->embedding = take(&at, VOCABULARY * d);
	for (size_t i = 0; i < s->layers; i++) {
		struct layer *l = &w->layers[i];

		l->norm1 = take(&at, d);
		l->q = take(&at, d * d);
		l->k = take(&at, d * d);
		l->v = take(&at, d * d);
		l->o = take(&at, d * d);
		l->norm2 = take(&at, d);
		l->gate = take(&at, d * h);
		l->up = take(&at, d * h);
		l->down = take(&at, h * d);
	}
	w->norm = take(&at, d);
	w->output = take(&at, d * VOCABULARY);
}

static uint64_t seed;

static double
chance(void)
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

static void
scatter(float *x, size_t count, double deviation)
{
	for (size_t i = 0; i < count; i++)
		x[i] = (float)(deviation * sqrt(-2 * log(1 - chance())) *
			       cos(6.283185307179586 * chance()));
}

static void
weights_begin(struct weights *w, const struct shape *s)
{
	size_t d = s->width, h = s->hidden;
	double in = 1 / sqrt((double)d);
	double back = in / sqrt(2.0 * (double)s->layers);

	scatter(w->embedding, VOCABULARY * d, 0.5);
	scatter(w->output, d * VOCABULARY, in);
	for (size_t k = 0; k < d; k++)
		w->norm[k] = 1;
	for (size_t i = 0; i < s->layers; i++) {
		struct layer *l = &w->layers[i];

		scatter(l->q, 3 * d * d, in);
		scatter(l->o, d * d, back);
		scatter(l->gate, 2 * d * h, in);
		scatter(l->down, h * d, back);
		for (size_t k = 0; k < d; k++)
			l->norm1[k] = l->norm2[k] = 1;
	}
}

/* ----------------------------------------------------------------- matrices */

/* out[rows, to] += x[rows, from] * m[from, to]; rows are fours, to sixteens. */
static void
multiply(float *restrict out, const float *restrict x, const float *restrict m,
    size_t rows, size_t from, size_t to)
{
	for (size_t r = 0; r < rows; r += 4) {
		for (size_t c = 0; c < to; c += 16) {
			float sum[4][16] = {{0}};

			for (size_t i = 0; i < from; i++) {
				const float *row = m + i * to + c;

				for (size_t a = 0; a < 4; a++) {
					float f = x[(r + a) * from + i];

					for (size_t b = 0; b < 16; b++)
						sum[a][b] += f * row[b];
				}
			}
			for (size_t a = 0; a < 4; a++)
				for (size_t b = 0; b < 16; b++)
					out[(r + a) * to + c + b] += sum[a][b];
		}
	}
}

static void
turn(float *out, const float *m, size_t rows, size_t columns)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < columns; c++)
			out[c * rows + r] = m[r * columns + c];
}

/* What out = x * m asks of x and of m. */
static void
multiply_back(float *dx, float *dm, const float *dout, const float *x,
    const float *m, size_t from, size_t to)
{
	float *turned = mem_array(TOKENS * from + from * to, sizeof(float));

	turn(turned, m, from, to);
	multiply(dx, dout, turned, TOKENS, to, from);
	turn(turned, x, TOKENS, from);
	multiply(dm, turned, dout, from, TOKENS, to);
	mem_free(turned);
}

static void
normalize(float *out, const float *x, const float *w, size_t d)
{
	for (size_t t = 0; t < TOKENS; t++, out += d, x += d) {
		float sum = 0, scale;

		for (size_t i = 0; i < d; i++)
			sum += x[i] * x[i];
		scale = 1 / sqrtf(sum / (float)d + EPSILON);
		for (size_t i = 0; i < d; i++)
			out[i] = x[i] * scale * w[i];
	}
}

static void
normalize_back(float *dx, float *dw, const float *dout, const float *x,
    const float *w, size_t d)
{
	for (size_t t = 0; t < TOKENS; t++, dout += d, x += d, dx += d) {
		float sum = 0, along = 0, scale;

		for (size_t i = 0; i < d; i++) {
			sum += x[i] * x[i];
			along += dout[i] * w[i] * x[i];
		}
		scale = 1 / sqrtf(sum / (float)d + EPSILON);
		along *= scale * scale / (float)d;
		for (size_t i = 0; i < d; i++) {
			dw[i] += dout[i] * x[i] * scale;
			dx[i] += scale * (dout[i] * w[i] - x[i] * along);
		}
	}
}

/* ---------------------------------------------------------------- attention */

/* Neighbours are turned together, back where `way` is -1. */
static void
rotate(float *x, size_t d, float way)
{
	for (size_t t = 0; t < TOKENS; t++) {
		for (size_t i = 0; i < d; i += 2) {
			float angle =
			    way * (float)(t % CONTEXT) *
			    powf(10000, -(float)(i % HEAD) / (float)HEAD);
			float c = cosf(angle), s = sinf(angle);
			float *at = x + t * d + i;
			float a = at[0], b = at[1];

			at[0] = a * c - b * s;
			at[1] = a * s + b * c;
		}
	}
}

static float
dot(const float *x, const float *y)
{
	float sum = 0;

	for (size_t i = 0; i < HEAD; i++)
		sum += x[i] * y[i];
	return sum;
}

/* What a place gives to each of those up to it. */
static void
look(float *shares, const float *q, const float *k, size_t d, size_t place)
{
	const float scale = 1 / sqrtf((float)HEAD);
	float most = -1e30f, sum = 0;

	for (size_t u = 0; u <= place; u++) {
		shares[u] = scale * dot(q + place * d, k + u * d);
		most = fmaxf(most, shares[u]);
	}
	for (size_t u = 0; u <= place; u++)
		sum += shares[u] = expf(shares[u] - most);
	for (size_t u = 0; u <= place; u++)
		shares[u] /= sum;
}

/* Of one head in one text. */
static void
attend(float *out, const float *q, const float *k, const float *v, size_t d)
{
	float shares[CONTEXT];

	for (size_t t = 0; t < CONTEXT; t++) {
		look(shares, q, k, d, t);
		for (size_t u = 0; u <= t; u++)
			for (size_t i = 0; i < HEAD; i++)
				out[t * d + i] += shares[u] * v[u * d + i];
	}
}

struct attention {
	float *q, *k, *v;
};

static void
attend_back(const struct attention *dx, const float *dout,
    const struct attention *x, size_t d)
{
	const float scale = 1 / sqrtf((float)HEAD);
	float shares[CONTEXT], asked[CONTEXT];

	for (size_t t = 0; t < CONTEXT; t++) {
		float along = 0;

		look(shares, x->q, x->k, d, t);
		for (size_t u = 0; u <= t; u++) {
			asked[u] = dot(dout + t * d, x->v + u * d);
			along += shares[u] * asked[u];
		}
		for (size_t u = 0; u <= t; u++) {
			float ask = scale * shares[u] * (asked[u] - along);

			for (size_t i = 0; i < HEAD; i++) {
				dx->v[u * d + i] += shares[u] * dout[t * d + i];
				dx->q[t * d + i] += ask * x->k[u * d + i];
				dx->k[u * d + i] += ask * x->q[t * d + i];
			}
		}
	}
}

/* ------------------------------------------------------------------ a layer */

/* What a layer remembers for the way back. */
struct memory {
	float *in, *norm1, *mixed, *middle, *norm2, *gate, *up, *product;
	struct attention a;
};

static float *
cells(size_t width)
{
	return mem_array(TOKENS * width, sizeof(float));
}

static void
memory_init(struct memory *m, const struct shape *s)
{
	float **wide[] = {&m->in, &m->norm1, &m->mixed, &m->middle, &m->norm2,
	    &m->a.q, &m->a.k, &m->a.v};
	float **hidden[] = {&m->gate, &m->up, &m->product};

	for (size_t i = 0; i < 8; i++)
		*wide[i] = cells(s->width);
	for (size_t i = 0; i < 3; i++)
		*hidden[i] = cells(s->hidden);
}

static void
memory_clear(struct memory *m, const struct shape *s)
{
	float *wide[] = {m->mixed, m->a.q, m->a.k, m->a.v};
	float *hidden[] = {m->gate, m->up};

	for (size_t i = 0; i < 4; i++)
		memset(wide[i], 0, TOKENS * s->width * sizeof(float));
	for (size_t i = 0; i < 2; i++)
		memset(hidden[i], 0, TOKENS * s->hidden * sizeof(float));
}

static float
sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

/* x is what goes on from layer to layer. */
static void
layer_run(
    const struct layer *l, struct memory *m, float *x, const struct shape *s)
{
	size_t d = s->width, h = s->hidden;

	memory_clear(m, s);
	memcpy(m->in, x, TOKENS * d * sizeof(float));
	normalize(m->norm1, x, l->norm1, d);
	multiply(m->a.q, m->norm1, l->q, TOKENS, d, d);
	multiply(m->a.k, m->norm1, l->k, TOKENS, d, d);
	multiply(m->a.v, m->norm1, l->v, TOKENS, d, d);
	rotate(m->a.q, d, 1);
	rotate(m->a.k, d, 1);
	for (size_t b = 0; b < BATCH; b++) {
		for (size_t head = 0; head < d; head += HEAD) {
			size_t at = b * CONTEXT * d + head;

			attend(m->mixed + at, m->a.q + at, m->a.k + at,
			    m->a.v + at, d);
		}
	}
	multiply(x, m->mixed, l->o, TOKENS, d, d);
	memcpy(m->middle, x, TOKENS * d * sizeof(float));
	normalize(m->norm2, x, l->norm2, d);
	multiply(m->gate, m->norm2, l->gate, TOKENS, d, h);
	multiply(m->up, m->norm2, l->up, TOKENS, d, h);
	for (size_t i = 0; i < TOKENS * h; i++)
		m->product[i] = m->gate[i] * sigmoid(m->gate[i]) * m->up[i];
	multiply(x, m->product, l->down, TOKENS, h, d);
}

static void
gate_back(float *dgate, float *dup, const float *dproduct,
    const struct memory *m, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		float g = m->gate[i], y = sigmoid(g);

		dup[i] = dproduct[i] * g * y;
		dgate[i] = dproduct[i] * m->up[i] * (y + g * y * (1 - y));
	}
}

/* dx comes as what is asked of the layer's end, and goes as of its beginning.
 */
static void
hidden_back(const struct layer *l, struct layer *g, const struct memory *m,
    float *dx, const struct shape *s)
{
	size_t d = s->width, h = s->hidden;
	float *dproduct = cells(h), *dgate = cells(h), *dup = cells(h);
	float *dnorm = cells(d);

	multiply_back(dproduct, g->down, dx, m->product, l->down, h, d);
	gate_back(dgate, dup, dproduct, m, TOKENS * h);
	multiply_back(dnorm, g->gate, dgate, m->norm2, l->gate, d, h);
	multiply_back(dnorm, g->up, dup, m->norm2, l->up, d, h);
	normalize_back(dx, g->norm2, dnorm, m->middle, l->norm2, d);
	mem_free(dproduct);
	mem_free(dgate);
	mem_free(dup);
	mem_free(dnorm);
}

static void
mixed_back(
    struct attention *da, const float *dmixed, const struct memory *m, size_t d)
{
	for (size_t b = 0; b < BATCH; b++) {
		for (size_t head = 0; head < d; head += HEAD) {
			size_t at = b * CONTEXT * d + head;
			struct attention to = {
			    da->q + at, da->k + at, da->v + at};
			struct attention of = {
			    m->a.q + at, m->a.k + at, m->a.v + at};

			attend_back(&to, dmixed + at, &of, d);
		}
	}
	rotate(da->q, d, -1);
	rotate(da->k, d, -1);
}

static void
attention_back(const struct layer *l, struct layer *g, const struct memory *m,
    float *dx, const struct shape *s)
{
	size_t d = s->width;
	struct attention da = {cells(d), cells(d), cells(d)};
	float *dmixed = cells(d), *dnorm = cells(d);

	multiply_back(dmixed, g->o, dx, m->mixed, l->o, d, d);
	mixed_back(&da, dmixed, m, d);
	multiply_back(dnorm, g->q, da.q, m->norm1, l->q, d, d);
	multiply_back(dnorm, g->k, da.k, m->norm1, l->k, d, d);
	multiply_back(dnorm, g->v, da.v, m->norm1, l->v, d, d);
	normalize_back(dx, g->norm1, dnorm, m->in, l->norm1, d);
	mem_free(da.q);
	mem_free(da.k);
	mem_free(da.v);
	mem_free(dmixed);
	mem_free(dnorm);
}

/* ----------------------------------------------------------------- training */

struct training {
	struct shape shape;
	struct weights w, gradient;
	struct memory memory[LAYERS_MOST];
	const uint16_t *text;
	size_t length;
	float *first, *second; /* moments of the gradient */
	size_t steps;
};

/* The loss in nats; logits become what is asked of them. */
static double
judge(float *logits, const uint16_t *wanted)
{
	double loss = 0;

	for (size_t t = 0; t < TOKENS; t++, logits += VOCABULARY) {
		float most = -1e30f, sum = 0;

		for (size_t i = 0; i < VOCABULARY; i++)
			most = fmaxf(most, logits[i]);
		for (size_t i = 0; i < VOCABULARY; i++)
			sum += logits[i] = expf(logits[i] - most);
		for (size_t i = 0; i < VOCABULARY; i++)
			logits[i] /= sum * TOKENS;
		loss -= log(fmax((double)logits[wanted[t]] * TOKENS, 1e-9));
		logits[wanted[t]] -= 1.0f / TOKENS;
	}
	return loss / TOKENS;
}

static void
back(struct training *x, float *dx, const uint16_t *in)
{
	size_t d = x->shape.width;

	for (size_t i = x->shape.layers; i > 0; i--) {
		const struct layer *l = &x->w.layers[i - 1];
		struct layer *g = &x->gradient.layers[i - 1];

		hidden_back(l, g, &x->memory[i - 1], dx, &x->shape);
		attention_back(l, g, &x->memory[i - 1], dx, &x->shape);
	}
	for (size_t t = 0; t < TOKENS; t++)
		for (size_t i = 0; i < d; i++)
			x->gradient.embedding[in[t] * d + i] += dx[t * d + i];
}

static double
learn(struct training *x, const uint16_t *in, const uint16_t *wanted)
{
	size_t d = x->shape.width;
	float *flow = cells(d), *last = cells(d), *dlast = cells(d);
	float *dx = cells(d), *logits = cells(VOCABULARY);
	double loss;

	for (size_t t = 0; t < TOKENS; t++)
		memcpy(flow + t * d, x->w.embedding + in[t] * d,
		    d * sizeof(float));
	for (size_t i = 0; i < x->shape.layers; i++)
		layer_run(&x->w.layers[i], &x->memory[i], flow, &x->shape);
	normalize(last, flow, x->w.norm, d);
	multiply(logits, last, x->w.output, TOKENS, d, VOCABULARY);
	loss = judge(logits, wanted);
	memset(x->gradient.all, 0, x->gradient.count * sizeof(float));
	multiply_back(dlast, x->gradient.output, logits, last, x->w.output, d,
	    VOCABULARY);
	normalize_back(dx, x->gradient.norm, dlast, flow, x->w.norm, d);
	back(x, dx, in);
	mem_free(flow);
	mem_free(last);
	mem_free(dlast);
	mem_free(dx);
	mem_free(logits);
	return loss;
}

/* Adam, with a rate that rises for a hundred steps and falls to a twentieth. */
static void
step(struct training *x, double done)
{
	double n = (double)++x->steps;
	float rate = (float)(4e-3 * fmin(1, n / 100) * (1 - 0.95 * done));
	float lift1 = (float)(1 / (1 - pow(0.9, n)));
	float lift2 = (float)(1 / (1 - pow(0.98, n)));

	for (size_t i = 0; i < x->w.count; i++) {
		float g = x->gradient.all[i];

		x->first[i] = 0.9f * x->first[i] + 0.1f * g;
		x->second[i] = 0.98f * x->second[i] + 0.02f * g * g;
		x->w.all[i] -= rate * x->first[i] * lift1 /
			       (sqrtf(x->second[i] * lift2) + 1e-8f);
	}
}

static double
learn_some(struct training *x)
{
	uint16_t in[TOKENS], wanted[TOKENS];

	for (size_t b = 0; b < BATCH; b++) {
		size_t at =
		    (size_t)(chance() * (double)(x->length - CONTEXT - 1));

		memcpy(in + b * CONTEXT, x->text + at, CONTEXT * sizeof(*in));
		memcpy(wanted + b * CONTEXT, x->text + at + 1,
		    CONTEXT * sizeof(*in));
	}
	return learn(x, in, wanted);
}

static void
train(struct training *x, double seconds)
{
	double done = 0, loss = 6;

	while (done < 1) {
		loss = 0.98 * loss + 0.02 * learn_some(x);
		done = (double)clock() / CLOCKS_PER_SEC / seconds;
		step(x, fmin(done, 1));
		if (x->steps % 200 == 0)
			fprintf(stderr, "%zu steps, %.3f nats a byte\n",
			    x->steps, loss);
	}
	printf("%zu layers of %zu, %zu weights, %zu tokens seen, %.2f nats a "
	       "byte\n",
	    x->shape.layers, x->shape.width, x->w.count, x->steps * TOKENS,
	    loss);
}

static uint16_t *
read_text(const char *path, size_t *length)
{
	struct fault f;
	uint16_t *out;
	char *text;

	if (!file_read(path, 64 << 20, &text, length, &f)) {
		fprintf(stderr, "%s\n", f.why);
		exit(1);
	}
	out = mem_array(*length, sizeof(*out));
	for (size_t i = 0; i < *length; i++)
		out[i] = text[i] == ' '
			     ? SPACE
			     : (uint16_t)(BYTE_0 + (unsigned char)text[i]);
	mem_free(text);
	return out;
}

static int
write_weights(const char *path, const struct weights *w)
{
	FILE *out = fopen(path, "wb");
	int ok = out != NULL &&
		 fwrite(w->all, sizeof(float), w->count, out) == w->count;

	if (out != NULL)
		ok = fclose(out) == 0 && ok;
	return ok ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct training x = {0};

	if (argc != 7) {
		fprintf(stderr,
		    "usage: %s TEXT OUT LAYERS WIDTH SECONDS SEED\n", argv[0]);
		return 2;
	}
	x.shape.layers = strtoul(argv[3], NULL, 10);
	x.shape.width = strtoul(argv[4], NULL, 10);
	x.shape.hidden = 2 * x.shape.width;
	if (x.shape.layers < 1 || x.shape.layers > LAYERS_MOST ||
	    x.shape.width < HEAD || x.shape.width % HEAD != 0)
		return 2;
	seed = strtoull(argv[6], NULL, 10);
	x.text = read_text(argv[1], &x.length);
	if (x.length < 2 * CONTEXT)
		return 2;
	weights_init(&x.w, &x.shape);
	weights_init(&x.gradient, &x.shape);
	weights_begin(&x.w, &x.shape);
	for (size_t i = 0; i < x.shape.layers; i++)
		memory_init(&x.memory[i], &x.shape);
	x.first = mem_array(x.w.count, sizeof(float));
	x.second = mem_array(x.w.count, sizeof(float));
	train(&x, strtod(argv[5], NULL));
	return write_weights(argv[2], &x.w);
}
