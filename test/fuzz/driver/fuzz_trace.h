/* fuzz_trace.h - what the fuzz targets of trace readers share. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Opens bytes as a trace file (in memory, nothing is left on disk), reads it to the end, rewinds and reads it again.  Aborts when
 * an item makes no sense, when an error is not explained, or when the second reading differs from the first. */
void fuzz_trace(const uint8_t *bytes, size_t size);
/* The same for a file whose format is said, with the keys that follow its name (",address=2"), or "". */
void fuzz_trace_as(const char *format, const char *keys, const uint8_t *bytes, size_t size);

/* For fuzz_seed(): the i-th of n texts, or 0. */
size_t fuzz_text_seed(const char *const *texts, unsigned n, unsigned i, uint8_t *bytes, size_t max);
