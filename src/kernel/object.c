/* object.c - files and shared memory as objects.
 *
 * Problem: pages of a file are the same pages for everybody who maps it, also for who maps it later; pages shared without a file
 * live as long as somebody maps them and go to swap like private ones.
 * Idea: an object is a sparse array of its pages.  For a file a word is a frame, or the mark that the page was here and had to
 * leave, which is how a page that comes back is told from one that comes first.  For shared memory a word is an anonymous page.
 *
 * 1. A file's word that names a frame names one in state FILE whose owner and index say so.
 * 2. Each word of shared memory is one reference to its anonymous page.
 * Rejected: freeing a file's pages with its last mapping: the second program of a pipeline would read its libraries from disk. */
#include "object.h"
#include "../base/mem.h"
#include "state.h"

enum pw_err objects_init(struct objects *os)
{
	*os = (struct objects){ 0 };
	return htab_init(&os->by_file_id, 0);
}

void objects_fini(struct objects *os)
{
	for (uint32_t i = 0; i < os->n_files; i++) {
		pages_fini(&os->file[i]->pages);
		mem_free(os->file[i]);
	}
	mem_free(os->file);
	htab_fini(&os->by_file_id);
	*os = (struct objects){ 0 };
}

static enum pw_err file_add(struct objects *os, uint64_t file_id, uint64_t bytes, struct object **ret)
{
	struct object **grown = mem_realloc(os->file, os->n_files + 1, sizeof *grown);
	if (!grown)
		return PW_NOMEM;
	os->file = grown;
	struct object *o = mem_zalloc(1, sizeof *o);
	uint64_t *place = o ? htab_put(&os->by_file_id, file_id) : NULL;
	if (!place) {
		mem_free(o);
		return PW_NOMEM;
	}
	*o = (struct object){ .kind = OBJECT_FILE, .id = os->n_files, .file_id = file_id, .bytes = bytes };
	pages_init(&o->pages);
	*place = o->id;
	os->file[os->n_files++] = o;
	*ret = o;
	return PW_OK;
}

enum pw_err object_file(struct objects *os, uint64_t file_id, uint64_t bytes, struct object **ret)
{
	const uint64_t *id = htab_get(&os->by_file_id, file_id);
	struct object *o = id ? os->file[*id] : NULL;
	enum pw_err err = o ? PW_OK : file_add(os, file_id, bytes, &o);
	if (err)
		return err;
	o->bytes = bytes;
	*ret = object_ref(o);
	return PW_OK;
}

enum pw_err object_shared(uint64_t bytes, struct object **ret)
{
	struct object *o = mem_zalloc(1, sizeof *o);
	if (!o)
		return PW_NOMEM;
	*o = (struct object){ .kind = OBJECT_SHARED, .refs = 1, .bytes = bytes };
	pages_init(&o->pages);
	*ret = o;
	return PW_OK;
}

void object_punch(struct kernel *k, struct object *o, uint64_t first, uint64_t end)
{
	if (o->kind == OBJECT_FILE)
		return;
	for (uint32_t anon; (anon = pages_next(&o->pages, &first, end)); first++) {
		pages_clear(&o->pages, first);
		page_unref_anon(k, anon);
	}
}

void object_unref(struct kernel *k, struct object *o)
{
	if (!o || --o->refs || o->kind == OBJECT_FILE)
		return;
	object_punch(k, o, 0, UINT64_MAX);
	pages_fini(&o->pages);
	mem_free(o);
}

uint64_t object_n_pages(const struct object *o, unsigned page_shift)
{
	uint64_t n = (o->bytes >> page_shift) + (o->bytes & ((1ull << page_shift) - 1) ? 1 : 0);
	return n < FRAME_INDEX_MAX ? n : FRAME_INDEX_MAX;
}
