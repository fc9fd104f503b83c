/* lane.c - handing chunks and events over (the protocol is drawn in ring.h).
 *
 * The problem: any thread of any captured process may be killed at any moment, may fork, or may run exec; none of this may stop the
 * others or lose what was recorded before.
 *
 * The idea: everything that others can see is in the segment and is changed in single steps (ring.h, 2. and 3.); everything else
 * is private to the process and is renewed by fork.
 *
 *      1.  lane_space shows the space of this very process: lane_fork_child turns it before any code of the child runs.
 *      2.  A lane in use has a stage with room for RING_SLACK_WORDS references at its cursor, outside lane_full, and an open chunk
 *          with room for a whole stage.
 *      3.  records_lock is held from lane_records to lane_send.  It is taken before the lock of the ring, never after.
 *
 * The window is a second mapping of the same shared pages: mremap() of a shared mapping with an old size of zero makes one
 * without a file descriptor, so the program under capture never has a descriptor of ours. */
#include "lane.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

struct ring_space lane_space __attribute__((aligned(RING_SPACE_BYTES)));

static struct ring *ring;
static uint32_t space_index;
static __thread uint32_t child_space = RING_SPACES; /* reserved by lane_fork_prepare, if one was free */
static bool ring_off;        /* nothing is captured: references go into void_stage, records nowhere */
static ref_t void_stage[RING_STAGE_WORDS] __attribute__((aligned(RING_STAGE_BYTES)));
_Static_assert(RING_STAGE_BYTES >= LANE_NAME_MAX + sizeof(struct ring_record), "the void takes any record");
static pthread_mutex_t records_lock = PTHREAD_MUTEX_INITIALIZER;

enum {
	RING_WAKE = 8, /* entries that are worth waking the consumer for */
	STAGE_LIMIT = RING_STAGE_WORDS - RING_SLACK_WORDS,
};

/* A process was killed while it held the lock: a chunk that was on its way into the queue belongs to nobody now. */
static void ring_repair(void)
{
	static bool queued[RING_CHUNKS];
	memset(queued, 0, sizeof(queued));
	for (uint32_t i = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE); i != ring->tail; i++)
		queued[ring->queue[i % RING_QUEUE].chunk % RING_CHUNKS] = true;
	for (uint32_t c = 0; c < RING_CHUNKS; c++)
		if (ring->owner[c] == RING_QUEUED && !queued[c])
			ring->owner[c] = 0;
}

static void ring_lock(void)
{
	if (pthread_mutex_lock(&ring->lock) == EOWNERDEAD) {
		ring_repair();
		pthread_mutex_consistent(&ring->lock);
	}
}

static void ring_unlock(void) { pthread_mutex_unlock(&ring->lock); }

/* No such process may also mean that we are in a PID namespace of our own: then its sign of life decides. */
static bool consumer_is_gone(void)
{
	const struct timespec second = { .tv_sec = 1 };
	if (kill(ring->consumer, 0) == 0 || errno != ESRCH)
		return false;
	uint32_t beat = __atomic_load_n(&ring->beat, __ATOMIC_RELAXED);
	nanosleep(&second, NULL);
	return beat == __atomic_load_n(&ring->beat, __ATOMIC_RELAXED);
}

void lane_look(void)
{
	if (!ring_off && (__atomic_load_n(&ring->closed, __ATOMIC_ACQUIRE) || consumer_is_gone()))
		kill(getpid(), SIGKILL);
}

static uint32_t backlog(void)
{
	return __atomic_load_n(&ring->tail, __ATOMIC_RELAXED) - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
}

static void wake_consumer(void)
{
	if (__atomic_exchange_n(&ring->asleep, 0, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &ring->asleep, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Back-pressure: waits until the consumer has taken some. */
static void wait_for_room(void)
{
	const struct timespec tenth = { .tv_nsec = 100000000 };
	for (unsigned spin = 0; backlog() >= RING_BACKLOG && spin < 2000; spin++)
		__builtin_ia32_pause();
	while (backlog() >= RING_BACKLOG) {
		uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
		__atomic_fetch_add(&ring->waiting, 1, __ATOMIC_SEQ_CST);
		wake_consumer();
		if (backlog() >= RING_BACKLOG)
			syscall(SYS_futex, &ring->head, FUTEX_WAIT, head, &tenth, NULL, 0);
		__atomic_fetch_sub(&ring->waiting, 1, __ATOMIC_SEQ_CST);
		lane_look();
	}
}

/* Takes the first free one of the chunks or stages: few that are used again and again stay within the TLB.
 * => the lock is held; RING_CHUNKS when there is none. */
static uint32_t take(uint32_t *owner)
{
	for (uint32_t c = 0; c < RING_CHUNKS; c++) {
		if (__atomic_load_n(&owner[c], __ATOMIC_ACQUIRE) == 0) {
			owner[c] = 1 + space_index;
			return c;
		}
	}
	return RING_CHUNKS;
}

/* => the lock is held.  When all are taken (thousands of threads) waits without it. */
static uint32_t take_or_wait(uint32_t *owner)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	uint32_t c = take(owner);
	while (c == RING_CHUNKS) {
		ring_unlock();
		nanosleep(&tick, NULL);
		lane_look();
		ring_lock();
		c = take(owner);
	}
	return c;
}

/* => the lock is held. */
static void chunk_open(struct ring_lane *lane)
{
	uint32_t chunk = take_or_wait(ring->owner);
	__atomic_store_n(&lane->filled, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&lane->chunk, chunk, __ATOMIC_RELEASE);
	__atomic_store_n(&lane->cursor, ring_stage(ring, lane->stage), __ATOMIC_RELEASE);
}

/* Puts a chunk into the queue.  => the lock is held; the stage is empty. */
static void chunk_queue(struct ring_lane *lane, uint32_t n_refs, uint32_t n_records)
{
	struct ring_entry *e = &ring->queue[ring->tail % RING_QUEUE];
	*e = (struct ring_entry){ .space = space_index, .lane = lane - lane_space.lane, .chunk = lane->chunk,
	                          .n_refs = n_refs, .n_records = n_records };
	ring->owner[lane->chunk] = RING_QUEUED;
	__atomic_store_n(&lane->cursor, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&lane->chunk, RING_CHUNKS, __ATOMIC_RELEASE); /* ring.h, 7. */
	__atomic_store_n(&ring->tail, ring->tail + 1, __ATOMIC_SEQ_CST);
}

/* ---- stages ---- */

static uint32_t stage_n_refs(const struct ring_lane *lane)
{
	return __atomic_load_n(&lane->cursor, __ATOMIC_ACQUIRE) - ring_stage(ring, lane->stage);
}

#ifdef __SSE2__
static void lines_copy_16(ref_t *to, const ref_t *from, uint32_t n_words)
{
	for (uint32_t i = 0; i < n_words; i += 2)
		_mm_stream_si128((__m128i *)(to + i), _mm_load_si128((const __m128i *)(from + i)));
}

__attribute__((target("avx2"))) static void lines_copy_32(ref_t *to, const ref_t *from, uint32_t n_words)
{
	for (uint32_t i = 0; i < n_words; i += 4)
		_mm256_stream_si256((__m256i *)(to + i), _mm256_load_si256((const __m256i *)(from + i)));
}
#endif

/* Copies whole lines around the caches.  The wider the stores, the fewer of them wait for their line to be complete. */
static void lines_copy(ref_t *to, const ref_t *from, uint32_t n_words)
{
#ifdef __SSE2__
	if (__builtin_cpu_supports("avx2"))
		lines_copy_32(to, from, n_words);
	else
		lines_copy_16(to, from, n_words);
#else
	memcpy(to, from, n_words * sizeof(*to));
#endif
}

/* Before others are told of lines that were copied so. */
static void lines_settle(void)
{
#ifdef __SSE2__
	_mm_sfence();
#endif
}

/* A full fence would wait for the lines on their way to memory; others only need to see the stores in this order. */
static void turn_begin(struct ring_lane *lane)
{
	__atomic_store_n(&lane->turn, lane->turn + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void turn_end(struct ring_lane *lane) { __atomic_store_n(&lane->turn, lane->turn + 1, __ATOMIC_RELEASE); }

/* Moves all whole lines of the stage to the chunk; the rest to the start of the stage. */
static void stage_empty(struct ring_lane *lane)
{
	ref_t *stage = ring_stage(ring, lane->stage);
	uint32_t n = stage_n_refs(lane), whole = n / RING_LINE_WORDS * RING_LINE_WORDS;
	lines_copy(ring_chunk(ring, lane->chunk) + lane->filled, stage, whole);
	if (lane_space.n_lanes > 1) /* a thread alone is looked at only when it hands its chunk over, or is dead */
		lines_settle();
	turn_begin(lane);
	__atomic_store_n(&lane->filled, lane->filled + whole, __ATOMIC_RELEASE);
	memcpy(stage, stage + whole, (n - whole) * sizeof(*stage)); /* whole is more than what remains, or nothing moves */
	__atomic_store_n(&lane->cursor, stage + (n - whole), __ATOMIC_RELEASE);
	turn_end(lane);
}

/* Moves everything to the chunk, which is going to be closed.  => how many references it has then. */
static uint32_t stage_finish(struct ring_lane *lane)
{
	stage_empty(lane);
	uint32_t rest = stage_n_refs(lane);
	memcpy(ring_chunk(ring, lane->chunk) + lane->filled, ring_stage(ring, lane->stage), rest * sizeof(ref_t));
	lines_settle();
	return lane->filled + rest;
}

void lane_flush(struct ring_lane *lane)
{
	if (ring_off)
		return;
	wait_for_room();
	uint32_t n = stage_finish(lane);
	ring_lock();
	chunk_queue(lane, n, 0);
	chunk_open(lane);
	ring_unlock();
	if (backlog() >= RING_WAKE)
		wake_consumer();
}

static void lane_void(struct ring_lane *lane)
{
	lane->cursor = void_stage;
	lane->limit = void_stage + STAGE_LIMIT;
}

void lane_full(struct ring_lane *lane)
{
	if (ring_off) {
		lane_void(lane);
		return;
	}
	stage_empty(lane);
	if (lane->filled + RING_STAGE_WORDS > RING_CHUNK_WORDS)
		lane_flush(lane);
}

void lane_open(unsigned vcpu)
{
	struct ring_lane *lane = lane_of(vcpu);
	if (ring_off) {
		lane_void(lane);
		return;
	}
	ring_lock();
	lane->stage = take_or_wait(ring->stage_owner);
	lane->limit = ring_stage(ring, lane->stage) + STAGE_LIMIT;
	chunk_open(lane);
	if (lane_space.n_lanes <= vcpu)
		__atomic_store_n(&lane_space.n_lanes, vcpu + 1, __ATOMIC_RELEASE);
	ring_unlock();
}

/* ---- records ---- */

void lane_records(struct lane_records *r, unsigned vcpu)
{
	pthread_mutex_lock(&records_lock);
	struct ring_lane *lane = lane_of(vcpu);
	if (ring_off) {
		*r = (struct lane_records){ .lane = lane, .next = (char *)void_stage };
		return;
	}
	uint32_t n_refs = stage_finish(lane);
	*r = (struct lane_records){ .lane = lane, .n_refs = n_refs, .next = (char *)(ring_chunk(ring, lane->chunk) + n_refs) };
}

/* Room in the chunk for a record of so many bytes and, before it, for the marks; otherwise what there is goes first. */
static void records_room(struct lane_records *r, size_t bytes)
{
	if (ring_off) {
		r->next = (char *)void_stage;
		return;
	}
	char *end = (char *)ring_chunk(ring, r->lane->chunk) + RING_CHUNK_BYTES;
	size_t marks = sizeof(struct ring_record) + lane_space.n_lanes * sizeof(struct ring_mark) + 8;
	if (r->next + bytes + marks <= end)
		return;
	wait_for_room();
	ring_lock();
	chunk_queue(r->lane, r->n_refs, r->n_records);
	chunk_open(r->lane);
	ring_unlock();
	r->n_refs = r->n_records = 0;
	r->next = (char *)ring_chunk(ring, r->lane->chunk);
}

struct ring_record *lane_record(struct lane_records *r, uint32_t kind, const char *name)
{
	size_t length = name ? strnlen(name, LANE_NAME_MAX - 1) + 1 : 0;
	size_t bytes = (sizeof(struct ring_record) + length + 7) / 8 * 8;
	records_room(r, bytes);
	struct ring_record *record = (struct ring_record *)r->next;
	memset(record, 0, bytes);
	record->bytes = bytes;
	record->kind = kind;
	record->name_bytes = length;
	if (length)
		memcpy(record->name, name, length - 1);
	r->next += bytes;
	r->n_records++;
	return record;
}

/* Where another thread stands: it may just be emptying its stage.  => the lock is held, so its chunk stays. */
static struct ring_mark mark_of(uint32_t i)
{
	const struct ring_lane *lane = &lane_space.lane[i];
	for (;;) {
		uint32_t turn = __atomic_load_n(&lane->turn, __ATOMIC_ACQUIRE);
		uint32_t n = __atomic_load_n(&lane->filled, __ATOMIC_ACQUIRE) + stage_n_refs(lane);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (turn % 2 == 0 && turn == __atomic_load_n(&lane->turn, __ATOMIC_RELAXED))
			return (struct ring_mark){ .lane = i, .chunk = lane->chunk, .n_refs = n };
	}
}

/* Where the other threads stand.  => the lock is held. */
static void records_mark(struct lane_records *r)
{
	struct ring_record *record = (struct ring_record *)r->next;
	const char *end = (char *)ring_chunk(ring, r->lane->chunk) + RING_CHUNK_BYTES;
	uint32_t n = 0;
	for (uint32_t i = 0; i < lane_space.n_lanes && (char *)&record->mark[n + 1] <= end; i++) {
		const struct ring_lane *lane = &lane_space.lane[i];
		if (lane != r->lane && __atomic_load_n(&lane->cursor, __ATOMIC_ACQUIRE))
			record->mark[n++] = mark_of(i);
	}
	if (n == 0)
		return;
	record->kind = RING_RECORD_MARKS;
	record->n_marks = n;
	record->bytes = (offsetof(struct ring_record, mark) + n * sizeof(struct ring_mark) + 7) / 8 * 8;
	r->n_records++;
}

static void records_send(struct lane_records *r, bool last)
{
	if (!ring_off) {
		wait_for_room();
		ring_lock();
		records_mark(r);
		chunk_queue(r->lane, r->n_refs, r->n_records);
		if (last)
			__atomic_store_n(&ring->stage_owner[r->lane->stage], 0, __ATOMIC_RELEASE);
		else
			chunk_open(r->lane);
		ring_unlock();
	}
	pthread_mutex_unlock(&records_lock);
}

void lane_send(struct lane_records *r) { records_send(r, false); }
void lane_send_last(struct lane_records *r) { records_send(r, true); }

void lane_cancel(struct lane_records *r)
{
	(void)r;
	pthread_mutex_unlock(&records_lock);
}

/* ---- processes ---- */

static void window_turn(uint32_t space)
{
	void *at = mremap(ring_space(ring, space), 0, RING_SPACE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, &lane_space);
	if (at != &lane_space) {
		ring_off = true;
		return;
	}
	space_index = space;
	lane_space.host_pid = getpid();
	lane_space.base = (uintptr_t)ring_stage(ring, 0);
	__atomic_store_n(&lane_space.state, RING_SPACE_LIVE, __ATOMIC_RELEASE);
}

/* Nothing is captured from here on: the window turns to memory of this process alone, and references go nowhere. */
static void window_blind(void)
{
	ring_off = true;
	void *at = mmap(&lane_space, RING_SPACE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (at != &lane_space)
		_exit(125);
}

/* What the threads of an earlier image of this process left in their open chunks and stages. */
static void leftovers_queue(void)
{
	uint64_t base = lane_space.base;
	ring_lock();
	for (uint32_t i = 0; i < lane_space.n_lanes; i++) {
		struct ring_lane *lane = lane_of(i);
		if (!lane->cursor)
			continue;
		uint32_t n = lane->turn % 2 ? 0 : ((uintptr_t)lane->cursor - base) % RING_STAGE_BYTES / 8;
		memcpy(ring_chunk(ring, lane->chunk) + lane->filled, ring_stage(ring, lane->stage), n * sizeof(ref_t));
		chunk_queue(lane, lane->filled + n, 0);
		lane->turn = 0;
		ring->stage_owner[lane->stage] = 0;
	}
	ring_unlock();
}

static struct ring *segment_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	struct stat st;
	char *room = MAP_FAILED;
	if (fstat(fd, &st) == 0 && st.st_size == (off_t)RING_BYTES)
		room = mmap(NULL, RING_BYTES + RING_SPACE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	void *at = MAP_FAILED;
	if (room != MAP_FAILED) {
		char *aligned = (char *)(((uintptr_t)room + RING_SPACE_BYTES - 1) / RING_SPACE_BYTES * RING_SPACE_BYTES);
		at = mmap(aligned, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	}
	close(fd);
	return at == MAP_FAILED ? NULL : at;
}

bool lane_attach(const char *segment, uint32_t space, bool *fresh)
{
	*fresh = space == 0;
	ring = segment_map(segment);
	if (!ring || ring->magic != RING_MAGIC || space >= RING_SPACES) {
		ring_off = true;
		return false;
	}
	madvise(ring, RING_BYTES, MADV_DONTDUMP);
	void *at = mremap(ring_space(ring, space), 0, RING_SPACE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, &lane_space);
	if (at != &lane_space) {
		window_blind();
		return false;
	}
	*fresh = lane_space.state == RING_SPACE_FORKED;
	leftovers_queue();
	window_turn(space);
	return !ring_off;
}

uint32_t lane_space_index(void) { return space_index; }

/* => the space, or RING_SPACES when all are in use. */
static uint32_t space_reserve(void)
{
	uint32_t found = RING_SPACES;
	ring_lock();
	for (uint32_t i = 0; i < RING_SPACES && found == RING_SPACES; i++) {
		struct ring_space *s = ring_space(ring, i);
		if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == RING_SPACE_FREE) {
			s->parent = space_index;
			s->state = RING_SPACE_FORKED;
			found = i;
		}
	}
	ring_unlock();
	return found;
}

void lane_fork_prepare(unsigned vcpu)
{
	if (ring_off)
		return;
	child_space = space_reserve();
	if (child_space == RING_SPACES)
		return;
	struct lane_records r;
	lane_records(&r, vcpu);
	lane_record(&r, TRACE_FORK, NULL)->other = child_space;
	lane_send(&r);
}

void lane_fork_child(unsigned vcpu)
{
	pthread_mutex_init(&records_lock, NULL);
	if (ring_off)
		return;
	if (child_space < RING_SPACES)
		window_turn(child_space);
	if (child_space == RING_SPACES || ring_off) {
		window_blind();
		lane_open(vcpu);
		return;
	}
	lane_open(vcpu);
	struct lane_records r;
	lane_records(&r, vcpu);
	lane_record(&r, TRACE_PROCESS, NULL)->count = getpid();
	lane_send(&r);
}

void lane_fork_done(unsigned vcpu, int64_t pid)
{
	if (ring_off || child_space == RING_SPACES)
		return;
	int32_t unknown = 0;
	if (pid > 0)
		__atomic_compare_exchange_n(&ring_space(ring, child_space)->host_pid, &unknown, (int32_t)pid, false,
		                            __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	if (pid >= 0)
		return;
	struct lane_records r;
	lane_records(&r, vcpu);
	lane_record(&r, RING_RECORD_UNBORN, NULL)->other = child_space;
	lane_send(&r);
}

void lane_signal(int32_t host_pid, uint32_t signal)
{
	for (uint32_t i = 0; !ring_off && i < RING_SPACES; i++) {
		struct ring_space *s = ring_space(ring, i);
		if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == RING_SPACE_LIVE && s->host_pid == host_pid)
			s->signal = signal;
	}
}
