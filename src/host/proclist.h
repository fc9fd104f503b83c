/* proclist.h - the processes of this computer and the memory of each, as far as it was asked for.
 *
 * A list begins with what one small file of each process tells.  Whatever costs more is filled in for the processes that are still
 * in the list, so a caller sorts and cuts first.  A figure that could not be had is not known, and not zero. */
#pragma once
#include "task.h"
#include <stddef.h>

/* How figures are to be read. */
enum proclist_kind { PROC_PLAIN, PROC_BYTES, PROC_COUNT, PROC_SHARE /* millionths */, PROC_FAULTS /* in the time between two looks */ };

/* Where they are from, by rising cost.  ROLLUP makes the kernel walk the page tables of the process; CLEAR changes something. */
enum proclist_source { PROC_BY_STAT, PROC_BY_STATM, PROC_BY_STATUS, PROC_BY_ROLLUP, PROC_BY_TWO_LOOKS, PROC_BY_CLEARING, PROC_SOURCES };

/* name (psutil's where it has one, else the kernel's), other names it answers to, kind, source, what it is. */
#define PROCLIST_FIELD_LIST(X) \
	X(PID, "pid", "", PLAIN, STAT, "number of the process") \
	X(PPID, "ppid", "", PLAIN, STAT, "its parent") \
	X(THREADS, "num_threads", "threads,nlwp,thcount", COUNT, STAT, "its threads") \
	X(VMS, "vms", "vsz,vsize,virt,vmsize,size", BYTES, STAT, "virtual: all it has mapped, touched or not") \
	X(RSS, "rss", "rssize,res,vmrss", BYTES, STAT, "resident: in memory, shared pages counted in full") \
	X(MINFLT, "minflt", "min_flt", COUNT, STAT, "minor faults since it started: no disk was needed") \
	X(MAJFLT, "majflt", "maj_flt", COUNT, STAT, "major faults since it started: a page came from disk") \
	X(SHARED, "shared", "shr", BYTES, STATM, "resident pages of files and of shared memory") \
	X(TEXT, "text", "trs,code", BYTES, STATM, "virtual size of its code") \
	X(DATA, "data", "drs", BYTES, STATM, "virtual size of its data and stack") \
	X(SWAP, "swap", "vmswap", BYTES, STATUS, "in swap, shared memory not counted") \
	X(PEAK, "peak_rss", "hwm,vmhwm", BYTES, STATUS, "the most that was ever resident") \
	X(PTE, "pte", "vmpte,page_tables", BYTES, STATUS, "its page tables") \
	X(LOCKED, "locked", "vmlck,lck", BYTES, STATUS, "locked in memory") \
	X(PSS, "pss", "proportional", BYTES, ROLLUP, "proportional: each shared page divided by its users") \
	X(USS, "uss", "unique", BYTES, ROLLUP, "unique: what would be free, were it to end") \
	X(SWAP_PSS, "swap_pss", "swappss", BYTES, ROLLUP, "in swap, shared pages divided by their users") \
	X(DIRTY, "dirty", "", BYTES, ROLLUP, "resident pages that differ from their files or swap") \
	X(HUGE, "huge", "thp", BYTES, ROLLUP, "mapped by huge pages, transparent or not") \
	X(HUGE_SHARE, "huge_share", "huge%", SHARE, ROLLUP, "the part of its resident memory that is in huge pages") \
	X(MINFLT_RATE, "minflt_s", "minflt/s", FAULTS, TWO_LOOKS, "minor faults a second, between two looks (--interval)") \
	X(MAJFLT_RATE, "majflt_s", "majflt/s", FAULTS, TWO_LOOKS, "major faults a second, between two looks (--interval)") \
	X(WSS, "wss", "ref,working_set", BYTES, CLEARING, "used within a window (--wss, which clears reference bits)")

enum proclist_field {
#define X(name, word, others, kind, source, text) PROC_##name,
	PROCLIST_FIELD_LIST(X)
#undef X
	PROC_FIELDS
};

struct proclist_about {
	const char *name, *others, *text;
	enum proclist_kind kind;
	enum proclist_source source;
};
extern const struct proclist_about proclist_about[PROC_FIELDS];

/* A process, or several that were added up. */
struct proclist_row {
	struct task task;
	uid_t uid;
	uint32_t processes;              /* 1, or how many were added up */
	uint32_t depth;                  /* in the tree of parents; 0 without proclist_tree */
	uint32_t known, hidden;          /* bit f: field f is known; it is there but not for us */
	bool gone;                       /* it ended while we looked */
	uint64_t value[PROC_FIELDS];
};

struct proclist {
	struct proclist_row *row;
	uint32_t n, room;
	uint32_t ended;                  /* processes that ended before they could be read */
};

/* The field that answers to a name, in any case, or -1. */
int proclist_find(const char *name);
/* Is the name one of a list with commas, in any case? */
bool proclist_listed(const char *list, const char *name);

/* Fills in what PID/stat tells, and who owns it, of the processes named, or of all there are when n is 0.
 * => processes that have ended are counted; PW_NOTFOUND when one that was named is not there. */
must_use enum pw_err proclist_read(struct procfs *p, const uint32_t *pids, uint32_t n, struct proclist *ret, struct pw_why *why);
void proclist_fini(struct proclist *list);
/* Adds what one more source tells: STATM, STATUS or ROLLUP.  => hidden and gone are marked, only memory and I/O are errors. */
must_use enum pw_err proclist_fill(struct procfs *p, struct proclist *list, enum proclist_source source, struct pw_why *why);
/* The second look: faults since *list was read.  A PID that another process has taken over meanwhile is gone. */
must_use enum pw_err proclist_again(struct procfs *p, struct proclist *list, struct pw_why *why);
/* Clears the reference bits of every process of the list, or of those that let us: this writes to PID/clear_refs, and makes the
 * kernel forget which pages were in use.  proclist_used tells afterwards what was used since.
 * => PW_UNSUPPORTED: this is not the computer we run on. */
must_use enum pw_err proclist_clear(struct procfs *p, struct proclist *list, struct pw_why *why);
must_use enum pw_err proclist_used(struct procfs *p, struct proclist *list, struct pw_why *why);

/* Largest first (PIDs: smallest first); what is not known last; equals by PID. */
void proclist_sort(struct proclist *list, enum proclist_field by, bool reversed);
/* Parents before their children, children in the order the list has.  => depth is set. */
must_use enum pw_err proclist_tree(struct proclist *list, struct pw_why *why);
enum proclist_group { PROC_GROUP_USER, PROC_GROUP_NAME };
/* One row for all of the same user, or of the same name: figures are added up where adding makes sense. */
void proclist_add_up(struct proclist *list, enum proclist_group group);
/* Keeps the rows that keep() wants. */
void proclist_keep(struct proclist *list, bool (*keep)(const struct proclist_row *row, const void *ctx), const void *ctx);
