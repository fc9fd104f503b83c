/* fault.h - serving a fault: one routine in phases over one context, and what helps it guess ahead. */
#pragma once
#include "process.h"

struct fault {
	/* Set by check, then only read. */
	struct kernel *kernel;
	struct process *process;
	struct entry *entry;
	uint64_t page;              /* vpn */
	enum access_kind kind;
	bool grew;                  /* the stack grew to serve this */
	/* Set by find. */
	uint32_t anon;              /* of the private layer or shared object: ANON_* or a number */
	bool mapped;                /* there is a translation, but not for this access */
	struct pmap_mapping mapping;
	/* Set by get and promote. */
	uint32_t frame;             /* to be mapped, pinned */
	uint32_t unit;              /* the first frame of its huge page, pinned with it, or itself */
	unsigned prot;
	enum fault_cause cause;
	bool major;
	bool arrived;               /* the policy was told of the page */
	/* When it ends otherwise. */
	enum fault_outcome outcome;
	const char *why;
};

/* The pages around one that a read of a file mapped, if they are in memory (linux). */
void fault_map_around(struct fault *f);
/* Reads file pages around one that had to be read (linux). */
void fault_read_around(struct fault *f, struct object *o, uint64_t index);
/* Brings pages [first, end) of a file into memory as long as there is room to spare: a wish, as of WILLNEED. */
void fault_fetch_file(struct kernel *k, struct object *o, uint64_t first, uint64_t end);
/* Reads swapped pages near one that had to be read (linux). */
void fault_swap_around(struct fault *f);
/* The same where a fault costs more than a page: pages behind a sequential one come in and are mapped at once. */
void fault_stream_ahead(struct fault *f);
/* A page of the file in memory: resident, or brought in.  => *ret_new when it was brought in; PW_IO */
must_use enum pw_err fault_file_page(struct fault *f, struct object *o, uint64_t index, uint32_t *ret);
