/* words.h - a machine described by words, as people, grids and other programs name it: "frames" "3", "policy" "fifo".
 *
 * The words are those of the command's options without their dashes.  Setting only collects; resolving goes through them in the
 * order of their dependence, so the order in which they were given never matters. */
#pragma once
#include "run.h"

/* word, argument, what it says (the command's help). */
#define HARDWARE_WORD_LIST(X) \
	X(frames, "N", "exactly N frames hold programs' pages; page tables are beside them") \
	X(ram, "SIZE", "all of physical memory, page tables included (default: no limit)") \
	X(page, "SIZE", "page size (default: the format's; --format flat takes any power of two)") \
	X(format, "NAME", "page-table format (default x86-64; 'help' lists them)") \
	X(cpu, "PRESET", "TLBs and walk caches of a real CPU ('help' lists them)") \
	X(tlb, "SPEC", "TLBs instead: 'l1d=64/4,l2=1536/12:plru' (entries/ways, fa: fully associative)") \
	X(asids, "BITS", "address-space tags in the TLBs, of so many bits; 0: every switch empties them (default: the CPU's)") \
	X(nested, "FORMAT", "the machine is a guest, its memory translated again: ept, sv39x4, ...; ':N': by a TLB of N entries (16)") \
	X(hostram, "SIZE", "memory of the host of such a guest, its tables included (default: no limit)") \
	X(cpus, "N", "this many CPUs; threads get them in turn (default 1)")
#define KERNEL_WORD_LIST(X) \
	X(policy, "NAME", "who leaves memory next (default lru; 'help' lists them)") \
	X(replacement, "WHOSE", "pages leave: global (default): anybody's; local, local:proportional: of who needs a frame") \
	X(refbits, "KIND", "exact: the policy sees every reference (default); hardware: only accessed bits") \
	X(personality, "NAME", "textbook: one page a fault, nothing clever (default); linux: as Linux does") \
	X(files, "STATE", "with --personality linux, file pages are at the start cached (default) or cold, on disk") \
	X(huge, "WHEN", "huge pages: never (default), madvise (where the program asks for them), always") \
	X(fragment, "N", "with --huge, in N percent of the blocks of memory a frame is taken from the start") \
	X(scan, "N", "with --huge, look for base pages to make huge every N references (default 4M; 0: never)") \
	X(quantum, "N", "processes take turns of N references, round robin on the CPUs (default: as the trace was recorded)") \
	X(loadcontrol, "WHEN", "processes are suspended: never (default), thrashing (while their working sets are more than memory)") \
	X(overcommit, "WHEN", "mappings beyond memory and swap: always (default), heuristic, never") \
	X(swap, "KIND", "where evicted pages go: ram, lz4, file:PATH, ssd, hdd, none ... (default ssd)")
#define EXPERIMENT_WORD_LIST(X) \
	X(cost, "SPEC", "what events cost: 'walk_reference=20,clock_mhz=2500' ('help' lists them)") \
	X(seed, "N", "of everything random (default 1)") \
	X(limit, "N", "simulate only the first N references") \
	X(warmup, "N", "run N references before counting") \
	X(tau, "N", "window of the working set, in references (default 1M)")
#define MACHINE_WORD_LIST(X) HARDWARE_WORD_LIST(X) KERNEL_WORD_LIST(X) EXPERIMENT_WORD_LIST(X)

/* What was given: NULL where nothing was.  The strings must outlive the run. */
struct machine_words {
#define X(name, argument, text) const char *name;
	MACHINE_WORD_LIST(X)
#undef X
};

/* => PW_NOTFOUND with why when there is no such word. */
must_use enum pw_err machine_words_set(struct machine_words *w, const char *name, const char *value, struct pw_why *why);

/* Words to a machine.  => PW_INVALID with why, one line that names the option and says what would be right. */
must_use enum pw_err machine_words_resolve(const struct machine_words *w, struct run_options *ret, struct pw_why *why);

/* "WHAT: 'word' is unknown; did you mean 'near'? (known: a, b, c)".  => PW_INVALID. */
enum pw_err words_unknown(struct pw_why *why, const char *what, const char *word, const char *const *names, unsigned n);
