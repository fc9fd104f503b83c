/* fuzz.h - what a fuzz target is: test/fuzz/NAME.c defines fuzz_one(), and driver.c gives it a main().
 *
 * A target turns bytes into a use of one reader and lets the reader speak for itself: it must return for every input, leak
 * nothing, and touch nothing outside the input.  It may write to a temporary file if the reader wants a file name. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* => bytes is an exact allocation of size bytes. */
void fuzz_one(const uint8_t *bytes, size_t size);

/* Optional: the i-th good input to start from.  => writes at most max bytes; 0 when there are no more. */
size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max);
