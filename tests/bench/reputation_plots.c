/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plots of docs/reputation.md, drawn from the library that scores: how fast
 * scores rise and fall, and how many events a line takes. Events come in their
 * expected shares, so that nothing is left to chance. `./dev bench plots`
 * writes them, tests/lint/plots tells when they are not what this program
 * draws.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "gateway/canary_answer.h"
#include "reputation/score.h"
#include "reputation/tier.h"

enum { BUCKETS = 64, VOICES_A_DAY = 10, MOST_DAYS = 120, SLANDERERS = 20 };
#define REQUESTS 100.0
#define FAST 0.97

/* ------------------------------------------------------------------ chart */

enum { WIDTH = 760, HEIGHT = 380, LEFT = 56, RIGHT = 190, TOP = 44, LOW = 48 };

struct chart {
	FILE *out;
	double x0, x1, y0, y1;
	bool is_log;
};

static double
at_x(const struct chart *c, double x)
{
	return LEFT + (x - c->x0) / (c->x1 - c->x0) * (WIDTH - LEFT - RIGHT);
}

static double
at_y(const struct chart *c, double y)
{
	double share = c->is_log ? log(y / c->y0) / log(c->y1 / c->y0)
				 : (y - c->y0) / (c->y1 - c->y0);

	return HEIGHT - LOW - share * (HEIGHT - TOP - LOW);
}

static void
text(const struct chart *c, double x, double y, const char *style,
    const char *words)
{
	fprintf(c->out, "<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y,
	    style, words);
}

static void
rule(const struct chart *c, double x1, double y1, double x2, double y2,
    const char *style)
{
	fprintf(c->out,
	    "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1,
	    y1, x2, y2, style);
}

static void
begin(struct chart *c, const char *title, const char *x, const char *y)
{
	fprintf(c->out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\""
	    " width=\"%d\" height=\"%d\" role=\"img\" font-family=\"Helvetica,"
	    " Arial, sans-serif\" font-size=\"13\" fill=\"#333\">\n"
	    "<title>%s</title>\n"
	    "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
	    WIDTH, HEIGHT, WIDTH, HEIGHT, title);
	text(c, LEFT, 24, "font-size=\"15\" font-weight=\"bold\"", title);
	text(c, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10,
	    "text-anchor=\"middle\"", x);
	fprintf(c->out,
	    "<text transform=\"translate(16 %d) rotate(-90)\""
	    " text-anchor=\"middle\">%s</text>\n",
	    (TOP + HEIGHT - LOW) / 2, y);
	rule(c, LEFT, HEIGHT - LOW, WIDTH - RIGHT, HEIGHT - LOW,
	    "stroke=\"#333\"");
}

static void
tick_x(const struct chart *c, double x, const char *label)
{
	rule(c, at_x(c, x), HEIGHT - LOW, at_x(c, x), HEIGHT - LOW + 5,
	    "stroke=\"#333\"");
	text(c, at_x(c, x), HEIGHT - LOW + 19, "text-anchor=\"middle\"", label);
}

static void
tick_y(const struct chart *c, double y, const char *label)
{
	rule(c, LEFT, at_y(c, y), WIDTH - RIGHT, at_y(c, y),
	    "stroke=\"#e4e4e4\"");
	text(c, LEFT - 8, at_y(c, y) + 4, "text-anchor=\"end\"", label);
}

/* A tier's line, across, named where no curve runs. */
static void
tier_line(const struct chart *c, enum standing tier)
{
	double y = at_y(c, standing_line(tier));
	char words[40];

	rule(c, LEFT, y, WIDTH - RIGHT, y,
	    "stroke=\"#999\" stroke-dasharray=\"5 4\"");
	snprintf(words, sizeof(words), "%s, %g", standing_name(tier),
	    standing_line(tier));
	text(c, LEFT + 420, y + (tier == STANDING_GOLD ? -4 : 14),
	    "fill=\"#777\" font-size=\"12\"", words);
}

/* y[0] is at x0, the last at x1; a negative one is none. The label stands at
 * the end, `lower` points further down. */
static void
curve(const struct chart *c, const double *y, int count, const char *colour,
    const char *dash, const char *label, double lower)
{
	char style[80];
	double last = 0;

	fprintf(c->out,
	    "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2.2\""
	    " stroke-linejoin=\"round\" stroke-dasharray=\"%s\" points=\"",
	    colour, dash);
	for (int i = 0; i < count; i++) {
		if (y[i] < 0)
			continue;
		last = at_y(c, y[i]);
		fprintf(c->out, "%.1f,%.1f ",
		    at_x(c, c->x0 + (c->x1 - c->x0) * i / (count - 1)), last);
	}
	fprintf(c->out, "\"/>\n");
	snprintf(
	    style, sizeof(style), "fill=\"%s\" font-size=\"12.5\"", colour);
	text(c, WIDTH - RIGHT + 8, last + 4 + lower, style, label);
}

/* ---------------------------------------------------------------- history */

/* What a provider's days are like. */
struct life {
	double requests, quality, delivered;
	double canaries; /* a day, all agreeing */
	int slanderers;	 /* each of whom speaks once a day */
};

struct history {
	int days;
	struct life lives[MOST_DAYS];
};

static void
live(struct history *h, int days, struct life life)
{
	for (int i = 0; i < days; i++)
		h->lives[h->days++] = life;
}

/* The score at the close of the first `days` days. */
static void
score_at(const struct history *h, int days, struct score *out)
{
	static struct voice voices[MOST_DAYS * VOICES_A_DAY + SLANDERERS];
	struct evidence delivery[BUCKETS] = {{0, 0}};
	struct evidence speed[BUCKETS] = {{0, 0}};
	struct evidence streams[STREAMS] = {{0, 0}};
	size_t spoken = SLANDERERS;

	memset(voices, 0, sizeof(voices));
	for (int d = 0; d < days; d++) {
		const struct life *l = &h->lives[d];
		double w = score_decay(days - 1 - d);
		double each = w * l->requests / BUCKETS;

		for (int b = 0; b < BUCKETS; b++) {
			delivery[b].good += each * l->delivered;
			delivery[b].bad += each * (1 - l->delivered);
			speed[b].good += each * l->delivered * FAST;
			speed[b].bad += each * l->delivered * (1 - FAST);
		}
		for (int v = 0; l->requests > 0 && v < VOICES_A_DAY; v++)
			voices[spoken++] = (struct voice){
			    {w * l->quality, w * (1 - l->quality)}, 1};
		for (int v = 0; v < l->slanderers; v++) {
			voices[v].verdicts.bad += w;
			voices[v].weight = 1;
		}
		streams[STREAM_AUDIT].good += w * l->canaries;
	}
	streams[STREAM_DELIVERY] = score_shares(delivery, BUCKETS);
	streams[STREAM_SPEED] = score_shares(speed, BUCKETS);
	streams[STREAM_QUALITY] = score_voices(voices, spoken);
	score_make(streams, out);
}

static void
curve_of(const struct history *h, int from, double *value, double *kept)
{
	for (int d = from; d <= h->days; d++) {
		struct score s;

		score_at(h, d, &s);
		value[d - from] = s.has_data ? s.value : -1;
		kept[d - from] = s.has_data ? s.kept : -1;
	}
}

/* ------------------------------------------------------------------ plots */

static void
axes_of_days(struct chart *c, int step)
{
	char label[16];

	for (int y = 0; y <= 100; y += 20) {
		snprintf(label, sizeof(label), "%d", y);
		tick_y(c, y, label);
	}
	for (int x = 0; x <= c->x1; x += step) {
		if (x < c->x0)
			continue;
		snprintf(label, sizeof(label), "%d", x);
		tick_x(c, x, label);
	}
	tier_line(c, STANDING_SILVER);
	tier_line(c, STANDING_GOLD);
}

static void
plot_rise(FILE *out)
{
	static const struct {
		double quality, requests;
		const char *colour, *dash, *label;
		double lower;
	} lines[] = {
	    {.99, REQUESTS, "#1b6e3c", "", "99 % good", -8},
	    {.95, REQUESTS, "#2563a8", "", "95 % good", 2},
	    {.90, REQUESTS, "#8a4fb0", "", "90 % good", 9},
	    {.80, REQUESTS, "#b06a00", "", "80 % good", 0},
	    {.60, REQUESTS, "#b3261e", "", "60 % good", 0},
	};
	struct chart c = {out, 1, 30, 0, 100, false};

	begin(&c, "A newcomer with 100 requests and 10 verdicts a day",
	    "days closed", "score");
	axes_of_days(&c, 5);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct history h = {0};
		double value[MOST_DAYS + 1], kept[MOST_DAYS + 1];

		live(&h, 30,
		    (struct life){.requests = lines[i].requests,
			.quality = lines[i].quality,
			.delivered = .992});
		curve_of(&h, 1, value, kept);
		curve(&c, value, 30, lines[i].colour, lines[i].dash,
		    lines[i].label, lines[i].lower);
	}
	fprintf(out, "</svg>\n");
}

static void
plot_fall(FILE *out)
{
	static const struct life good = {REQUESTS, .96, .992, 0, 0};
	static const struct life audited = {
	    REQUESTS, .96, .992, CANARY_PER_DAY, 0};
	static const struct {
		struct life then;
		bool is_audited, shows_kept;
		const char *colour, *dash, *label;
		double lower;
	} lines[] = {
	    {{0, 0, 0, 0, 0}, false, false, "#666666", "", "no more requests",
		-6},
	    {{REQUESTS, .96, .70, 0, 0}, false, false, "#8a4fb0", "",
		"30 % fail", 0},
	    {{REQUESTS, .50, .992, 0, 0}, false, false, "#b3261e", "",
		"answers half as good", 0},
	    {{REQUESTS, .96, .992, CANARY_PER_DAY, SLANDERERS}, true, true,
		"#2563a8", "", "20 slander: kept", -4},
	    {{REQUESTS, .96, .992, CANARY_PER_DAY, SLANDERERS}, true, false,
		"#2563a8", "3 4", "20 slander: score", 9},
	};
	struct chart c = {out, -3, 35, 0, 100, false};

	begin(&c, "A provider of 96 % after sixty days, and what then happens",
	    "days since", "score");
	axes_of_days(&c, 5);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct history h = {0};
		double value[MOST_DAYS + 1], kept[MOST_DAYS + 1];

		live(&h, 60, lines[i].is_audited ? audited : good);
		live(&h, 35, lines[i].then);
		curve_of(&h, 57, value, kept);
		curve(&c, lines[i].shows_kept ? kept : value, 39,
		    lines[i].colour, lines[i].dash, lines[i].label,
		    lines[i].lower);
	}
	fprintf(out, "</svg>\n");
}

/* How many events of one stream take its value to the line, if any do. */
static double
events_to(double line, double rate)
{
	double low = 0, high = 10000;

	if (100 * score_lower_bound(high * rate, high * (1 - rate)) < line)
		return -1;
	while (high - low > .5) {
		double middle = (low + high) / 2;

		if (100 *
			score_lower_bound(middle * rate, middle * (1 - rate)) <
		    line)
			low = middle;
		else
			high = middle;
	}
	return ceil(high);
}

static void
plot_events(FILE *out)
{
	static const int marks[] = {1, 10, 100, 1000, 10000};
	struct chart c = {out, 72, 100, 3, 10000, true};
	double silver[113], gold[113];
	char label[16];

	begin(&c, "Events that take a stream to the line of a tier",
	    "share of events that are good, %", "decayed events");
	for (size_t i = 1; i < sizeof(marks) / sizeof(*marks); i++) {
		snprintf(label, sizeof(label), "%d", marks[i]);
		tick_y(&c, marks[i], label);
	}
	for (int x = 75; x <= 100; x += 5) {
		snprintf(label, sizeof(label), "%d", x);
		tick_x(&c, x, label);
	}
	for (int i = 0; i <= 112; i++) {
		double rate = (72 + i / 4.0) / 100;

		silver[i] = events_to(standing_line(STANDING_SILVER), rate);
		gold[i] = events_to(standing_line(STANDING_GOLD), rate);
	}
	curve(&c, gold, 113, "#b06a00", "", "gold: 85 on 14 days", 0);
	curve(&c, silver, 113, "#4a6a8a", "", "silver: 70 on 7 days", 0);
	fprintf(out, "</svg>\n");
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*draw)(FILE *out);
	} plots[] = {{"reputation-rise.svg", plot_rise},
	    {"reputation-fall.svg", plot_fall},
	    {"reputation-events.svg", plot_events}};
	char path[4096];

	if (argc != 2)
		return fprintf(stderr, "usage: %s FOLDER\n", argv[0]), 2;
	for (size_t i = 0; i < sizeof(plots) / sizeof(*plots); i++) {
		FILE *out;

		snprintf(path, sizeof(path), "%s/%s", argv[1], plots[i].name);
		out = fopen(path, "w");
		if (out == NULL)
			return perror(path), 1;
		plots[i].draw(out);
		if (fclose(out) != 0)
			return perror(path), 1;
	}
	return 0;
}
