/* walk_space.h - a whole address space as ranges or pages, and who maps a frame: as text and as JSON. */
#pragma once
#include "../machine/explain.h"

must_use enum pw_err walk_space_print(const struct ptfmt *f, const struct memory_view *m, paddr_t root, bool pages, FILE *out);
void walk_space_json(const struct ptfmt *f, const struct memory_view *m, paddr_t root, bool pages, struct jsonw *j);
must_use enum pw_err walk_find_print(const struct ptfmt *f, const struct memory_view *m, paddr_t root, paddr_t wanted, FILE *out);
void walk_find_json(const struct ptfmt *f, const struct memory_view *m, paddr_t root, paddr_t wanted, struct jsonw *j);
