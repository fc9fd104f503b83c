/* lab_walk.c - the translation of an address, as the page tables stand. */
#include "lab_impl.h"
#include "../machine/explain.h"

static bool kind_of(struct lab *l, const char *word, enum access_kind *ret)
{
	if (access_find(word, ret))
		return true;
	lab_fail(l, "walk: '%s' is neither load, store nor fetch", word);
	return false;
}

enum lab_outcome lab_walk(struct lab *l, const struct lab_line *line)
{
	const struct lab_process *p = lab_running(l);
	struct explain_want want = { .kind = ACCESS_LOAD, .user = !l->supervisor };
	struct explain e;
	if (!p || !lab_address(l, line->word[0], &want.va.v) || (line->n > 1 && !kind_of(l, line->word[1], &want.kind)))
		return LAB_ERROR;
	const struct ptfmt *f = machine_format(computer_machine(l->computer));
	struct memory_view view = memory_view_of(computer_memory(l->computer));
	explain_walk(f, &view, pfn_addr(pmap_machine_root(process_pmap(p->process)), f->page_shift), &want, &e);
	explain_print(&e, l->out);
	return LAB_DONE;
}
