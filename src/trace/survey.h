/* survey.h - what is in a trace: references by kind, pages, threads, events, mappings.  It is fed item by item. */
#pragma once
#include "trace.h"

struct survey_process {
	uint32_t pid, parent;
	uint64_t refs, pages;          /* pages: different ones that were touched */
	uint32_t threads;              /* that made references */
	char *command;                 /* the last image executed; "" when nobody said */
};

/* All mappings of one name together. */
struct survey_mapping {
	char *name;
	uint64_t count, bytes;
};

struct survey_ref {
	uint32_t pid, tid;
	ref_t ref;
};

struct survey {
	unsigned page_shift;
	bool skimmed;                          /* references came without addresses: no kinds, pages, first and last */
	uint64_t refs[ACCESS_KINDS], n_refs;
	uint64_t pages[ACCESS_KINDS], n_pages; /* touched by each kind of access; by any */
	uint64_t lowest, highest;              /* addresses */
	struct survey_ref first, last;
	uint64_t events[TRACE_EVENT_KINDS], n_events, lost;
	struct survey_process *process;        /* in order of appearance */
	unsigned n_processes;
	struct survey_mapping *mapping;        /* in order of appearance */
	unsigned n_mappings;
	uint64_t mapped_bytes;                 /* of all mappings that were ever made */
	struct survey_private *own;
};

/* Pages are counted in units of 2^page_shift bytes.  => PW_NOMEM. */
must_use enum pw_err survey_init(struct survey *s, unsigned page_shift);
void survey_fini(struct survey *s);
/* => PW_NOMEM: the survey is good up to the item before. */
must_use enum pw_err survey_item(struct survey *s, const struct trace_item *item);
