/* pmap_host_impl.h - what a pmap over the host consists of, for the files that make it. */
#pragma once
#include "../base/htab.h"
#include "pmap_host.h"
#include <sys/mman.h>

enum { PAGE_SHIFT = 12, PAGE_BYTES = 1 << PAGE_SHIFT };
enum { CHUNK_SHIFT = 9, CHUNK_PAGES = 1 << CHUNK_SHIFT };
enum { DROP_BATCH = 64, DROP_CALL = 256, STAGE_SPARE = 64, RUN_MOST = 64 };
#define WORD_DYING 0x80000000u

enum stay { STAY_TOLD, STAY_ASKED, STAY_GUESSED };
enum place { PLACE_NONE, PLACE_STAGED, PLACE_MAPPED, PLACE_DYING };

struct host_frame {
	struct host_pmap *space;   /* of the translation, or of the drop */
	uint64_t vpn;
	uint32_t at;               /* STAGED: staging page; DYING: place in the queue */
	uint8_t place, bits, prot, stay;
	bool kept;                 /* STAGED, DYING: there is a translation all the same */
	bool writable;             /* MAPPED, DYING: in the host, too */
	bool wired;
};
/* 512 pages of a window: for each the frame mapped there plus one, or with WORD_DYING the one that is being dropped, or 0. */
struct chunk {
	uint32_t word[CHUNK_PAGES];
	uint32_t n_words;
	uint64_t written[CHUNK_PAGES / 64]; /* did the page end its last stay written? */
};
struct host_pmap {
	struct pmap pmap;
	struct htab chunks;        /* vpn >> CHUNK_SHIFT -> chunk */
	uint64_t offset, resident;
	uint64_t chunk_key;        /* found last */
	struct chunk *chunk;       /* NULL: none */
};
struct drop {
	struct host_pmap *space;
	uint64_t vpn;
	uint32_t frame;            /* plus one; 0: its bytes are unwanted */
};
struct host {
	struct pmap_sys sys;
	const struct uffd *uffd;
	struct host_frame *frame;
	uint64_t n_frames;
	struct drop *drop;
	uint32_t n_drops, drop_max;
	unsigned how;              /* pages come in: UFFD_QUIET or nothing */
	bool unprotected;          /* some of them are still writable */
	uint8_t *staging;          /* reserved: touched only as far as it is used */
	uint32_t *stage_free;      /* pages of it in use before, last freed first */
	uint32_t n_stage_free, n_stage_clean, stage_fresh;
	int32_t written_share[2];  /* see pmap_host_guess.c */
	uint32_t n_guesses;
	const char *broken;
	struct pmap_host_counts counts;
};

static inline struct host *host_of(const struct pmap_sys *sys) { return (struct host *)sys; }
static inline struct host_pmap *space_of(const struct pmap *p) { return (struct host_pmap *)p; }
static inline struct host *host_of_space(const struct host_pmap *p) { return host_of(p->pmap.sys); }
static inline uint64_t address_of(const struct host_pmap *p, uint64_t vpn) { return (vpn << PAGE_SHIFT) + p->offset; }
static inline bool is_mapped(const struct host_frame *f) { return f->place == PLACE_MAPPED || f->kept; }

/* The host refused something that cannot be taken back: from now on the pmap is broken. */
void host_check(struct host *h, enum pw_err err, const char *what);

/* pmap_host_words.c: which frame is at a page. */
struct chunk *host_chunk_find(struct host_pmap *p, uint64_t vpn); /* NULL: nothing was ever mapped near it */
struct chunk *host_chunk_make(struct host_pmap *p, uint64_t vpn); /* NULL: no memory */
uint32_t host_word_get(struct host_pmap *p, uint64_t vpn);
void host_word_set(struct host_pmap *p, uint64_t vpn, uint32_t word); /* => the chunk exists */
struct host_frame *host_frame_at(struct host_pmap *p, uint64_t vpn);  /* the frame mapped there, or NULL */
void host_chunks_free(struct host_pmap *p);

/* pmap_host_guess.c: is a page about to be written?  A stay begins when its bytes come into the window. */
bool host_stay_begin(struct host *h, struct host_frame *f, bool store); /* => true: let it be writable at once */
void host_stay_end(struct host *h, struct host_frame *f);

/* pmap_host_drop.c: where bytes are that are in no window, and pages on their way out of one. */
uint8_t *host_stage_bytes(const struct host *h, uint32_t stage);
void host_stage_give(struct host *h, uint32_t stage);
void host_frame_to_stage(struct host *h, struct host_frame *f); /* => it had none: its bytes are whatever was there */
void host_frame_protect(struct host *h, struct host_frame *f);
void host_drop_push(struct host *h, struct host_frame *f);      /* MAPPED becomes DYING */
void host_drop_cancel(struct host *h, struct host_frame *f);    /* DYING becomes MAPPED */
void host_drops_protect(struct host *h);                        /* => no page in the queue is writable */
void host_frame_detach(struct host *h, struct host_frame *f);   /* the translation goes; the bytes stay somewhere */
