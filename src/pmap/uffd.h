/* uffd.h - userfaultfd, as far as a pager needs it: faults of a range of this process are read from a descriptor and answered by
 * putting a page there.
 *
 * Everything here is done to the process that opened it, by that process.  Calls that the kernel asks to repeat are repeated.
 * Lengths are multiples of the host's page. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct uffd {
	int fd;
	int pidfd;      /* of this process, for dropping scattered pages in one call; -1: page by page */
};

struct uffd_fault {
	uint64_t address;
	uint32_t thread; /* who */
	bool write;     /* a store */
	bool protect;   /* to a page that is there, write-protected */
};

/* => PW_UNSUPPORTED, and one line that says what this host lacks and what would change it. */
must_use enum pw_err uffd_open(struct uffd *u, struct pw_why *why);
void uffd_close(struct uffd *u);
/* Everything this host has to say about it, line by line, and what to do: for people. */
void uffd_explain(char *text, size_t size);

/* Faults on missing pages and stores to write-protected ones in the range arrive from now on. */
must_use enum pw_err uffd_register(const struct uffd *u, uint64_t start, uint64_t bytes);
/* Pages of the range, where there are none yet, come from now on by uffd_copy and uffd_move alone; whoever touches one before faults as
 * above.  => PW_UNSUPPORTED: the host cannot move (before Linux 6.8) */
must_use enum pw_err uffd_claim(const struct uffd *u, uint64_t start, uint64_t bytes);
/* Returns how many faults there are; 0: none, or it was interrupted; -1: the descriptor is of no use any more. */
int uffd_read(const struct uffd *u, struct uffd_fault *fault, unsigned max);
void uffd_set_waiting(const struct uffd *u, bool on); /* does uffd_read wait for the first fault?  At first it does */
void uffd_wait(const struct uffd *u);                  /* until there is one, or an interruption */

enum { UFFD_PROTECTED = 1, UFFD_QUIET = 2 };
/* Puts a copy there (PROTECTED: stores to it fault) and wakes who waits for it (QUIET: nobody, for each has a fault of its own that is
 * still to be answered).  => PW_EXISTS: a page is there; PW_NOTMAPPED: the range is not registered */
must_use enum pw_err uffd_copy(const struct uffd *u, uint64_t to, const void *from, uint64_t bytes, unsigned how);
/* Takes pages from where they are to where none are, without copying; who touches them there afterwards faults.  Returns how many bytes
 * of them, from the first on: pages shared with a forked child or used by I/O stay. */
uint64_t uffd_move(const struct uffd *u, uint64_t to, uint64_t from, uint64_t bytes);
/* Stores to pages of the range that are there fault from now on, or (on false) do so no longer, and who waits is woken. */
must_use enum pw_err uffd_protect(const struct uffd *u, uint64_t start, uint64_t bytes, bool on);
void uffd_wake(const struct uffd *u, uint64_t start, uint64_t bytes);
/* The pages are no longer there. */
must_use enum pw_err uffd_drop(const struct uffd *u, const struct iovec *range, unsigned n);
/* Is a page there? */
bool uffd_present(uint64_t address);
