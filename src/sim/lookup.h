/* lookup.h - figures of a result found by path: "faults.total", "tlb.l2.misses", "processes.1.faults.major". */
#pragma once
#include <jansson.h>
#include <stdbool.h>

/* Elements of arrays go by their "name", else "pid", else their position.  => NULL when there is none; borrowed. */
json_t *lookup(const json_t *root, const char *path);

/* Every number below root, with its path, in order.  visit returns false to stop. */
void lookup_each(const json_t *root, bool (*visit)(void *ctx, const char *path, double value), void *ctx);

/* The nearest path to a mistyped one, into buf.  => false when none is near. */
bool lookup_nearest(const json_t *root, const char *path, char *buf, size_t size);
