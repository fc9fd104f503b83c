/* fault_tally.h - faults added up: by class, by mapping, by function. */
#pragma once
#include "faults.h"

struct tally_row {
	char *name, *object;      /* of a mapping: name; of a function: name ("": no symbol) and the file it is in */
	uint64_t faults, major, in_kernel;
	uint64_t by_class[FAULT_CLASSES];
};
struct tally_table {
	struct tally_row *row;
	uint32_t n, room;
	struct htab *index;       /* hash of the two names -> row */
};
struct tally {
	uint64_t faults, major, in_kernel, huge;   /* huge: the page is larger than a base page now */
	uint64_t by_class[FAULT_CLASSES], by_access[FAULT_UNTOLD + 1];
	struct tally_table mappings, functions;
};

must_use enum pw_err tally_init(struct tally *t);
void tally_fini(struct tally *t);
/* => PW_NOMEM: it is counted in no table. */
must_use enum pw_err tally_add(struct tally *t, const struct fault *f);
/* The rows by number of faults, largest first; after this nothing is added any more. */
void tally_sort(struct tally *t);
/* The sums of the classes and of each table are the faults.  => NULL, or what is wrong. */
const char *tally_flaw(const struct tally *t);
