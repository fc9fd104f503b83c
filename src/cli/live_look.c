/* live_look.c - a moment of a paged program.
 *
 * Problem: the one who watches may be the command that started the program, or somebody at another terminal; they are to see the same.
 * Idea: both read the result object, which is what the control socket answers.  Rates are differences over the program's own clock. */
#include "live_look.h"
#include "../live/pager.h"
#include "../sim/lookup.h"
#include <stdio.h>
#include <string.h>

static double number_at(const json_t *root, const char *path)
{
	return json_number_value(lookup(root, path));
}

static void command_read(const json_t *root, struct live_look *ret)
{
	size_t i, at = 0;
	json_t *word;
	json_array_foreach(json_object_get(root, "command"), i, word) {
		const char *text = json_string_value(word);
		int n = snprintf(ret->command + at, sizeof ret->command - at, "%s%s", at ? " " : "", text ? text : "");
		at += n > 0 ? (size_t)n : 0;
		if (at >= sizeof ret->command)
			break;
	}
	for (char *c = ret->command; *c; c++)
		*c = *c >= ' ' && *c != 127 ? *c : ' ';
}

bool live_look_read(const char *json, struct live_look *ret)
{
	json_t *root = json_loads(json, 0, NULL);
	*ret = (struct live_look){ .wall_s = 0 };
	if (!json_is_object(root) || !lookup(root, "live")) {
		json_decref(root);
		return false;
	}
#define X(name, path) ret->name = number_at(root, path);
	LIVE_LOOK_LIST(X)
#undef X
	for (unsigned i = 0; i < FAULT_CAUSES; i++) {
		char path[64];
		snprintf(path, sizeof path, "faults.by_cause.%s", fault_cause_name(i));
		ret->cause[i] = number_at(root, path);
	}
	command_read(root, ret);
	json_decref(root);
	return true;
}

double live_look_ratio(const struct live_look *l)
{
	return l->packed_bytes > 0 ? l->stored_pages * PAGER_PAGE / l->packed_bytes : 0;
}

static double mib(double bytes) { return bytes / (1 << 20); }

void live_look_line(const struct live_look *now, const struct live_look *then, char *text, size_t size)
{
	char ratio[32] = "";
	double seconds = now->wall_s - then->wall_s, per = seconds > 0 ? 1 / seconds : 0;
	if (live_look_ratio(now) > 0)
		snprintf(ratio, sizeof ratio, " (%.1f:1)", live_look_ratio(now));
	snprintf(text, size, "%.1f of %.1f MiB, %.1f swapped%s; %.0f faults/s; in %.1f, out %.1f MiB/s",
	         mib(now->resident_pages * PAGER_PAGE), mib(now->ram_bytes), mib(now->swapped_pages * PAGER_PAGE), ratio,
	         (now->faults - then->faults) * per, mib((now->pages_in - then->pages_in) * per * PAGER_PAGE),
	         mib((now->pages_out - then->pages_out) * per * PAGER_PAGE));
}
