/* faults.h - the page faults of a running process, and of all it starts, one by one, each with what is known of it.
 *
 * Needs no privilege for one's own processes.  Order is that of time.  The names in a fault live until the next faults_next(). */
#pragma once
#include "fault_class.h"
#include "fault_ring.h"

struct faults;
struct fault {
	uint64_t time_ns;                /* since faults_open() */
	uint32_t pid, tid;
	uint64_t address, page_bytes;    /* page_bytes 0: not known */
	bool major, in_kernel;           /* in_kernel: by a system call, on behalf of the instruction below */
	enum fault_access access;
	enum fault_class class;
	const struct space_mapping *mapping;   /* NULL: not known */
	const char *name;                /* of the mapping: a file, "[heap]", "[anonymous]", "[unknown]" */
	uint64_t ip;                     /* of the program's instruction; 0: not known */
	const char *object;              /* the mapping the instruction is in */
	const char *function;            /* "": no symbol */
	uint64_t into;                   /* bytes into the function, or into the object's file without one */
	const char *comm;
};

struct faults_options {
	struct rings_options rings;
	space_tell *tell;                /* hears of mappings in order with the faults; NULL */
	void (*task)(void *ctx, const struct fault_record *r); /* hears of forks, exits, commands, losses; NULL */
	void *ctx;
};
/* => as rings_open(). */
must_use enum pw_err faults_open(const struct faults_options *o, struct faults **ret, struct pw_why *why);
void faults_close(struct faults *f);
/* Waits for more, at most so long.  => false: nothing more will come. */
bool faults_wait(struct faults *f, int milliseconds);
/* Collects what there is; last: the process has ended.  Then faults_next() gives it. */
must_use enum pw_err faults_collect(struct faults *f, bool last);
bool faults_next(struct faults *f, struct fault *ret);
void faults_state(const struct faults *f, struct rings_state *ret);
const char *faults_flaw(const struct faults *f);
