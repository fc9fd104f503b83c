/* pagemap.c - the pages of a process, by whichever way the kernel allows.
 *
 * Problem.  A process may have reserved terabytes and touched a page of them; a file of one word for each page is slow there, and
 * tells frames only to root.  The newer ioctl is quick but not everywhere, and a kernel may accept it and do nothing.
 *
 * Idea.  Everything becomes runs of like pages.  The ioctl gives runs already; words are read in chunks, one byte of categories for
 * each page, to which further sources add their bits before the chunk is cut into runs:
 *
 *     words   ..PPPPF.S...      present, swapped, file
 *     flags   ..  DD    .       dirty, zeros: frame by frame, from kpageflags
 *     scan        HH            huge, zeros: where the ioctl works, too
 *
 * The ioctl is believed only after it has found a page that we ourselves have just written.
 *
 * 1. Runs are in order of address, and no run could be joined with the one before it.
 * 2. A page in no run is neither present nor swapped.
 * 3. A category outside of pagemap_known is never set.
 *
 * A frame is marked dirty by system calls, by stores to files that count their dirty pages, and when an entry is torn down; a store
 * to anonymous memory marks only the page-table entry, which no file shows.  So DIRTY is certain where it is set, and nothing follows
 * from its absence.
 *
 * Rejected: soft-dirty bits (they must be cleared first, which changes the host, and many kernels have none); asking uname for the
 * kernel's version (distributions backport, sandboxes leave out); a callback for each run.
 * Source: admin-guide/mm/pagemap.rst of Linux, PAGEMAP_SCAN(2const), proc_kpageflags(5). */
#include "pagemap.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_PAGES = 1 << 15, SCAN_REGIONS = 512 };
static const uint64_t WORDS_MOST = 1ull << 40;

/* The ioctl, in our own words: Debian 12's headers are older than it. */
struct scan_region {
	uint64_t start, end, categories;
};
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, all_of, any_of, returned;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
enum { SCAN_FILE = 1 << 2, SCAN_PRESENT = 1 << 3, SCAN_SWAPPED = 1 << 4, SCAN_ZERO = 1 << 5, SCAN_HUGE = 1 << 6 };

/* A word of pagemap, and the flags of a frame. */
static const uint64_t WORD_PRESENT = 1ull << 63, WORD_SWAPPED = 1ull << 62, WORD_FILE = 1ull << 61, WORD_FRAME = (1ull << 55) - 1;
static const uint64_t FRAME_DIRTY = 1 << 4, FRAME_ZERO = 1 << 24;

struct pagemap {
	int fd, flags_fd;
	uint32_t pid, known;
	enum pagemap_source source;
	uint64_t page;
	bool scan_works;
	struct scan_region *region; /* SCAN_REGIONS */
	uint64_t *word;             /* CHUNK_PAGES each; NULL by scan alone */
	uint64_t *flag;
	uint8_t *is;
};

uint64_t pagemap_page_bytes(void) { return (uint64_t)sysconf(_SC_PAGESIZE); }
enum pagemap_source pagemap_source(const struct pagemap *p) { return p->source; }
uint32_t pagemap_known(const struct pagemap *p) { return p->known; }

const char *pagemap_source_word(enum pagemap_source source)
{
	static const char *const words[] = {
#define X(name, word) word,
		PAGEMAP_SOURCE_LIST(X)
#undef X
	};
	return words[source];
}

/* ---- runs */

void pagemap_runs_fini(struct pagemap_runs *runs)
{
	mem_free(runs->run);
	*runs = (struct pagemap_runs){ 0 };
}

static enum pw_err run_add(struct pagemap_runs *runs, uint64_t floor, struct pagemap_run r)
{
	struct pagemap_run *last = runs->n > floor ? &runs->run[runs->n - 1] : NULL;
	if (!(r.is & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)))
		return PW_OK;
	if (last && last->end == r.start && last->is == r.is) {
		last->end = r.end;
		return PW_OK;
	}
	if (runs->n == runs->room) {
		uint64_t room = runs->room ? runs->room * 2 : 64;
		struct pagemap_run *more = mem_realloc(runs->run, room, sizeof *more);
		if (!more)
			return PW_NOMEM;
		runs->run = more;
		runs->room = room;
	}
	runs->run[runs->n++] = r;
	return PW_OK;
}

const char *pagemap_runs_flaw(const struct pagemap_runs *runs)
{
	for (uint64_t i = 0; i < runs->n; i++) {
		const struct pagemap_run *r = &runs->run[i];
		if (r->start >= r->end)
			return "a run is empty";
		if (!(r->is & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)))
			return "a run is of pages that are nowhere";
		if (i && r->start < r[-1].end)
			return "two runs overlap, or are out of order";
	}
	return NULL;
}

/* ---- the ioctl */

static uint32_t scan_is(uint64_t categories)
{
	return (categories & SCAN_PRESENT ? PAGEMAP_PRESENT : 0) | (categories & SCAN_SWAPPED ? PAGEMAP_SWAPPED : 0) |
	       (categories & SCAN_FILE ? PAGEMAP_FILE : 0) | (categories & SCAN_HUGE ? PAGEMAP_HUGE : 0) |
	       (categories & SCAN_ZERO ? PAGEMAP_ZERO : 0);
}

/* The regions from start on, until the room for them is full.  => how many, *walked to where; -1 and errno. */
static int scan_once(int fd, uint64_t start, uint64_t end, struct scan_region *region, unsigned room, uint64_t *walked)
{
	struct scan_arg a = {
		.size = sizeof a, .start = start, .end = end, .vec = (uintptr_t)region, .vec_len = room,
		.any_of = SCAN_PRESENT | SCAN_SWAPPED,
		.returned = SCAN_PRESENT | SCAN_SWAPPED | SCAN_FILE | SCAN_HUGE | SCAN_ZERO,
	};
	int n = ioctl(fd, SCAN_IOCTL, &a);
	*walked = a.walk_end;
	if (n >= 0 && a.walk_end <= start && start < end) {
		errno = EIO; /* a kernel that walks nowhere would keep us for ever */
		return -1;
	}
	return n;
}

/* Does the ioctl find a page that we have just written, and only that one? */
static bool scan_tried(void)
{
	uint64_t page = pagemap_page_bytes(), walked;
	struct scan_region region[4];
	bool works = false;
	char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (two != MAP_FAILED && fd >= 0) {
		uint64_t start = (uintptr_t)two;
		*(volatile char *)(two + page) = 1;
		works = scan_once(fd, start, start + 2 * page, region, 4, &walked) == 1 && region[0].start == start + page &&
		        region[0].end == start + 2 * page && region[0].categories & SCAN_PRESENT;
	}
	if (fd >= 0)
		close(fd);
	if (two != MAP_FAILED)
		munmap(two, 2 * page);
	return works;
}

static enum pw_err pages_refused(const struct pagemap *p, int error, struct pw_why *why)
{
	if (error == ESRCH || error == ENOENT || error == 0)
		return pw_fail(why, PW_NOTFOUND, "process %u ended while its pages were looked at", p->pid);
	return pw_fail(why, PW_IO, "the pages of process %u: %s", p->pid, strerror(error));
}

static enum pw_err scan_runs(struct pagemap *p, uint64_t start, uint64_t end, uint64_t floor, struct pagemap_runs *runs,
                             struct pw_why *why)
{
	while (start < end) {
		uint64_t walked;
		int n = inject(INJECT_FILE_READ) ? (errno = EIO, -1) : scan_once(p->fd, start, end, p->region, SCAN_REGIONS, &walked);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pages_refused(p, errno, why);
		for (int i = 0; i < n; i++) {
			const struct scan_region *r = &p->region[i];
			if (run_add(runs, floor, (struct pagemap_run){ r->start, r->end, scan_is(r->categories) & p->known }))
				return pw_fail(why, PW_NOMEM, "out of memory for the pages of process %u", p->pid);
		}
		start = walked;
	}
	return PW_OK;
}

/* ---- words, and what is added to them */

/* => how many words there are from this page on; fewer than n at the end of the address space; -1 and errno. */
static int64_t words_at(int fd, uint64_t first, uint64_t n, uint64_t *word)
{
	uint64_t done = 0;
	while (done < n * sizeof *word) {
		ssize_t got = inject(INJECT_FILE_READ) ? (errno = EIO, -1) :
		              pread(fd, (char *)word + done, n * sizeof *word - done, (off_t)(first * sizeof *word + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (uint64_t)got;
	}
	return (int64_t)(done / sizeof *word);
}

static uint32_t word_is(uint64_t word)
{
	return (word & WORD_PRESENT ? PAGEMAP_PRESENT : 0) | (word & WORD_SWAPPED ? PAGEMAP_SWAPPED : 0) |
	       (word & WORD_FILE ? PAGEMAP_FILE : 0);
}

/* The flags of frames that lie side by side are read together. */
static void flags_add(struct pagemap *p, uint64_t n)
{
	for (uint64_t i = 0, k; i < n; i = k) {
		uint64_t frame = p->word[i] & WORD_FRAME;
		k = i + 1;
		if (!(p->word[i] & WORD_PRESENT) || !frame)
			continue;
		while (k < n && p->word[k] & WORD_PRESENT && (p->word[k] & WORD_FRAME) == frame + (k - i))
			k++;
		int64_t got = words_at(p->flags_fd, frame, k - i, p->flag);
		for (int64_t f = 0; f < got; f++)
			p->is[i + (uint64_t)f] |= (p->flag[f] & FRAME_DIRTY ? PAGEMAP_DIRTY : 0) | (p->flag[f] & FRAME_ZERO ? PAGEMAP_ZERO : 0);
	}
}

static void scan_add(struct pagemap *p, uint64_t start, uint64_t n)
{
	uint64_t end = start + n * p->page, walked;
	for (uint64_t at = start; at < end; at = walked) {
		int got = scan_once(p->fd, at, end, p->region, SCAN_REGIONS, &walked);
		if (got < 0)
			return;
		for (int i = 0; i < got; i++)
			for (uint64_t a = p->region[i].start; a < p->region[i].end; a += p->page)
				p->is[(a - start) / p->page] |= scan_is(p->region[i].categories) & (PAGEMAP_HUGE | PAGEMAP_ZERO);
	}
}

static enum pw_err chunk_cut(struct pagemap *p, uint64_t start, uint64_t n, uint64_t floor, struct pagemap_runs *runs)
{
	for (uint64_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && p->is[k] == p->is[i]; k++)
			;
		struct pagemap_run r = { start + i * p->page, start + k * p->page, p->is[i] & p->known };
		enum pw_err err = run_add(runs, floor, r);
		if (err)
			return err;
	}
	return PW_OK;
}

static enum pw_err word_runs(struct pagemap *p, uint64_t start, uint64_t end, uint64_t floor, struct pagemap_runs *runs,
                             struct pw_why *why)
{
	for (uint64_t n; start < end; start += n * p->page) {
		n = (end - start) / p->page;
		n = n < CHUNK_PAGES ? n : CHUNK_PAGES;
		int64_t got = words_at(p->fd, start / p->page, n, p->word);
		if (got < (int64_t)n)
			return pages_refused(p, got < 0 ? errno : 0, why);
		for (uint64_t i = 0; i < n; i++)
			p->is[i] = (uint8_t)word_is(p->word[i]);
		if (p->source == PAGEMAP_BY_FRAMES) {
			flags_add(p, n);
			if (p->scan_works)
				scan_add(p, start, n);
		}
		if (chunk_cut(p, start, n, floor, runs))
			return pw_fail(why, PW_NOMEM, "out of memory for the pages of process %u", p->pid);
	}
	return PW_OK;
}

enum pw_err pagemap_read(struct pagemap *p, uint64_t start, uint64_t end, struct pagemap_runs *runs, struct pw_why *why)
{
	uint64_t floor = runs->n;
	if (p->source != PAGEMAP_BY_SCAN && end - start > WORDS_MOST)
		return pw_fail(why, PW_LIMIT, "0x%llx-0x%llx: without PAGEMAP_SCAN pages are read one by one; give a range of at most 1T",
		               (unsigned long long)start, (unsigned long long)end);
	enum pw_err err = p->source == PAGEMAP_BY_SCAN ? scan_runs(p, start, end, floor, runs, why) :
	                  word_runs(p, start, end, floor, runs, why);
	if (err)
		runs->n = floor;
	return err;
}

/* ---- opening */

/* Root alone is told frames: does our own stack have one? */
static bool frames_told(void)
{
	uint64_t word = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool told = fd >= 0 && words_at(fd, (uintptr_t)&word / pagemap_page_bytes(), 1, &word) == 1 && word & WORD_PRESENT &&
	            word & WORD_FRAME;
	if (fd >= 0)
		close(fd);
	return told;
}

static enum pw_err frames_open(struct pagemap *p, struct procfs *proc, struct pw_why *why)
{
	if (procfs_is_this_computer(proc) && frames_told())
		p->flags_fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (p->flags_fd < 0)
		return pw_fail(why, PW_UNSUPPORTED, "which pages are dirty is told to root only, and by kernels with /proc/kpageflags");
	p->known |= PAGEMAP_DIRTY | PAGEMAP_ZERO | (p->scan_works ? PAGEMAP_HUGE : 0);
	return PW_OK;
}

static enum pw_err source_choose(struct pagemap *p, struct procfs *proc, enum pagemap_source source, struct pw_why *why)
{
	struct scan_region region;
	uint64_t walked;
	p->scan_works = source != PAGEMAP_BY_WORDS && scan_tried() && scan_once(p->fd, 0, p->page, &region, 1, &walked) >= 0;
	if (source == PAGEMAP_BY_SCAN && !p->scan_works)
		return pw_fail(why, PW_UNSUPPORTED, "PAGEMAP_SCAN does not work here; Linux has it from 6.7 on");
	p->known = PAGEMAP_PRESENT | PAGEMAP_SWAPPED | PAGEMAP_FILE;
	p->source = source != PAGEMAP_BY_AUTO ? source : p->scan_works ? PAGEMAP_BY_SCAN : PAGEMAP_BY_WORDS;
	if (p->source == PAGEMAP_BY_SCAN)
		p->known |= PAGEMAP_HUGE | PAGEMAP_ZERO;
	return p->source == PAGEMAP_BY_FRAMES ? frames_open(p, proc, why) : PW_OK;
}

static enum pw_err room_make(struct pagemap *p, struct pw_why *why)
{
	bool words = p->source != PAGEMAP_BY_SCAN, flags = p->source == PAGEMAP_BY_FRAMES;
	p->region = p->scan_works ? mem_zalloc(SCAN_REGIONS, sizeof *p->region) : NULL;
	p->word = words ? mem_zalloc(CHUNK_PAGES, sizeof *p->word) : NULL;
	p->flag = flags ? mem_zalloc(CHUNK_PAGES, sizeof *p->flag) : NULL;
	p->is = words ? mem_zalloc(CHUNK_PAGES, 1) : NULL;
	if ((p->scan_works && !p->region) || (words && (!p->word || !p->is)) || (flags && !p->flag))
		return pw_fail(why, PW_NOMEM, "out of memory for the pages of process %u", p->pid);
	return PW_OK;
}

enum pw_err pagemap_open(struct procfs *proc, uint32_t pid, enum pagemap_source source, struct pagemap **ret, struct pw_why *why)
{
	*ret = NULL;
	struct pagemap *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return pw_fail(why, PW_NOMEM, "out of memory for the pages of process %u", pid);
	*p = (struct pagemap){ .fd = -1, .flags_fd = -1, .pid = pid, .page = pagemap_page_bytes() };
	enum pw_err err = procfs_open_pid(proc, pid, "pagemap", &p->fd, why);
	if (err == PW_OK)
		err = source_choose(p, proc, source, why);
	if (err == PW_OK)
		err = room_make(p, why);
	if (err)
		pagemap_close(p);
	else
		*ret = p;
	return err;
}

void pagemap_close(struct pagemap *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	if (p->flags_fd >= 0)
		close(p->flags_fd);
	mem_free(p->region);
	mem_free(p->word);
	mem_free(p->flag);
	mem_free(p->is);
	mem_free(p);
}

/* ---- two looks */

/* What the pages at an address are, and up to where that holds. */
struct cursor {
	const struct pagemap_runs *runs;
	uint64_t i;
};

static uint32_t cursor_at(struct cursor *c, uint64_t address, uint64_t *until)
{
	while (c->i < c->runs->n && c->runs->run[c->i].end <= address)
		c->i++;
	if (c->i == c->runs->n)
		return 0;
	const struct pagemap_run *r = &c->runs->run[c->i];
	bool inside = r->start <= address;
	uint64_t next = inside ? r->end : r->start;
	*until = next < *until ? next : *until;
	return inside ? r->is : 0;
}

static struct cursor cursor_begin(const struct pagemap_runs *runs, uint64_t address)
{
	uint64_t low = 0, high = runs->n;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (runs->run[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return (struct cursor){ runs, low };
}

static void change_count(struct pagemap_change *c, uint32_t was, uint32_t is, uint32_t mask, uint64_t pages)
{
	if (is & PAGEMAP_PRESENT && !(was & PAGEMAP_PRESENT))
		*(was & PAGEMAP_SWAPPED ? &c->swapped_in : &c->arrived) += pages;
	else if (was & PAGEMAP_PRESENT && !(is & PAGEMAP_PRESENT))
		*(is & PAGEMAP_SWAPPED ? &c->swapped_out : &c->left) += pages;
	else if ((was ^ is) & (mask | PAGEMAP_SWAPPED))
		c->other += pages;
}

struct pagemap_change pagemap_compare(const struct pagemap_runs *before, const struct pagemap_runs *now, uint64_t start, uint64_t end,
                                      uint32_t mask)
{
	struct pagemap_change change = { 0 };
	struct cursor a = cursor_begin(before, start), b = cursor_begin(now, start);
	for (uint64_t at = start, until; at < end; at = until) {
		until = end;
		uint32_t was = cursor_at(&a, at, &until), is = cursor_at(&b, at, &until);
		change_count(&change, was, is, mask, (until - at) / pagemap_page_bytes());
	}
	return change;
}
