/* walk.c - the walker's instances. */
#include "walk.h"
#include "formats.h"
#include "hashed.h"
#include <string.h>

#define X(name)                                                                                                            \
	static void walk_##name(const struct ptfmt *f, struct physmem *mem, pfn_t table, unsigned level, unsigned rights, \
				const struct walk_want *w, struct walk *r)                                                \
	{                                                                                                                 \
		(void)f;                                                                                                  \
		walk_down(&ptfmt_##name, mem, table, level, rights, w, r, NULL);                                                \
	}
PTFMT_CONST_LIST(X)
#undef X

static void walk_hashed(const struct ptfmt *f, struct physmem *mem, pfn_t table, unsigned level, unsigned rights,
			const struct walk_want *w, struct walk *r)
{
	(void)f, (void)level, (void)rights;
	hashed_walk(&ptfmt_hashed, mem, table, w, r, NULL);
}

/* For descriptors made at run time. */
static void walk_any(const struct ptfmt *f, struct physmem *mem, pfn_t table, unsigned level, unsigned rights,
		     const struct walk_want *w, struct walk *r)
{
	walk_down(f, mem, table, level, rights, w, r, NULL);
}

walk_fn walk_instance(const struct ptfmt *f)
{
#define X(format)                                            \
	if (strcmp(f->name, ptfmt_##format.name) == 0) \
		return walk_##format;
	PTFMT_CONST_LIST(X)
#undef X
	return f->hashed ? walk_hashed : walk_any;
}

void walk_from_root(const struct ptfmt *f, struct physmem *mem, pfn_t root, const struct walk_want *w, struct walk *r)
{
	*r = (struct walk){ .level = f->levels - 1u };
	if (!ptfmt_canonical(f, w->va))
		r->fault = MACHINE_FAULT_NONCANONICAL;
	else if (f->hashed)
		hashed_walk(f, mem, root, w, r, NULL);
	else
		walk_down(f, mem, root, f->levels - 1u, PT_EVERYTHING, w, r, NULL);
}
