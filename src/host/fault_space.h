/* fault_space.h - the address spaces of watched processes as they were at the moment of each fault: what was mapped, what was
 * touched.
 *
 * Fed with the records of fault_ring.h in order of time.  What the kernel does not tell (munmap, madvise) is made up for by what it
 * does: a new mapping over old ones replaces them. */
#pragma once
#include "../base/itree.h"
#include "fault_record.h"

struct maps;
struct procfs;
struct spaces;

struct space_mapping {
	struct itree_node node;            /* [start, end) */
	uint64_t offset, inode;            /* offset: in the file, of node.start */
	uint32_t dev_major, dev_minor, prot;
	bool shared, anonymous;
	bool unseen;                       /* which of its pages were touched before we began to look is not known */
	uint32_t name;                     /* for spaces_name() */
};

/* What is known of a page that faulted before (or was there when we began to look). */
enum {
	PAGE_ZERO = 1,       /* it was only read: it is the shared page of zeros, or the file's own */
	PAGE_OWN = 2,        /* it was written: the process has a page of its own */
	PAGE_DOUBTFUL = 4,   /* it may have been unmapped since */
	PAGE_SWAPPED = 8,    /* it was in swap when we began to look */
	PAGE_FORKS_SHIFT = 8,/* above: how many forks the process had made when it was touched */
};

/* How a mapping came about, for whoever retells it.  DROPPED: the process runs another program. */
enum space_change_kind { SPACE_MAPPED, SPACE_PROTECTED, SPACE_DROPPED };
struct space_change {
	enum space_change_kind kind;
	uint64_t start, end;
	const struct space_mapping *mapping;
	const char *name;  /* of the mapping; DROPPED: of the program */
};
typedef void space_tell(void *ctx, uint32_t pid, const struct space_change *change);

struct space;
/* tell: called with each change, NULL: nobody is interested. */
must_use enum pw_err spaces_create(space_tell *tell, void *ctx, struct spaces **ret);
void spaces_destroy(struct spaces *s);
/* Takes any record but faults.  => PW_NOMEM: what it said is not known. */
must_use enum pw_err spaces_take(struct spaces *s, const struct fault_record *r);
/* The mappings of a process that runs already, and their pages as the kernel shows them, as far as it does. */
must_use enum pw_err spaces_load(struct spaces *s, struct procfs *proc, uint32_t pid, const struct maps *maps);
/* The space of a process, made when it is new.  => NULL: out of memory. */
struct space *spaces_get(struct spaces *s, uint32_t pid);
const char *spaces_name(const struct spaces *s, uint32_t name);
const char *space_comm(const struct space *s);
/* The mapping that holds an address, or NULL. */
const struct space_mapping *space_find(const struct space *s, uint64_t address);
/* What is known of a page (address / 4096).  => false: it is new. */
bool space_page(const struct space *s, uint64_t page, uint64_t *ret);
/* Remembers n pages as touched, with the flags above.  => PW_NOMEM: they are as they were, some of them. */
must_use enum pw_err space_touch(struct space *s, uint64_t page, uint64_t n, unsigned flags);
uint64_t space_forks(const struct space *s);
const char *spaces_flaw(const struct spaces *s);
