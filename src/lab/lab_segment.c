/* lab_segment.c - the command segment: a memory without pages.
 *
 * Problem: pages hide what segments made visible: that memory has to be found in one piece, and that free memory can be useless.
 * Idea: beside the paged machine stands a memory for segments, made when it is asked for.  The processes are the same; each has a
 * table of segments by number, and "2:53" is byte 53 of its segment 2.
 *
 *      load 2:53 -> 4353   base 4300 + offset 53, which is below the limit 400
 *
 * 1. A request that is refused for want of room is an outcome, not an error: the line is done and last.refused says so. */
#include "lab_segment.h"
#include "../base/mem.h"
#include "../segment/churn.h"
#include "../sim/words.h"
#include <stdlib.h>
#include <string.h>

#define U(v) ((unsigned long long)(v))

enum { READ_MOST = 4096, CELLS = 64, SHOW_MOST = 64, COMPARE_MOST = 1000000 };

struct lab_segments *lab_segments(struct lab *l)
{
	if (l->segments)
		return l->segments;
	l->segments = mem_zalloc(1, sizeof *l->segments);
	if (!l->segments)
		lab_fail(l, "out of memory");
	else
		segment_unit_init(&l->segments->unit, l->supervisor ? 0 : SEGMEM_RINGS - 1);
	return l->segments;
}

/* The memory for segments.  => NULL, and the line has failed: there is none */
static struct segmem *memory(struct lab *l)
{
	if (l->segments && l->segments->memory)
		return l->segments->memory;
	lab_fail(l, "there is no memory for segments; 'segment memory 64K' makes one");
	return NULL;
}

void lab_segments_drop(struct lab *l)
{
	if (!l->segments)
		return;
	segmem_destroy(l->segments->memory);
	mem_free(l->segments);
	l->segments = NULL;
}

void lab_segments_exit(struct lab *l, uint32_t pid)
{
	if (l->segments && l->segments->memory)
		segmem_drop_all(l->segments->memory, pid);
}

/* ---- words ---- */

/* The segment's number, up to a colon or the end of the word. */
static bool number_of(struct lab *l, const char *word, uint32_t *ret)
{
	char digits[16];
	uint64_t n;
	snprintf(digits, sizeof digits, "%.*s", (int)strcspn(word, ":"), word);
	if (!lab_number(l, "segment", digits, &n))
		return false;
	*ret = (uint32_t)n;
	if (n > 0xffff)
		lab_fail(l, "segment: %s: numbers go from 0 to 65535", digits);
	return n <= 0xffff;
}

/* "2:53" */
static bool address_of(struct lab *l, const char *word, struct segmem_access *ret)
{
	const char *colon = strchr(word, ':');
	if (colon)
		return number_of(l, word, &ret->number) && lab_number(l, "offset", colon + 1, &ret->offset);
	lab_fail(l, "segment: '%s' is no address; write NUMBER:OFFSET, such as 2:53", word);
	return false;
}

/* Rights, of which a last s means: for the supervisor alone. */
static bool rights_of(struct lab *l, const char *word, struct segmem_entry *e)
{
	char letters[64];
	size_t n = strlen(word);
	bool supervisor = n && word[n - 1] == 's';
	snprintf(letters, sizeof letters, "%.*s", (int)(n - supervisor), word);
	e->ring = supervisor ? 0 : SEGMEM_RINGS - 1;
	return lab_rights(l, letters, &e->rights); /* PMAP_READ and so on are the same bits */
}
_Static_assert((int)SEGMEM_READ == PMAP_READ && (int)SEGMEM_WRITE == PMAP_WRITE && (int)SEGMEM_EXEC == PMAP_EXEC, "see rights_of");

static const char *rights_text(const struct segmem_entry *e, char buf[8])
{
	snprintf(buf, 8, "%c%c%c%c", e->rights & SEGMEM_READ ? 'r' : '-', e->rights & SEGMEM_WRITE ? 'w' : '-',
	         e->rights & SEGMEM_EXEC ? 'x' : '-', e->ring == 0 ? 's' : 'u');
	return buf;
}

/* The index of a word in a list, by what names it.  => n: not there, and the line has failed */
static unsigned word_index(struct lab *l, const char *what, const char *word, const char *(*name)(unsigned i), unsigned n)
{
	const char *names[8];
	for (unsigned i = 0; i < n; i++) {
		names[i] = name(i);
		if (strcmp(names[i], word) == 0)
			return i;
	}
	if (words_unknown(l->why, what, word, names, n) == PW_OK)
		lab_fail(l, "%s: '%s' is unknown", what, word);
	return n;
}

static const char *fit_name(unsigned i) { return placement_fit_word((enum placement_fit)i); }
static const char *victim_name(unsigned i) { return segmem_victim_word((enum segmem_victim)i); }

static const char *yes_name(unsigned i)
{
	static const char *const words[] = { "no", "yes" };
	return words[i];
}

/* ---- building ---- */

static bool memory_word(struct lab *l, const char *word, struct segmem_config *c)
{
	unsigned i;
	if (strncmp(word, "fit=", 4) == 0) {
		i = word_index(l, "fit", word + 4, fit_name, PLACEMENT_FITS);
		c->fit = (enum placement_fit)i;
		return i < PLACEMENT_FITS;
	}
	if (strncmp(word, "swap=", 5) == 0) {
		i = word_index(l, "swap", word + 5, victim_name, SEGMEM_VICTIMS);
		c->victim = (enum segmem_victim)i;
		return i < SEGMEM_VICTIMS;
	}
	if (strncmp(word, "compact=", 8) == 0) {
		i = word_index(l, "compact", word + 8, yes_name, 2);
		c->compacts = i == 1;
		return i < 2;
	}
	lab_fail(l, "segment memory: '%s' is no word of it; those are fit=, compact= and swap=", word);
	return false;
}

static enum lab_outcome segment_memory(struct lab *l, const struct lab_line *line)
{
	struct segmem_config c = { .fit = PLACEMENT_FIRST, .compacts = false, .victim = SEGMEM_VICTIM_NONE };
	struct lab_segments *s = lab_segments(l);
	struct segmem *made;
	char bytes[32];
	if (!s || !lab_number(l, "size", line->word[0], &c.bytes))
		return LAB_ERROR;
	for (unsigned i = 1; i < line->n; i++)
		if (!memory_word(l, line->word[i], &c))
			return LAB_ERROR;
	enum pw_err err = segmem_create(&c, &made, l->why);
	if (err)
		return lab_fail_err(l, err);
	segmem_destroy(s->memory);
	s->memory = made;
	s->last = (struct lab_segment_last){ 0 };
	lab_tell(l, "memory for segments: %s, %s fit, %s, swapping out: %s\n", text_bytes(bytes, sizeof bytes, c.bytes),
	         placement_fit_word(c.fit), c.compacts ? "compacted when needed" : "never compacted by itself",
	         segmem_victim_word(c.victim));
	return LAB_DONE;
}

static void entry_take(void *ctx, const struct segmem_entry *e)
{
	struct segmem_entry *wanted = ctx;
	if (e->owner == wanted->owner && e->number == wanted->number)
		*wanted = *e;
}

static struct segmem_entry entry_find(struct segmem *m, uint32_t owner, uint32_t number)
{
	struct segmem_entry e = { .owner = owner, .number = number };
	segmem_each(m, entry_take, &e);
	return e;
}

/* What making room has cost since: sentences of their own. */
static void tell_costs(struct lab *l, const struct segmem_counts *before)
{
	const struct segmem_counts *now = segmem_counts(l->segments->memory);
	l->segments->last.moved_bytes = now->moved_bytes - before->moved_bytes;
	if (now->compactions > before->compactions)
		lab_tell(l, "  no hole was large enough, though enough was free: memory was compacted\n");
	if (now->moved_bytes > before->moved_bytes)
		lab_tell(l, "  %llu bytes were moved\n", U(now->moved_bytes - before->moved_bytes));
	if (now->swapped_out > before->swapped_out)
		lab_tell(l, "  %llu segment%s had to leave: %llu bytes were written to swap\n", U(now->swapped_out - before->swapped_out),
		         now->swapped_out - before->swapped_out == 1 ? "" : "s", U(now->written_bytes - before->written_bytes));
}

/* What a request for room came to. */
static enum lab_outcome asked(struct lab *l, enum pw_err err, const char *what, uint32_t pid, uint32_t number,
                              const struct segmem_counts *before)
{
	struct lab_segment_last *last = &l->segments->last;
	if (err && err != PW_NOSPACE)
		return lab_fail_err(l, err);
	*last = (struct lab_segment_last){ .refused = err != PW_OK };
	if (err) {
		lab_tell(l, "refused: %s\n", l->why->text);
		*l->why->text = '\0';
		return LAB_DONE;
	}
	struct segmem_entry e = entry_find(l->segments->memory, pid, number);
	last->base = last->physical = e.base.v;
	last->limit = e.limit;
	if (e.present)
		lab_tell(l, "%s: segment %u: base %llu, limit %llu\n", what, number, U(e.base.v), U(e.limit));
	else
		lab_tell(l, "%s: segment %u: swapped out, limit %llu\n", what, number, U(e.limit));
	tell_costs(l, before);
	return LAB_DONE;
}

static enum lab_outcome segment_make(struct lab *l, const struct lab_line *line)
{
	struct segmem *m = memory(l);
	const struct lab_process *p = m ? lab_running(l) : NULL;
	struct segmem_entry e = { .rights = SEGMEM_READ | SEGMEM_WRITE, .ring = SEGMEM_RINGS - 1 };
	unsigned i = 2;
	if (!p || !number_of(l, line->word[0], &e.number) || !lab_number(l, "size", line->word[1], &e.limit))
		return LAB_ERROR;
	if (i < line->n && strcmp(line->word[i], "at") != 0 && !rights_of(l, line->word[i++], &e))
		return LAB_ERROR;
	e.present = i + 2 == line->n && strcmp(line->word[i], "at") == 0;
	if (i < line->n && !e.present)
		return lab_fail(l, "segment make: '%s' is no word of it; a base is written: at 4300", line->word[i]);
	if (e.present && !lab_number(l, "base", line->word[i + 1], &e.base.v))
		return LAB_ERROR;
	e.owner = p->pid;
	struct segmem_counts before = *segmem_counts(m);
	return asked(l, segmem_make(m, &e, l->why), "made", p->pid, e.number, &before);
}

static enum lab_outcome segment_grow(struct lab *l, const struct lab_line *line)
{
	struct segmem *m = memory(l);
	const struct lab_process *p = m ? lab_running(l) : NULL;
	uint32_t number;
	uint64_t limit;
	if (!p || !number_of(l, line->word[0], &number) || !lab_number(l, "size", line->word[1], &limit))
		return LAB_ERROR;
	struct segmem_counts before = *segmem_counts(m);
	return asked(l, segmem_resize(m, p->pid, number, limit, l->why), "resized", p->pid, number, &before);
}

static enum lab_outcome segment_drop(struct lab *l, const struct lab_line *line)
{
	struct segmem *m = memory(l);
	const struct lab_process *p = m ? lab_running(l) : NULL;
	uint32_t number;
	if (!p || !number_of(l, line->word[0], &number))
		return LAB_ERROR;
	if (segmem_drop(m, p->pid, number) != PW_OK)
		return lab_fail(l, "%s has no segment %u", p->name, number);
	lab_tell(l, "segment %u of %s is gone\n", number, p->name);
	return LAB_DONE;
}

static const struct lab_process *process_named(struct lab *l, const char *name)
{
	for (unsigned i = 0; i < l->n_processes; i++)
		if (strcmp(l->process[i].name, name) == 0 && l->process[i].process)
			return &l->process[i];
	lab_fail(l, "there is no process %s", name);
	return NULL;
}

static enum lab_outcome segment_share(struct lab *l, const struct lab_line *line)
{
	struct segmem *m = memory(l);
	const struct lab_process *p = m ? lab_running(l) : NULL;
	const struct lab_process *to = p ? process_named(l, line->word[1]) : NULL;
	uint32_t number;
	if (!to || !number_of(l, line->word[0], &number))
		return LAB_ERROR;
	struct segmem_entry e = entry_find(m, p->pid, number);
	if ((line->n > 2 && !number_of(l, line->word[2], &e.number)) || (line->n > 3 && !rights_of(l, line->word[3], &e)))
		return LAB_ERROR;
	e.owner = to->pid;
	enum pw_err err = segmem_share(m, p->pid, number, &e);
	if (err)
		return err == PW_NOMEM ? lab_fail_err(l, err) : err == PW_EXISTS ? lab_fail(l, "%s has a segment %u already", to->name,
		                                                                         e.number)
		                                                                 : lab_fail(l, "%s has no segment %u", p->name, number);
	lab_tell(l, "segment %u of %s is also segment %u of %s\n", number, p->name, e.number, to->name);
	return LAB_DONE;
}

/* ---- accessing ---- */

static void tell_refusal(struct lab *l, const struct segmem_access *a, const struct segmem_answer *r)
{
	lab_tell(l, "%s %u:%llu: refused: %s", access_name(a->kind), a->number, U(a->offset), segmem_fault_text(r->fault));
	if (r->fault == SEGMEM_FAULT_LIMIT && a->offset < r->entry.limit)
		lab_tell(l, " for all %llu bytes", U(a->bytes));
	if (r->fault == SEGMEM_FAULT_LIMIT)
		lab_tell(l, " (%llu)", U(r->entry.limit));
	lab_tell(l, "\n");
}

/* => whether it was done */
static bool access_make(struct lab *l, struct segmem_access *a)
{
	struct segmem *m = l->segments->memory;
	struct lab_segment_last *last = &l->segments->last;
	struct segmem_counts before = *segmem_counts(m);
	a->ring = l->supervisor ? 0 : SEGMEM_RINGS - 1;
	struct segmem_answer r = segmem_access(m, a);
	*last = (struct lab_segment_last){ .refused = r.fault != SEGMEM_FAULT_NONE, .physical = r.pa.v, .base = r.pa.v - a->offset,
		                           .limit = r.entry.limit, .swapped_in = r.swapped_in };
	if (r.fault) {
		last->base = r.entry.base.v;
		tell_refusal(l, a, &r);
		return false;
	}
	lab_tell(l, "%s %u:%llu -> %llu (0x%llx)   base %llu + offset %llu, below the limit %llu\n", access_name(a->kind), a->number,
	         U(a->offset), U(r.pa.v), U(r.pa.v), U(last->base), U(a->offset), U(last->limit));
	if (r.swapped_in)
		lab_tell(l, "  segment fault: all %llu bytes were read from swap first\n", U(last->limit));
	tell_costs(l, &before);
	return true;
}

static enum lab_outcome segment_read(struct lab *l, const struct lab_line *line)
{
	if (lab_selector_is(line->word[0]))
		return lab_selector_access(l, line, ACCESS_LOAD);
	struct segmem *m = memory(l);
	const struct lab_process *p = m ? lab_running(l) : NULL;
	uint8_t bytes[READ_MOST];
	struct segmem_access a = { .bytes = 8, .kind = ACCESS_LOAD, .data = bytes };
	if (!p || !address_of(l, line->word[0], &a) || (line->n > 1 && !lab_number(l, "bytes", line->word[1], &a.bytes)))
		return LAB_ERROR;
	if (a.bytes == 0 || a.bytes > READ_MOST)
		return lab_fail(l, "segment read: from 1 to %d bytes can be read at once", READ_MOST);
	a.owner = p->pid;
	if (!access_make(l, &a))
		return LAB_DONE;
	uint64_t value = 0;
	memcpy(&value, bytes, a.bytes < 8 ? a.bytes : 8);
	l->segments->last.value = value;
	if (a.bytes <= 8)
		lab_tell(l, "  = %llu (0x%llx)\n", U(value), U(value));
	else
		lab_tell_bytes(l, a.offset, bytes, a.bytes);
	return LAB_DONE;
}

static enum lab_outcome segment_write(struct lab *l, const struct lab_line *line)
{
	if (lab_selector_is(line->word[0]))
		return lab_selector_access(l, line, ACCESS_STORE);
	struct segmem *m = memory(l);
	const struct lab_process *p = m ? lab_running(l) : NULL;
	const char *text = line->word[1];
	uint64_t value;
	struct segmem_access a = { .bytes = 8, .kind = ACCESS_STORE, .data = &value };
	if (!p || !address_of(l, line->word[0], &a))
		return LAB_ERROR;
	if (*text == '"') {
		a.bytes = strlen(text + 1);
		a.data = (void *)(text + 1); /* a store only reads it */
		if (a.bytes == 0)
			return lab_fail(l, "segment write: a text has at least one character");
	} else if (!lab_number(l, "value", text, &value)) {
		return LAB_ERROR;
	}
	a.owner = p->pid;
	access_make(l, &a);
	return LAB_DONE;
}

static enum lab_outcome segment_fetch(struct lab *l, const struct lab_line *line)
{
	if (lab_selector_is(line->word[0]))
		return lab_selector_access(l, line, ACCESS_FETCH);
	struct segmem *m = memory(l);
	const struct lab_process *p = m ? lab_running(l) : NULL;
	struct segmem_access a = { .bytes = 1, .kind = ACCESS_FETCH };
	if (!p || !address_of(l, line->word[0], &a))
		return LAB_ERROR;
	a.owner = p->pid;
	access_make(l, &a);
	return LAB_DONE;
}

/* ---- moving ---- */

static enum lab_outcome segment_compact(struct lab *l, const struct lab_line *line)
{
	struct segmem *m = memory(l);
	(void)line;
	if (!m)
		return LAB_ERROR;
	uint64_t holes = placement_holes(segmem_placement(m)).n, moved = segmem_compact(m);
	l->segments->last = (struct lab_segment_last){ .moved_bytes = moved };
	lab_tell(l, "compacted: %llu bytes were moved; %llu hole%s became one of %llu bytes\n", U(moved), U(holes), holes == 1 ? "" : "s",
	         U(segmem_placement(m)->free));
	return LAB_DONE;
}

static enum lab_outcome segment_out(struct lab *l, const struct lab_line *line)
{
	struct segmem *m = memory(l);
	const struct lab_process *p = m ? lab_running(l) : NULL;
	uint32_t number;
	if (!p || !number_of(l, line->word[0], &number))
		return LAB_ERROR;
	uint64_t written = segmem_counts(m)->written_bytes;
	enum pw_err err = segmem_swap_out(m, p->pid, number);
	if (err)
		return err == PW_NOTFOUND ? lab_fail(l, "%s has no segment %u", p->name, number) : lab_fail_err(l, err);
	lab_tell(l, "segment %u is swapped out: %llu bytes were written\n", number, U(segmem_counts(m)->written_bytes - written));
	return LAB_DONE;
}

/* One row for each fit, in a memory like ours. */
static enum lab_outcome compare_rows(struct lab *l, const struct churn *c, struct segmem_config config)
{
	struct churn_result r;
	fprintf(l->out, "  %-6s %8s %10s %6s %11s %7s %14s %12s\n", "fit", "refused", "for holes", "used", "fragmented", "holes",
	        "bytes moved", "swapped out");
	for (unsigned fit = 0; fit < PLACEMENT_FITS; fit++) {
		config.fit = (enum placement_fit)fit;
		enum pw_err err = churn_run(&config, c, &r, l->why);
		if (err)
			return lab_fail_err(l, err);
		fprintf(l->out, "  %-6s %8llu %10llu %4.0f %% %9.0f %% %7.1f %14llu %12llu\n", placement_fit_word(config.fit), U(r.refused),
		        U(r.refused_fragmented), 100 * r.used, 100 * r.fragmentation, r.holes, U(r.counts.moved_bytes),
		        U(r.counts.swapped_out));
	}
	fprintf(l->out, "  for holes: refused although enough was free; used, fragmented and holes: on average, in the second half\n");
	return LAB_DONE;
}

/* Sizes from a thousandth of memory to a twentieth. */
static enum lab_outcome segment_compare(struct lab *l, const struct lab_line *line)
{
	struct churn c = { .steps = 20000, .seed = l->opt.seed ? l->opt.seed : 1, .load = 0.8 };
	struct segmem_config config = { .bytes = 1 << 20, .victim = SEGMEM_VICTIM_NONE };
	if ((line->n > 0 && !lab_number(l, "steps", line->word[0], &c.steps)) ||
	    (line->n > 1 && !lab_number(l, "seed", line->word[1], &c.seed)))
		return LAB_ERROR;
	if (c.steps == 0 || c.steps > COMPARE_MOST)
		return lab_fail(l, "segment compare: from 1 to %d segments can be asked for", COMPARE_MOST);
	if (l->segments && l->segments->memory)
		config = *segmem_config(l->segments->memory);
	c.smallest = config.bytes / 1000 + 1;
	c.largest = config.bytes / 20 + c.smallest;
	c.largest = c.largest < config.bytes ? c.largest : config.bytes;
	if (l->replaying)
		return LAB_DONE;
	fprintf(l->out, "%llu segments of %llu to %llu bytes in %llu, wanting %.0f %% of it; compact=%s, swap=%s\n", U(c.steps),
	        U(c.smallest), U(c.largest), U(config.bytes), 100 * c.load, config.compacts ? "yes" : "no",
	        segmem_victim_word(config.victim));
	return compare_rows(l, &c, config);
}

/* ---- showing ---- */

struct rows {
	struct segmem_entry *entry;
	unsigned n, room;
};

static void row_count(void *ctx, const struct segmem_entry *e)
{
	(void)e;
	((struct rows *)ctx)->room++;
}

static void row_add(void *ctx, const struct segmem_entry *e)
{
	struct rows *r = ctx;
	r->entry[r->n++] = *e;
}

/* Those in memory by base, then those that are out. */
static int row_order(const void *a, const void *b)
{
	const struct segmem_entry *x = a, *y = b;
	if (x->present != y->present)
		return x->present ? -1 : 1;
	if (x->base.v != y->base.v)
		return x->base.v < y->base.v ? -1 : 1;
	return x->owner != y->owner ? (x->owner < y->owner ? -1 : 1) : x->number < y->number ? -1 : x->number > y->number;
}

/* A picture of memory: each cell shows the segment in its middle. */
static void cells_show(struct lab *l, const struct rows *r, uint64_t bytes)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char cells[CELLS + 1];
	for (unsigned c = 0; c < CELLS; c++) {
		uint64_t middle = (uint64_t)((2.0 * c + 1) / (2 * CELLS) * (double)bytes);
		cells[c] = '.';
		for (unsigned i = 0; i < r->n && r->entry[i].present && r->entry[i].base.v <= middle; i++)
			if (middle - r->entry[i].base.v < r->entry[i].limit)
				cells[c] = digits[r->entry[i].number % (sizeof digits - 1)];
	}
	cells[CELLS] = '\0';
	fprintf(l->out, "  |%s|\n", cells);
}

static void row_show(struct lab *l, const struct segmem_entry *e, uint64_t hole_before)
{
	char rights[8];
	const struct lab_process *p = lab_process_of(l, e->owner);
	if (hole_before)
		fprintf(l->out, "  %12llu %12llu %12llu  hole\n", U(e->base.v - hole_before), U(e->base.v), U(hole_before));
	if (e->present)
		fprintf(l->out, "  %12llu %12llu", U(e->base.v), U(e->base.v + e->limit));
	else
		fprintf(l->out, "  %12s %12s", "-", "-");
	fprintf(l->out, " %12llu  segment %u of %s, %s%s%s\n", U(e->limit), e->number, p ? p->name : "?", rights_text(e, rights),
	        e->sharers > 1 ? ", shared" : "", e->present ? "" : ", swapped out");
}

static void rows_show(struct lab *l, const struct rows *r, uint64_t bytes)
{
	uint64_t end = 0;
	unsigned i = 0;
	for (; i < r->n && i < SHOW_MOST; i++) {
		const struct segmem_entry *e = &r->entry[i];
		if (!e->present && (i == 0 || r->entry[i - 1].present) && end < bytes) {
			fprintf(l->out, "  %12llu %12llu %12llu  hole\n", U(end), U(bytes), U(bytes - end));
			end = bytes;
		}
		row_show(l, e, e->present && e->base.v > end ? e->base.v - end : 0);
		end = e->present ? e->base.v + e->limit : end;
	}
	if (i < r->n)
		fprintf(l->out, "  ... and %u more\n", r->n - i);
	else if (end < bytes)
		fprintf(l->out, "  %12llu %12llu %12llu  hole\n", U(end), U(bytes), U(bytes - end));
}

enum lab_outcome lab_segments_show(struct lab *l)
{
	struct segmem *m = memory(l);
	struct rows r = { 0 };
	if (!m)
		return LAB_ERROR;
	segmem_each(m, row_count, &r);
	r.entry = mem_zalloc(r.room + 1, sizeof *r.entry);
	if (!r.entry)
		return lab_fail(l, "out of memory");
	segmem_each(m, row_add, &r);
	qsort(r.entry, r.n, sizeof *r.entry, row_order);
	const struct placement *p = segmem_placement(m);
	struct placement_holes holes = placement_holes(p);
	fprintf(l->out, "memory for segments: %llu bytes, %s fit: %s\n", U(p->bytes), placement_fit_word(p->fit),
	        placement_fit_text(p->fit));
	cells_show(l, &r, p->bytes);
	fprintf(l->out, "  %12s %12s %12s  what\n", "base", "end", "size");
	rows_show(l, &r, p->bytes);
	fprintf(l->out, "  %llu bytes are free in %llu hole%s, the largest of %llu", U(p->free), U(holes.n), holes.n == 1 ? "" : "s",
	        U(holes.largest));
	fprintf(l->out, p->free ? ": external fragmentation 1 - %llu/%llu = %.0f %%\n" : "\n", U(holes.largest), U(p->free),
	        100 * holes.fragmentation);
	mem_free(r.entry);
	return LAB_DONE;
}

/* ---- figures ---- */

static void put(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void memory_figures(const struct segmem *m, json_t *tree)
{
	const struct segmem_counts *n = segmem_counts(m);
	const struct placement *p = segmem_placement(m);
	struct placement_holes holes = placement_holes(p);
	uint64_t faults = 0;
	for (unsigned i = SEGMEM_FAULT_NONE + 1; i < SEGMEM_FAULTS; i++)
		faults += n->faults[i];
	put(tree, "bytes", p->bytes);
	put(tree, "free", p->free);
	put(tree, "holes", holes.n);
	put(tree, "largest_hole", holes.largest);
	put(tree, "fragmentation_percent", (uint64_t)(100 * holes.fragmentation + 0.5));
	put(tree, "accesses", n->accesses);
	put(tree, "refused", faults);
	put(tree, "refused_full", n->refused_full);
	put(tree, "refused_fragmented", n->refused_fragmented);
	put(tree, "compactions", n->compactions);
	put(tree, "moved_bytes", n->moved_bytes);
	put(tree, "swapped_out", n->swapped_out);
	put(tree, "swapped_in", n->swapped_in);
	put(tree, "written_bytes", n->written_bytes);
	put(tree, "read_bytes", n->read_bytes);
}

void lab_segments_figures(struct lab *l, json_t *root)
{
	if (!l->segments)
		return;
	json_t *tree = json_object(), *last = json_object();
	const struct lab_segment_last *a = &l->segments->last;
	if (l->segments->memory)
		memory_figures(l->segments->memory, tree);
	put(last, "refused", a->refused);
	put(last, "physical", a->physical);
	put(last, "base", a->base);
	put(last, "limit", a->limit);
	put(last, "value", a->value);
	put(last, "moved_bytes", a->moved_bytes);
	put(last, "swapped_in", a->swapped_in);
	put(last, "linear", a->linear);
	put(last, "vector", a->vector);
	put(last, "error", a->error);
	json_object_set_new(tree, "last", last);
	put(tree, "ring", l->segments->unit.cpl);
	json_object_set_new(root, "segments", tree);
}

/* ---- the command ---- */

static const struct {
	const char *name, *usage, *summary;
	unsigned least, most;
	lab_handler *handler;
} actions[] = {
#define X(name, usage, summary, least, most) { #name, usage, summary, least, most, segment_##name },
	LAB_SEGMENT_LIST(X)
#undef X
#define X(name, usage, summary, least, most) { #name, usage, summary, least, most, lab_selector_##name },
	LAB_SELECTOR_LIST(X)
#undef X
};
enum { N_ACTIONS = sizeof actions / sizeof *actions };

const char *lab_segment_word(unsigned i) { return i < N_ACTIONS ? actions[i].name : NULL; }

static enum lab_outcome actions_list(struct lab *l)
{
	for (unsigned i = 0; i < N_ACTIONS && !l->replaying; i++)
		fprintf(l->out, "  segment %-8s %-43s %s\n", actions[i].name, actions[i].usage, actions[i].summary);
	return LAB_DONE;
}

enum lab_outcome lab_segment(struct lab *l, const struct lab_line *line)
{
	const char *names[N_ACTIONS];
	struct lab_line rest = *line;
	if (line->n == 0)
		return actions_list(l);
	rest.n--;
	memmove(rest.word, rest.word + 1, rest.n * sizeof *rest.word);
	for (unsigned i = 0; i < N_ACTIONS; i++) {
		names[i] = actions[i].name;
		if (strcmp(names[i], line->word[0]) != 0)
			continue;
		if (rest.n >= actions[i].least && rest.n <= actions[i].most)
			return actions[i].handler(l, &rest);
		return lab_fail(l, "segment %s takes other words: segment %s %s", names[i], names[i], actions[i].usage);
	}
	return words_unknown(l->why, "segment", line->word[0], names, N_ACTIONS) ? LAB_ERROR : LAB_DONE;
}
