/* reference_lists.c - policies made of lists, written from their papers for clearness alone.
 *
 * A list is an array of pages, oldest first; everything is found by looking through it, and moved by moving the rest.  A policy is
 * one function that is told of one reference and takes pages in and out itself.  Choices that papers leave open are those that the
 * policies of src/ document. */
#include "reference_lists.h"
#include "reference_world.h"

/* second-chance; the bit of a page that comes in is set or not. */
static void queue_of_chances(struct world *w, uint32_t page, bool arrival_counts)
{
	struct pages *queue = &w->list[0];
	if (w->in[page]) {
		w->bit[page] = true;
		return;
	}
	while (is_full(w)) {
		uint32_t oldest = queue->at[0];
		if (take_bit(w, oldest)) {
			refresh(queue, oldest);
		} else {
			drop(queue, oldest);
			page_out(w, oldest);
		}
	}
	page_in(w, page);
	add(queue, page);
	w->bit[page] = arrival_counts;
}

static void second_chance(struct world *w, uint32_t page) { queue_of_chances(w, page, true); }
static void clock_0(struct world *w, uint32_t page) { queue_of_chances(w, page, false); }

static void mru(struct world *w, uint32_t page)
{
	struct pages *by_use = &w->list[0];
	if (w->in[page]) {
		refresh(by_use, page);
		return;
	}
	if (is_full(w)) {
		uint32_t newest = by_use->at[by_use->n - 1];
		drop(by_use, newest);
		page_out(w, newest);
	}
	page_in(w, page);
	add(by_use, page);
}

/* last: when the page reached its count. */
static void lfu(struct world *w, uint32_t page)
{
	if (!w->in[page]) {
		uint32_t least = NOBODY;
		for (uint32_t i = 0; i < w->n_pages; i++)
			if (w->in[i] && (least == NOBODY || w->count[i] < w->count[least] ||
			                 (w->count[i] == w->count[least] && w->last[i] < w->last[least])))
				least = i;
		if (is_full(w))
			page_out(w, least);
		page_in(w, page);
		w->count[page] = 0;
	}
	w->count[page]++;
	w->last[page] = w->now;
}

/* Four lists of pages believed to be in a class; who is found to be in a higher one goes to the end of that. */
static void nru(struct world *w, uint32_t page)
{
	struct pages *all = &w->list[4];
	if (w->in[page]) {
		w->bit[page] = true;
	} else {
		for (uint32_t class = 0; is_full(w); class++) {
			while (w->list[class].n && is_full(w)) {
				uint32_t first = take_oldest(&w->list[class]);
				bool used = take_bit(w, first) || class >= 2;
				uint32_t true_class = 2 * used + w->written[first];
				if (true_class > class) {
					add(&w->list[true_class], first);
				} else {
					drop(all, first);
					page_out(w, first);
				}
			}
		}
		page_in(w, page);
		add(&w->list[2], page);
		add(all, page);
	}
}

static void nru_tick(struct world *w)
{
	for (uint32_t i = 0; i < 4; i++)
		w->list[i].n = 0;
	for (uint32_t i = 0; i < w->list[4].n; i++) {
		uint32_t page = w->list[4].at[i];
		w->bit[page] = false;
		add(&w->list[w->written[page]], page);
	}
}

static void aging(struct world *w, uint32_t page)
{
	struct pages *all = &w->list[0];
	if (w->in[page]) {
		w->bit[page] = true;
		return;
	}
	if (is_full(w)) {
		uint32_t best = all->at[0];
		for (uint32_t i = 0; i < all->n; i++)
			if (w->count[all->at[i]] < w->count[best])
				best = all->at[i];
		drop(all, best);
		page_out(w, best);
	}
	page_in(w, page);
	add(all, page);
	w->bit[page] = false;
	w->count[page] = 128;
}

static void aging_tick(struct world *w)
{
	for (uint32_t i = 0; i < w->list[0].n; i++) {
		uint32_t page = w->list[0].at[i];
		w->count[page] = w->count[page] / 2 + (take_bit(w, page) ? 128 : 0);
	}
}

/* Johnson and Shasha's full version, with Kin a quarter and Kout half of memory. */
static void two_q(struct world *w, uint32_t page)
{
	struct pages *in = &w->list[0], *out = &w->list[1], *am = &w->list[2];
	bool known = has(out, page);
	if (has(am, page)) {
		refresh(am, page);
		return;
	}
	if (has(in, page))
		return;
	if (is_full(w)) {
		if (in->n > w->n_frames / 4 || !am->n) {
			uint32_t y = take_oldest(in);
			page_out(w, y);
			add(out, y);
			if (out->n > w->n_frames / 2)
				take_oldest(out);
		} else {
			page_out(w, take_oldest(am));
		}
	}
	page_in(w, page);
	drop(out, page);
	add(known ? am : in, page);
}

/* Megiddo and Modha, figure 4. */
static void arc_replace(struct world *w, bool in_b2)
{
	struct pages *t1 = &w->list[0], *t2 = &w->list[1], *b1 = &w->list[2], *b2 = &w->list[3];
	bool from_t1 = t1->n && (t1->n > w->p || (in_b2 && t1->n == w->p));
	from_t1 = from_t1 || !t2->n;
	uint32_t victim = take_oldest(from_t1 ? t1 : t2);
	add(from_t1 ? b1 : b2, victim);
	page_out(w, victim);
}

static void arc(struct world *w, uint32_t page)
{
	struct pages *t1 = &w->list[0], *t2 = &w->list[1], *b1 = &w->list[2], *b2 = &w->list[3];
	double c = w->n_frames;
	if (w->in[page]) { /* case I */
		drop(t1, page);
		refresh(t2, page);
	} else if (has(b1, page)) { /* case II */
		double step = b1->n >= b2->n ? 1 : (double)b2->n / b1->n;
		w->p = w->p + step < c ? w->p + step : c;
		drop(b1, page);
		if (is_full(w))
			arc_replace(w, false);
		page_in(w, page);
		add(t2, page);
	} else if (has(b2, page)) { /* case III */
		double step = b2->n >= b1->n ? 1 : (double)b1->n / b2->n;
		w->p = w->p - step > 0 ? w->p - step : 0;
		drop(b2, page);
		if (is_full(w))
			arc_replace(w, true);
		page_in(w, page);
		add(t2, page);
	} else { /* case IV */
		if (t1->n + b1->n == w->n_frames) {
			if (t1->n < w->n_frames) {
				take_oldest(b1);
				arc_replace(w, false);
			} else {
				page_out(w, take_oldest(t1));
			}
		} else if (t1->n + t2->n + b1->n + b2->n >= w->n_frames) {
			if (t1->n + t2->n + b1->n + b2->n == 2 * w->n_frames)
				take_oldest(b2);
			arc_replace(w, false);
		}
		page_in(w, page);
		add(t1, page);
	}
}

/* Yang and others, algorithm 1. */
static bool s3_fifo_evict_main(struct world *w)
{
	struct pages *m = &w->list[1];
	while (m->n) {
		uint32_t oldest = take_oldest(m);
		if (!w->count[oldest]) {
			page_out(w, oldest);
			return true;
		}
		w->count[oldest]--;
		add(m, oldest);
	}
	return false;
}

static void s3_fifo_evict(struct world *w)
{
	struct pages *s = &w->list[0], *m = &w->list[1], *g = &w->list[2];
	uint32_t small = w->n_frames / 10 ? w->n_frames / 10 : 1, large = w->n_frames - small;
	if (s->n < small && s3_fifo_evict_main(w))
		return;
	while (s->n) {
		uint32_t oldest = take_oldest(s);
		if (w->count[oldest] > 1) {
			w->count[oldest] = 0;
			add(m, oldest);
			if (m->n > large && s3_fifo_evict_main(w))
				return;
			continue;
		}
		page_out(w, oldest);
		add(g, oldest);
		if (g->n > large)
			take_oldest(g);
		return;
	}
	s3_fifo_evict_main(w);
}

static void s3_fifo(struct world *w, uint32_t page)
{
	struct pages *s = &w->list[0], *m = &w->list[1], *g = &w->list[2];
	if (w->in[page]) {
		w->count[page] += w->count[page] < 3;
		return;
	}
	bool known = has(g, page);
	if (is_full(w))
		s3_fifo_evict(w);
	page_in(w, page);
	drop(g, page);
	w->count[page] = 0;
	add(known ? m : s, page);
}

/* Zhang and others; hand: an index into the queue, its end when the next round begins at the oldest. */
static void sieve(struct world *w, uint32_t page)
{
	struct pages *queue = &w->list[0];
	if (w->in[page]) {
		w->bit[page] = true;
		return;
	}
	if (is_full(w)) {
		uint32_t i = w->hand < queue->n ? w->hand : 0;
		for (; take_bit(w, queue->at[i]); i = (i + 1) % queue->n)
			;
		uint32_t victim = queue->at[i];
		drop(queue, victim);
		page_out(w, victim);
		w->hand = i < queue->n ? i : NOBODY; /* it was the newest: the next round begins at the oldest */
	}
	page_in(w, page);
	add(queue, page);
	w->bit[page] = false;
}

struct teller {
	const char *name;
	void (*refer)(struct world *w, uint32_t page);
	void (*tick)(struct world *w);   /* after each four references for each frame */
	void (*after)(struct world *w, uint32_t page); /* after each reference */
};
static const struct teller tellers[] = {
	{ "second-chance", second_chance, NULL, NULL }, { "clock-0", clock_0, NULL, NULL }, { "mru", mru, NULL, NULL },
	{ "lfu", lfu, NULL, NULL }, { "nru", nru, nru_tick, NULL }, { "aging", aging, aging_tick, NULL }, { "2q", two_q, NULL, NULL },
	{ "arc", arc, NULL, NULL }, { "s3-fifo", s3_fifo, NULL, NULL }, { "sieve", sieve, NULL, NULL },
	{ "car", refer_car, NULL, NULL }, { "lirs", refer_lirs, NULL, NULL }, { "clock-pro", refer_clock_pro, NULL, NULL },
	{ "wsclock", refer_wsclock, NULL, NULL }, { "mglru", refer_generations, NULL, NULL }, { "linux", refer_two_lists, NULL, NULL },
	{ "ws", refer_working_set, NULL, refer_working_set_after }, { "pff", refer_page_fault_frequency, NULL, NULL },
	{ "vmin", refer_variable_min, NULL, refer_variable_min_after },
};

static bool world_open(struct world *w)
{
	bool ok = true;
	bool **const flags[] = { &w->in, &w->written, &w->bit, &w->flag };
	for (unsigned i = 0; i < 4; i++)
		ok = (*flags[i] = calloc(w->n_pages, sizeof **flags[i])) && ok;
	ok = (w->count = calloc(w->n_pages, sizeof *w->count)) && ok;
	ok = (w->last = calloc(w->n_pages, sizeof *w->last)) && ok;
	for (unsigned i = 0; i < LISTS; i++)
		ok = (w->list[i].at = calloc(2 * (size_t)w->n_pages + 1, sizeof *w->list[i].at)) && ok;
	return ok;
}

static void world_close(struct world *w)
{
	free(w->in);
	free(w->written);
	free(w->bit);
	free(w->flag);
	free(w->count);
	free(w->last);
	for (unsigned i = 0; i < LISTS; i++)
		free(w->list[i].at);
}

/* When is each reference's page referenced next? */
static uint64_t *next_of(const uint32_t *page, uint64_t n, uint32_t n_pages)
{
	uint64_t *next = calloc(n ? n : 1, sizeof *next), *soonest = calloc(n_pages, sizeof *soonest);
	for (uint64_t i = n; next && soonest && i-- > 0;) {
		next[i] = soonest[page[i]] ? soonest[page[i]] : UINT64_MAX;
		soonest[page[i]] = i + 1;
	}
	free(soonest);
	return next;
}

bool reference_lists_run(const char *name, const uint32_t *page, const bool *is_store, uint64_t n, uint32_t n_pages,
                         uint32_t n_frames, struct reference_result *ret)
{
	const struct teller *t = NULL;
	size_t length = strcspn(name, ":");
	for (unsigned i = 0; i < sizeof tellers / sizeof *tellers; i++)
		if (!strncmp(tellers[i].name, name, length) && !tellers[i].name[length])
			t = &tellers[i];
	struct world w = { .n_frames = n_frames, .n_pages = n_pages, .result = ret };
	w.param = strchr(name, '=') ? strtoull(strchr(name, '=') + 1, NULL, 10) : 0;
	*ret = (struct reference_result){ 0 };
	uint64_t *next = next_of(page, n, n_pages);
	w.next = next;
	bool ok = t && next && world_open(&w);
	for (uint64_t i = 0; ok && i < n; i++) {
		w.now = i + 1;
		t->refer(&w, page[i]);
		w.written[page[i]] |= is_store[i];
		if (t->after)
			t->after(&w, page[i]);
		if (t->tick && w.now % (4ull * n_frames) == 0)
			t->tick(&w);
	}
	if (t)
		world_close(&w);
	free(next);
	return ok;
}
