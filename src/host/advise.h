/* advise.h - what is wrong with this computer's memory, or one process's, in sentences with their evidence.
 *
 * Everything is judged from files of /proc and /sys read several times in a window; nothing is changed, no command is run.  What
 * cannot be judged is listed with the reason, and what was looked for and not found is listed too: silence is never advice. */
#pragma once
#include "procfs.h"

/* name, word in JSON, what is looked for, of the whole computer, of one process. */
#define ADVICE_LIST(X) \
	X(thrashing, "thrashing", "memory too small for what runs", true, true) \
	X(killed, "killed", "processes killed for want of memory", true, false) \
	X(cgroup, "cgroup_limit", "a cgroup at its limit", true, true) \
	X(commit, "commit_limit", "promised memory at its limit", true, false) \
	X(swap_full, "swap_full", "swap that is nearly full", true, false) \
	X(swap_idle, "swap_idle", "swap in use while memory is available", true, true) \
	X(growing, "growing", "a process that grows steadily", true, true) \
	X(huge_failing, "huge_pages_failing", "huge pages wanted in vain", true, false) \
	X(huge_absent, "huge_pages_absent", "much memory without huge pages", true, true) \
	X(huge_pool, "huge_pool_idle", "pools of huge pages nobody uses", true, false) \
	X(page_tables, "page_tables", "page tables out of proportion", true, true) \
	X(cached_twice, "cached_twice", "files in memory twice", true, true) \
	X(drop_caches, "drop_caches", "what dropping caches would free", true, false)

enum advice_kind {
#define X(name, word, what, whole, one) ADVICE_##name,
	ADVICE_LIST(X)
#undef X
	ADVICES
};

enum { ADVICE_EVIDENCE = 8 };

struct advice {
	enum advice_kind kind;
	uint32_t pid;                    /* whom it is about; 0: the computer */
	char *sentence, *cost, *command; /* cost: what following it, or not, costs; command: a proposal, NULL when there is none */
	char *evidence[ADVICE_EVIDENCE];
	unsigned n_evidence;
};

enum advice_verdict { ADVICE_NOT_ASKED, ADVICE_GIVEN, ADVICE_NOTHING, ADVICE_UNKNOWN };

struct advise;

/* pid 0: the whole computer.  => advise_close releases *ret; the door is borrowed until then. */
must_use enum pw_err advise_open(struct procfs *p, uint32_t pid, struct advise **ret, struct pw_why *why);
void advise_close(struct advise *a);
/* Looks once more; the caller lets time pass between looks.  => PW_NOTFOUND: the process is gone. */
must_use enum pw_err advise_look(struct advise *a, struct pw_why *why);
/* Judges, after at least one look; rates and growth want more.  => PW_NOTFOUND as above. */
must_use enum pw_err advise_conclude(struct advise *a, struct pw_why *why);

unsigned advise_count(const struct advise *a);
const struct advice *advise_at(const struct advise *a, unsigned i);
/* What became of a kind; *ret_reason says why it is unknown, NULL otherwise. */
enum advice_verdict advise_verdict(const struct advise *a, enum advice_kind kind, const char **ret_reason);
/* The word in JSON, and what is looked for. */
const char *advice_word(enum advice_kind kind);
const char *advice_what(enum advice_kind kind);
/* Seconds from the first look to the last, and how many there were. */
double advise_seconds(const struct advise *a, unsigned *ret_looks);
