/* capture_feed.c - draining the ring (its drawing and its rules are in src/capture/ring.h).
 *
 * The problem: hand out references without copying them, in an order in which no process sees an address-space change before what
 * its threads did earlier; and go on when a process is killed at any moment.
 *
 * The idea: the entry at the head of the queue is worked off in steps, each of which gives at most one item: its own references, the
 * references before its marks in chunks that are still open, its records.  Then its chunk is free again.  What was taken early out
 * of an open chunk is remembered with its thread, and left out when the chunk comes.
 *
 *      1.  Everything that a producer wrote is checked before it is used as an index: a program may write over the segment.
 *      2.  An item's references stay in place until the next step: a chunk is freed one step after its last item.  They are those in
 *          the chunk, except what is taken early out of a stage: its thread will use that again, so it is copied.
 *      3.  A process without EXIT is finished only when it is dead and the queue was worked off up to where it ended then: all it
 *          sent is read.  Others may have sent more meanwhile.
 *      4.  A space is freed only when its process is dead and all entries that it sent have been worked off.
 *
 * How a process ended: it says so itself, unless a signal killed it.  Then its parent's wait says it, or, as long as nobody has
 * waited for it, /proc; or we believe in the last signal that was sent to it.  Of the first process we are the parent. */
#include "capture_feed.h"
#include "capture_host.h"
#include "../base/mem.h"
#include "../capture/ring.h"
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	FEED_NONE = UINT32_MAX, FEED_SPINS = 50, FEED_YIELDS = 1000, FEED_NAP_NS = 4000000, FEED_SILENT = 250, FEED_TIDY = 32,
	FEED_TURNS = 1000000,
};

/* What is known of a lane: which thread it is, and how much of its open chunk has been given already. */
struct feed_lane {
	uint32_t tid;
	uint32_t chunk, n_given;
};

struct feed_process {
	uint32_t space;     /* FEED_NONE: it is dead and its space is free again */
	uint32_t n_tids;
	uint32_t n_lanes;
	struct feed_lane *lane;
	int pidfd;
	bool spoke, dead;
	uint32_t dead_tail; /* where the queue ended when it was found dead */
	uint32_t n_silent;  /* looks since its parent died in which its pid was not known */
	int wait_status;    /* as a wait told it, or -1 */
};

enum feed_step { STEP_NONE, STEP_REFS, STEP_MARKS, STEP_RECORDS, STEP_DONE };

struct feed {
	struct ring *ring;
	int fd;
	enum feed_step step;
	struct ring_entry entry;
	uint32_t at_mark;
	uint32_t at_record, record_offset;
	uint32_t finishing;      /* index of the process whose open chunks are being given, or FEED_NONE */
	uint32_t finishing_lane;
	int root_status;         /* wait status of the first process, or -1 */
	uint32_t n_live;         /* processes whose death has not been seen */
	uint32_t n_unfinished;   /* processes without EXIT */
	uint32_t space_process[RING_SPACES]; /* index, or FEED_NONE */
	struct capture_process *process;     /* public half, in order of pid */
	struct feed_process *extra;          /* private half */
	uint32_t n_processes, n_room;
	ref_t copy[RING_STAGE_WORDS];        /* of a stage: the references of the item last given */
};

/* ---- processes ---- */

static uint32_t process_of(const struct feed *f, uint32_t space)
{
	return space < RING_SPACES ? f->space_process[space] : FEED_NONE;
}

static bool processes_grow(struct feed *f)
{
	uint32_t room = f->n_room ? f->n_room * 2 : 16;
	struct capture_process *process = mem_realloc(f->process, room, sizeof(*process));
	if (process)
		f->process = process;
	struct feed_process *extra = process ? mem_realloc(f->extra, room, sizeof(*extra)) : NULL;
	if (!extra)
		return false;
	f->extra = extra;
	f->n_room = room;
	return true;
}

/* A process that will speak from this space.  => its index, or FEED_NONE without memory. */
static uint32_t process_add(struct feed *f, uint32_t space, uint32_t parent)
{
	if (f->n_processes == f->n_room && !processes_grow(f))
		return FEED_NONE;
	uint32_t i = f->n_processes;
	char *command = mem_strdup(parent ? f->process[parent - 1].command : "");
	if (!command)
		return FEED_NONE;
	f->process[i] = (struct capture_process){ .pid = i + 1, .parent = parent, .command = command };
	f->extra[i] = (struct feed_process){ .space = space, .pidfd = -1, .wait_status = -1 };
	f->space_process[space] = i;
	f->n_processes++;
	f->n_live++;
	f->n_unfinished++;
	return i;
}

static bool lanes_grow(struct feed_process *p, uint32_t lane)
{
	uint32_t n = lane < 8 ? 8 : (lane + 1) * 2;
	struct feed_lane *grown = mem_realloc(p->lane, n, sizeof(*grown));
	if (!grown)
		return false;
	for (uint32_t i = p->n_lanes; i < n; i++)
		grown[i] = (struct feed_lane){ .chunk = FEED_NONE };
	p->lane = grown;
	p->n_lanes = n;
	return true;
}

/* => NULL without memory. */
static struct feed_lane *lane_of(struct feed *f, uint32_t process, uint32_t lane)
{
	struct feed_process *p = &f->extra[process];
	if (lane >= p->n_lanes && !lanes_grow(p, lane))
		return NULL;
	if (!p->lane[lane].tid)
		p->lane[lane].tid = ++p->n_tids;
	return &p->lane[lane];
}

/* A child that was forked but has not spoken yet is known by what its parent wrote into its space.  => 0: not known. */
static pid_t process_host_pid(struct feed *f, uint32_t i)
{
	const struct feed_process *p = &f->extra[i];
	if (f->process[i].host_pid || p->space == FEED_NONE)
		return f->process[i].host_pid;
	return __atomic_load_n(&ring_space(f->ring, p->space)->host_pid, __ATOMIC_ACQUIRE);
}

/* A child of which nobody knows the pid, because its parent was killed while it forked, is given up after a while. */
static bool process_is_lost(struct feed *f, uint32_t i)
{
	uint32_t parent = f->process[i].parent;
	return parent && f->extra[parent - 1].dead && ++f->extra[i].n_silent > FEED_SILENT;
}

static void process_died(struct feed *f, uint32_t i, pid_t host)
{
	struct feed_process *p = &f->extra[i];
	if (p->wait_status == -1)
		p->wait_status = i == 0 ? f->root_status : host_zombie_status(host);
	p->dead = true;
	p->dead_tail = __atomic_load_n(&f->ring->tail, __ATOMIC_ACQUIRE);
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
	f->n_live--;
}

/* Looks which processes have died. */
static void processes_look(struct feed *f)
{
	for (uint32_t i = 0; i < f->n_processes; i++) {
		if (f->extra[i].dead)
			continue;
		pid_t host = process_host_pid(f, i);
		bool dead = i == 0 ? f->root_status != -1 : host ? host_is_dead(f->extra[i].pidfd, host) : process_is_lost(f, i);
		if (dead)
			process_died(f, i, host);
	}
}

/* Gives back what a dead process held. */
static void space_free(struct feed *f, uint32_t process)
{
	struct feed_process *p = &f->extra[process];
	struct ring_space *s = ring_space(f->ring, p->space);
	for (uint32_t c = 0; c < RING_CHUNKS; c++) {
		if (f->ring->owner[c] == 1 + p->space)
			__atomic_store_n(&f->ring->owner[c], 0, __ATOMIC_RELEASE);
		if (f->ring->stage_owner[c] == 1 + p->space)
			__atomic_store_n(&f->ring->stage_owner[c], 0, __ATOMIC_RELEASE);
	}
	uint32_t n = s->n_lanes < RING_LANES ? s->n_lanes : RING_LANES;
	memset(s->lane, 0, n * sizeof(s->lane[0]));
	s->n_lanes = s->signal = 0;
	s->host_pid = 0;
	f->space_process[p->space] = FEED_NONE;
	__atomic_store_n(&s->state, RING_SPACE_FREE, __ATOMIC_RELEASE);
	p->space = FEED_NONE;
	mem_free(p->lane);
	p->lane = NULL;
	p->n_lanes = 0;
}

/* Is the process dead, and everything worked off that it sent? */
static bool process_is_over(const struct feed *f, uint32_t i)
{
	return f->extra[i].dead && (int32_t)(f->ring->head - f->extra[i].dead_tail) >= 0;
}

static void spaces_free(struct feed *f)
{
	for (uint32_t i = 0; i < f->n_processes; i++)
		if (f->extra[i].space != FEED_NONE && f->process[i].ended && process_is_over(f, i))
			space_free(f, i);
}

/* ---- items ---- */

static void give_refs(struct feed *f, uint32_t process, uint32_t tid, const ref_t *refs, uint64_t n, struct trace_item *ret)
{
	*ret = (struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = process + 1, .tid = tid, .refs = refs, .n_refs = n };
	f->process[process].refs += n;
}

static void give_event(uint32_t process, uint32_t tid, enum trace_event_kind kind, struct trace_item *ret)
{
	*ret = (struct trace_item){ .kind = TRACE_ITEM_EVENT, .pid = process + 1, .tid = tid };
	ret->event.kind = kind;
	ret->event.name = "";
}

static void end_process(struct feed *f, uint32_t process, int exit_status, int signal)
{
	f->process[process].ended = true;
	f->process[process].exit_status = exit_status;
	f->process[process].signal = signal;
	f->n_unfinished--;
}

/* What of a chunk from the queue, which has n references, has not been given.  => false: nothing. */
static bool give_chunk(struct feed *f, uint32_t process, struct trace_item *ret)
{
	uint32_t chunk = f->entry.chunk, n = f->entry.n_refs;
	struct feed_lane *lane = lane_of(f, process, f->entry.lane);
	if (!lane)
		return false;
	uint32_t from = lane->chunk == chunk ? lane->n_given : 0;
	lane->chunk = FEED_NONE;
	if (n <= from)
		return false;
	give_refs(f, process, lane->tid, ring_chunk(f->ring, chunk) + from, n - from, ret);
	return true;
}

/* How many words of an open chunk are in the chunk itself.  *turn is for open_copy.  => those that are not are in the stage. */
static uint32_t open_in_chunk(const struct ring_lane *l, uint32_t chunk, uint32_t n, uint32_t *turn)
{
	for (unsigned i = 0; i < FEED_TURNS; i++) {
		*turn = __atomic_load_n(&l->turn, __ATOMIC_ACQUIRE);
		uint32_t filled = __atomic_load_n(&l->filled, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&l->chunk, __ATOMIC_ACQUIRE) != chunk)
			return n; /* it was closed meanwhile */
		if (*turn % 2 == 0)
			return filled < n ? filled : n;
	}
	return n; /* killed while it emptied its stage: whatever is in the chunk */
}

/* Copies words of a stage that its thread may be emptying.  => false: it was; look again. */
static bool open_copy(struct feed *f, const struct ring_lane *l, uint32_t chunk, uint32_t turn, uint32_t from, uint32_t n)
{
	uint32_t stage = l->stage;
	if (stage >= RING_CHUNKS || from + n > RING_STAGE_WORDS)
		return false;
	memcpy(f->copy, ring_stage(f->ring, stage) + from, n * sizeof(ref_t));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&l->turn, __ATOMIC_RELAXED) == turn && __atomic_load_n(&l->chunk, __ATOMIC_RELAXED) == chunk;
}

/* What of the first n references of an open chunk has not been given: as much as lies in one piece.  => false: nothing more. */
static bool give_open(struct feed *f, uint32_t process, struct ring_mark m, struct trace_item *ret)
{
	if (m.lane >= RING_LANES || m.chunk >= RING_CHUNKS || m.n_refs > RING_CHUNK_WORDS)
		return false;
	const struct ring_lane *l = &ring_space(f->ring, f->extra[process].space)->lane[m.lane];
	struct feed_lane *lane = lane_of(f, process, m.lane);
	for (unsigned i = 0; lane && i < FEED_TURNS; i++) {
		uint32_t turn, from = lane->chunk == m.chunk ? lane->n_given : 0;
		uint32_t in_chunk = open_in_chunk(l, m.chunk, m.n_refs, &turn);
		if (from >= m.n_refs)
			return false;
		bool staged = from >= in_chunk;
		if (staged && !open_copy(f, l, m.chunk, turn, from - in_chunk, m.n_refs - from))
			continue;
		lane->chunk = m.chunk;
		lane->n_given = staged ? m.n_refs : in_chunk;
		give_refs(f, process, lane->tid, staged ? f->copy : ring_chunk(f->ring, m.chunk) + from, lane->n_given - from, ret);
		return true;
	}
	return false;
}

/* ---- the steps of an entry ---- */

/* The record at offset of the entry's chunk.  => NULL when there is none in one piece. */
static const struct ring_record *record_at(const struct feed *f, uint32_t offset)
{
	const char *chunk = (const char *)ring_chunk(f->ring, f->entry.chunk);
	if (offset > RING_CHUNK_BYTES - 16)
		return NULL;
	const struct ring_record *r = (const struct ring_record *)(chunk + offset);
	if (r->bytes < 16 || r->bytes % 8 || r->bytes > RING_CHUNK_BYTES - offset)
		return NULL;
	if (r->kind != RING_RECORD_MARKS && (r->bytes < sizeof(*r) || r->name_bytes > r->bytes - sizeof(*r)))
		return NULL;
	return r;
}

/* => NULL: the entry has no marks. */
static const struct ring_record *entry_marks(const struct feed *f)
{
	uint32_t offset = f->entry.n_refs * 8;
	for (uint32_t i = 0; i < f->entry.n_records; i++) {
		const struct ring_record *r = record_at(f, offset);
		if (!r)
			return NULL;
		if (r->kind == RING_RECORD_MARKS)
			return r->n_marks <= (r->bytes - offsetof(struct ring_record, mark)) / sizeof(r->mark[0]) ? r : NULL;
		offset += r->bytes;
	}
	return NULL;
}

/* What others wrote before this entry's events.  => false: no more. */
static bool step_marks(struct feed *f, uint32_t process, struct trace_item *ret)
{
	const struct ring_record *r = entry_marks(f);
	for (; r && f->at_mark < r->n_marks; f->at_mark++)
		if (give_open(f, process, r->mark[f->at_mark], ret))
			return true;
	return false;
}

static enum feed_state record_fork(struct feed *f, uint32_t process, const struct ring_record *r, struct trace_item *ret)
{
	uint32_t space = r->other;
	if (space >= RING_SPACES || f->space_process[space] != FEED_NONE)
		return FEED_EMPTY;
	if (f->n_processes % FEED_TIDY == 0) {
		processes_look(f);
		spaces_free(f);
	}
	uint32_t child = process_add(f, space, process + 1);
	if (child == FEED_NONE)
		return FEED_NOMEM;
	ret->event.other = child + 1;
	return FEED_ITEM;
}

static enum feed_state record_process(struct feed *f, uint32_t process, const struct ring_record *r, struct trace_item *ret)
{
	f->process[process].host_pid = (pid_t)r->count;
	f->extra[process].pidfd = host_open((pid_t)r->count);
	f->extra[process].spoke = true;
	ret->event.other = f->process[process].parent;
	return FEED_ITEM;
}

static enum feed_state record_exec(struct feed *f, uint32_t process, const struct ring_record *r, struct trace_item *ret)
{
	char *command = mem_strdup(r->name_bytes ? r->name : "");
	if (!command)
		return FEED_NOMEM;
	mem_free((char *)f->process[process].command);
	f->process[process].command = command;
	ret->event.name = command;
	struct feed_process *p = &f->extra[process];
	for (uint32_t i = 1; i < p->n_lanes; i++)
		p->lane[i].tid = 0; /* exec ends all threads but one */
	return FEED_ITEM;
}

/* A parent waited for a child: if the child could not say how it ended, it ends here. */
static enum feed_state record_waited(struct feed *f, uint32_t process, const struct ring_record *r)
{
	for (uint32_t i = f->n_processes; i-- > 0;) {
		if (f->process[i].host_pid != (pid_t)r->other || f->process[i].parent != process + 1 || f->process[i].ended)
			continue;
		if (WIFEXITED((int)r->count) || WIFSIGNALED((int)r->count)) {
			f->extra[i].wait_status = (int)r->count;
			f->finishing = i;
			f->finishing_lane = 0;
		}
		break;
	}
	return FEED_EMPTY;
}

static enum feed_state record_unborn(struct feed *f, const struct ring_record *r)
{
	uint32_t child = process_of(f, r->other);
	if (child == FEED_NONE || f->extra[child].spoke)
		return FEED_EMPTY;
	f->extra[child].dead = true;
	f->extra[child].dead_tail = f->ring->head;
	f->extra[child].wait_status = 0;
	f->n_live--;
	f->finishing = child;
	f->finishing_lane = 0;
	return FEED_EMPTY;
}

static void record_copy(const struct ring_record *r, struct trace_event *e)
{
	e->prot = r->prot;
	e->flags = r->flags;
	e->start = vaddr(r->start);
	e->to = vaddr(r->to);
	e->bytes = r->length;
	e->to_bytes = r->to_length;
	e->offset = r->offset;
	e->file_id = r->file_id;
	e->file_bytes = r->file_bytes;
	e->name = r->name_bytes ? r->name : "";
	if (r->kind == TRACE_ADVISE || r->kind == TRACE_EXIT || r->kind == TRACE_LOST)
		e->count = r->count;
}

/* => FEED_EMPTY: the record is no event for the reader. */
static enum feed_state record_give(struct feed *f, uint32_t process, const struct ring_record *r, struct trace_item *ret)
{
	if (r->kind == RING_RECORD_WAITED)
		return record_waited(f, process, r);
	if (r->kind == RING_RECORD_UNBORN)
		return record_unborn(f, r);
	if (r->kind >= TRACE_EVENT_KINDS)
		return FEED_EMPTY;
	struct feed_lane *lane = lane_of(f, process, f->entry.lane);
	if (!lane)
		return FEED_NOMEM;
	give_event(process, lane->tid, r->kind, ret);
	record_copy(r, &ret->event);
	switch (r->kind) {
	case TRACE_FORK: return record_fork(f, process, r, ret);
	case TRACE_PROCESS: return record_process(f, process, r, ret);
	case TRACE_EXEC: return record_exec(f, process, r, ret);
	case TRACE_EXIT: end_process(f, process, (int)r->count, 0); break;
	case TRACE_THREAD_EXIT: lane->tid = 0; break;
	}
	return FEED_ITEM;
}

static enum feed_state step_records(struct feed *f, uint32_t process, struct trace_item *ret)
{
	while (f->at_record < f->entry.n_records) {
		const struct ring_record *r = record_at(f, f->record_offset);
		if (!r)
			return FEED_EMPTY;
		f->at_record++;
		f->record_offset += r->bytes;
		enum feed_state state = record_give(f, process, r, ret);
		if (state != FEED_EMPTY || f->finishing != FEED_NONE)
			return state;
	}
	return FEED_EMPTY;
}

static void entry_take(struct feed *f)
{
	f->entry = f->ring->queue[f->ring->head % RING_QUEUE];
	f->step = STEP_REFS;
	f->at_mark = f->at_record = 0;
	f->record_offset = f->entry.n_refs * 8;
	if (f->entry.chunk >= RING_CHUNKS || f->entry.lane >= RING_LANES || f->entry.n_refs > RING_CHUNK_WORDS)
		f->step = STEP_DONE;
}

/* The entry is worked off: its chunk is free, and there may be room that producers wait for. */
static void entry_release(struct feed *f)
{
	struct ring *r = f->ring;
	if (f->entry.chunk < RING_CHUNKS)
		__atomic_store_n(&r->owner[f->entry.chunk], 0, __ATOMIC_RELEASE);
	__atomic_fetch_add(&r->beat, 1, __ATOMIC_RELAXED);
	uint32_t head = r->head + 1;
	__atomic_store_n(&r->head, head, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&r->waiting, __ATOMIC_SEQ_CST) && r->tail - head <= RING_BACKLOG / 2)
		syscall(SYS_futex, &r->head, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	f->step = STEP_NONE;
}

/* => FEED_EMPTY: the entry has no more items, and has been released. */
static enum feed_state entry_next(struct feed *f, struct trace_item *ret)
{
	uint32_t process = process_of(f, f->entry.space);
	if (process == FEED_NONE || f->process[process].ended)
		f->step = STEP_DONE; /* a thread that wrote on while its process was exiting */
	if (f->step == STEP_REFS) {
		f->step = STEP_MARKS;
		if (give_chunk(f, process, ret))
			return FEED_ITEM;
	}
	if (f->step == STEP_MARKS) {
		if (step_marks(f, process, ret))
			return FEED_ITEM;
		f->step = STEP_RECORDS;
	}
	if (f->step == STEP_RECORDS) {
		enum feed_state state = step_records(f, process, ret);
		if (state != FEED_EMPTY || f->finishing != FEED_NONE)
			return state;
	}
	entry_release(f);
	return FEED_EMPTY;
}

/* ---- processes that were killed ---- */

/* How many references the lane of a dead process has in its open chunk and stage.  => 0 when what it says makes no sense. */
static uint32_t open_refs(const struct feed *f, const struct ring_space *s, uint32_t space, const struct ring_lane *l)
{
	uint64_t cursor = (uintptr_t)l->cursor;
	if (!cursor || l->chunk >= RING_CHUNKS || f->ring->owner[l->chunk] != 1 + space)
		return 0;
	uint64_t offset = cursor - s->base - (uint64_t)l->stage * RING_STAGE_BYTES;
	return l->filled + (l->turn % 2 == 0 && offset <= RING_STAGE_BYTES ? offset / 8 : 0);
}

/* One item of what a killed process left: its open chunks, then its EXIT. */
static enum feed_state finish_next(struct feed *f, struct trace_item *ret)
{
	uint32_t process = f->finishing, space = f->extra[process].space;
	const struct ring_space *s = ring_space(f->ring, space);
	for (; f->finishing_lane < s->n_lanes && f->finishing_lane < RING_LANES; f->finishing_lane++) {
		const struct ring_lane *l = &s->lane[f->finishing_lane];
		struct ring_mark m = { .lane = f->finishing_lane, .chunk = l->chunk, .n_refs = open_refs(f, s, space, l) };
		if (m.n_refs && give_open(f, process, m, ret))
			return FEED_ITEM;
	}
	int status = f->extra[process].wait_status;
	bool exited = status != -1 && WIFEXITED(status);
	int sent = s->signal ? (int)s->signal : SIGKILL;
	int signal = exited ? 0 : status != -1 ? WTERMSIG(status) : sent;
	f->finishing = FEED_NONE;
	end_process(f, process, exited ? WEXITSTATUS(status) : 0, signal);
	give_event(process, 1, TRACE_EXIT, ret);
	ret->event.count = f->process[process].exit_status;
	ret->event.other = signal;
	return FEED_ITEM;
}

/* Chooses a dead process that did not say EXIT.  => false: there is none. */
static bool finish_begin(struct feed *f)
{
	for (uint32_t i = 0; i < f->n_processes; i++) {
		if (!f->process[i].ended && process_is_over(f, i)) {
			f->finishing = i;
			f->finishing_lane = 0;
			return true;
		}
	}
	return false;
}

bool feed_look(struct feed *f, int root_status)
{
	f->root_status = root_status;
	processes_look(f);
	if (f->ring->head != __atomic_load_n(&f->ring->tail, __ATOMIC_ACQUIRE) || f->step != STEP_NONE || finish_begin(f))
		return true;
	spaces_free(f);
	return f->n_live || f->n_unfinished;
}

enum feed_state feed_next(struct feed *f, struct trace_item *ret)
{
	for (;;) {
		if (f->finishing != FEED_NONE)
			return finish_next(f, ret);
		if (f->step == STEP_NONE) {
			if (f->ring->head == __atomic_load_n(&f->ring->tail, __ATOMIC_ACQUIRE))
				return FEED_EMPTY;
			entry_take(f);
		}
		enum feed_state state = entry_next(f, ret);
		if (state != FEED_EMPTY)
			return state;
	}
}

/* ---- waiting ---- */

static bool feed_has_more(const struct feed *f)
{
	return f->ring->head != __atomic_load_n(&f->ring->tail, __ATOMIC_SEQ_CST);
}

bool feed_wait(struct feed *f)
{
	const struct timespec nap = { .tv_nsec = FEED_NAP_NS };
	__atomic_fetch_add(&f->ring->beat, 1, __ATOMIC_RELAXED);
	for (unsigned spin = 0; spin < FEED_YIELDS * FEED_SPINS; spin++) {
		if (feed_has_more(f))
			return true;
		__builtin_ia32_pause();
		if (spin % FEED_SPINS == FEED_SPINS - 1)
			sched_yield();
	}
	__atomic_store_n(&f->ring->asleep, 1, __ATOMIC_SEQ_CST);
	if (!feed_has_more(f))
		syscall(SYS_futex, &f->ring->asleep, FUTEX_WAIT, 1, &nap, NULL, 0);
	__atomic_store_n(&f->ring->asleep, 0, __ATOMIC_SEQ_CST);
	return feed_has_more(f);
}

/* ---- the whole ---- */

static bool ring_init(struct ring *r)
{
	pthread_mutexattr_t attr;
	if (pthread_mutexattr_init(&attr) != 0)
		return false;
	bool ok = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0 &&
	          pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0 && pthread_mutex_init(&r->lock, &attr) == 0;
	pthread_mutexattr_destroy(&attr);
	r->consumer = getpid();
	r->magic = RING_MAGIC;
	ring_space(r, 0)->state = RING_SPACE_FORKED;
	return ok;
}

enum pw_err feed_create(struct feed **ret, struct pw_why *why)
{
	*ret = NULL;
	struct feed *f = mem_zalloc(1, sizeof(*f));
	if (!f)
		return pw_fail(why, PW_NOMEM, "out of memory for capturing a program");
	f->finishing = FEED_NONE;
	f->root_status = -1;
	memset(f->space_process, 0xff, sizeof(f->space_process));
	f->ring = MAP_FAILED;
	f->fd = memfd_create("pageworks", MFD_CLOEXEC);
	if (f->fd >= 0 && ftruncate(f->fd, RING_BYTES) == 0)
		f->ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	bool ok = f->ring != MAP_FAILED && ring_init(f->ring);
	enum pw_err err = PW_OK;
	if (!ok)
		err = pw_fail(why, PW_IO, "cannot make the shared memory for capture: %s", strerror(errno));
	else if (process_add(f, 0, 0) == FEED_NONE)
		err = pw_fail(why, PW_NOMEM, "out of memory for capturing a program");
	if (err)
		feed_destroy(f);
	else
		*ret = f;
	return err;
}

void feed_destroy(struct feed *f)
{
	if (!f)
		return;
	for (uint32_t i = 0; i < f->n_processes; i++) {
		if (f->extra[i].pidfd >= 0)
			close(f->extra[i].pidfd);
		mem_free(f->extra[i].lane);
		mem_free((char *)f->process[i].command);
	}
	mem_free(f->process);
	mem_free(f->extra);
	if (f->ring != MAP_FAILED)
		munmap(f->ring, RING_BYTES);
	if (f->fd >= 0)
		close(f->fd);
	mem_free(f);
}

int feed_descriptor(const struct feed *f) { return f->fd; }

void feed_kill(struct feed *f)
{
	__atomic_store_n(&f->ring->closed, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < f->n_processes; i++) {
		struct feed_process *p = &f->extra[i];
		pid_t host = process_host_pid(f, i);
		if (!p->dead && host > 0 && !host_is_dead(p->pidfd, host))
			kill(host, SIGKILL);
	}
	syscall(SYS_futex, &f->ring->head, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

unsigned feed_processes(const struct feed *f, const struct capture_process **ret)
{
	*ret = f->process;
	return f->n_processes;
}
