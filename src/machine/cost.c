/* cost.c - the default costs, and replacing them by name. */
#include "cost.h"
#include "../base/text.h"
#include <string.h>

const struct cost_model cost_default = {
#define X(name, value, unit, text) .name = value,
	COST_LIST(X)
#undef X
};

static uint64_t *cost_field(struct cost_model *m, const char *name)
{
#define X(field, value, unit, text)       \
	if (strcmp(name, #field) == 0) \
		return &m->field;
	COST_LIST(X)
#undef X
	return NULL;
}

static enum pw_err parse_pair(char *pair, struct cost_model *m, struct pw_why *why)
{
	char *equals = strchr(pair, '=');
	if (!equals)
		return pw_fail(why, PW_INVALID, "cost '%s': write name=value", pair);
	*equals = 0;
	uint64_t *field = cost_field(m, pair);
	if (!field) {
#define X(name, value, unit, text) #name " "
		return pw_fail(why, PW_INVALID, "cost '%s' is unknown; there are: " COST_LIST(X), pair);
#undef X
	}
	enum pw_err err = text_u64(equals + 1, field, why);
	return err == PW_OK && m->clock_mhz == 0 ? pw_fail(why, PW_INVALID, "cost clock_mhz: must not be 0") : err;
}

enum pw_err cost_parse(const char *text, struct cost_model *m, struct pw_why *why)
{
	char copy[512];
	if (strlen(text) >= sizeof copy)
		return pw_fail(why, PW_INVALID, "cost: longer than %zu characters", sizeof copy - 1);
	memcpy(copy, text, strlen(text) + 1);
	struct cost_model changed = *m;
	char *rest = copy;
	for (char *pair; (pair = strsep(&rest, ","));) {
		enum pw_err err = parse_pair(pair, &changed, why);
		if (err != PW_OK)
			return err;
	}
	*m = changed;
	return PW_OK;
}
