/* store.c - opening a store by its spec, and what every kind shares.
 *
 * Problem: a swap place is named by a person in one word; every kind must refuse nonsense in the same way, and every transfer must
 * be able to fail in a test.
 * Idea: the part before the colon picks the kind from STORE_LIST, the rest is the kind's own; the checked transfers store_read
 * and store_write are the only ones callers use.
 *
 * 1. A transfer that passes the checks stays inside the capacity.
 * 2. An injected failure happens before the store is asked, so its state is as if the device had refused.
 * Rejected: wrapping a store in a failing store, since the wrapper would have to be built by every caller of store_open. */
#include "../base/inject.h"
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
	char forms[200] = "";
	for (unsigned i = 0, at = 0; i < N_KINDS && at < sizeof forms; i++)
		at += (unsigned)snprintf(forms + at, sizeof forms - at, "%s%s", i ? ", " : "", kinds[i]->form);
	return pw_fail(why, PW_INVALID, "'%s' is not a kind of store; write one of: %s", spec, forms);
}

enum pw_err store_open(const char *spec, uint32_t page_bytes, uint64_t n_slots, struct store **ret, struct pw_why *why)
{
	size_t length = strcspn(spec, ":");
	struct store like = { .page_bytes = page_bytes, .n_slots = n_slots };
	for (unsigned i = 0; i < N_KINDS; i++) {
		const char *name = kinds[i]->ops->name;
		if (strlen(name) == length && !memcmp(name, spec, length))
			return kinds[i]->open(spec[length] ? spec + length + 1 : "", &like, ret, why);
	}
	return kind_unknown(spec, why);
}

void store_close(struct store *s)
{
	if (s)
		s->ops->close(s);
}

static enum pw_err transfer_check(const struct store *s, enum store_direction d, uint64_t slot, uint32_t n, struct pw_why *why)
{
	const char *verb = d == STORE_READ ? "read" : "write";
	if (slot > s->n_slots || n > s->n_slots - slot)
		return pw_fail(why, PW_NOSPACE, "swap %s: slot %llu is beyond the last of %llu", verb,
		               (unsigned long long)(slot + n - 1), (unsigned long long)s->n_slots);
	if (inject(d == STORE_READ ? INJECT_STORE_READ : INJECT_STORE_WRITE))
		return pw_fail(why, PW_IO, "swap %s: slot %llu: injected failure", verb, (unsigned long long)slot);
	return PW_OK;
}

enum pw_err store_read(struct store *s, uint64_t slot, uint32_t n, void *const pages[], struct pw_why *why)
{
	enum pw_err err = transfer_check(s, STORE_READ, slot, n, why);
	return err ? err : s->ops->read(s, slot, n, pages, why);
}

enum pw_err store_write(struct store *s, uint64_t slot, uint32_t n, const void *const pages[], struct pw_why *why)
{
	enum pw_err err = transfer_check(s, STORE_WRITE, slot, n, why);
	return err ? err : s->ops->write(s, slot, n, pages, why);
}

enum pw_err store_model_read(struct store *s, uint64_t slot, uint32_t n, void *const pages[], struct pw_why *why)
{
	(void)slot, (void)n, (void)pages;
	return pw_fail(why, PW_UNSUPPORTED, "store %s models time and keeps no bytes; use ram or file:PATH", s->ops->name);
}

enum pw_err store_model_write(struct store *s, uint64_t slot, uint32_t n, const void *const pages[], struct pw_why *why)
{
	(void)slot, (void)n, (void)pages;
	return pw_fail(why, PW_UNSUPPORTED, "store %s models time and keeps no bytes; use ram or file:PATH", s->ops->name);
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
