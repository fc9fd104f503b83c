/* store.c - opening a store by its spec, and what every kind shares.
 *
 * Problem: a swap place is named by a person in one word; every kind must refuse nonsense in the same way.
 * Idea: the part before the first colon or equals sign picks the kind from STORE_LIST, "=SIZE" is its capacity, the rest is the
 * kind's own.  Kinds that stand on others open them by the same door-less call, so any can stand on any.
 *
 *     store_open --- door --- tier --+-- lz4
 *                                    +-- crypt --- file
 *
 * 1. A store that a caller holds has a door; one below another has none. */
#include "../base/mem.h"
#include "../base/text.h"
#include "kind.h"
#include <stdio.h>
#include <string.h>

static const struct store_kind *const kinds[] = {
#define X(name) &store_kind_##name,
	STORE_LIST(X)
#undef X
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

const struct store_ops *store_at(unsigned i)
{
	return i < N_KINDS ? kinds[i]->ops : NULL;
}

static enum pw_err kind_unknown(const char *spec, struct pw_why *why)
{
	char forms[300] = "";
	for (unsigned i = 0, at = 0; i < N_KINDS && at < sizeof forms; i++)
		at += (unsigned)snprintf(forms + at, sizeof forms - at, "%s%s", i ? ", " : "", kinds[i]->form);
	return pw_fail(why, PW_INVALID, "'%s' is not a kind of store; write one of: %s", spec, forms);
}

static const struct store_kind *kind_find(const char *spec, size_t length)
{
	for (unsigned i = 0; i < N_KINDS; i++) {
		const char *name = kinds[i]->ops->name;
		if (strlen(name) == length && !memcmp(name, spec, length))
			return kinds[i];
	}
	return NULL;
}

/* The SIZE of NAME=SIZE:ARGS, which begins at text. */
static enum pw_err capacity_read(const struct store_kind *kind, const char *text, struct store_spec *spec, struct pw_why *why)
{
	char word[32], what[40];
	size_t length = strcspn(text, ":");
	if (!kind->sized)
		return pw_fail(why, PW_INVALID, "store %s takes no size; write %s", spec->text, kind->form);
	snprintf(word, sizeof word, "%.*s", (int)(length < 31 ? length : 31), text);
	snprintf(what, sizeof what, "store %s", kind->ops->name);
	enum pw_err err = text_size_option(what, word, &spec->capacity, why);
	if (!err && !spec->capacity)
		err = pw_fail(why, PW_INVALID, "store %s: a capacity of 0 holds nothing", kind->ops->name);
	spec->args = text + length + (text[length] == ':');
	return err;
}

enum pw_err store_open_inner(const char *text, const struct store *like, struct store **ret, struct pw_why *why)
{
	size_t length = strcspn(text, ":=");
	const struct store_kind *kind = kind_find(text, length);
	struct store_spec spec = { .text = text, .args = text[length] ? text + length + 1 : "" };
	if (!kind)
		return kind_unknown(text, why);
	enum pw_err err = text[length] == '=' ? capacity_read(kind, text + length + 1, &spec, why) : PW_OK;
	return err ? err : kind->open(&spec, like, ret, why);
}

void store_close_inner(struct store *s)
{
	if (s)
		s->ops->close(s);
}

enum pw_err store_open(const char *spec, uint32_t page_bytes, uint64_t n_slots, struct store **ret, struct pw_why *why)
{
	struct store like = { .page_bytes = page_bytes, .n_slots = n_slots }, *s = NULL;
	enum pw_err err = store_open_inner(spec, &like, &s, why);
	if (!err)
		err = door_open(s, spec, why);
	if (err)
		store_close_inner(s);
	else
		*ret = s;
	return err;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	door_close(s);
	s->ops->close(s);
}

struct store store_of_kind(const struct store *like, const struct store_ops *ops)
{
	uint64_t n = like->n_slots < STORE_SLOTS_MAX ? like->n_slots : STORE_SLOTS_MAX;
	return (struct store){ .ops = ops, .page_bytes = like->page_bytes, .n_slots = n, .keeps_data = true };
}

enum pw_err store_model_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	(void)slot, (void)n, (void)pages;
	return pw_fail(why, PW_UNSUPPORTED, "store %s models time and keeps no bytes; use ram, lz4 or file:PATH", s->ops->name);
}

enum pw_err store_model_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	(void)slot, (void)n, (void)pages;
	return pw_fail(why, PW_UNSUPPORTED, "store %s models time and keeps no bytes; use ram, lz4 or file:PATH", s->ops->name);
}

void store_model_discard(struct store *s, uint64_t slot, uint32_t n)
{
	(void)s, (void)slot, (void)n;
}

static enum pw_err params_read(struct spec *spec, const struct store_param *param, unsigned n, struct pw_why *why)
{
	char known[160] = "";
	for (unsigned i = 0, at = 0; i < n; i++) {
		enum pw_err err = spec_size(spec, param[i].key, param[i].value, why);
		if (err)
			return err;
		if (at < sizeof known)
			at += (unsigned)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", param[i].key);
	}
	return spec_unused(spec, known, why);
}

enum pw_err store_params(const char *kind, const char *args, const struct store_param *param, unsigned n, struct pw_why *why)
{
	struct spec spec;
	char *text = *args ? mem_printf("%s:%s", kind, args) : mem_strdup(kind);
	if (!text)
		return pw_fail(why, PW_NOMEM, "store %s: %s", kind, pw_err_text(PW_NOMEM));
	enum pw_err err = spec_init(&spec, text, why);
	mem_free(text);
	if (err)
		return err;
	err = params_read(&spec, param, n, why);
	spec_fini(&spec);
	for (unsigned i = 0; !err && i < n; i++) {
		if (!*param[i].value)
			err = pw_fail(why, PW_INVALID, "store %s: %s must be more than 0", kind, param[i].key);
	}
	return err;
}

uint64_t store_transfer_ns(const struct store *s, uint32_t n, uint64_t bytes_per_s)
{
	unsigned __int128 ns = (unsigned __int128)s->page_bytes * n * 1000000000u;
	return (uint64_t)((ns + bytes_per_s - 1) / bytes_per_s);
}
