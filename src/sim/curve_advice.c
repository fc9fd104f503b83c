/* curve_advice.c - a curve in words.
 *
 * Problem.  Whoever asks how much memory a program needs wants a number and a reason, not ten thousand points.
 * Idea.  Four questions, each answered by one pass over the sizes, each with what it takes for granted:
 *
 *      holds_99          the least memory in which at most one reference in a hundred faults
 *      needs_all         the least memory in which nothing is ever fetched twice; more changes nothing
 *      knee              where another frame stops paying: normalised to the unit square, the point farthest below the diagonal
 *      thrashes_below    below it pages fetched again take longer than the references themselves
 *
 * Invariants.
 *   1. Every number in a text is that of the curve it came from.
 * Source: the knee as V. Satopaa and others define it, "Finding a 'kneedle' in a haystack", ICDCS workshops (2011). */
#include "../base/text.h"
#include "curve_impl.h"

#define FETCH_REFERENCES 10000ull /* a page comes from an SSD in 100 us; a reference with its share of work takes 10 ns */

static const char lru_assumes[] = "exact LRU in memory of the program's own, and a run like this one";

static struct curve_advice *advice_add(struct curve_result *r, const char *name, const struct curve_sizes *s, uint64_t i,
                                       const char *assumes)
{
	if (r->n_advice == CURVE_ADVICE_MAX)
		return NULL;
	struct curve_advice *a = &r->advice[r->n_advice++];
	*a = (struct curve_advice){ .name = name, .frames = s->frames[i],
	                            .miss_ratio = (double)s->faults[i] / (double)r->references };
	snprintf(a->assumes, sizeof a->assumes, "%s", assumes);
	return a;
}

/* The first size whose faults are at most this many; n: there is none. */
static uint64_t first_within(const struct curve_sizes *s, uint64_t faults)
{
	uint64_t i = 0;
	while (i < s->n && s->faults[i] > faults)
		i++;
	return i;
}

static const char *size_text(char *buf, size_t size, const struct curve_result *r, uint64_t frames)
{
	return text_bytes(buf, size, frames * r->page_bytes);
}

static void advise_holds(struct curve_result *r, const struct curve_sizes *s)
{
	char size[32], count[32];
	uint64_t i = first_within(s, r->references / 100);
	bool none = i == s->n;
	if (none) /* first touches alone are more than one in a hundred */
		i = first_within(s, s->faults[s->n - 1] + (r->references - s->faults[s->n - 1]) / 100);
	struct curve_advice *a = advice_add(r, "holds_99", s, i, lru_assumes);
	if (!a)
		return;
	size_text(size, sizeof size, r, a->frames);
	text_count(count, sizeof count, a->frames);
	if (none)
		snprintf(a->text, sizeof a->text, "%s (%s frames) holds 99 %% of the references to pages touched before; first touches "
		         "are %.2f %% of all references", size, count, 100.0 * (double)s->faults[s->n - 1] / (double)r->references);
	else
		snprintf(a->text, sizeof a->text, "%s (%s frames) holds 99 %% of references: %.3g %% of them fault", size, count,
		         100 * a->miss_ratio);
}

static void advise_all(struct curve_result *r, const struct curve_sizes *s)
{
	char size[32], count[32], faults[32];
	uint64_t least = s->faults[s->n - 1];
	struct curve_advice *a = advice_add(r, "needs_all", s, first_within(s, least), lru_assumes);
	if (a)
		snprintf(a->text, sizeof a->text, "above %s (%s frames) more memory changes nothing: %s faults remain in any",
		         size_text(size, sizeof size, r, a->frames), text_count(count, sizeof count, a->frames),
		         text_count(faults, sizeof faults, least));
}

static void advise_knee(struct curve_result *r, const struct curve_sizes *s)
{
	char size[32], count[32];
	uint64_t best = 0, least = s->faults[s->n - 1];
	double width = (double)s->frames[s->n - 1], height = (double)(s->faults[0] - least), most = -1;
	if (height <= 0)
		return;
	for (uint64_t i = 0; i < s->n; i++) {
		double below = 1 - (double)s->frames[i] / width - (double)(s->faults[i] - least) / height;
		if (below > most) {
			most = below;
			best = i;
		}
	}
	struct curve_advice *a = advice_add(r, "knee", s, best, "that a frame is worth the same share of all frames as a fault is of "
	                                                        "all faults that memory can avoid");
	if (a)
		snprintf(a->text, sizeof a->text, "the knee is at %s (%s frames): %.3g %% of references fault, and memory beyond it "
		         "buys less than it costs", size_text(size, sizeof size, r, a->frames),
		         text_count(count, sizeof count, a->frames), 100 * a->miss_ratio);
}

static void advise_thrashing(struct curve_result *r, const struct curve_sizes *s)
{
	char size[32], count[32];
	uint64_t i = first_within(s, s->faults[s->n - 1] + r->references / FETCH_REFERENCES);
	if (i == 0 || i == s->n)
		return;
	struct curve_advice *a = advice_add(r, "thrashes_below", s, i, "a page fetched again takes as long as 10,000 references: "
	                                                               "100 us from an SSD, 10 ns a reference");
	if (a)
		snprintf(a->text, sizeof a->text, "below %s (%s frames) it thrashes: fetching pages again takes longer than the program "
		         "itself", size_text(size, sizeof size, r, a->frames), text_count(count, sizeof count, a->frames));
}

void curve_advise(struct curve_result *r, const struct curve_sizes *s)
{
	if (!r->references || !s->n)
		return;
	advise_holds(r, s);
	advise_thrashing(r, s);
	advise_knee(r, s);
	advise_all(r, s);
}
