/* walk.c - a walk by itself, for whoever asks what the tables say; the MMU makes its own. */
#include "walk.h"
#include "formats.h"
#include "hashed.h"
#include <string.h>

pt_inline void walk_whole(const struct ptfmt *f, struct physmem *mem, pfn_t root, const struct walk_want *w, struct walk *r)
{
	*r = (struct walk){ .level = f->levels - 1u };
	if (!ptfmt_canonical(f, w->va))
		r->fault = MACHINE_FAULT_NONCANONICAL;
	else if (f->hashed)
		hashed_walk(f, mem, root, w, r, NULL);
	else
		walk_down(f, mem, root, f->levels - 1u, PT_EVERYTHING, w, r, NULL);
}

void walk_from_root(const struct ptfmt *f, struct physmem *mem, pfn_t root, const struct walk_want *w, struct walk *r)
{
	walk_whole(f, mem, root, w, r);
}

#define X(name)                                                                                                                 \
	static void walk_##name(const struct ptfmt *f, struct physmem *mem, pfn_t root, const struct walk_want *w, struct walk *r) \
	{                                                                                                                           \
		(void)f;                                                                                                            \
		walk_whole(&ptfmt_##name, mem, root, w, r);                                                                         \
	}
PTFMT_CONST_LIST(X)
#undef X

walk_fn walk_instance(const struct ptfmt *f)
{
#define X(format)                                      \
	if (strcmp(f->name, ptfmt_##format.name) == 0) \
		return walk_##format;
	PTFMT_CONST_LIST(X)
#undef X
	return walk_from_root;
}
