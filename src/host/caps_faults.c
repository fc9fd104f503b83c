/* caps_faults.c - probes of who may watch faults, and who may serve them.
 *
 * Problem: userfaultfd is one call with a dozen abilities, and a descriptor that opens may still never deliver a fault.
 * Idea: a thread touches a page, and the probe waits for the message, resolves it, and looks at what the thread saw.
 * Rejected: the bits of UFFDIO_API alone (they say what the kernel was built with, not what this process may do).
 * Source: userfaultfd(2), ioctl_userfaultfd(2), perf_event_open(2); admin-guide/mm/userfaultfd.rst of Linux. */
#include "caps_probe.h"
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { USER_ONLY = 1, ANSWER_MS = 1000, LETTER = 'p' };

/* ---- watching */

static int event_open(uint32_t type, uint64_t config, bool user_only)
{
	struct perf_event_attr attr = { .type = type, .config = config, .size = sizeof attr, .exclude_kernel = user_only, .exclude_hv = 1 };
	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t event_count(int fd)
{
	uint64_t n = 0;
	return read(fd, &n, sizeof n) == (ssize_t)sizeof n ? n : 0;
}

void probe_perf_faults(struct cap_result *ret)
{
	volatile char *p = probe_pages(16);
	int fd = event_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN, true);
	if (fd < 0) {
		cap_refused(ret, "perf_event_open");
		return;
	}
	uint64_t before = event_count(fd);
	for (size_t i = 0; i < 16; i++)
		p[i * probe_page_bytes()] = 1;
	uint64_t n = event_count(fd) - before;
	cap_say(ret, n >= 16 ? CAP_YES : CAP_BROKEN, "16 pages were touched, %" PRIu64 " faults were counted", n);
}

void probe_perf_faults_kernel(struct cap_result *ret)
{
	char *p = probe_pages(16);
	int fd = event_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN, false), zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || zero < 0) {
		cap_refused(ret, fd < 0 ? "perf_event_open" : "/dev/zero");
		return;
	}
	uint64_t before = event_count(fd);
	bool read_all = read(zero, p, 16 * probe_page_bytes()) == (ssize_t)(16 * probe_page_bytes());
	uint64_t n = event_count(fd) - before;
	cap_say(ret, read_all && n >= 16 ? CAP_YES : CAP_BROKEN, "read() filled 16 fresh pages, %" PRIu64 " faults were counted", n);
}

static void hardware_event(struct cap_result *ret, uint32_t type, uint64_t config, const char *what)
{
	int fd = event_open(type, config, true);
	if (fd < 0) {
		cap_refused(ret, what);
		return;
	}
	enum { N = 4096 };
	volatile char *p = probe_pages(N);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < N; i++)
			p[i * probe_page_bytes()]++;
	uint64_t n = event_count(fd);
	cap_say(ret, n ? CAP_YES : CAP_BROKEN, n ? "%" PRIu64 " were counted" : "it opens, and counts nothing", n);
}

void probe_perf_cycles(struct cap_result *ret)
{
	hardware_event(ret, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, "cycles");
}

void probe_perf_tlb(struct cap_result *ret)
{
	hardware_event(ret, PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_DTLB | PERF_COUNT_HW_CACHE_OP_READ << 8 |
	               PERF_COUNT_HW_CACHE_RESULT_MISS << 16, "misses of the data TLB");
}

/* ---- serving */

/* A thread that touches a page, and what it saw. */
struct toucher {
	volatile char *at;
	bool store, by_kernel;
	char saw;
	pthread_t thread;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;
	int zero = t->by_kernel ? open("/dev/zero", O_RDONLY | O_CLOEXEC) : -1;
	if (t->by_kernel)
		t->saw = read(zero, (char *)t->at, 1) == 1 ? LETTER : 0;
	else if (t->store)
		*t->at = LETTER;
	t->saw = t->by_kernel ? t->saw : *t->at;
	return NULL;
}

/* Starts the thread and waits for the message of its fault.  => false: none came, said. */
static bool fault_arrives(struct cap_result *ret, int fd, struct toucher *t, struct uffd_msg *msg)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	if (pthread_create(&t->thread, NULL, touch, t)) {
		cap_say(ret, CAP_UNTOLD, "no thread to touch a page with");
		return false;
	}
	if (poll(&p, 1, ANSWER_MS) == 1 && read(fd, msg, sizeof *msg) == (ssize_t)sizeof *msg && msg->event == UFFD_EVENT_PAGEFAULT)
		return true;
	cap_say(ret, CAP_BROKEN, "a page was touched, and no fault was reported");
	return false;
}

/* A descriptor with these features, from the call or the device.  => -1, said. */
static int uffd_ready(struct cap_result *ret, int fd, const char *what, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api)) {
		cap_refused(ret, fd < 0 ? what : features ? "this ability of userfaultfd" : "UFFDIO_API");
		return -1;
	}
	return fd;
}

/* Whichever way is open to us: the abilities do not depend on it. */
static int uffd_any(struct cap_result *ret, uint64_t features)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | USER_ONLY);
	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	return uffd_ready(ret, fd, "userfaultfd", features);
}

static bool uffd_register(struct cap_result *ret, int fd, void *p, size_t pages, uint64_t mode)
{
	struct uffdio_register r = { .range = { (uintptr_t)p, pages * probe_page_bytes() }, .mode = mode };
	if (ioctl(fd, UFFDIO_REGISTER, &r) == 0)
		return true;
	cap_refused(ret, "UFFDIO_REGISTER");
	return false;
}

/* Serves one fault of a page that is not there with a page of letters. */
static void serve_missing(struct cap_result *ret, int fd, bool by_kernel)
{
	char *p = probe_pages(1), *from = probe_pages(1);
	struct toucher t = { .at = p, .by_kernel = by_kernel };
	struct uffd_msg msg;
	memset(from, LETTER, probe_page_bytes());
	if (fd < 0 || !uffd_register(ret, fd, p, 1, UFFDIO_REGISTER_MODE_MISSING) || !fault_arrives(ret, fd, &t, &msg))
		return;
	struct uffdio_copy copy = { .dst = (uintptr_t)p, .src = (uintptr_t)from, .len = probe_page_bytes() };
	if (ioctl(fd, UFFDIO_COPY, &copy)) {
		cap_refused(ret, "UFFDIO_COPY");
		return;
	}
	pthread_join(t.thread, NULL);
	cap_say(ret, t.saw == LETTER ? CAP_YES : CAP_BROKEN, "a fault%s was reported and served%s", by_kernel ? " in read()" : "",
	        t.saw == LETTER ? "" : ", and the program saw something else");
}

void probe_userfaultfd(struct cap_result *ret)
{
	serve_missing(ret, uffd_any(ret, 0), false);
}

void probe_uffd_kernel(struct cap_result *ret)
{
	serve_missing(ret, uffd_ready(ret, (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), "userfaultfd", 0), true);
}

void probe_uffd_device(struct cap_result *ret)
{
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd = device < 0 ? -1 : ioctl(device, _IO(0xAA, 0), O_CLOEXEC | O_NONBLOCK);
	serve_missing(ret, uffd_ready(ret, fd, "/dev/userfaultfd", 0), true);
}

static bool protect(struct cap_result *ret, int fd, void *p, uint64_t mode)
{
	struct uffdio_writeprotect w = { .range = { (uintptr_t)p, probe_page_bytes() }, .mode = mode };
	if (ioctl(fd, UFFDIO_WRITEPROTECT, &w) == 0)
		return true;
	cap_refused(ret, "UFFDIO_WRITEPROTECT");
	return false;
}

void probe_uffd_wp(struct cap_result *ret)
{
	char *p = probe_pages(1);
	struct toucher t = { .at = p, .store = true };
	struct uffd_msg msg;
	int fd = uffd_any(ret, UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	p[0] = 1;
	if (fd < 0 || !uffd_register(ret, fd, p, 1, UFFDIO_REGISTER_MODE_WP) || !protect(ret, fd, p, UFFDIO_WRITEPROTECT_MODE_WP) ||
	    !fault_arrives(ret, fd, &t, &msg) || !protect(ret, fd, p, 0))
		return;
	pthread_join(t.thread, NULL);
	bool told = msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP;
	cap_say(ret, told && p[0] == LETTER ? CAP_YES : CAP_BROKEN, "a store to a protected page was reported%s",
	        told ? "" : " as something else");
}

/* Of three pages watched without stopping, one is written; PAGEMAP_SCAN must name that one. */
void probe_uffd_wp_async(struct cap_result *ret)
{
	enum { FEATURE_WP_UNPOPULATED = 1 << 13, FEATURE_WP_ASYNC = 1 << 15, WRITTEN = 2, PROTECT_AND_CHECK = 3 };
	struct { uint64_t start, end, categories; } region[3];
	struct {
		uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, wanted;
	} scan = { .size = sizeof scan };
	char *p = probe_pages(3);
	size_t page = probe_page_bytes();
	int fd = uffd_any(ret, FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED), map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	memset(p, 1, 3 * page);
	if (fd < 0 || !uffd_register(ret, fd, p, 3, UFFDIO_REGISTER_MODE_WP))
		return;
	scan.flags = PROTECT_AND_CHECK;
	scan.start = (uintptr_t)p;
	scan.end = (uintptr_t)p + 3 * page;
	scan.vec = (uintptr_t)region;
	scan.vec_len = 3;
	scan.mask = scan.wanted = WRITTEN;
	long n = ioctl(map, _IOWR('f', 16, scan), &scan);
	((volatile char *)p)[page] = 2;
	n = n < 0 ? n : ioctl(map, _IOWR('f', 16, scan), &scan);
	if (n < 0)
		cap_refused(ret, "PAGEMAP_SCAN with protection");
	else if (n == 1 && region[0].start == (uintptr_t)p + page && region[0].end == (uintptr_t)p + 2 * page)
		cap_say(ret, CAP_YES, "of three pages the one that was written was named");
	else
		cap_say(ret, CAP_BROKEN, "one page of three was written, and %ld runs were named", n);
}

void probe_uffd_minor(struct cap_result *ret)
{
	size_t page = probe_page_bytes();
	int memory = memfd_create("pageworks-probe", MFD_CLOEXEC), fd = uffd_any(ret, UFFD_FEATURE_MINOR_SHMEM);
	if (fd < 0)
		return;
	bool sized = memory >= 0 && ftruncate(memory, (off_t)page) == 0;
	char *own = sized ? mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0) : MAP_FAILED;
	char *watched = sized ? mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0) : MAP_FAILED;
	struct toucher t = { .at = watched };
	struct uffd_msg msg;
	if (own == MAP_FAILED || watched == MAP_FAILED) {
		cap_refused(ret, "memfd_create");
		return;
	}
	own[0] = LETTER;
	if (!uffd_register(ret, fd, watched, 1, UFFDIO_REGISTER_MODE_MINOR) || !fault_arrives(ret, fd, &t, &msg))
		return;
	struct uffdio_continue go = { .range = { (uintptr_t)watched, page } };
	if (ioctl(fd, UFFDIO_CONTINUE, &go)) {
		cap_refused(ret, "UFFDIO_CONTINUE");
		return;
	}
	pthread_join(t.thread, NULL);
	bool minor = msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_MINOR;
	cap_say(ret, minor && t.saw == LETTER ? CAP_YES : CAP_BROKEN, "a fault on a page in memory was reported%s",
	        minor ? "" : " as something else");
}

void probe_uffd_move(struct cap_result *ret)
{
	enum { FEATURE_MOVE = 1 << 16 };
	struct { uint64_t to, from, bytes, mode; int64_t moved; } move = { .bytes = probe_page_bytes() };
	char *to = probe_pages(1), *from = probe_pages(1);
	int fd = uffd_any(ret, FEATURE_MOVE);
	from[0] = LETTER;
	if (fd < 0 || !uffd_register(ret, fd, to, 1, UFFDIO_REGISTER_MODE_MISSING))
		return;
	move.to = (uintptr_t)to;
	move.from = (uintptr_t)from;
	if (ioctl(fd, _IOWR(0xAA, 5, move), &move))
		cap_refused(ret, "UFFDIO_MOVE");
	else
		cap_say(ret, to[0] == LETTER ? CAP_YES : CAP_BROKEN, "a page was moved%s", to[0] == LETTER ? "" : ", and is another");
}
