/* api.h - what the files behind the public door share. */
#pragma once
#include "words.h"
#include <jansson.h>
#include <pageworks.h>

/* Options as machine words.  *ret_copy, which they point into, is the caller's to free, also on error.  => PW_INVALID with why */
must_use enum pw_err api_words(const char *const *options, char **ret_copy, struct machine_words *ret, struct pw_why *why);
/* A copy of the line for the caller; NULL: no memory for that either. */
char *api_why(const struct pw_why *why);

static inline enum pw_status api_status(enum pw_err err, enum pw_status otherwise)
{
	return err == PW_OK ? PW_SUCCESS : err == PW_NOMEM ? PW_E_MEMORY : otherwise;
}

/* A policy of the caller's behind ours: its ops, and what goes into its env. */
struct api_policy {
	struct policy_ops ops;
	const struct pw_policy *theirs;
	void *state;             /* theirs */
	bool failed;             /* create gave nothing */
	uint64_t wrong_victims;
};
void api_policy_init(struct api_policy *p, const struct pw_policy *theirs);
/* => the kernel that used it is gone */
void api_policy_fini(struct api_policy *p);
/* => PW_INVALID with why, PW_NOMEM */
must_use enum pw_err api_store_open(const struct pw_store *theirs, uint32_t page_bytes, struct store **ret, struct pw_why *why);

/* A figure of a tree, which is released.  => PW_E_INVALID: none of this name, PW_E_MEMORY: there is no tree */
enum pw_status api_figure(json_t *tree, const char *name, double *ret);
