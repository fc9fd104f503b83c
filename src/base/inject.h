/* inject.h - failures on demand, so that every error path is walked by a test.
 *
 * Code that can fail for an outside reason asks inject(SITE) first.  In ordinary runs that is one predictable branch.  A test
 * arms a site to fail at the k-th time it is asked (and, if it likes, ever after), runs a scenario, and raises k until the
 * scenario no longer reaches it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define INJECT_LIST(X) \
	X(ALLOC, "alloc")             /* memory of the host */ \
	X(FRAME, "frame")             /* a simulated frame */ \
	X(STORE_READ, "store_read")   /* a store reads slots */ \
	X(STORE_WRITE, "store_write") /* a store writes slots */ \
	X(STORE_SHORT, "store_short") /* a device moves only a part */ \
	X(STORE_DEVICE, "store_device") /* a device refuses a transfer */ \
	X(FILE_READ, "file_read")     /* an input file or pipe */ \
	X(FILE_WRITE, "file_write")   /* an output file or pipe */

enum inject_site {
#define X(name, word) INJECT_##name,
	INJECT_LIST(X)
#undef X
	INJECT_SITES
};

enum inject_mode { INJECT_ONCE, INJECT_FROM_THEN_ON };

extern bool inject_armed;

/* => kth counts from 1.  Arming one site disarms the others and resets the counts. */
void inject_arm(enum inject_site site, uint64_t kth, enum inject_mode mode);
void inject_disarm(void);
uint64_t inject_count(enum inject_site site); /* times asked since armed */
bool inject_hit(enum inject_site site);

/* True when this very operation is to fail now. */
static inline bool inject(enum inject_site site)
{
	return __builtin_expect(inject_armed, 0) && inject_hit(site);
}
