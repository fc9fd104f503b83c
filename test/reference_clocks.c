/* reference_clocks.c - policies of kernels and those with a clock of their own, written from their papers for clearness alone. */
#include "reference_world.h"

/* Bansal and Modha, figure 2. */
static void car_replace(struct world *w)
{
	struct pages *t1 = &w->list[0], *t2 = &w->list[1], *b1 = &w->list[2], *b2 = &w->list[3];
	for (;;) {
		bool once = t1->n && (t1->n >= (w->p > 1 ? w->p : 1) || !t2->n);
		uint32_t head = take_oldest(once ? t1 : t2);
		if (take_bit(w, head)) {
			add(t2, head);
			continue;
		}
		add(once ? b1 : b2, head);
		page_out(w, head);
		return;
	}
}

void refer_car(struct world *w, uint32_t page)
{
	struct pages *t1 = &w->list[0], *t2 = &w->list[1], *b1 = &w->list[2], *b2 = &w->list[3];
	if (w->in[page]) {
		w->bit[page] = true;
		return;
	}
	bool known = has(b1, page) || has(b2, page);
	if (is_full(w)) {
		car_replace(w);
		if (!known && t1->n + b1->n >= w->n_frames) {
			if (b1->n)
				take_oldest(b1);
		} else if (!known && t1->n + t2->n + b1->n + b2->n >= 2 * w->n_frames && b2->n) {
			take_oldest(b2);
		}
	}
	page_in(w, page);
	w->bit[page] = false;
	if (has(b1, page)) {
		w->p += b2->n > b1->n ? (double)b2->n / b1->n : 1;
		w->p = w->p < w->n_frames ? w->p : w->n_frames;
	} else if (has(b2, page)) {
		w->p -= b1->n > b2->n ? (double)b1->n / b2->n : 1;
		w->p = w->p > 0 ? w->p : 0;
	}
	drop(b1, page);
	drop(b2, page);
	add(known ? t2 : t1, page);
}

/* Jiang and Zhang: flag is LIR; the stack holds pages in memory and not, its bottom first. */
static void lirs_trim(struct world *w)
{
	struct pages *stack = &w->list[0], *queue = &w->list[1], *left = &w->list[2];
	uint32_t hir = w->n_frames / 100 ? w->n_frames / 100 : 1, lir = 0;
	for (uint32_t i = 0; i < stack->n; i++)
		lir += w->flag[stack->at[i]];
	for (;;) {
		while (stack->n && !w->flag[stack->at[0]])
			drop(left, take_oldest(stack));
		if (lir <= w->n_frames - hir)
			return;
		uint32_t bottom = take_oldest(stack);
		w->flag[bottom] = false;
		add(queue, bottom);
		lir--;
	}
}

static void lirs_hit(struct world *w, uint32_t page)
{
	struct pages *stack = &w->list[0], *queue = &w->list[1];
	if (!w->flag[page] && !has(stack, page)) {
		add(stack, page);
		refresh(queue, page);
		return;
	}
	refresh(stack, page);
	if (!w->flag[page]) {
		drop(queue, page);
		w->flag[page] = true;
	}
	lirs_trim(w);
}

void refer_lirs(struct world *w, uint32_t page)
{
	struct pages *stack = &w->list[0], *queue = &w->list[1], *left = &w->list[2];
	uint32_t hir = w->n_frames / 100 ? w->n_frames / 100 : 1, lir = 0;
	if (w->in[page]) {
		lirs_hit(w, page);
		return;
	}
	bool known = has(stack, page);
	drop(stack, page);
	drop(left, page);
	if (is_full(w)) {
		uint32_t victim = take_oldest(queue);
		page_out(w, victim);
		if (has(stack, victim)) {
			if (left->n == 2 * w->n_frames)
				drop(stack, take_oldest(left));
			add(left, victim);
		}
	}
	for (uint32_t i = 0; i < stack->n; i++)
		lir += w->flag[stack->at[i]];
	page_in(w, page);
	add(stack, page);
	w->flag[page] = known || lir < w->n_frames - hir;
	if (w->flag[page])
		lirs_trim(w);
	else
		add(queue, page);
}

/* Jiang, Chen and Zhang.  The circle is list 0; hands are pages; count is the state. */
enum { HOT = 1, TEST = 2, COLD_LEFT = 4 };
enum { HAND_HOT, HAND_COLD, HAND_TEST };

static uint32_t place_of(const struct pages *l, uint32_t page)
{
	uint32_t i = 0;
	while (l->at[i] != page)
		i++;
	return i;
}

static uint32_t after(const struct pages *l, uint32_t page)
{
	return l->at[(place_of(l, page) + 1) % l->n];
}

static void insert_at(struct pages *l, uint32_t i, uint32_t page)
{
	memmove(l->at + i + 1, l->at + i, (l->n - i) * sizeof *l->at);
	l->at[i] = page;
	l->n++;
}

static void pro_insert(struct world *w, uint32_t page)
{
	struct pages *circle = &w->list[0];
	insert_at(circle, circle->n ? place_of(circle, w->hands[HAND_HOT]) : 0, page);
	for (unsigned i = 0; circle->n == 1 && i < 3; i++)
		w->hands[i] = page;
}

static void pro_remove(struct world *w, uint32_t page)
{
	for (unsigned i = 0; i < 3; i++)
		if (w->hands[i] == page)
			w->hands[i] = after(&w->list[0], page);
	drop(&w->list[0], page);
}

static uint32_t pro_count(const struct world *w, uint32_t mask, uint32_t value)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->list[0].n; i++)
		n += (w->count[w->list[0].at[i]] & mask) == value;
	return n;
}

static void pro_test_fails(struct world *w, uint32_t page)
{
	if (!(w->count[page] & (TEST | COLD_LEFT)))
		return;
	w->target -= w->target > 1;
	if (w->count[page] & COLD_LEFT)
		pro_remove(w, page);
	w->count[page] = 0;
}

static void pro_cool(struct world *w)
{
	for (;;) {
		uint32_t page = w->hands[HAND_HOT];
		w->hands[HAND_HOT] = after(&w->list[0], page);
		if (!(w->count[page] & HOT)) {
			pro_test_fails(w, page);
		} else if (!take_bit(w, page)) {
			w->count[page] = 0;
			return;
		}
	}
}

static void pro_limit_hot(struct world *w)
{
	while (pro_count(w, HOT, HOT) > w->n_frames - w->target)
		pro_cool(w);
}

static void pro_evict(struct world *w)
{
	for (;;) {
		if (!pro_count(w, HOT | COLD_LEFT, 0))
			pro_cool(w);
		uint32_t page = w->hands[HAND_COLD];
		w->hands[HAND_COLD] = after(&w->list[0], page);
		if (w->count[page] & (HOT | COLD_LEFT))
			continue;
		if (!take_bit(w, page)) {
			page_out(w, page);
			if (w->count[page] & TEST)
				w->count[page] = COLD_LEFT;
			else
				pro_remove(w, page);
			break;
		}
		pro_remove(w, page);
		pro_insert(w, page);
		if (w->count[page] & TEST) {
			w->target += w->target < w->n_frames;
			w->count[page] = HOT;
			pro_limit_hot(w);
		} else {
			w->count[page] = TEST;
		}
	}
	while (pro_count(w, COLD_LEFT, COLD_LEFT) > w->n_frames) {
		uint32_t page = w->hands[HAND_TEST];
		w->hands[HAND_TEST] = after(&w->list[0], page);
		if (!(w->count[page] & HOT))
			pro_test_fails(w, page);
	}
}

void refer_clock_pro(struct world *w, uint32_t page)
{
	if (!w->target)
		w->target = w->n_frames / 100 ? w->n_frames / 100 : 1;
	if (w->in[page]) {
		w->bit[page] = true;
		return;
	}
	bool known = has(&w->list[0], page);
	if (known) {
		w->target += w->target < w->n_frames;
		pro_remove(w, page);
	}
	if (is_full(w))
		pro_evict(w);
	page_in(w, page);
	pro_insert(w, page);
	w->count[page] = known ? HOT : TEST;
	w->bit[page] = false;
	pro_limit_hot(w);
}

/* Carr and Hennessy; hand: an index into the circle. */
static void wsclock_evict(struct world *w)
{
	struct pages *circle = &w->list[0];
	uint32_t old = NOBODY, unused = NOBODY, first = NOBODY, chosen = NOBODY, patience = 32;
	uint64_t tau = w->n_frames, earliest = UINT64_MAX / 2;
	for (uint32_t left = circle->n; left && patience && chosen == NOBODY; left--) {
		uint32_t page = circle->at[w->hand < circle->n ? w->hand : 0];
		w->hand = w->hand < circle->n ? w->hand + 1 : 1;
		patience -= old != NOBODY;
		bool used = take_bit(w, page);
		if (used)
			w->last[page] = w->now;
		first = first == NOBODY ? page : first;
		unused = unused == NOBODY && !used ? page : unused;
		earliest = w->last[page] < earliest ? w->last[page] : earliest;
		if (w->now < w->none_until) {
			if (!used)
				chosen = page;
		} else if (w->now - w->last[page] > tau) {
			if (!w->written[page])
				chosen = page;
			else if (old == NOBODY)
				old = page;
		}
	}
	if (chosen == NOBODY && old == NOBODY) {
		w->none_until = earliest + tau + 1 > w->now + circle->n ? earliest + tau + 1 : w->now + circle->n;
		chosen = unused != NOBODY ? unused : first;
	}
	chosen = chosen != NOBODY ? chosen : old;
	w->hand = place_of(circle, chosen);
	drop(circle, chosen);
	page_out(w, chosen);
}

void refer_wsclock(struct world *w, uint32_t page)
{
	if (w->in[page]) {
		w->bit[page] = true;
		return;
	}
	if (is_full(w))
		wsclock_evict(w);
	page_in(w, page);
	w->bit[page] = false;
	w->last[page] = w->now;
	insert_at(&w->list[0], w->hand++, page);
}

/* Lists 0 to 3 are the generations, by number modulo four. */
static void generations_age(struct world *w)
{
	for (uint64_t g = w->old; g <= w->young; g++) {
		struct pages *l = &w->list[g % 4];
		for (uint32_t i = 0, n = l->n; n; n--) {
			uint32_t page = l->at[i];
			if (take_bit(w, page) && g != w->young) {
				drop(l, page);
				add(&w->list[w->young % 4], page);
			} else {
				i++;
			}
		}
	}
	w->young++;
}

void refer_generations(struct world *w, uint32_t page)
{
	w->young = w->young ? w->young : 2;
	if (!w->in[page]) {
		while (is_full(w)) {
			struct pages *oldest = &w->list[w->old % 4];
			if (w->young - w->old < 2) {
				generations_age(w);
			} else if (!oldest->n) {
				w->old++;
			} else {
				uint32_t first = take_oldest(oldest);
				if (take_bit(w, first))
					add(&w->list[w->young % 4], first);
				else
					page_out(w, first);
			}
		}
		page_in(w, page);
		add(&w->list[w->young % 4], page);
	}
	w->bit[page] = true;
}

/* flag: found used once; last: the clock at which a page left. */
void refer_two_lists(struct world *w, uint32_t page)
{
	struct pages *inactive = &w->list[0], *active = &w->list[1], *left = &w->list[2];
	if (w->in[page]) {
		w->bit[page] = true;
		return;
	}
	while (is_full(w)) {
		while (active->n > inactive->n) {
			uint32_t oldest = take_oldest(active);
			w->bit[oldest] = w->flag[oldest] = false;
			add(inactive, oldest);
		}
		uint32_t oldest = take_oldest(inactive);
		if (!take_bit(w, oldest)) {
			page_out(w, oldest);
			if (left->n == w->n_frames)
				take_oldest(left);
			add(left, oldest);
			w->last[oldest] = w->clock++;
		} else if (w->flag[oldest]) {
			add(active, oldest);
			w->flag[oldest] = false;
			w->clock++;
		} else {
			w->flag[oldest] = true;
			add(inactive, oldest);
		}
	}
	bool soon = has(left, page) && w->clock - w->last[page] <= active->n;
	w->clock += soon;
	drop(left, page);
	page_in(w, page);
	w->flag[page] = false;
	w->bit[page] = true;
	add(soon ? active : inactive, page);
}

static uint32_t longest_unused(const struct world *w)
{
	uint32_t best = NOBODY;
	for (uint32_t i = 0; i < w->n_pages; i++)
		if (w->in[i] && !w->flag[i] && (best == NOBODY || w->last[i] < w->last[best]))
			best = i;
	return best;
}

/* Denning. */
void refer_working_set(struct world *w, uint32_t page)
{
	if (!w->in[page]) {
		if (is_full(w))
			page_out(w, longest_unused(w));
		page_in(w, page);
	}
	w->last[page] = w->now;
}

void refer_working_set_after(struct world *w, uint32_t page)
{
	uint64_t tau = w->param ? w->param : 1 << 20;
	for (uint32_t i = 0; i < w->n_pages; i++)
		if (w->in[i] && i != page && w->last[i] + tau <= w->now)
			page_out(w, i);
}

/* Chu and Opderbeck; flag: came in since bits were cleared; none_until: time of the last fault. */
void refer_page_fault_frequency(struct world *w, uint32_t page)
{
	struct pages *all = &w->list[0];
	uint64_t interval = w->param ? w->param : 1 << 16;
	if (w->in[page]) {
		w->bit[page] = true;
		return;
	}
	if (is_full(w)) {
		uint32_t victim = all->at[0];
		for (uint32_t i = 0; i < all->n; i++) {
			bool used = take_bit(w, all->at[i]) || w->flag[all->at[i]];
			w->flag[all->at[i]] = false;
			if (!used) {
				victim = all->at[i];
				break;
			}
		}
		drop(all, victim);
		page_out(w, victim);
	}
	for (uint32_t i = 0; w->now - w->none_until >= interval && i < all->n;) {
		uint32_t other = all->at[i];
		if (take_bit(w, other) || w->flag[other]) {
			i++;
		} else {
			drop(all, other);
			page_out(w, other);
		}
		w->flag[other] = false;
	}
	w->none_until = w->now;
	page_in(w, page);
	add(all, page);
	w->flag[page] = true;
	w->bit[page] = false;
}

/* Prieve and Fabry; flag: will not be used in time. */
void refer_variable_min(struct world *w, uint32_t page)
{
	uint64_t next = w->next[w->now - 1], tau = w->param ? w->param : 1 << 20;
	if (!w->in[page]) {
		uint32_t victim = longest_unused(w);
		for (uint32_t i = 0; victim == NOBODY && i < w->n_pages; i++)
			victim = w->in[i] ? i : NOBODY;
		if (is_full(w))
			page_out(w, victim);
		page_in(w, page);
	}
	w->last[page] = w->now;
	w->flag[page] = next == UINT64_MAX || next > w->now + tau;
}

void refer_variable_min_after(struct world *w, uint32_t page)
{
	for (uint32_t i = 0; i < w->n_pages; i++)
		if (w->in[i] && i != page && w->flag[i])
			page_out(w, i);
}
