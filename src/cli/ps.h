/* ps.h - what the two files of pageworks ps share: what was asked for, and what was found. */
#pragma once
#include "output.h"
#include "../host/proclist.h"

/* Columns that are words; those that are figures are the fields of host/proclist.h and come before them. */
#define PS_WORD_LIST(X) \
	X(USER, "user", "username", "whose process it is") \
	X(STATE, "state", "status,stat,s", "R runs, S sleeps, D waits for a device, Z has ended, ...") \
	X(NAME, "name", "comm,ucmd", "its name") \
	X(COMMAND, "command", "cmdline,args,cmd", "its command line")

enum ps_column {
	PS_FIELDS_END = PROC_FIELDS - 1,
#define X(name, word, others, text) PS_##name,
	PS_WORD_LIST(X)
#undef X
	PS_COLUMNS
};

enum { PS_SHOWN_MAX = 32 };

struct ps {
	/* asked for */
	struct output text, json;
	unsigned column[PS_SHOWN_MAX], n_columns;
	enum proclist_field sort;
	bool sort_given, reversed, tree, all, full, by_given;
	enum proclist_group by;
	const char *user;
	uint64_t top;                 /* 0: all */
	double interval, window;      /* seconds; 0: not asked for */
	uint32_t *pid, n_pids;
	/* found */
	struct procfs *host;
	struct proclist list;
	uint32_t kernel_threads, others, cut;   /* left out: threads of the kernel, other users' processes, rows beyond --top */
	bool others_invisible;        /* this /proc shows no processes of other users */
	double interval_was, window_was;
	double clear_seconds, used_seconds;     /* what the working set cost */
	uint32_t cleared;
};

/* What a column is called and what is in it. */
const char *ps_column_name(unsigned column);
const char *ps_column_others(unsigned column);
const char *ps_column_text(unsigned column);
bool ps_has_column(const struct ps *v, unsigned column);

/* The two ways to show it; ctx is a struct ps. */
enum pw_err ps_render_text(void *ctx, FILE *out);
enum pw_err ps_render_json(void *ctx, FILE *out);
