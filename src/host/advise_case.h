/* advise_case.h - within advise: the case as it was gathered, and how a judge speaks.  Not for other rooms. */
#pragma once
#include "advise.h"
#include "census.h"
#include "figures.h"

struct advise {
	struct procfs *proc;
	uint32_t pid;
	unsigned looks;
	struct snapshot first, last;
	struct figures figures;          /* of the window, when there were two looks */
	struct census census;            /* of everybody, or of the one */
	struct advice *advice;
	unsigned n, room;
	enum advice_verdict verdict[ADVICES];
	char *reason[ADVICES];
	bool lost;                       /* memory ran out: what was said is not whole */
};

#define SAYS(text, first) __attribute__((format(printf, text, first)))
/* Begins an advice; the others add to the last one begun. */
void case_say(struct advise *a, enum advice_kind kind, uint32_t pid, const char *format, ...) SAYS(4, 5);
void case_because(struct advise *a, const char *format, ...) SAYS(2, 3);
void case_costs(struct advise *a, const char *format, ...) SAYS(2, 3);
void case_propose(struct advise *a, const char *format, ...) SAYS(2, 3);
/* A kind cannot be judged, for this reason. */
void case_unknown(struct advise *a, enum advice_kind kind, const char *format, ...) SAYS(3, 4);

/* A figure of the kernel in the last look, kB as bytes.  => false: not there. */
bool case_level(const struct advise *a, const char *name, uint64_t *ret);
/* A rate, ratio or stall over the window.  => false: not known, or there was only one look. */
bool case_rate(const struct advise *a, enum figure which, double *ret);
/* A file with one number, "max" being UINT64_MAX. */
bool case_number(struct advise *a, const char *path, uint64_t *ret);
/* The process of the case, when there is one and it was seen. */
const struct census_row *case_one(const struct advise *a);

/* "1.5 MiB", until the end of the block it stands in. */
#define SIZE(bytes) case_size((char[40]){ "" }, (double)(bytes))
const char *case_size(char buf[40], double bytes);

/* One judge for each kind. */
#define X(name, word, what, whole, one) void judge_##name(struct advise *a);
ADVICE_LIST(X)
#undef X
