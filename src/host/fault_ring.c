/* fault_ring.c - perf events on page faults, one ring for each processor.
 *
 * Problem.  Faults come from several processors at a million a second; what the kernel cannot write down because its ring is full
 * is lost; and what a fault means depends on what was mapped before it, perhaps on another processor.
 *
 * Idea.  Two events, minor and major faults, share one ring on each processor, because an inherited event can only have a ring
 * of a processor.  The rings are emptied into one buffer, which is sorted by time.  A record from before the *previous* collection
 * began cannot be overtaken any more, so up to there the buffer is in order for good.
 *
 *     cpu 0   minor -> [ring] <- major      \
 *     cpu 1   minor -> [ring] <- major       +-> buffer, sorted by time -> rings_next
 *                                           /    '---- given out ---'|'-- may still be overtaken --'
 *                                                        begin of the previous collection
 *
 * 1. A record is given once, and in order of time unless a processor was stopped for a whole collection.
 * 2. What the kernel counts and what is given differ by what is counted as lost.
 *
 * Rejected: the event of all faults (it also counts faults that end in a signal, and those that are tried again: getrusage does not);
 * a ring for each thread (inherited events may not have one).
 * Source: perf_event_open(2). */
#include "fault_ring.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RING_PAGES_MOST = 2048, RING_PAGES_LEAST = 16, WAKE_BYTES = 32 << 10, THREADS_MOST = 4096,
       ID_AT = 40 /* of a sample: header, ip, pid and tid, time, address, id */ };

struct ring {
	int fd;                  /* of the event that owns it; -1: this processor has none */
	struct perf_event_mmap_page *page;
	size_t bytes;            /* of records, a power of two */
};

struct event {
	int fd;
	bool major;
	uint64_t id;
};

struct entry {
	uint64_t time_ns;
	size_t at;               /* offset in bytes */
	uint32_t n;
};

struct rings {
	struct ring *ring;       /* one for each processor */
	unsigned n_rings;
	struct pollfd *poll;
	unsigned n_poll;
	struct event *event;     /* every one, on every processor, of every thread */
	unsigned n_events, room_events;
	size_t pages;            /* of the next ring, without its header: what was permitted last */
	struct perf_event_attr attr;
	struct record_layout layout;
	uint8_t *bytes;          /* copied records */
	size_t n_bytes, room_bytes;
	struct entry *entry;
	size_t n, room, next;
	uint64_t began_ns, safe_ns; /* of this collection, of the one before */
	uint64_t lost, damaged;
	bool kernel;
};

static int event_open(struct perf_event_attr *attr, pid_t tid, int cpu)
{
	return (int)syscall(SYS_perf_event_open, attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* ---- opening */

static void attr_init(struct rings *r, bool at_exec)
{
	r->layout = (struct record_layout){ .regs = record_reg_mask() != 0, .page_size = true };
	r->attr = (struct perf_event_attr){
		.type = PERF_TYPE_SOFTWARE, .size = sizeof r->attr, .sample_period = 1, .inherit = 1, .sample_id_all = 1,
		.mmap = 1, .mmap2 = 1, .mmap_data = 1, .comm = 1, .comm_exec = 1, .task = 1, .exclude_hv = 1,
		.use_clockid = 1, .clockid = CLOCK_MONOTONIC, .watermark = 1, .disabled = 1, .enable_on_exec = at_exec,
	};
}

static void attr_apply(struct rings *r)
{
	r->attr.sample_type = record_sample_type(&r->layout);
	r->attr.sample_regs_user = r->layout.regs ? record_reg_mask() : 0;
	r->attr.exclude_kernel = !r->kernel;
}

/* Finds out, on ourselves, what this kernel permits and knows.  => errno, or 0. */
static int attr_settle(struct rings *r)
{
	for (int attempt = 0; attempt < 8; attempt++) {
		attr_apply(r);
		r->attr.config = PERF_COUNT_SW_PAGE_FAULTS_MIN;
		int fd = event_open(&r->attr, 0, -1), error = errno;
		if (fd >= 0) {
			close(fd);
			return 0;
		}
		if ((error == EACCES || error == EPERM) && r->kernel)
			r->kernel = false;
		else if (r->layout.page_size && (error == EINVAL || error == E2BIG))
			r->layout.page_size = false;
		else if (r->layout.regs && error != EACCES && error != EPERM)
			r->layout.regs = false;
		else
			return error;
	}
	return EINVAL;
}

static int event_keep(struct rings *r, int fd, bool major)
{
	if (r->n_events == r->room_events) {
		struct event *more = mem_realloc(r->event, r->room_events * 2 + 64, sizeof *more);
		if (!more) {
			close(fd);
			return ENOMEM;
		}
		r->event = more;
		r->room_events = r->room_events * 2 + 64;
	}
	struct event *e = &r->event[r->n_events++];
	*e = (struct event){ .fd = fd, .major = major };
	return ioctl(fd, PERF_EVENT_IOC_ID, &e->id) ? errno : 0;
}

static int ring_map(struct rings *r, struct ring *ring, int fd)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	for (;; r->pages /= 2) {
		void *p = mmap(NULL, (r->pages + 1) * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED) {
			ring->page = p;
			ring->fd = fd;
			ring->bytes = r->pages * page;
			return 0;
		}
		if (r->pages <= RING_PAGES_LEAST || (errno != EPERM && errno != ENOMEM))
			return errno;
	}
}

/* The first event on a processor gets the ring, all others write into it. */
static int ring_join(struct rings *r, struct ring *ring, int fd)
{
	if (ring->fd >= 0)
		return ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fd) ? errno : 0;
	return ring_map(r, ring, fd);
}

/* Minor and major faults of a thread on a processor.  => errno; ENODEV: there is no such processor now. */
static int watch_cpu(struct rings *r, pid_t tid, unsigned cpu)
{
	static const uint64_t config[] = { PERF_COUNT_SW_PAGE_FAULTS_MIN, PERF_COUNT_SW_PAGE_FAULTS_MAJ };
	for (int major = 0; major < 2; major++) {
		struct perf_event_attr attr = r->attr;
		attr.config = config[major];
		attr.wakeup_watermark = WAKE_BYTES;
		if (major)
			attr.mmap = attr.mmap2 = attr.mmap_data = attr.comm = attr.comm_exec = attr.task = 0;
		int fd = event_open(&attr, tid, (int)cpu);
		if (fd < 0)
			return errno;
		int error = event_keep(r, fd, major);
		if (!error)
			error = ring_join(r, &r->ring[cpu], fd);
		if (error)
			return error;
	}
	return 0;
}

static int watch_thread(struct rings *r, pid_t tid)
{
	unsigned watched = 0;
	for (unsigned cpu = 0; cpu < r->n_rings; cpu++) {
		int error = watch_cpu(r, tid, cpu);
		if (error && error != ENODEV)
			return error;
		watched += !error;
	}
	return watched ? 0 : ENODEV;
}

/* Threads made while we look are inherited from those already watched, or found by looking again. */
static int watch_threads(struct rings *r, uint32_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%u/task", pid);
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? ESRCH : errno;
	int error = 0;
	unsigned n = 0;
	for (struct dirent *e; !error && (e = readdir(dir));) {
		long tid = strtol(e->d_name, NULL, 10);
		if (tid <= 0 || n++ >= THREADS_MOST)
			continue;
		error = watch_thread(r, (pid_t)tid);
		if (error == ESRCH && (uint32_t)tid != pid)
			error = 0;
	}
	closedir(dir);
	return error;
}

static void unwatch(struct rings *r)
{
	for (unsigned i = 0; i < r->n_rings; i++) {
		if (r->ring[i].page)
			munmap(r->ring[i].page, r->ring[i].bytes + (size_t)sysconf(_SC_PAGESIZE));
		r->ring[i] = (struct ring){ .fd = -1 };
	}
	for (unsigned i = 0; i < r->n_events; i++)
		close(r->event[i].fd);
	r->n_events = 0;
}

/* at_all: not even our own faults may be watched. */
static enum pw_err refused(int error, bool at_all, uint32_t pid, struct pw_why *why)
{
	int level = 0;
	FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	if (f) {
		if (fscanf(f, "%d", &level) != 1)
			level = 0;
		fclose(f);
	}
	switch (error) {
	case ESRCH: return pw_fail(why, PW_NOTFOUND, "there is no process %u, or it has ended", pid);
	case EACCES:
	case EPERM:
		if (level > 2)
			return pw_fail(why, PW_ACCESS, "this kernel lets no ordinary user watch page faults (kernel.perf_event_paranoid is "
			               "%d); root may, or after: sysctl kernel.perf_event_paranoid=2", level);
		if (at_all)
			return pw_fail(why, PW_ACCESS, "page faults cannot be watched here: a sandbox forbids perf_event_open");
		return pw_fail(why, PW_ACCESS, "the kernel does not let us watch process %u: it is another user's, or guards its memory; "
		               "root may", pid);
	case ENOSYS:
	case ENOENT:
	case EOPNOTSUPP:
		return pw_fail(why, PW_UNSUPPORTED, "this kernel has no events for page faults (perf_event_open: %s)", strerror(error));
	case EMFILE:
		return pw_fail(why, PW_LIMIT, "every thread of %u on every processor takes more files than ulimit -n permits", pid);
	case ENOMEM: return pw_fail(why, PW_NOMEM, "out of memory for the rings of page faults");
	default: return pw_fail(why, PW_IO, "page faults of process %u cannot be watched: %s", pid, strerror(error));
	}
}

/* A process with many threads needs many descriptors; what the administrator permits is taken. */
static void raise_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int rings_watch(struct rings *r, const struct rings_options *o)
{
	raise_limit();
	r->pages = RING_PAGES_MOST;
	int error = o->at_exec ? watch_thread(r, (pid_t)o->pid) : watch_threads(r, o->pid);
	/* Only now: what happened before its ring was there would be counted without a record. */
	for (unsigned i = 0; !o->at_exec && i < r->n_events; i++)
		ioctl(r->event[i].fd, PERF_EVENT_IOC_ENABLE, 0);
	for (unsigned i = 0; i < r->n_rings; i++)
		if (r->ring[i].page)
			r->poll[r->n_poll++] = (struct pollfd){ .fd = r->ring[i].fd, .events = POLLIN };
	return error;
}

enum pw_err rings_open(const struct rings_options *o, struct rings **ret, struct pw_why *why)
{
	struct rings *r = mem_zalloc(1, sizeof *r);
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	*ret = NULL;
	if (!r)
		return refused(ENOMEM, false, o->pid, why);
	r->n_rings = cpus > 0 ? (unsigned)cpus : 1;
	r->ring = mem_zalloc(r->n_rings, sizeof *r->ring);
	r->poll = mem_zalloc(r->n_rings, sizeof *r->poll);
	if (!r->ring || !r->poll) {
		r->n_rings = 0;
		rings_close(r);
		return refused(ENOMEM, false, o->pid, why);
	}
	for (unsigned i = 0; i < r->n_rings; i++)
		r->ring[i].fd = -1;
	r->kernel = true;
	attr_init(r, o->at_exec);
	int error = attr_settle(r);
	bool at_all = error != 0;
	error = error ? error : rings_watch(r, o);
	if (error) {
		rings_close(r);
		return refused(error, at_all, o->pid, why);
	}
	*ret = r;
	return PW_OK;
}

void rings_close(struct rings *r)
{
	if (!r)
		return;
	unwatch(r);
	mem_free(r->ring);
	mem_free(r->poll);
	mem_free(r->event);
	mem_free(r->bytes);
	mem_free(r->entry);
	mem_free(r);
}

/* ---- draining */

static bool is_major(const struct rings *r, uint64_t id)
{
	for (unsigned i = 0; i < r->n_events; i++)
		if (r->event[i].id == id)
			return r->event[i].major;
	return false;
}

/* Copies n bytes of a ring from position at, which may wrap around. */
static void ring_copy(const uint8_t *data, size_t size, uint64_t at, void *to, size_t n)
{
	size_t from = at & (size - 1), first = n < size - from ? n : size - from;
	memcpy(to, data + from, first);
	memcpy((uint8_t *)to + first, data, n - first);
}

static bool buffer_room(struct rings *r, size_t n)
{
	if (r->n_bytes + n > r->room_bytes) {
		size_t room = (r->n_bytes + n) * 2 + (1 << 16);
		uint8_t *more = mem_realloc(r->bytes, room, 1);
		if (!more)
			return false;
		r->bytes = more;
		r->room_bytes = room;
	}
	if (r->n == r->room) {
		struct entry *more = mem_realloc(r->entry, r->room * 2 + 1024, sizeof *more);
		if (!more)
			return false;
		r->entry = more;
		r->room = r->room * 2 + 1024;
	}
	return true;
}

/* The time is needed for sorting; the rest is decoded when the record is given out. */
static bool record_take(struct rings *r, const uint8_t *data, size_t size, uint64_t at, size_t n)
{
	struct fault_record record;
	if (!buffer_room(r, n))
		return false;
	ring_copy(data, size, at, r->bytes + r->n_bytes, n);
	if (record_decode(r->bytes + r->n_bytes, n, &r->layout, &record) != PW_OK) {
		r->damaged++;
		return true;
	}
	r->entry[r->n++] = (struct entry){ record.time_ns, r->n_bytes, (uint32_t)n };
	r->n_bytes += n;
	return true;
}

static enum pw_err ring_drain(struct rings *r, struct ring *ring)
{
	struct perf_event_mmap_page *page = ring->page;
	size_t size = ring->bytes;
	const uint8_t *data = (const uint8_t *)page + page->data_offset;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), at = page->data_tail;
	enum pw_err err = PW_OK;
	while (at < head) {
		struct perf_event_header h;
		ring_copy(data, size, at, &h, sizeof h);
		if (h.size < sizeof h || h.size > head - at) {
			r->damaged++;
			at = head;
			break;
		}
		if (!record_take(r, data, size, at, h.size)) {
			r->lost++;
			err = PW_NOMEM;
		}
		at += h.size;
	}
	__atomic_store_n(&page->data_tail, at, __ATOMIC_RELEASE);
	return err;
}

static int by_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* What was given out makes room. */
static void buffer_compact(struct rings *r)
{
	if (r->next < r->n / 2 && r->next < r->n)
		return;
	size_t left = r->n - r->next, at = 0;
	uint8_t *fresh = left ? mem_alloc(r->room_bytes) : NULL;
	if (left && !fresh)
		return;
	for (size_t i = 0; i < left; i++) {
		struct entry e = r->entry[r->next + i];
		memcpy(fresh + at, r->bytes + e.at, e.n);
		r->entry[i] = (struct entry){ e.time_ns, at, e.n };
		at += e.n;
	}
	if (left) {
		mem_free(r->bytes);
		r->bytes = fresh;
	}
	r->n = left;
	r->n_bytes = at;
	r->next = 0;
}

enum pw_err rings_collect(struct rings *r, bool last)
{
	enum pw_err err = PW_OK;
	/* What still runs is counted no longer, so that counts and records are of the same time. */
	for (unsigned i = 0; last && i < r->n_events; i++)
		ioctl(r->event[i].fd, PERF_EVENT_IOC_DISABLE, 0);
	buffer_compact(r);
	r->safe_ns = r->began_ns;
	r->began_ns = clock_ns();
	for (unsigned i = 0; i < r->n_rings; i++)
		if (r->ring[i].page && ring_drain(r, &r->ring[i]) != PW_OK)
			err = PW_NOMEM;
	if (r->n > r->next)
		qsort(r->entry + r->next, r->n - r->next, sizeof *r->entry, by_time);
	if (last)
		r->safe_ns = UINT64_MAX;
	return err;
}

bool rings_next(struct rings *r, struct fault_record *ret)
{
	if (r->next == r->n || r->entry[r->next].time_ns >= r->safe_ns)
		return false;
	struct entry *e = &r->entry[r->next++];
	struct record_layout layout = r->layout;
	uint64_t id = 0;
	if (e->n >= ID_AT + sizeof id)
		memcpy(&id, r->bytes + e->at + ID_AT, sizeof id);
	layout.major_id = is_major(r, id) ? id : ~id;
	if (record_decode(r->bytes + e->at, e->n, &layout, ret) != PW_OK) {
		*ret = (struct fault_record){ .kind = RECORD_OTHER, .name = "" };
		return true;
	}
	if (ret->kind == RECORD_LOST)
		r->lost += ret->count;
	return true;
}

bool rings_wait(struct rings *r, int milliseconds)
{
	unsigned alive = 0;
	if (poll(r->poll, r->n_poll, milliseconds) < 0)
		return false;
	for (unsigned i = 0; i < r->n_poll; i++) {
		if (r->poll[i].revents & (POLLHUP | POLLERR))
			r->poll[i].fd = -1;
		alive += r->poll[i].fd >= 0;
	}
	return alive > 0;
}

void rings_state(const struct rings *r, struct rings_state *ret)
{
	*ret = (struct rings_state){ .kernel = r->kernel, .page_size = r->layout.page_size, .regs = r->layout.regs, .lost = r->lost,
	                             .damaged = r->damaged };
	for (unsigned i = 0; i < r->n_rings; i++)
		if (r->ring[i].page && (!ret->ring_bytes || r->ring[i].bytes < ret->ring_bytes))
			ret->ring_bytes = r->ring[i].bytes;
	for (unsigned i = 0; i < r->n_events; i++) {
		uint64_t count;
		if (read(r->event[i].fd, &count, sizeof count) == (ssize_t)sizeof count)
			*(r->event[i].major ? &ret->major : &ret->minor) += count;
	}
}
