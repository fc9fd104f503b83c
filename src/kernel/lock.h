/* lock.h - locked pages, for those who map pages and those who take them away. */
#pragma once
#include "process.h"

/* The page in this frame stays. */
void lock_page(struct kernel *k, uint32_t f);
/* The entry no longer locks what it sees there, by number and frame: the page may leave unless another entry locks it. */
void lock_page_ends(struct kernel *k, const struct entry *e, uint64_t page, uint32_t anon, uint32_t f);
/* The same for everything the entry sees in [start, end). */
void lock_ends(struct process *p, struct entry *e, uint64_t start, uint64_t end);
