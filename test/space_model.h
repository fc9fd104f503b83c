/* space_model.h - what address spaces mean, and nothing of how: the model that the kernel is compared with.
 *
 * A few processes of a few pages each; files and shared memory.  A page is so many 64-bit words at fixed places, everything else in
 * it is zero.  Nothing here knows of frames, faults, swap or translations.  Pages are counted from 0. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
	MODEL_PAGES = 64,    /* of a process */
	MODEL_PROCS = 5,
	MODEL_WORDS = 4,     /* of a page that may be other than zero */
	MODEL_FILES = 3,
	MODEL_FILE_PAGES = 16,
	MODEL_OBJECTS = MODEL_PROCS * MODEL_PAGES + 1,
};
enum { MODEL_READ = 1, MODEL_WRITE = 2, MODEL_EXEC = 4 };

enum model_backing { MODEL_NOTHING, MODEL_PRIVATE, MODEL_PRIVATE_FILE, MODEL_SHARED, MODEL_SHARED_FILE, MODEL_BACKINGS };

struct model_words {
	uint64_t word[MODEL_WORDS];
};
struct model_page {
	enum model_backing backing;
	unsigned prot;
	bool own;              /* private: the words are its own */
	bool lazy;             /* MADV_FREE: its own words may have become those of since */
	bool no_fork, wiped;   /* DONTFORK, WIPEONFORK */
	bool guard, locked;
	uint32_t object, index;
	struct model_words words;
	struct model_words since; /* lazy: zeros, and what was written since */
	bool rewritten;        /* lazy: something was */
};
struct model_process {
	bool exists;
	struct model_page page[MODEL_PAGES];
};
struct model {
	struct model_process process[MODEL_PROCS];
	struct model_words file[MODEL_FILES][MODEL_FILE_PAGES];
	struct model_words object[MODEL_OBJECTS][MODEL_PAGES];
};

enum model_answer { MODEL_ALLOWED, MODEL_REFUSED, MODEL_BEYOND };

/* May the process do this?  wanted is one of MODEL_READ, WRITE, EXEC. */
enum model_answer model_asks(const struct model *m, unsigned process, unsigned page, unsigned wanted);
/* What it reads there. */
const struct model_words *model_reads(const struct model *m, unsigned process, unsigned page);
void model_writes(struct model *m, unsigned process, unsigned page, unsigned word, uint64_t value);
/* The page was seen so.  Where two answers are right the one that was seen is the truth from now on.  => false: it is wrong */
bool model_settles(struct model *m, unsigned process, unsigned page, const struct model_words *seen);

bool model_is_mapped(const struct model *m, unsigned process, unsigned first, unsigned n);
bool model_is_free(const struct model *m, unsigned process, unsigned first, unsigned n);
/* object: a file, or shared memory from model_object; index: of the first page in it. */
void model_map(struct model *m, unsigned process, unsigned first, unsigned n, const struct model_page *like);
void model_unmap(struct model *m, unsigned process, unsigned first, unsigned n);
void model_protect(struct model *m, unsigned process, unsigned first, unsigned n, unsigned prot);
void model_move(struct model *m, unsigned process, unsigned from, unsigned n, unsigned to, unsigned to_n);
void model_lock(struct model *m, unsigned process, unsigned first, unsigned n, bool locked);
/* Shared memory that nobody has mapped, made zeros. */
uint32_t model_object(struct model *m);
void model_fork(struct model *m, unsigned parent, unsigned child);
void model_start(struct model *m, unsigned process);
void model_end(struct model *m, unsigned process);
/* MADV_DONTNEED, FREE, REMOVE, DONTFORK, DOFORK, WIPEONFORK, KEEPONFORK, 102 and 103: guards; other advice changes nothing that can be
 * seen. */
void model_advise(struct model *m, unsigned process, unsigned first, unsigned n, int advice);
