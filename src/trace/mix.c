/* mix.c - several traces as one.
 *
 * Problem: two recordings both begin with process 1, and one may say what it maps while the other does not.
 * Idea: the first part to use a number keeps it; another that comes with it gets the next number nobody has.  What is asked of the whole
 * is asked of the parts and put together; what differs between parts is told by process.
 *
 *      part 0:  1  2           1 -> 1   2 -> 2
 *      part 1:  1  7           1 -> 3   7 -> 7        in the order in which they are first seen
 *
 * 1. names holds, for each part and number of its own, the number outside; owner holds, for each number outside, its part.
 * 2. The order of parts and items is the same each time, so the numbers are.
 *
 * Rejected: numbers made of part and number (people would have to read 65537). */
#include "mix.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include <stdio.h>
#include <string.h>

struct mix {
	struct trace trace;
	struct trace *part[MIX_PARTS];
	bool ended[MIX_PARTS];
	unsigned n, turn;
	uint32_t fresh;          /* numbers below may be taken */
	struct htab names, owner;
	char *source;
};

static struct mix *mix_of(const struct trace *t) { return (struct mix *)(uintptr_t)t; }

static void mix_fail(struct mix *m)
{
	m->trace.error = pw_fail(&m->trace.why, PW_NOMEM, "%s: out of memory for the numbers of processes", m->source);
}

/* The number outside of a process of a part.  0: no memory */
static uint32_t mix_number(struct mix *m, unsigned part, uint32_t pid)
{
	uint64_t key = (uint64_t)part << 32 | pid;
	const uint64_t *known = htab_get(&m->names, key);
	if (known)
		return (uint32_t)*known;
	uint32_t number = pid;
	while (!number || htab_get(&m->owner, number))
		number = m->fresh++;
	uint64_t *name = htab_put(&m->names, key);
	if (name)
		*name = number;
	uint64_t *owner = name ? htab_put(&m->owner, number) : NULL;
	if (owner)
		*owner = part;
	return owner ? number : 0;
}

static bool other_is_process(const struct trace_event *e)
{
	return e->other && (e->kind == TRACE_FORK || e->kind == TRACE_PROCESS);
}

static void mix_part_next(struct mix *m, unsigned part, struct trace_item *ret)
{
	*ret = (struct trace_item){ .kind = TRACE_ITEM_END };
	if (m->ended[part] || m->trace.error)
		return;
	trace_next(m->part[part], ret);
	m->ended[part] = ret->kind == TRACE_ITEM_END;
	if (m->ended[part])
		return;
	ret->pid = mix_number(m, part, ret->pid);
	bool named = ret->pid;
	if (ret->kind == TRACE_ITEM_EVENT && other_is_process(&ret->event)) {
		ret->event.other = mix_number(m, part, ret->event.other);
		named = named && ret->event.other;
	}
	if (!named) {
		mix_fail(m);
		ret->kind = TRACE_ITEM_END;
	}
}

/* What the parts say, put together. */
static void mix_describe(struct mix *m)
{
	struct trace_info *to = &m->trace.info;
	bool totals = true;
	double progress = 0;
	to->records = to->rejected = to->rejected_at = to->refs_total = to->bytes = 0;
	for (unsigned i = 0; i < m->n; i++) {
		struct trace_info info = trace_describe(m->part[i]);
		to->rejected_at = to->rejected_at ? to->rejected_at : info.rejected_at;
		to->records += info.records;
		to->rejected += info.rejected;
		to->bytes += info.bytes;
		to->refs_total += info.refs_total;
		totals = totals && info.refs_total;
		progress = progress < 0 || info.progress < 0 ? -1 : progress + info.progress / m->n;
		to->granule_shift = info.granule_shift > to->granule_shift ? info.granule_shift : to->granule_shift;
		to->has_events = to->has_events || info.has_events;
	}
	to->refs_total = totals ? to->refs_total : 0;
	to->progress = progress;
}

/* When all have ended, the first one that ended early says why. */
static void mix_end(struct mix *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (!m->ended[i])
			return;
	for (unsigned i = 0; i < m->n && !m->trace.error; i++)
		m->trace.error = trace_error(m->part[i], &m->trace.why);
}

static void mix_next(struct trace *t, struct trace_item *ret)
{
	struct mix *m = mix_of(t);
	for (unsigned tried = 0; tried < m->n; tried++) {
		mix_part_next(m, m->turn, ret);
		m->turn = (m->turn + 1) % m->n;
		if (ret->kind != TRACE_ITEM_END)
			break;
	}
	mix_describe(m);
	if (ret->kind == TRACE_ITEM_END)
		mix_end(m);
}

static enum pw_err mix_rewind(struct trace *t, struct pw_why *why)
{
	struct mix *m = mix_of(t);
	for (unsigned i = 0; i < m->n; i++) {
		enum pw_err err = trace_rewind(m->part[i], why);
		if (err)
			return err;
		m->ended[i] = false;
	}
	m->turn = 0;
	return PW_OK;
}

static struct trace_info mix_of_process(const struct trace *t, uint32_t pid)
{
	const struct mix *m = mix_of(t);
	const uint64_t *part = htab_get(&mix_of(t)->owner, pid);
	return trace_describe(part ? m->part[*part] : t);
}

static void mix_close(struct trace *t)
{
	struct mix *m = mix_of(t);
	for (unsigned i = 0; i < m->n; i++)
		trace_close(m->part[i]);
	htab_fini(&m->names);
	htab_fini(&m->owner);
	mem_free(m->source);
	mem_free(m);
}

static const struct trace_ops mix_ops = {
	.format = "mix", .next = mix_next, .rewind = mix_rewind, .close = mix_close, .of_process = mix_of_process,
};

/* "a.pwt + b.pwt" */
static char *sources_text(struct trace *const part[], unsigned n)
{
	char *text = mem_strdup(trace_describe(part[0]).source);
	for (unsigned i = 1; text && i < n; i++) {
		char *longer = mem_printf("%s + %s", text, trace_describe(part[i]).source);
		mem_free(text);
		text = longer;
	}
	return text;
}

enum pw_err trace_mix(struct trace *const part[], unsigned n, struct trace **ret, struct pw_why *why)
{
	*ret = NULL;
	if (n == 1) {
		*ret = part[0];
		return PW_OK;
	}
	struct mix *m = n <= MIX_PARTS ? mem_zalloc(1, sizeof *m) : NULL;
	bool made = m && (m->source = sources_text(part, n)) && htab_init(&m->names, 0) == PW_OK && htab_init(&m->owner, 0) == PW_OK;
	for (unsigned i = 0; i < n; i++) {
		if (made)
			m->part[m->n++] = part[i];
		else
			trace_close(part[i]);
	}
	if (!made) {
		if (m)
			mix_close(&m->trace);
		return n > MIX_PARTS ? pw_fail(why, PW_LIMIT, "%u traces are too many at once; at most %d", n, MIX_PARTS)
		                     : pw_fail(why, PW_NOMEM, "out of memory for a mix of traces");
	}
	m->fresh = 1;
	m->trace.ops = &mix_ops;
	m->trace.info = (struct trace_info){ .format = mix_ops.format, .source = m->source };
	mix_describe(m);
	*ret = &m->trace;
	return PW_OK;
}

unsigned trace_parts(const struct trace *t) { return t->ops == &mix_ops ? mix_of(t)->n : 1; }

void trace_part_next(struct trace *t, unsigned part, struct trace_item *ret)
{
	if (t->ops != &mix_ops) {
		trace_next(t, ret);
		return;
	}
	struct mix *m = mix_of(t);
	mix_part_next(m, part, ret);
	if (ret->kind == TRACE_ITEM_END) {
		mix_describe(m);
		mix_end(m);
	}
}
