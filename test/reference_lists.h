/* reference_lists.h - the policies that are made of lists, from their papers, for reference_policies.c. */
#pragma once
#include "reference_policies.h"

/* As reference_policy_run. */
bool reference_lists_run(const char *name, const uint32_t *page, const bool *is_store, uint64_t n, uint32_t n_pages,
                         uint32_t n_frames, struct reference_result *ret);
