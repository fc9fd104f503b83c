/* reference_policies.h - the policies as a student would write them from the book or the paper: arrays looked through from one end
 * to the other.  Nothing is shared with the policies of src/, so that the two can be compared. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct reference_result {
	uint64_t faults;
	uint64_t write_backs; /* pages evicted that were written since they came in */
};

/* name: of a policy, with its default parameters; those made of several lists are in reference_lists.c.  page[i] is below n_pages;
 * is_store[i] says what the i-th reference does.
 * => false: there is no such policy, or no memory */
bool reference_policy_run(const char *name, const uint32_t *page, const bool *is_store, uint64_t n, uint32_t n_pages,
                          uint32_t n_frames, struct reference_result *ret);
