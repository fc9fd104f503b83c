/* policy.c - the list of policies, by name and by number.
 *
 * Problem: the command, its help, the tests and the drivers must all know the same policies.
 * Idea: POLICY_LIST in the header is the only list; this file makes it an array. */
#include "policy.h"
#include <string.h>

static const struct policy_ops *const policies[] = {
#define X(name) &policy_##name,
	POLICY_LIST(X)
#undef X
};
enum { N_POLICIES = sizeof policies / sizeof *policies };

const struct policy_ops *policy_at(unsigned i)
{
	return i < N_POLICIES ? policies[i] : NULL;
}

const struct policy_ops *policy_find(const char *name)
{
	for (unsigned i = 0; i < N_POLICIES; i++) {
		if (!strcmp(policies[i]->name, name))
			return policies[i];
	}
	return NULL;
}
