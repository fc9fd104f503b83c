/* lookup.c - figures by path.
 *
 * Problem: --fail-on and diff need any figure of a result, by a name people can type.
 * Idea: the object's own member names joined by dots; what an array holds is named by its "name" or "pid".
 * 1. lookup_each gives exactly the paths under which lookup finds a number, each once (names that repeat: the first). */
#include "lookup.h"
#include "../base/text.h"
#include <stdio.h>
#include <string.h>

/* What an element of an array is called. */
static void element_name(const json_t *element, size_t index, char *buf, size_t size)
{
	const char *name = json_string_value(json_object_get(element, "name"));
	const json_t *pid = json_object_get(element, "pid");
	if (name && !pid)
		snprintf(buf, size, "%s", name);
	else if (json_is_integer(pid) && !name)
		snprintf(buf, size, "%lld", (long long)json_integer_value(pid));
	else
		snprintf(buf, size, "%zu", index);
}

static json_t *element_named(const json_t *array, const char *name)
{
	char own[256];
	size_t i;
	json_t *element;
	json_array_foreach(array, i, element) {
		element_name(element, i, own, sizeof own);
		if (strcmp(own, name) == 0)
			return element;
	}
	return NULL;
}

json_t *lookup(const json_t *root, const char *path)
{
	const json_t *at = root;
	char part[256];
	while (at && *path) {
		size_t n = strcspn(path, ".");
		snprintf(part, sizeof part, "%.*s", (int)(n < sizeof part ? n : sizeof part - 1), path);
		at = json_is_array(at) ? element_named(at, part) : json_object_get(at, part);
		path += n + (path[n] == '.');
	}
	return (json_t *)at;
}

struct each {
	bool (*visit)(void *ctx, const char *path, double value);
	void *ctx;
	char path[512];
};

static bool each_below(struct each *e, const json_t *at, size_t length);

static bool each_member(struct each *e, const json_t *value, size_t length, const char *name)
{
	int n = snprintf(e->path + length, sizeof e->path - length, "%s%s", length ? "." : "", name);
	return n < 0 || (size_t)n >= sizeof e->path - length || each_below(e, value, length + (size_t)n);
}

static bool each_below(struct each *e, const json_t *at, size_t length)
{
	const char *key;
	json_t *value;
	size_t i;
	char name[256];
	if (json_is_number(at))
		return e->visit(e->ctx, e->path, json_number_value(at));
	if (json_is_object(at)) {
		json_object_foreach((json_t *)at, key, value)
			if (!each_member(e, value, length, key))
				return false;
	}
	if (json_is_array(at)) {
		json_array_foreach(at, i, value) {
			element_name(value, i, name, sizeof name);
			if (!each_member(e, value, length, name))
				return false;
		}
	}
	return true;
}

void lookup_each(const json_t *root, bool (*visit)(void *ctx, const char *path, double value), void *ctx)
{
	struct each e = { .visit = visit, .ctx = ctx };
	each_below(&e, root, 0);
}

struct nearest {
	const char *path;
	char *buf;
	size_t size;
	bool found;
};

/* Near is a small difference, or the same last word elsewhere. */
static bool nearest_visit(void *ctx, const char *path, double value)
{
	struct nearest *n = ctx;
	const char *last = strrchr(path, '.'), *own = strrchr(n->path, '.');
	(void)value;
	bool near = text_nearest(n->path, &path, 1) != NULL;
	if (near || (!n->found && strcmp(last ? last + 1 : path, own ? own + 1 : n->path) == 0)) {
		snprintf(n->buf, n->size, "%s", path);
		n->found = true;
	}
	return !near;
}

bool lookup_nearest(const json_t *root, const char *path, char *buf, size_t size)
{
	struct nearest n = { path, buf, size, false };
	lookup_each(root, nearest_visit, &n);
	return n.found;
}
