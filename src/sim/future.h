/* future.h - when is a page referenced next?  For policies that know the future.
 *
 * Two passes over a trace that can be rewound: the first counts how often each page is referenced, the second writes down when.
 * Runs of references to one page count once, at their first reference, which is all a replacement policy can tell apart.
 * Time is the position in the trace, counted in references from 0. */
#pragma once
#include "../base/addr.h"
#include "../trace/trace.h"

struct future;

/* => leaves the trace rewound; PW_LIMIT when the index would need more than max_bytes, with the size in why. */
must_use enum pw_err future_create(struct trace *t, unsigned page_shift, uint64_t limit, uint64_t max_bytes, struct future **ret,
                                   struct pw_why *why);
void future_destroy(struct future *f);

/* The position at which the page's first run at or after now begins, or UINT64_MAX.
 * => now never goes back for one page: what lies before it is forgotten. */
uint64_t future_next(struct future *f, uint32_t pid, vpn_t page, uint64_t now);
