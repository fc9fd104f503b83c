/* advise_memory.c - the judges of the whole computer's memory and swap.
 *
 * Problem.  Each of these figures is harmless by itself: swap that is full of what nobody wants, caches that fill all memory, faults.
 *
 * Idea.  Two figures that contradict or confirm each other make a judgement; one alone never does.  The thresholds stand here, named.
 *
 * 1. Swap that is used is no trouble; swap that is *read* is.
 * 2. Memory that caches files is available; dropping it makes nothing possible that was not.
 * Source: Documentation/accounting/psi.rst; Documentation/admin-guide/sysctl/vm.rst (overcommit, drop_caches);
 * Documentation/admin-guide/cgroup-v2.rst (memory.max, memory.current). */
#include "advise_case.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024.0 * 1024)

/* What is too little to speak of, and what is much. */
static const double stall_much = 0.10, stall_full_much = 0.05, refaults_much = 50, majors_much = 100;
static const double swap_little = 16 * MIB, swap_nearly_full = 0.9, commit_nearly = 0.9, cgroup_nearly = 0.95;
static const double pool_little = 64 * MIB;

static void because_of_pressure(struct advise *a, double some, double full)
{
	case_because(a, "something waited for memory in %.1f %% of the last %.1f s, everything in %.1f %% (/proc/pressure/memory)",
		     100 * some,
		a->figures.seconds, 100 * full);
}

static void because_of_one(struct advise *a)
{
	const struct census_row *r = case_one(a);
	if (r && r->majflt_last >= r->majflt_first)
		case_because(a, "process %u had %" PRIu64 " major faults in this time (/proc/%u/stat)",
			     r->pid, r->majflt_last - r->majflt_first,
			r->pid);
}

void judge_thrashing(struct advise *a)
{
	double some = 0, full = 0, refaults, majors = 0;
	bool pressure = case_rate(a, FIGURE_memory_some, &some);
	case_rate(a, FIGURE_memory_full, &full);
	case_rate(a, FIGURE_major_faults, &majors);
	if (!case_rate(a, FIGURE_refaults, &refaults)) {
		case_unknown(a, ADVICE_thrashing, "%s", a->looks > 1 ? "the kernel does not count refaults (/proc/vmstat)" :
			"one look shows no rates; --window lets time pass");
		return;
	}
	bool stalls = pressure ? some >= stall_much || full >= stall_full_much : majors >= majors_much;
	if (!stalls || refaults < refaults_much)
		return;
	case_say(a, ADVICE_thrashing, 0, "Memory is too small for what runs: pages are given up and wanted back.");
	case_because(a, "%.0f pages a second were wanted back soon after they were given up (workingset_refault in /proc/vmstat)",
		     refaults);
	case_because(a, "%.0f major faults a second", majors);
	if (pressure)
		because_of_pressure(a, some, full);
	because_of_one(a);
	case_costs(a, "programs wait for the disk instead of running; ending or limiting one of them helps at once, "
		   "more swap does not");
	case_propose(a, "pageworks ps --sort rss        # who has it;  pageworks curve -- PROGRAM says how much one needs");
}

void judge_killed(struct advise *a)
{
	uint64_t killed;
	double now;
	if (!case_level(a, "oom_kill", &killed)) {
		case_unknown(a, ADVICE_killed, "the kernel does not count them (oom_kill in /proc/vmstat)");
		return;
	}
	if (!killed)
		return;
	bool just = case_rate(a, FIGURE_killed, &now) && now > 0;
	case_say(a, ADVICE_killed, 0, "%" PRIu64 " process%s killed for want of memory since boot%s.",
		 killed, killed == 1 ? " was" : "es were",
	    just ? ", one of them just now" : "");
	case_because(a, "oom_kill is %" PRIu64 " in /proc/vmstat; limits of containers count, too", killed);
	case_costs(a, "what they did is lost; the log says which they were and whose limit it was");
	case_propose(a, "journalctl -k --grep 'Killed process'        # or: dmesg | grep 'Killed process'");
}

/* "0::/user.slice/a" to "/user.slice/a"; NULL: no cgroup of version 2, or one outside what we can see. */
static const char *cgroup_of(struct advise *a, char path[256])
{
	const char *text;
	size_t bytes;
	struct pw_why why;
	if (procfs_read_pid(a->proc, a->pid, "cgroup", &text, &bytes, &why) != PW_OK)
		return NULL;
	const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return NULL;
	line = strchr(line, '/');
	size_t n = line ? strcspn(line, "\n") : 256;
	if (n >= 200)
		return NULL;
	memcpy(path, line, n);
	path[n] = '\0';
	return strstr(path, "..") ? NULL : path;
}

static bool cgroup_number(struct advise *a, const char *group, const char *file, uint64_t *ret)
{
	char path[300];
	snprintf(path, sizeof path, "sys/fs/cgroup%s%s%s", group, group[strlen(group) - 1] == '/' ? "" : "/", file);
	return case_number(a, path, ret);
}

/* A limit holds for all below it, so every group up to the root is asked. */
void judge_cgroup(struct advise *a)
{
	char path[256];
	uint64_t limit, current;
	bool any = false;
	if (!cgroup_of(a, path)) {
		case_unknown(a, ADVICE_cgroup, "there is no cgroup of version 2 to be seen (/proc/%s/cgroup)",
			     a->pid ? "PID" : "self");
		return;
	}
	for (char *slash; *path; *slash = '\0') {
		if (cgroup_number(a, path, "memory.max", &limit) && cgroup_number(a, path, "memory.current", &current)) {
			any = true;
			if (limit != UINT64_MAX && (double)current >= cgroup_nearly * (double)limit) {
				case_say(a, ADVICE_cgroup, a->pid, "The cgroup %s is at its limit, whatever the "
					 "computer has available.", path);
				case_because(a, "memory.current is %s of memory.max %s", SIZE(current), SIZE(limit));
				case_costs(a, "its programs are reclaimed from, then killed; a higher limit takes the "
					   "memory from others");
				case_propose(a, "echo %" PRIu64 " | sudo tee /sys/fs/cgroup%s/memory.max", limit + limit / 4, path);
				return;
			}
		}
		slash = strrchr(path, '/');
	}
	if (!any)
		case_unknown(a, ADVICE_cgroup, "no memory.max and memory.current can be read below /sys/fs/cgroup");
}

void judge_commit(struct advise *a)
{
	uint64_t mode, committed, limit;
	if (!case_number(a, "proc/sys/vm/overcommit_memory", &mode) || !case_level(a, "Committed_AS", &committed) ||
	    !case_level(a, "CommitLimit", &limit)) {
		case_unknown(a, ADVICE_commit, "overcommit_memory, Committed_AS or CommitLimit cannot be read");
		return;
	}
	if (mode != 2 || (double)committed < commit_nearly * (double)limit)
		return;
	case_say(a, ADVICE_commit, 0, "Nearly all memory that may be promised is promised: programs will soon be refused.");
	case_because(a, "Committed_AS is %s of CommitLimit %s, and overcommit_memory is 2: the limit is enforced",
		     SIZE(committed), SIZE(limit));
	case_costs(a, "mmap and fork fail while memory may be free; a higher ratio risks kills instead");
	case_propose(a, "sudo sysctl vm.overcommit_ratio=80        # or more swap: it counts towards the limit");
}

static bool swap_levels(struct advise *a, enum advice_kind kind, uint64_t *total, uint64_t *used)
{
	uint64_t free;
	if (case_level(a, "SwapTotal", total) && case_level(a, "SwapFree", &free) && free <= *total) {
		*used = *total - free;
		return true;
	}
	case_unknown(a, kind, "SwapTotal or SwapFree cannot be read (/proc/meminfo)");
	return false;
}

void judge_swap_full(struct advise *a)
{
	uint64_t total, used;
	if (!swap_levels(a, ADVICE_swap_full, &total, &used) || !total || (double)used < swap_nearly_full * (double)total)
		return;
	case_say(a, ADVICE_swap_full, 0, "Swap is nearly full: what programs have of their own has nowhere left to go.");
	case_because(a, "%s of %s are used", SIZE(used), SIZE(total));
	for (uint32_t i = 0; i < a->last.n_swaps; i++)
		case_because(a, "%s: %s of %s (/proc/swaps)",
			     a->last.swap[i].name, SIZE(a->last.swap[i].used_bytes), SIZE(a->last.swap[i].bytes));
	case_costs(a, "the next shortage is taken from files alone, then a process is killed");
	case_propose(a, "sudo fallocate -l 2G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo "
		     "swapon /swapfile");
}

static uint64_t swap_of(const struct census_row *r) { return r->swap; }

static void because_of_owners(struct advise *a)
{
	const struct census_row *top[3];
	unsigned n = census_top(&a->census, swap_of, top, 3);
	for (unsigned i = 0; i < n; i++)
		case_because(a, "process %u (%s) has %s in swap", top[i]->pid, top[i]->name, SIZE(top[i]->swap));
}

void judge_swap_idle(struct advise *a)
{
	uint64_t total, used, available;
	double in = 0;
	const struct census_row *one = case_one(a);
	if (!swap_levels(a, ADVICE_swap_idle, &total, &used))
		return;
	if (!case_level(a, "MemAvailable", &available)) {
		case_unknown(a, ADVICE_swap_idle, "MemAvailable cannot be read (/proc/meminfo)");
		return;
	}
	uint64_t theirs = a->pid ? one ? one->swap : 0 : used;
	if ((double)theirs < swap_little || available < 2 * used)
		return;
	bool moving = case_rate(a, FIGURE_swap_in, &in);
	if (a->pid)
		case_say(a, ADVICE_swap_idle, a->pid, "%s of this process are in swap although %s of memory are available.",
			 SIZE(theirs),
		    SIZE(available));
	else
		case_say(a, ADVICE_swap_idle, 0, "%s are in swap although %s of memory are available: left there by an "
			 "earlier shortage.", SIZE(used),
		    SIZE(available));
	if (moving)
		case_because(a, "%.1f pages a second are read back (pswpin): %s",
			     in, in > 0 ? "they are wanted" : "nobody wants them now");
	because_of_owners(a);
	case_costs(a, "harmless until touched: then each page is a major fault; reading all back takes %s of reading and of memory",
		   SIZE(used));
	case_propose(a, "sudo swapoff -a && sudo swapon -a");
}

void judge_huge_failing(struct advise *a)
{
	uint64_t given = 0, failed = 0;
	double now;
	if (!case_level(a, "thp_fault_alloc", &given) || !case_level(a, "thp_fault_fallback", &failed)) {
		case_unknown(a, ADVICE_huge_failing, "the kernel does not count huge pages (thp_fault_fallback in /proc/vmstat)");
		return;
	}
	if (failed < 100 || failed * 10 < given + failed)
		return;
	case_say(a, ADVICE_huge_failing, 0, "Transparent huge pages are wanted and often cannot be had.");
	case_because(a, "%" PRIu64 " of %" PRIu64 " times since boot there was none (thp_fault_fallback, thp_fault_alloc)",
		     failed, given + failed);
	if (case_rate(a, FIGURE_huge_failed, &now))
		case_because(a, "%.1f times a second in the last %.1f s", now, a->figures.seconds);
	if (*a->last.transparent)
		case_because(a, "transparent_hugepage/enabled is %s", a->last.transparent);
	case_costs(a, "more TLB misses than need be; compaction takes processor time once, and helps until memory is in "
		   "pieces again");
	case_propose(a, "echo 1 | sudo tee /proc/sys/vm/compact_memory");
}

void judge_huge_pool(struct advise *a)
{
	if (a->last.missing[SNAPSHOT_huge_pools]) {
		case_unknown(a, ADVICE_huge_pool, "/sys/kernel/mm/hugepages cannot be read");
		return;
	}
	for (uint32_t i = 0; i < a->last.n_pools; i++) {
		const struct huge_pool *p = &a->last.pool[i];
		uint64_t idle = p->free > p->reserved ? p->free - p->reserved : 0;
		if ((double)idle * (double)p->page_bytes < pool_little)
			continue;
		case_say(a, ADVICE_huge_pool, 0, "%s are set aside as %s pages that nobody uses, and nobody else can have them.",
		    SIZE(idle * p->page_bytes), SIZE(p->page_bytes));
		case_because(a, "%" PRIu64 " in the pool, %" PRIu64 " free, %" PRIu64 " of them promised",
			     p->total, p->free, p->reserved);
		case_costs(a, "given back, they may not be had again in one piece until the next boot");
		case_propose(a, "echo %" PRIu64 " | sudo tee /sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
			     p->total - idle,
			p->page_bytes / 1024);
	}
}

/* => what a figure of meminfo is, or 0. */
static double part(const struct advise *a, const char *name)
{
	uint64_t v = 0;
	return case_level(a, name, &v) ? (double)v : 0;
}

void judge_drop_caches(struct advise *a)
{
	uint64_t available;
	if (!a->figures.known[FIGURE_page_cache] || !case_level(a, "MemAvailable", &available)) {
		case_unknown(a, ADVICE_drop_caches, "Cached, Buffers, Shmem or MemAvailable cannot be read (/proc/meminfo)");
		return;
	}
	double cache = (double)a->figures.value[FIGURE_page_cache], dirty = part(a, "Dirty") + part(a, "Writeback");
	double mapped = part(a, "Mapped"), freed = cache - dirty - mapped, slab = part(a, "SReclaimable");
	case_say(a, ADVICE_drop_caches, 0, "Dropping caches would free about %s, and win nothing: it is available already.",
	    SIZE((freed > 0 ? freed : 0) + slab));
	case_because(a, "files: %s cached, less %s not yet written and %s mapped by programs; slab that can be given "
		     "up: at most %s", SIZE(cache),
		SIZE(dirty), SIZE(mapped), SIZE(slab));
	case_because(a, "not freed: %s of programs' own, %s of shared memory and tmpfs, %s of page tables, %s of other slab",
		SIZE(part(a, "AnonPages")), SIZE(part(a, "Shmem")), SIZE(part(a, "PageTables")), SIZE(part(a, "SUnreclaim")));
	case_because(a, "%s are available, and the kernel takes them from the caches when they are wanted (MemAvailable)",
		     SIZE(available));
	case_costs(a, "what was cached is read from disk again; of use only to measure a cold start");
	case_propose(a, "sync && echo 3 | sudo tee /proc/sys/vm/drop_caches");
}
