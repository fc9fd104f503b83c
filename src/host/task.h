/* task.h - a process as /proc/PID/stat tells it, whatever its name is made of. */
#pragma once
#include "procfs.h"

/* member, the number of the field in proc(5), what it is. */
#define TASK_FIELD_LIST(X) \
	X(ppid, 4, "process that is its parent") \
	X(minflt, 10, "minor faults: no disk was needed") \
	X(majflt, 12, "major faults: a page was read from disk") \
	X(utime, 14, "time in user mode, in ticks") \
	X(stime, 15, "time in the kernel, in ticks") \
	X(threads, 20, "threads") \
	X(starttime, 22, "start, in ticks since boot; tells a reused PID from the process before") \
	X(vsize, 23, "virtual size in bytes") \
	X(rss, 24, "resident pages; a kernel adds up per-CPU counts, so it may be off by some")

enum { TASK_NAME = 64 };

struct task {
	uint32_t pid;
	char state;                 /* 'R', 'S', 'D', 'Z', ... */
	char name[TASK_NAME];       /* comm: any bytes at all, parentheses, blanks and newlines too */
#define X(member, number, what) uint64_t member;
	TASK_FIELD_LIST(X)
#undef X
};

/* text has a NUL behind its bytes, as procfs_read gives it.  => PW_FORMAT: it is no such line; PW_TRUNCATED: it ends before the last
 * field of the list. */
must_use enum pw_err task_parse(const char *text, size_t bytes, struct task *ret, struct pw_why *why);
/* => as procfs.h has it: PW_NOTFOUND when the process is gone. */
must_use enum pw_err task_read(struct procfs *p, uint32_t pid, struct task *ret, struct pw_why *why);
