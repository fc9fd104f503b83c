/* caps_pages.c - probes of what the kernel tells of pages, and of what it does with them on request.
 *
 * Problem: whether a file or a call tells the truth shows only when the truth is known.
 * Idea: a page of our own is touched, or not; what is said of it must change accordingly.
 * Rejected: reading the kernel's configuration (half of the liars on a list of hosts were configured to tell the truth).
 * Source: admin-guide/mm/pagemap.rst and idle_page_tracking.rst of Linux, madvise(2), cachestat(2). */
#include "caps_probe.h"
#include "pagemap.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAME_MASK ((1ull << 55) - 1)
enum { HUGE = 2 << 20, FLAG_ANON = 12, SYS_CACHESTAT = 451, ADVICE_COLLAPSE = 25, ADVICE_GUARD = 102, ADVICE_POPULATE_WRITE = 23,
       ADVICE_PAGEOUT = 21, ADVICE_FREE = 8 };

/* ---- what the probes share */

size_t probe_page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

char *probe_pages(size_t n)
{
	char *p = mmap(NULL, n * probe_page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(1);
	madvise(p, n * probe_page_bytes(), MADV_NOHUGEPAGE);
	return p;
}

bool probe_word(const void *p, uint64_t *ret)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	off_t at = (off_t)((uintptr_t)p / probe_page_bytes() * sizeof *ret);
	bool ok = fd >= 0 && pread(fd, ret, sizeof *ret, at) == (ssize_t)sizeof *ret;
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return ok;
}

long probe_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	buf[n > 0 ? n : 0] = 0;
	return n;
}

long probe_smaps(const void *p, const char *key)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	bool here = false;
	long kib = -1;
	while (f && kib < 0 && fgets(line, sizeof line, f)) {
		char *end;
		uint64_t start = strtoull(line, &end, 16);
		if (*end == '-')
			here = start <= (uintptr_t)p && strtoull(end + 1, NULL, 16) > (uintptr_t)p;
		else if (here && strncmp(line, key, strlen(key)) == 0)
			kib = strtol(line + strlen(key), NULL, 10);
	}
	if (f)
		fclose(f);
	return kib < 0 ? -1 : kib * 1024;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return ok;
}

/* ---- what is told of pages */

void probe_pagemap(struct cap_result *ret)
{
	volatile char *p = probe_pages(2);
	uint64_t touched, fresh;
	p[0] = 1;
	if (!probe_word((void *)p, &touched) || !probe_word((char *)p + probe_page_bytes(), &fresh))
		cap_refused(ret, "/proc/self/pagemap");
	else if (touched >> PROBE_PRESENT && !(fresh >> PROBE_PRESENT))
		cap_say(ret, CAP_YES, "a touched page is present, its neighbour is not");
	else
		cap_say(ret, CAP_BROKEN, "a touched page and a fresh one look alike");
}

void probe_pagemap_pfn(struct cap_result *ret)
{
	volatile char *p = probe_pages(1);
	uint64_t word;
	p[0] = 1;
	if (!probe_word((void *)p, &word))
		cap_refused(ret, "/proc/self/pagemap");
	else if (word & FRAME_MASK)
		cap_say(ret, CAP_YES, "a touched page lies in frame 0x%" PRIx64, (uint64_t)(word & FRAME_MASK));
	else
		cap_say(ret, CAP_NO, "frame numbers are shown as 0");
}

void probe_pagemap_scan(struct cap_result *ret)
{
	volatile char *p = probe_pages(3);
	size_t page = probe_page_bytes();
	struct procfs *proc;
	struct pagemap *pages;
	struct pagemap_runs runs = { 0 };
	struct pw_why why = { "" };
	p[page] = 1;
	if (procfs_open("/", &proc, &why) != PW_OK || pagemap_open(proc, (uint32_t)getpid(), PAGEMAP_BY_SCAN, &pages, &why) != PW_OK ||
	    pagemap_read(pages, (uintptr_t)p, (uintptr_t)p + 3 * page, &runs, &why) != PW_OK)
		cap_say(ret, CAP_NO, "%.180s", why.text);
	else if (runs.n == 1 && runs.run[0].start == (uintptr_t)p + page && runs.run[0].end == (uintptr_t)p + 2 * page)
		cap_say(ret, CAP_YES, "of three pages the one that was touched was found");
	else
		cap_say(ret, CAP_BROKEN, "one page of three was touched, and %" PRIu64 " runs were found", runs.n);
}

void probe_soft_dirty(struct cap_result *ret)
{
	volatile char *p = probe_pages(2);
	uint64_t written, left;
	p[0] = 1;
	p[probe_page_bytes()] = 1;
	if (!write_file("/proc/self/clear_refs", "4")) {
		cap_refused(ret, "/proc/self/clear_refs");
		return;
	}
	p[0] = 2;
	if (!probe_word((void *)p, &written) || !probe_word((char *)p + probe_page_bytes(), &left))
		cap_refused(ret, "/proc/self/pagemap");
	else if ((written >> PROBE_SOFT_DIRTY & 1) && !(left >> PROBE_SOFT_DIRTY & 1))
		cap_say(ret, CAP_YES, "after clearing, the written page is marked, the other is not");
	else
		cap_say(ret, CAP_BROKEN, "clearing succeeds, but a written page is %s", written >> PROBE_SOFT_DIRTY & 1
		        ? "marked like all others" : "not marked");
}

void probe_clear_refs(struct cap_result *ret)
{
	volatile char *p = probe_pages(4);
	size_t page = probe_page_bytes();
	for (int i = 0; i < 4; i++)
		p[(size_t)i * page] = 1;
	if (!write_file("/proc/self/clear_refs", "1")) {
		cap_refused(ret, "/proc/self/clear_refs");
		return;
	}
	/* What a TLB still holds is used without a mark; taking a right away empties it. */
	mprotect((void *)p, 4 * page, PROT_READ);
	mprotect((void *)p, 4 * page, PROT_READ | PROT_WRITE);
	p[0] = 2;
	long used = probe_smaps((void *)p, "Referenced:");
	if (used < 0)
		cap_say(ret, CAP_NO, "/proc/self/smaps has no Referenced");
	else if (used >= (long)page && used < 4 * (long)page)
		cap_say(ret, CAP_YES, "after clearing, the page used since is the one referenced");
	else
		cap_say(ret, CAP_BROKEN, "after clearing, one page of four was used and %ld bytes are referenced", used);
}

void probe_smaps_rollup(struct cap_result *ret)
{
	char text[4096];
	const char *pss;
	if (probe_file("/proc/self/smaps_rollup", text, sizeof text) <= 0)
		cap_refused(ret, "/proc/self/smaps_rollup");
	else if ((pss = strstr(text, "\nPss:")) && strtol(pss + 5, NULL, 10) > 0)
		cap_say(ret, CAP_YES, "our proportional size is %ld KiB", strtol(pss + 5, NULL, 10));
	else
		cap_say(ret, CAP_BROKEN, "it says that we have no memory");
}

/* The word that a file of words has for the frame of a touched page.  => false, said. */
static bool frame_word(struct cap_result *ret, const char *path, int flags, volatile char *p, int *ret_fd, uint64_t *ret_frame)
{
	uint64_t word;
	p[0] = 1;
	*ret_fd = open(path, flags | O_CLOEXEC);
	if (*ret_fd < 0) {
		cap_refused(ret, path);
		return false;
	}
	*ret_frame = probe_word((void *)p, &word) ? word & FRAME_MASK : 0;
	if (!*ret_frame)
		cap_say(ret, CAP_NO, "frame numbers are hidden");
	return *ret_frame != 0;
}

void probe_kpageflags(struct cap_result *ret)
{
	uint64_t frame, flags = 0;
	int fd;
	if (!frame_word(ret, "/proc/kpageflags", O_RDONLY, probe_pages(1), &fd, &frame))
		return;
	if (pread(fd, &flags, sizeof flags, (off_t)(frame * sizeof flags)) != (ssize_t)sizeof flags)
		cap_refused(ret, "/proc/kpageflags");
	else if (flags >> FLAG_ANON & 1)
		cap_say(ret, CAP_YES, "the frame of a touched page is marked anonymous");
	else
		cap_say(ret, CAP_BROKEN, "the frame of a touched page has flags 0x%" PRIx64, flags);
}

void probe_idle_tracking(struct cap_result *ret)
{
	volatile char *p = probe_pages(1);
	uint64_t frame, bit, idle = 0, used = 0;
	int fd;
	if (!frame_word(ret, "/sys/kernel/mm/page_idle/bitmap", O_RDWR, p, &fd, &frame))
		return;
	off_t at = (off_t)(frame / 64 * 8);
	bit = 1ull << frame % 64;
	bool ok = pwrite(fd, &bit, 8, at) == 8 && pread(fd, &idle, 8, at) == 8;
	p[0] = 2;
	ok = ok && pread(fd, &used, 8, at) == 8;
	if (!ok)
		cap_refused(ret, "/sys/kernel/mm/page_idle/bitmap");
	else if ((idle & bit) && !(used & bit))
		cap_say(ret, CAP_YES, "a page is idle until it is touched");
	else
		cap_say(ret, CAP_BROKEN, "a page marked idle is %s", idle & bit ? "idle still after a store" : "not idle");
}

/* Of a file that one may not write, kernels since 5.2 say that all of it is in memory; what lies behind its end cannot be. */
void probe_mincore(struct cap_result *ret)
{
	enum { BEHIND = 16, LOOK = 4096 };
	static unsigned char seen[LOOK + BEHIND];
	size_t page = probe_page_bytes(), n = 0, behind = 0;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	size_t pages = size < 0 ? 0 : ((size_t)size + page - 1) / page;
	size_t skip = pages > LOOK ? pages - LOOK : 0;
	char *p = mmap(NULL, (pages + BEHIND) * page, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || mincore(p + skip * page, (pages - skip + BEHIND) * page, seen)) {
		cap_refused(ret, "mincore");
		return;
	}
	for (size_t i = 0; i < pages - skip + BEHIND; i++)
		*(i < pages - skip ? &n : &behind) += seen[i] & 1;
	if (behind)
		cap_say(ret, CAP_BROKEN, "pages behind the end of our program's file, which we may not write, are said to be in memory");
	else if (!n)
		cap_say(ret, CAP_BROKEN, "our running program is said not to be in memory");
	else
		cap_say(ret, CAP_YES, "%zu of %zu pages of our program's file are in memory", n, pages - skip);
}

void probe_cachestat(struct cap_result *ret)
{
	size_t page = probe_page_bytes();
	int fd = memfd_create("pageworks-probe", MFD_CLOEXEC);
	struct { uint64_t offset, length; } range = { 0, 0 };
	struct { uint64_t cache, dirty, writeback, evicted, recently_evicted; } stat = { 0 };
	char *p = probe_pages(8);
	if (fd < 0 || write(fd, p, 8 * page) != (ssize_t)(8 * page))
		cap_say(ret, CAP_UNTOLD, "no file in memory could be made");
	else if (syscall(SYS_CACHESTAT, fd, &range, &stat, 0))
		cap_refused(ret, "cachestat");
	else
		cap_say(ret, stat.cache == 8 ? CAP_YES : CAP_BROKEN, "of 8 pages written to a file %" PRIu64 " are in memory", stat.cache);
}

/* ---- what is done on request */

void probe_madv_populate(struct cap_result *ret)
{
	char *p = probe_pages(4);
	uint64_t word = 0;
	if (madvise(p, 4 * probe_page_bytes(), ADVICE_POPULATE_WRITE))
		cap_refused(ret, "MADV_POPULATE_WRITE");
	else if (!probe_word(p, &word))
		cap_say(ret, CAP_UNTOLD, "it succeeds; whether the pages are there cannot be seen");
	else
		cap_say(ret, word >> PROBE_PRESENT ? CAP_YES : CAP_BROKEN, "the pages are %sthere", word >> PROBE_PRESENT ? "" : "not ");
}

void probe_madv_free(struct cap_result *ret)
{
	size_t bytes = 512 * probe_page_bytes(); /* the kernel keeps the last few pages of a processor aside */
	char *p = probe_pages(512);
	memset(p, 1, bytes);
	if (madvise(p, bytes, ADVICE_FREE)) {
		cap_refused(ret, "MADV_FREE");
		return;
	}
	long lazy = probe_smaps(p, "LazyFree:");
	if (lazy < 0)
		cap_say(ret, CAP_UNTOLD, "it succeeds; whether the pages may go cannot be seen");
	else if (lazy > 0 || p[0] == 0)
		cap_say(ret, CAP_YES, "the pages may go");
	else
		cap_say(ret, CAP_BROKEN, "it succeeds, and the pages stay what they are");
}

/* => how many of n pages are in swap after they were sent out; -1: errno. */
static long pages_out(size_t n)
{
	char *p = probe_pages(n);
	size_t page = probe_page_bytes();
	long out = 0;
	for (size_t i = 0; i < n * page; i += sizeof(uint64_t))
		memcpy(p + i, &(uint64_t){ i * 0x9e3779b97f4a7c15u }, sizeof(uint64_t));
	if (madvise(p, n * page, ADVICE_PAGEOUT))
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint64_t word;
		if (!probe_word(p + i * page, &word))
			return -1;
		out += word >> PROBE_SWAPPED & 1;
	}
	return out;
}

void probe_madv_pageout(struct cap_result *ret)
{
	long out = pages_out(64);
	if (out < 0)
		cap_refused(ret, "MADV_PAGEOUT");
	else if (out)
		cap_say(ret, CAP_YES, "%ld of 64 pages went to swap", out);
	else
		cap_say(ret, CAP_BROKEN, "it succeeds, and no page goes: there is no swap, or none for us");
}

void probe_swap(struct cap_result *ret)
{
	char text[4096];
	long out = pages_out(64);
	bool areas = probe_file("/proc/swaps", text, sizeof text) > 0 && strchr(text, '\n') && strchr(text, '\n')[1];
	if (out > 0)
		cap_say(ret, CAP_YES, "%ld of 64 pages went to swap", out);
	else if (areas)
		cap_say(ret, CAP_BROKEN, "there are swap areas, and no page of ours goes there: they are full, or not for us");
	else
		cap_say(ret, CAP_NO, "there is no swap area");
}

/* Memory that can hold one huge page.  => its aligned part. */
static char *huge_room(int advice)
{
	char *p = mmap(NULL, 2 * (size_t)HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(1);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	madvise(p, HUGE, advice);
	return p;
}

void probe_huge_pages(struct cap_result *ret)
{
	char *p = huge_room(MADV_HUGEPAGE), policy[128] = "";
	memset(p, 1, HUGE);
	long huge = probe_smaps(p, "AnonHugePages:");
	probe_file("/sys/kernel/mm/transparent_hugepage/enabled", policy, sizeof policy);
	if (huge >= HUGE)
		cap_say(ret, CAP_YES, "2 MiB that asked for it became one huge page");
	else if (huge < 0)
		cap_say(ret, CAP_NO, "this kernel counts no huge pages");
	else if (strstr(policy, "[never]"))
		cap_say(ret, CAP_NO, "they are switched off");
	else
		cap_say(ret, CAP_BROKEN, "2 MiB that asked for it stayed small: memory may be in pieces");
}

void probe_madv_collapse(struct cap_result *ret)
{
	char *p = huge_room(MADV_NOHUGEPAGE);
	memset(p, 1, HUGE);
	madvise(p, HUGE, MADV_HUGEPAGE);
	if (madvise(p, HUGE, ADVICE_COLLAPSE))
		cap_refused(ret, "MADV_COLLAPSE");
	else if (probe_smaps(p, "AnonHugePages:") >= HUGE)
		cap_say(ret, CAP_YES, "512 small pages became a huge one");
	else
		cap_say(ret, CAP_BROKEN, "it succeeds, and the pages stay small");
}

void probe_madv_guard(struct cap_result *ret)
{
	char *p = probe_pages(1);
	int fd[2];
	p[0] = 1;
	if (madvise(p, probe_page_bytes(), ADVICE_GUARD)) {
		cap_refused(ret, "MADV_GUARD_INSTALL");
		return;
	}
	/* A write from it must fail, if it is guarded. */
	bool guarded = pipe2(fd, O_CLOEXEC) == 0 && write(fd[1], p, 1) < 0 && errno == EFAULT;
	cap_say(ret, guarded ? CAP_YES : CAP_BROKEN, "the page %s", guarded ? "can no longer be read" : "can be read still");
}

void probe_huge_pool(struct cap_result *ret)
{
	char text[4096];
	int fd = memfd_create("pageworks-probe", MFD_CLOEXEC | MFD_HUGETLB);
	void *p = fd < 0 || ftruncate(fd, HUGE) ? MAP_FAILED : mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED && fd >= 0 && errno == ENOMEM) {
		long n = probe_file("/proc/sys/vm/nr_hugepages", text, sizeof text);
		cap_say(ret, CAP_NO, "the pool has no free page (vm.nr_hugepages is %ld)", n > 0 ? strtol(text, NULL, 10) : 0);
	} else if (p == MAP_FAILED) {
		cap_refused(ret, "memfd of huge pages");
	} else {
		memset(p, 1, HUGE);
		cap_say(ret, CAP_YES, "a huge page of the pool was mapped and filled");
	}
}
