/* fault_class.h - why a page fault happened, as far as it can be known from outside.
 *
 * Two things are seen of each fault: where and when.  The rest follows from what was mapped there, from what the page was before,
 * and from the instruction: load or store. */
#pragma once
#include "fault_access.h"
#include "fault_space.h"

/* name, how it is told */
#define FAULT_CLASS_LIST(X) \
	X(first_touch, "private memory, a page that had no fault before, not known to be a load: it gets a page of zeros") \
	X(zero_read, "the same, by a load: it sees the page of zeros that all share") \
	X(zero_write, "a page that was only loaded from is stored to: it gets a page of its own") \
	X(stack, "first touch of a page of a stack: the mapping [stack], or private memory near the stack pointer") \
	X(copy_on_write, "a store to a private page of a file, or to a page that the process or its parent touched before a fork") \
	X(swap_in, "major fault in memory without a file, or a page that was in swap when watching began") \
	X(file_read, "major fault in a mapping of a file: the page was read from it") \
	X(file_cached, "minor fault in a mapping of a file: the page was in memory already, and is mapped (often with its neighbours)") \
	X(file_dirtied, "a shared page of a file that was loaded from is stored to: from now on it must be written back") \
	X(shared_memory, "minor fault in memory that processes share and that has no file on a disk") \
	X(kernel_page, "a page the kernel lends: [vdso], [vvar]") \
	X(unknown, "anything else: a page touched before that may have been given back, moved or swapped without us seeing it")

enum fault_class {
#define X(name, how) FAULT_##name,
	FAULT_CLASS_LIST(X)
#undef X
	FAULT_CLASSES
};

const char *fault_class_name(enum fault_class c);
const char *fault_class_how(enum fault_class c);
/* The class of a fault in a space as it is before the fault.  m: the mapping of its address, or NULL. */
enum fault_class fault_classify(const struct spaces *all, const struct space *s, const struct space_mapping *m,
                                const struct fault_record *r, enum fault_access access);
/* The fault is over: remembers what its page is now.  => PW_NOMEM: it is not remembered. */
must_use enum pw_err fault_remember(struct space *s, const struct space_mapping *m, const struct fault_record *r,
                                    enum fault_access access, enum fault_class c);
