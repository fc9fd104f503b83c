/* space_model.c - see space_model.h.  Everything is copied whole; nothing is shared but what is shared by its meaning. */
#include "space_model.h"
#include <string.h>
#include <sys/mman.h>

static bool is_file(const struct model_page *p) { return p->backing == MODEL_PRIVATE_FILE || p->backing == MODEL_SHARED_FILE; }
static bool is_private(const struct model_page *p) { return p->backing == MODEL_PRIVATE || p->backing == MODEL_PRIVATE_FILE; }

enum model_answer model_asks(const struct model *m, unsigned process, unsigned page, unsigned wanted)
{
	const struct model_page *p = &m->process[process].page[page];
	unsigned rights = p->prot | (p->prot & MODEL_WRITE ? MODEL_READ : 0);
	if (p->backing == MODEL_NOTHING || p->guard || !(rights & wanted))
		return MODEL_REFUSED;
	return is_file(p) && p->index >= MODEL_FILE_PAGES ? MODEL_BEYOND : MODEL_ALLOWED;
}

static const struct model_words *below(const struct model *m, const struct model_page *p)
{
	static const struct model_words zeros;
	if (p->backing == MODEL_SHARED)
		return &m->object[p->object][p->index];
	return is_file(p) ? &m->file[p->object][p->index] : &zeros;
}

const struct model_words *model_reads(const struct model *m, unsigned process, unsigned page)
{
	const struct model_page *p = &m->process[process].page[page];
	return p->own ? &p->words : below(m, p);
}

void model_writes(struct model *m, unsigned process, unsigned page, unsigned word, uint64_t value)
{
	struct model_page *p = &m->process[process].page[page];
	if (is_private(p) && !p->own) {
		p->words = *below(m, p);
		p->own = true;
	}
	struct model_words *to = is_private(p) ? &p->words : (struct model_words *)below(m, p);
	to->word[word] = value;
	p->since.word[word] = value;
	p->rewritten = true;
}

bool model_settles(struct model *m, unsigned process, unsigned page, const struct model_words *seen)
{
	struct model_page *p = &m->process[process].page[page];
	bool as_it_was = !memcmp(seen, model_reads(m, process, page), sizeof *seen);
	if (!as_it_was && (!p->lazy || memcmp(seen, &p->since, sizeof *seen)))
		return false;
	if (!as_it_was)
		p->words = p->since;
	p->lazy &= !p->rewritten;
	return true;
}

bool model_is_mapped(const struct model *m, unsigned process, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		if (m->process[process].page[i].backing == MODEL_NOTHING)
			return false;
	}
	return true;
}

bool model_is_free(const struct model *m, unsigned process, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		if (m->process[process].page[i].backing != MODEL_NOTHING)
			return false;
	}
	return true;
}

void model_map(struct model *m, unsigned process, unsigned first, unsigned n, const struct model_page *like)
{
	for (unsigned i = 0; i < n; i++) {
		struct model_page *p = &m->process[process].page[first + i];
		*p = *like;
		p->index = like->index + i;
	}
}

void model_unmap(struct model *m, unsigned process, unsigned first, unsigned n)
{
	memset(&m->process[process].page[first], 0, n * sizeof(struct model_page));
}

void model_protect(struct model *m, unsigned process, unsigned first, unsigned n, unsigned prot)
{
	for (unsigned i = first; i < first + n; i++)
		m->process[process].page[i].prot = prot;
}

void model_move(struct model *m, unsigned process, unsigned from, unsigned n, unsigned to, unsigned to_n)
{
	struct model_page moved[MODEL_PAGES], *page = m->process[process].page;
	for (unsigned i = 0; i < to_n; i++) {
		moved[i] = page[from + (i < n ? i : n - 1)];
		if (i < n)
			continue;
		moved[i].own = moved[i].lazy = moved[i].guard = false;
		moved[i].index += i - n + 1;
	}
	model_unmap(m, process, from, n);
	memcpy(&page[to], moved, to_n * sizeof *moved);
}

void model_lock(struct model *m, unsigned process, unsigned first, unsigned n, bool locked)
{
	for (unsigned i = first; i < first + n; i++)
		m->process[process].page[i].locked = locked;
}

static bool object_is_used(const struct model *m, uint32_t object)
{
	for (unsigned i = 0; i < MODEL_PROCS; i++) {
		for (unsigned j = 0; j < MODEL_PAGES; j++) {
			const struct model_page *p = &m->process[i].page[j];
			if (p->backing == MODEL_SHARED && p->object == object)
				return true;
		}
	}
	return false;
}

uint32_t model_object(struct model *m)
{
	uint32_t object = 0;
	while (object_is_used(m, object)) /* there is one more of them than pages */
		object++;
	memset(&m->object[object], 0, sizeof m->object[object]);
	return object;
}

void model_fork(struct model *m, unsigned parent, unsigned child)
{
	m->process[child] = m->process[parent];
	for (unsigned i = 0; i < MODEL_PAGES; i++) {
		struct model_page *p = &m->process[child].page[i];
		p->locked = false;
		if (p->no_fork)
			*p = (struct model_page){ 0 };
		else if (p->wiped)
			p->own = p->lazy = p->guard = false;
	}
}

void model_start(struct model *m, unsigned process) { m->process[process] = (struct model_process){ .exists = true }; }
void model_end(struct model *m, unsigned process) { m->process[process] = (struct model_process){ 0 }; }

static void page_frees(struct model_page *p)
{
	p->lazy = p->own;
	p->rewritten = false;
	p->since = (struct model_words){ { 0 } };
}

static void advise_page(struct model *m, struct model_page *p, int advice)
{
	if (advice == MADV_DONTNEED && is_private(p))
		p->own = p->lazy = false;
	else if (advice == MADV_FREE && is_private(p))
		page_frees(p);
	else if (advice == MADV_REMOVE && p->backing == MODEL_SHARED)
		m->object[p->object][p->index] = (struct model_words){ { 0 } };
	else if (advice == 102)
		*p = (struct model_page){ .backing = p->backing, .prot = p->prot, .object = p->object, .index = p->index,
			                  .no_fork = p->no_fork, .wiped = p->wiped, .guard = true };
	else if (advice == 103)
		p->guard = false;
	else if (advice == MADV_DONTFORK || advice == MADV_DOFORK)
		p->no_fork = advice == MADV_DONTFORK;
	else if (advice == MADV_WIPEONFORK || advice == MADV_KEEPONFORK)
		p->wiped = advice == MADV_WIPEONFORK;
}

void model_advise(struct model *m, unsigned process, unsigned first, unsigned n, int advice)
{
	for (unsigned i = first; i < first + n; i++)
		if (m->process[process].page[i].backing != MODEL_NOTHING)
			advise_page(m, &m->process[process].page[i], advice);
}
