/* walk_live.h - addresses of a process that runs on this computer: what /proc tells of their translation, and what it does not. */
#pragma once
#include "../base/json.h"
#include "../machine/access.h"
#include <stdio.h>

struct walk_live;

/* => PW_NOTFOUND, PW_ACCESS, PW_UNSUPPORTED with why */
must_use enum pw_err walk_live_open(uint32_t pid, struct walk_live **ret, struct pw_why *why);
void walk_live_close(struct walk_live *l);
/* One address; *ret_translates tells whether the access would go through without a fault.  One of out and j is NULL. */
must_use enum pw_err walk_live_address(struct walk_live *l, uint64_t address, enum access_kind kind, FILE *out, struct jsonw *j,
                                       bool *ret_translates, struct pw_why *why);
/* Everything that is in memory or swap: ranges with their rights, what they are, and the mapping they belong to. */
must_use enum pw_err walk_live_all(struct walk_live *l, FILE *out, struct jsonw *j, struct pw_why *why);
/* Every address that maps a frame.  => PW_ACCESS: frames are told to root only */
must_use enum pw_err walk_live_find(struct walk_live *l, uint64_t physical, FILE *out, struct jsonw *j, struct pw_why *why);
