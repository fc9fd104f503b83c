/* sched.c - round robin.
 *
 * Problem: a trace gives its processes one after the other, in the order of another computer; a scheduler asks for the next references
 * of one of them.
 *
 * Idea.  Each process has a queue.  Whoever is to run takes from its own; when that is empty the trace is read on, and what belongs to
 * others waits in theirs.  A trace of one process needs no queue: its items are handed out as they come.
 *
 *      part of the trace --> its process? -- yes --> handed out, cut where its quantum ends
 *                                |
 *                                no --> copied into the queue of the other, who is ready now
 *
 *      ready:  B C D  --> CPU 0: A, 700 left of its quantum --> the end of "ready", or waiting, or gone
 *
 * With several CPUs all move together, a slice of each in turn.
 *
 * Invariants.
 *   1. A process is in exactly one state; those that are READY are in the ring, in the order in which they became it.
 *   2. What a process has not done yet is: what is left of its item, then its queue, then what has not been read.
 *   3. The oldest item that is queued is of a process that is not WAITING for another (both only wait for older items), so somebody can run
 *      unless all that could are held.
 *
 * Rejected: one thread of the recording as the unit (a thread may use what another has mapped, only the recorded order says when);
 * reading the whole trace first (it may be a running program, or larger than memory). */
#include "sched.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include <string.h>

enum { SLICE = 1024 }; /* references of one CPU before the next one's turn, where there are several */

enum state {
	UNBORN,   /* its parent has not forked yet */
	READY,
	RUNNING,
	IDLE,     /* nothing of it has been read, or comes */
	WAITING,  /* for the end of a child */
};

/* Something a process does, kept for later: an item, or the end of a child it has to wait for. */
struct packet {
	struct packet *next;
	uint32_t child;          /* not 0: no item */
	struct trace_item item;  /* refs, event.name: point behind this struct */
};

struct proc {
	uint32_t pid, parent;
	unsigned part;
	enum state state;
	bool held, gone;         /* gone: its end has been handed out */
	uint32_t waits_for;
	struct packet *first, **last;
	struct packet *packet;   /* that item is from; NULL: it is the trace's own */
	struct trace_item item;  /* in hand; END: none */
	uint64_t at;             /* references of it that are done */
};

struct part {
	uint64_t queued;         /* references in queues */
	uint32_t direct;         /* pid of who has an item of the trace's own in hand; 0: nobody */
	bool ended;
};

struct seat {
	struct proc *proc;       /* NULL: idle */
	uint64_t left, slice;    /* of the quantum, of the slice */
};

struct sched {
	struct trace trace;
	struct trace *under;
	struct proc *given;      /* whose item was handed out last */
	bool begun;
	uint64_t quantum;
	unsigned n_cpus, n_parts, cpu;
	struct seat seat[64];
	struct part part[MIX_PARTS];
	struct proc **proc;      /* in order of their first item */
	unsigned n_procs;
	struct htab pids;        /* -> index of proc */
	uint32_t *ring;          /* of those that are ready, room for all */
	unsigned ring_first, ring_n;
	uint32_t released;
	struct sched_counts counts;
};

static struct sched *sched_of(struct trace *t) { return (struct sched *)t; }

static struct proc *proc_find(const struct sched *s, uint32_t pid)
{
	const uint64_t *i = htab_get(&s->pids, pid);
	return i ? s->proc[*i] : NULL;
}

static void sched_fail(struct sched *s)
{
	s->trace.error = pw_fail(&s->trace.why, PW_NOMEM, "%s: out of memory for processes that wait", s->trace.info.source);
}

/* ---- who is ready ---- */

static void ring_push(struct sched *s, struct proc *p)
{
	p->state = READY;
	if (!p->held)
		s->ring[(s->ring_first + s->ring_n++) % s->n_procs] = p->pid;
}

static struct proc *ring_take(struct sched *s)
{
	if (!s->ring_n)
		return NULL;
	struct proc *p = proc_find(s, s->ring[s->ring_first]);
	s->ring_first = (s->ring_first + 1) % s->n_procs;
	s->ring_n--;
	return p;
}

static void ring_cut(struct sched *s, const struct proc *p)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < s->ring_n; i++) {
		uint32_t pid = s->ring[(s->ring_first + i) % s->n_procs];
		if (pid != p->pid)
			s->ring[(s->ring_first + kept++) % s->n_procs] = pid;
	}
	s->ring_n = kept;
}

/* => PW_NOMEM; the ring turns to its beginning, as its size changes */
static enum pw_err ring_grow(struct sched *s, unsigned n)
{
	uint32_t *grown = mem_zalloc(n, sizeof *grown);
	if (!grown)
		return PW_NOMEM;
	for (unsigned i = 0; i < s->ring_n; i++)
		grown[i] = s->ring[(s->ring_first + i) % s->n_procs];
	mem_free(s->ring);
	s->ring = grown;
	s->ring_first = 0;
	return PW_OK;
}

static struct proc *proc_add(struct sched *s, uint32_t pid, unsigned part)
{
	struct proc *p = mem_zalloc(1, sizeof *p);
	struct proc **grown = p ? mem_realloc(s->proc, s->n_procs + 1, sizeof *grown) : NULL;
	if (grown)
		s->proc = grown;
	uint64_t *index = grown && ring_grow(s, s->n_procs + 1) == PW_OK ? htab_put(&s->pids, pid) : NULL;
	if (!index) {
		mem_free(p);
		sched_fail(s);
		return NULL;
	}
	*p = (struct proc){ .pid = pid, .part = part, .state = IDLE, .last = &p->first };
	*index = s->n_procs;
	s->proc[s->n_procs++] = p;
	return p;
}

/* ---- queues ---- */

static bool queue_add(struct sched *s, struct proc *p, const struct trace_item *item, uint64_t at, uint32_t child)
{
	bool refs = !child && item->kind == TRACE_ITEM_REFS;
	size_t bytes = child ? 0 : refs ? (item->n_refs - at) * sizeof(ref_t) : strlen(item->event.name) + 1;
	struct packet *k = mem_alloc(sizeof *k + bytes);
	if (!k) {
		sched_fail(s);
		return false;
	}
	*k = (struct packet){ .child = child, .item = child ? (struct trace_item){ .kind = TRACE_ITEM_END } : *item };
	if (refs) {
		k->item.refs = memcpy(k + 1, item->refs + at, bytes);
		k->item.n_refs -= at;
		s->part[p->part].queued += k->item.n_refs;
	} else if (!child) {
		k->item.event.name = memcpy(k + 1, item->event.name, bytes);
	}
	*p->last = k;
	p->last = &k->next;
	return true;
}

/* What a process has in hand from the trace itself goes when the trace is read on: what is left of it is kept. */
static void hand_keep(struct sched *s, unsigned part)
{
	struct proc *p = s->part[part].direct ? proc_find(s, s->part[part].direct) : NULL;
	s->part[part].direct = 0;
	if (!p || p->item.kind == TRACE_ITEM_END)
		return;
	struct packet *rest = p->first, **rest_last = p->last;
	p->first = NULL;
	p->last = &p->first;
	(void)queue_add(s, p, &p->item, p->at, 0); /* without memory s has failed, and says so */
	*p->last = rest;
	p->last = rest ? rest_last : p->last;
	p->item.kind = TRACE_ITEM_END;
	p->at = 0;
}

static void hand_drop(struct sched *s, struct proc *p)
{
	if (!p->packet && s->part[p->part].direct == p->pid)
		s->part[p->part].direct = 0;
	mem_free(p->packet);
	p->packet = NULL;
	p->item = (struct trace_item){ .kind = TRACE_ITEM_END };
	p->at = 0;
}

/* ---- reading on ---- */

/* What an item says about who waits for whom, when it is read.  => false: no memory */
static bool note_read(struct sched *s, struct proc *p, const struct trace_item *item)
{
	const struct trace_event *e = &item->event;
	if (item->kind != TRACE_ITEM_EVENT)
		return true;
	if (e->kind == TRACE_FORK && e->other && !proc_find(s, e->other)) {
		struct proc *child = proc_add(s, e->other, p->part);
		if (!child)
			return false;
		child->state = UNBORN;
		child->parent = p->pid;
	}
	struct proc *parent = e->kind == TRACE_EXIT && p->parent ? proc_find(s, p->parent) : NULL;
	return !parent || queue_add(s, parent, NULL, 0, p->pid);
}

/* A process seen first by an item of its own, which says whether it is to be forked still. */
static struct proc *proc_first(struct sched *s, const struct trace_item *item, unsigned part)
{
	struct proc *p = proc_add(s, item->pid, part);
	if (p && item->kind == TRACE_ITEM_EVENT && item->event.kind == TRACE_PROCESS && item->event.other) {
		p->parent = item->event.other;
		p->state = UNBORN;
	}
	return p;
}

/* Reads one item of a part: into the hands of who wants it, or into a queue.  => false: nothing more comes, or nothing can be kept */
static bool part_read(struct sched *s, unsigned part, struct proc *wants)
{
	struct trace_item item;
	hand_keep(s, part);
	if (s->part[part].ended || s->trace.error)
		return false;
	trace_part_next(s->under, part, &item);
	s->trace.info = trace_describe(s->under);
	s->part[part].ended = item.kind == TRACE_ITEM_END;
	if (s->part[part].ended)
		return false;
	struct proc *p = proc_find(s, item.pid);
	if (!p)
		p = proc_first(s, &item, part);
	if (!p || !note_read(s, p, &item))
		return false;
	if (p == wants && !p->first) {
		p->item = item;
		s->part[part].direct = p->pid;
		return true;
	}
	if (!queue_add(s, p, &item, 0, 0))
		return false;
	if (p->state == IDLE)
		ring_push(s, p);
	return true;
}

/* ---- what happens next to a process ---- */

/* An event is handed out: who waited for it need not any more. */
static void note_done(struct sched *s, struct proc *p)
{
	const struct trace_event *e = &p->item.event;
	if (e->kind == TRACE_FORK) {
		struct proc *child = proc_find(s, e->other);
		if (child && child->state == UNBORN) {
			child->state = IDLE;
			if (child->first)
				ring_push(s, child);
		}
	}
	if (e->kind != TRACE_EXIT)
		return;
	p->gone = true;
	struct proc *parent = p->parent ? proc_find(s, p->parent) : NULL;
	if (parent && parent->state == WAITING && parent->waits_for == p->pid)
		ring_push(s, parent);
}

/* Takes the next packet into its hands.  => false: it waits for a child */
static bool hand_take(struct sched *s, struct proc *p)
{
	struct packet *k = p->first;
	const struct proc *child = k->child ? proc_find(s, k->child) : NULL;
	if (child && !child->gone) {
		p->waits_for = k->child;
		p->state = WAITING;
		return false;
	}
	p->first = k->next;
	if (!p->first)
		p->last = &p->first;
	if (k->child) {
		mem_free(k);
		return true;
	}
	p->packet = k;
	p->item = k->item;
	if (p->item.kind == TRACE_ITEM_REFS)
		s->part[p->part].queued -= p->item.n_refs;
	return true;
}

/* A trace that tells of no events ends without saying so: its process is over then, and gives its memory back. */
static bool hand_exit(struct sched *s, struct proc *p)
{
	if (!s->part[p->part].ended || p->gone || p->first || trace_describe_process(s->under, p->pid).has_events)
		return false;
	p->item = (struct trace_item){ .kind = TRACE_ITEM_EVENT, .pid = p->pid, .tid = p->pid,
	                               .event = { .kind = TRACE_EXIT, .name = "" } };
	return true;
}

/* Something to do for who runs.  => false: it does not run any more, and its state says why */
static bool proc_fill(struct sched *s, struct proc *p)
{
	const struct part *part = &s->part[p->part];
	while (p->item.kind == TRACE_ITEM_END) {
		bool has = p->first ? hand_take(s, p) : !p->gone && part->queued <= SCHED_WINDOW && part_read(s, p->part, p);
		if (has || (p->state == RUNNING && hand_exit(s, p)))
			continue;
		if (p->state == RUNNING)
			p->state = IDLE;
		return false;
	}
	return true;
}

/* ---- CPUs ---- */

static void seat_leave(struct sched *s, struct seat *c)
{
	struct proc *p = c->proc;
	c->proc = NULL;
	if (p->state == RUNNING)
		ring_push(s, p);
	else
		s->counts.waits += !p->gone && !s->part[p->part].ended;
}

/* Is the turn over?  With nobody else ready it begins anew. */
static void seat_end_turn(struct sched *s, struct seat *c)
{
	bool over = c->proc && !c->left && s->ring_n;
	s->counts.preemptions += over;
	if (c->proc && (over || c->proc->held))
		seat_leave(s, c);
	else if (c->proc && !c->left)
		c->left = s->quantum;
}

/* A new turn for who is first.  => false: nobody is ready */
static bool seat_take(struct sched *s, struct seat *c)
{
	c->proc = ring_take(s);
	if (!c->proc)
		return false;
	c->proc->state = RUNNING;
	c->left = s->quantum;
	s->counts.turns++;
	return true;
}

/* Somebody to run there, with something to do.  => false: nobody is ready */
static bool seat_fill(struct sched *s, struct seat *c)
{
	seat_end_turn(s, c);
	while (c->proc || seat_take(s, c)) {
		if (proc_fill(s, c->proc))
			return true;
		seat_leave(s, c);
	}
	return false;
}

/* The next CPU that has something to do.  => false: none has */
static bool seat_next(struct sched *s)
{
	for (unsigned i = 0; i < s->n_cpus && s->ring_n; i++)
		if (!s->seat[i].proc)
			seat_take(s, &s->seat[i]); /* before anybody is preempted for them */
	for (unsigned passed = 0; passed <= s->n_cpus; passed++) {
		struct seat *c = &s->seat[s->cpu];
		if (c->slice && seat_fill(s, c))
			return true;
		c->slice = s->n_cpus > 1 ? SLICE : UINT64_MAX;
		s->cpu = (s->cpu + 1) % s->n_cpus;
	}
	return false;
}

/* ---- when nobody can run ---- */

static bool read_on(struct sched *s)
{
	for (unsigned i = 0; i < s->n_parts; i++)
		if (part_read(s, i, NULL))
			return true;
	return false;
}

/* Whose fork was never seen.  => false: nobody */
static bool adopt(struct sched *s)
{
	for (unsigned i = 0; i < s->n_procs; i++)
		if (s->proc[i]->state == UNBORN && s->proc[i]->first) {
			ring_push(s, s->proc[i]);
			return true;
		}
	return false;
}

static bool release_one(struct sched *s)
{
	for (unsigned i = 0; i < s->n_procs; i++)
		if (s->proc[i]->held && s->proc[i]->state == READY) {
			s->released = s->proc[i]->pid;
			sched_release(s, s->released);
			return true;
		}
	return false;
}

/* ---- as a trace ---- */

/* Everybody's first items are read before anybody runs, so that the order of the parts is the order of the first turns. */
static void sched_begin(struct sched *s)
{
	s->begun = true;
	for (unsigned i = 0; i < s->n_parts; i++)
		part_read(s, i, NULL);
}

static void sched_give(struct sched *s, struct trace_item *ret)
{
	struct seat *c = &s->seat[s->cpu];
	struct proc *p = s->given = c->proc;
	*ret = p->item;
	if (ret->kind == TRACE_ITEM_EVENT) {
		note_done(s, p);
		return;
	}
	uint64_t most = c->left < c->slice ? c->left : c->slice;
	ret->refs += p->at;
	ret->n_refs -= p->at;
	ret->n_refs = ret->n_refs < most ? ret->n_refs : most;
	p->at += ret->n_refs;
	c->left -= ret->n_refs;
	c->slice -= ret->n_refs;
}

static void sched_next(struct trace *t, struct trace_item *ret)
{
	struct sched *s = sched_of(t);
	if (!s->begun)
		sched_begin(s);
	if (s->given && (s->given->item.kind == TRACE_ITEM_EVENT || s->given->at == s->given->item.n_refs))
		hand_drop(s, s->given);
	s->given = NULL;
	while (!s->trace.error) {
		if (seat_next(s)) {
			sched_give(s, ret);
			return;
		}
		if (!s->trace.error && !read_on(s) && !release_one(s) && !adopt(s))
			break;
	}
	if (!s->trace.error)
		s->trace.error = trace_error(s->under, &s->trace.why);
}

static void sched_clear(struct sched *s)
{
	for (unsigned i = 0; i < s->n_procs; i++) {
		struct proc *p = s->proc[i];
		for (struct packet *k = p->first, *next; k; k = next) {
			next = k->next;
			mem_free(k);
		}
		mem_free(p->packet);
		mem_free(p);
	}
	mem_free(s->proc);
	mem_free(s->ring);
	htab_clear(&s->pids);
	s->proc = NULL;
	s->ring = NULL;
	s->given = NULL;
	s->begun = false;
	s->n_procs = s->ring_n = s->ring_first = s->cpu = s->released = 0;
	memset(s->seat, 0, sizeof s->seat);
	memset(s->part, 0, sizeof s->part);
	s->counts = (struct sched_counts){ 0 };
}

static enum pw_err sched_rewind(struct trace *t, struct pw_why *why)
{
	sched_clear(sched_of(t));
	return trace_rewind(sched_of(t)->under, why);
}

static struct trace_info sched_of_process(const struct trace *t, uint32_t pid)
{
	return trace_describe_process(((const struct sched *)t)->under, pid);
}

static void sched_close(struct trace *t) { sched_destroy(sched_of(t)); }

static const struct trace_ops sched_ops = {
	.format = "turns", .next = sched_next, .rewind = sched_rewind, .close = sched_close, .of_process = sched_of_process,
};

/* ---- for whoever schedules ---- */

enum pw_err sched_create(struct trace *t, uint64_t quantum, unsigned n_cpus, struct sched **ret, struct pw_why *why)
{
	struct sched *s = *ret = mem_zalloc(1, sizeof *s);
	if (!s || htab_init(&s->pids, 0) != PW_OK) {
		mem_free(s);
		*ret = NULL;
		return pw_fail(why, PW_NOMEM, "out of memory for a scheduler");
	}
	s->trace.ops = &sched_ops;
	s->trace.info = trace_describe(t);
	s->under = t;
	s->quantum = quantum;
	s->n_cpus = n_cpus;
	s->n_parts = trace_parts(t);
	return PW_OK;
}

void sched_destroy(struct sched *s)
{
	if (!s)
		return;
	sched_clear(s);
	htab_fini(&s->pids);
	mem_free(s);
}

struct trace *sched_trace(struct sched *s) { return &s->trace; }
unsigned sched_cpu(const struct sched *s) { return s->cpu; }
void sched_counts(const struct sched *s, struct sched_counts *ret) { *ret = s->counts; }

void sched_hold(struct sched *s, uint32_t pid)
{
	struct proc *p = proc_find(s, pid);
	if (!p || p->held)
		return;
	p->held = true;
	ring_cut(s, p);
}

void sched_release(struct sched *s, uint32_t pid)
{
	struct proc *p = proc_find(s, pid);
	if (!p || !p->held)
		return;
	p->held = false;
	if (p->state == READY)
		ring_push(s, p);
}

uint32_t sched_take_released(struct sched *s)
{
	uint32_t pid = s->released;
	s->released = 0;
	return pid;
}
