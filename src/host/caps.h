/* caps.h - what this computer lets us see and do, found out by doing it.
 *
 * A kernel may have a file that never says anything, take a call and ignore it, or be in a container that forbids it.  So each
 * capability is tried on pages of our own and the effect looked at; nothing is concluded from versions or configuration.
 * Nothing on the computer is changed: what is tried happens in a child process that ends at once. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>

enum cap_answer {
	CAP_YES,
	CAP_NO,
	CAP_BROKEN,    /* silently: the call succeeds and has no effect */
	CAP_UNTOLD,    /* the probe itself could not be made */
};

/* name, what it is, what pageworks loses without it, what would give it. */
#define CAP_LIST(X) \
	X(pagemap, "which pages of a process are present, swapped, of a file", \
	  "map shows no pages, faults PID does not know what was touched before", "a /proc that a sandbox does not hide") \
	X(pagemap_pfn, "the frame behind each page", \
	  "walk --pid ends at the page, map does not know dirty pages", "root (CAP_SYS_ADMIN)") \
	X(pagemap_scan, "runs of like pages by one call (PAGEMAP_SCAN)", \
	  "large processes take longer to look at; huge pages and the page of zeros are not told apart", "Linux 6.7") \
	X(soft_dirty, "which pages were written since a moment", \
	  "which pages another process wrote cannot be told", "a kernel built with CONFIG_MEM_SOFT_DIRTY") \
	X(clear_refs, "which pages were used since a moment", \
	  "ps --wss cannot measure working sets", "a kernel built with CONFIG_PROC_PAGE_MONITOR, and one's own process or root") \
	X(smaps_rollup, "proportional and unique size of a process at once", \
	  "ps --full must add up smaps, which takes longer", "Linux 4.14") \
	X(kpageflags, "what each frame is", "map does not know dirty pages", "root (CAP_SYS_ADMIN)") \
	X(idle_tracking, "accessed bits of single frames", \
	  "nothing in pageworks, which measures working sets by clear_refs", \
	  "root, and a kernel built with CONFIG_IDLE_PAGE_TRACKING") \
	X(mincore, "which pages of a mapped file are in memory", \
	  "how much of a file is cached cannot be asked page by page", "a file one may write") \
	X(cachestat, "how much of a file is in memory, and dirty, by one call", \
	  "mincore must be asked page by page", "Linux 6.5") \
	X(perf_faults, "page faults of a process, one by one", \
	  "faults does not work", "kernel.perf_event_paranoid of 2 or less, or root; a container must permit perf_event_open") \
	X(perf_faults_kernel, "those in system calls as well", \
	  "faults shows only those of the program's own instructions", "root, or kernel.perf_event_paranoid of 1 or less") \
	X(perf_cycles, "hardware counters", \
	  "modelled times cannot be compared with measured ones", \
	  "a machine, or a virtual machine, with a performance monitoring unit") \
	X(perf_tlb, "TLB misses counted by the processor", \
	  "TLB misses come from simulation alone: run, tlb", \
	  "a machine, or a virtual machine, with a performance monitoring unit") \
	X(ptrace, "other processes of the same user may be looked into", \
	  "faults PID, map PID and walk --pid see only children", "kernel.yama.ptrace_scope=0, or root") \
	X(userfaultfd, "faults of a program served by a program", \
	  "live does not work", "Linux 5.11; a container must permit userfaultfd") \
	X(uffd_kernel, "also those in system calls", \
	  "live cannot serve system calls that touch paged memory", \
	  "root, vm.unprivileged_userfaultfd=1, or permission on /dev/userfaultfd") \
	X(uffd_device, "the same by /dev/userfaultfd", \
	  "nothing where the system call may do it", "Linux 6.1, and permission on the device") \
	X(uffd_wp, "stores to chosen pages reported", "live does not work: it could not tell written pages", "Linux 5.7") \
	X(uffd_wp_async, "stores remembered without stopping (WP_ASYNC)", \
	  "nothing in pageworks: live wants to be told of them", "Linux 6.7") \
	X(uffd_minor, "faults on shared pages that are in memory", \
	  "nothing in pageworks: live pages private memory", "Linux 5.13") \
	X(uffd_move, "a page moved without a copy (UFFDIO_MOVE)", \
	  "nothing in pageworks: live copies, which measured faster", "Linux 6.8") \
	X(process_madvise, "many ranges given back by one call", "live gives pages back one range at a time", "Linux 6.13") \
	X(madv_populate, "pages filled before they are touched", "first touches cannot be done in advance", "Linux 5.14") \
	X(madv_free, "pages given back only when memory is short", "memory is given back at once or not at all", "Linux 4.5") \
	X(madv_pageout, "pages sent to swap now", "major faults cannot be made at will", "Linux 5.4, and swap") \
	X(madv_collapse, "small pages made a huge one now", "huge pages come when the kernel likes", "Linux 6.1") \
	X(madv_guard, "guard pages without a mapping of their own", "each guard costs a mapping", "Linux 6.13") \
	X(huge_pages, "transparent huge pages on request", \
	  "large tables of pageworks itself lie on small pages", \
	  "'madvise' or 'always' in /sys/kernel/mm/transparent_hugepage/enabled") \
	X(huge_pool, "huge pages from the reserved pool", "nothing in pageworks", "vm.nr_hugepages above 0, set by root") \
	X(swap, "memory can be written to swap", "live is the only way to more memory than there is", "swapon, by root") \
	X(cgroup_memory, "the memory of our control group is counted", \
	  "advise does not know the limit of a container", "control groups with the memory controller, mounted") \
	X(psi, "time lost to memory pressure", \
	  "stat shows no pressure, advise cannot tell thrashing from reading", "Linux 4.20; psi=1 on the kernel's command line") \
	X(io_uring, "input and output in batches", \
	  "stores in files read and write one piece after another", "kernel.io_uring_disabled=0; a container must permit it") \
	X(fixed_addresses, "programs started without random addresses", \
	  "addresses differ from run to run", "a container must permit personality(ADDR_NO_RANDOMIZE)")

enum cap {
#define X(name, title, lost, enable) CAP_##name,
	CAP_LIST(X)
#undef X
	CAPS
};

struct cap_result {
	enum cap_answer answer;
	char found[200];    /* what was seen, one sentence */
};

const char *cap_name(enum cap c);
const char *cap_title(enum cap c);
const char *cap_lost(enum cap c);
const char *cap_enable(enum cap c);
const char *cap_answer_word(enum cap_answer a);   /* "yes", "no", "broken", "?" */
/* => false: there is no such capability. */
bool cap_find(const char *name, enum cap *ret);
/* Tries one, for at most some seconds.  => never fails: what goes wrong is the answer. */
void cap_probe(enum cap c, struct cap_result *ret);
