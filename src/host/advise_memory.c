/* advise_memory.c - the judges of the whole computer's memory and swap.
 *
 * Problem.  Each of these figures is harmless by itself: swap that is full of what nobody wants, caches that fill all memory, faults.
 *
 * Idea.  Two figures that contradict or confirm each other make a judgement; one alone never does.  The thresholds stand here, named.
 *
 * 1. Swap that is used is no trouble; swap that is *read* is.
 * 2. Memory that caches files is available; dropping it makes nothing possible that was not.
 * Source: Documentation/accounting/psi.rst; Documentation/admin-guide/sysctl/vm.rst (overcommit, drop_caches);
 * Documentation/admin-guide/cgroup-v2.rst; Documentation/admin-guide/cgroup-v1/memory.rst. */
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

static uint64_t majors_of(const struct census_row *r)
{
	return r->majflt_last > r->majflt_first ? r->majflt_last - r->majflt_first : 0;
}

static void because_of_faulters(struct advise *a)
{
	const struct census_row *top[3];
	unsigned n = census_top(&a->census, majors_of, top, 3);
	for (unsigned i = 0; i < n; i++)
		case_because(a, "process %u (%s) had %" PRIu64 " major faults in this time (/proc/%u/stat)", top[i]->pid, top[i]->name,
			     majors_of(top[i]), top[i]->pid);
}

/* Stalls by memory pressure, or, since a wait for a page that was given up long ago counts as one for the disk only, major faults
 * together with stalls by the disk. */
void judge_thrashing(struct advise *a)
{
	double some = 0, full = 0, io = 0, refaults, majors = 0;
	bool pressure = case_rate(a, FIGURE_memory_some, &some), disk = case_rate(a, FIGURE_io_some, &io);
	case_rate(a, FIGURE_memory_full, &full);
	case_rate(a, FIGURE_major_faults, &majors);
	if (!case_rate(a, FIGURE_refaults, &refaults)) {
		case_unknown(a, ADVICE_thrashing, "%s", a->looks > 1 ? "the kernel does not count refaults (/proc/vmstat)" :
			     "one look shows no rates; --window lets time pass");
		return;
	}
	bool stalls = some >= stall_much || full >= stall_full_much || (majors >= majors_much && (!disk || io >= stall_much));
	if (!stalls || refaults < refaults_much)
		return;
	case_say(a, ADVICE_thrashing, 0, "Memory is too small for what runs, or its limit is: pages are given up and wanted back.");
	case_because(a, "%.0f pages a second were wanted back soon after they were given up (workingset_refault in /proc/vmstat)",
		     refaults);
	case_because(a, "%.0f major faults a second", majors);
	if (pressure)
		because_of_pressure(a, some, full);
	if (disk)
		case_because(a, "something waited for a disk in %.1f %% (/proc/pressure/io)", 100 * io);
	because_of_faulters(a);
	case_costs(a, "programs wait for the disk instead of running; ending or limiting one of them helps at once, more swap does not");
	case_propose(a, "pageworks ps --sort majflt_s --interval 1;  pageworks curve -- PROGRAM        # who; how much it needs");
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

/* Where a version of cgroups says what, below the folder of a group. */
struct cgroup_files {
	const char *line, *root, *max, *current, *inactive;   /* line: how it begins in PID/cgroup, before the path */
};
static const struct cgroup_files cgroup_versions[] = {
	{ "0::", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file" },
	{ ":memory:", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file" },
};

/* The path of the process's group: "0::/user.slice/a" is "/user.slice/a".  => false: none, or one outside what we can see. */
static bool cgroup_path(struct advise *a, const struct cgroup_files *v, char path[256])
{
	const char *text;
	size_t bytes;
	struct pw_why why;
	if (procfs_read_pid(a->proc, a->pid, "cgroup", &text, &bytes, &why) != PW_OK)
		return false;
	const char *line = strstr(text, v->line);
	line = line ? strchr(line, '/') : NULL;
	size_t n = line ? strcspn(line, "\n") : 256;
	if (n > 200)
		return false;
	memcpy(path, line, n);
	path[n] = '\0';
	return !strstr(path, "..");
}

static const char *cgroup_file(char path[400], const struct cgroup_files *v, const char *group, const char *file)
{
	snprintf(path, 400, "%s%s/%s", v->root, strcmp(group, "/") == 0 ? "" : group, file);
	return path;
}

/* Of what a group has, the files it has not used lately: they are given up first, so they are no shortage. */
static uint64_t cgroup_inactive(struct advise *a, const struct cgroup_files *v, const char *group)
{
	char path[400];
	const char *text;
	size_t bytes;
	uint64_t inactive = 0;
	struct fields f = { NULL };
	struct pw_why why;
	if (procfs_read(a->proc, cgroup_file(path, v, group, "memory.stat"), &text, &bytes, &why) == PW_OK)
		a->lost |= fields_parse(&f, text, bytes, &why) != PW_OK;
	fields_value(&f, v->inactive, &inactive);
	fields_fini(&f);
	return inactive;
}

/* => true: the group tells its limit and what it has, and was judged. */
static bool cgroup_judge(struct advise *a, const struct cgroup_files *v, const char *group)
{
	char path[400];
	uint64_t limit, current, total = UINT64_MAX;
	if (!case_number(a, cgroup_file(path, v, group, v->max), &limit) ||
	    !case_number(a, cgroup_file(path, v, group, v->current), &current))
		return false;
	case_level(a, "MemTotal", &total);
	uint64_t inactive = cgroup_inactive(a, v, group), kept = current > inactive ? current - inactive : 0;
	double full = cgroup_nearly * (double)limit, refaults = 0;
	bool wanted_back = case_rate(a, FIGURE_refaults, &refaults) && refaults >= refaults_much;
	if (limit >= total || (double)current < full || ((double)kept < full && !wanted_back))
		return true;
	case_say(a, ADVICE_cgroup, a->pid, "The cgroup %s is at its limit, whatever the computer has available.", group);
	case_because(a, "%s is %s of %s %s", v->current, SIZE(current), v->max, SIZE(limit));
	case_because(a, "%s of it are files that were not used lately (%s in memory.stat)", SIZE(inactive), v->inactive);
	if (wanted_back)
		case_because(a, "%.0f pages a second were wanted back soon after they were given up, on the whole computer", refaults);
	case_costs(a, "its programs are reclaimed from, then killed; a higher limit takes the memory from others");
	case_propose(a, "echo %" PRIu64 " | sudo tee /%s", limit + limit / 4, cgroup_file(path, v, group, v->max));
	return true;
}

/* A limit holds for all below it, so every group up to the root is asked. */
void judge_cgroup(struct advise *a)
{
	char group[256];
	bool any = false;
	for (unsigned i = 0; i < 2; i++) {
		if (!cgroup_path(a, &cgroup_versions[i], group))
			continue;
		for (;;) {
			any |= cgroup_judge(a, &cgroup_versions[i], group);
			char *slash = strrchr(group, '/');
			if (!group[1] || !slash)
				break;
			slash[slash == group] = '\0';
		}
	}
	if (!any)
		case_unknown(a, ADVICE_cgroup, "no cgroup that limits memory can be seen (/proc/%s/cgroup, /sys/fs/cgroup)",
			     a->pid ? "PID" : "self");
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
