/* crypt.c - a store whose contents only this process can read.
 *
 * Problem: what leaves memory for a disk outlives the process: in a file system's free blocks, in a stolen disk, in a backup.
 * Idea: every page is sealed with XChaCha20-Poly1305 before the store below sees it.  The key is random, made at opening, kept in memory
 * that is locked against swapping and left out of core dumps, and wiped at closing; nothing can be read afterwards, which is meant.
 * A page keeps its size: what belongs to its seal stays in memory, by slot.
 *
 *     record of a slot:  version (8 bytes), seal (16 bytes)          nonce: version, slot, zeros (24 bytes)
 *
 * 1. A version is never used twice under one key: one counter for all slots, which would take centuries to wrap.
 * 2. The slot is part of the nonce, so a page moved to another slot by somebody does not open.
 * Rejected: a key from a file or the command line (something else to keep safe), AES-XTS (notices no change).
 * Source: Y. Nir, A. Langley, RFC 8439; S. Arciszewski, draft-irtf-cfrg-xchacha-03; libsodium does it. */
#include "../base/mem.h"
#include "kind.h"
#include "lane.h"
#include <sodium.h>
#include <string.h>

struct seal {
	uint64_t version;
	uint8_t tag[crypto_aead_xchacha20poly1305_ietf_ABYTES];
};
struct crypt_lane {
	struct lane lane;
	uint8_t *bytes; /* a batch of sealed pages */
};
struct crypt {
	struct store store, *below;
	uint8_t *key;
	struct slots seals;
	uint64_t version;
	struct crypt_lane lane[LANES];
	uint8_t *area;
	size_t area_bytes;
};

static struct crypt_lane *lane_enter(struct crypt *c, void *pages[STORE_BATCH])
{
	struct lane *all[LANES];
	for (int i = 0; i < LANES; i++)
		all[i] = &c->lane[i].lane;
	struct crypt_lane *l = (struct crypt_lane *)lane_take(all);
	for (uint32_t i = 0; i < STORE_BATCH; i++)
		pages[i] = l->bytes + (size_t)i * c->store.page_bytes;
	return l;
}

static void nonce_make(uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES], uint64_t version, uint64_t slot)
{
	memset(nonce, 0, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	memcpy(nonce, &version, 8);
	memcpy(nonce + 8, &slot, 8);
}

static struct seal *seal_of(const struct crypt *c, uint64_t slot)
{
	struct seal *leaf = slots_leaf(&c->seals, slot);
	return leaf ? &leaf[slot % SLOTS_LEAF] : NULL;
}

static enum pw_err page_open(struct crypt *c, uint64_t slot, const void *sealed, void *page, struct pw_why *why)
{
	const struct seal *seal = seal_of(c, slot);
	uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	if (!seal || !seal->version) {
		memset(page, 0, c->store.page_bytes);
		return PW_OK;
	}
	nonce_make(nonce, seal->version, slot);
	if (!crypto_aead_xchacha20poly1305_ietf_decrypt_detached(page, NULL, sealed, c->store.page_bytes, seal->tag, NULL, 0, nonce,
	                                                         c->key))
		return PW_OK;
	return pw_fail(why, PW_CORRUPT, "store crypt:%s: slot %llu: its seal is broken: what was read is not what was written",
	               c->below->ops->name, (unsigned long long)slot);
}

static void page_seal(struct crypt *c, uint64_t slot, const void *page, void *sealed)
{
	struct seal *seal = seal_of(c, slot);
	uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	seal->version = __atomic_add_fetch(&c->version, 1, __ATOMIC_RELAXED);
	nonce_make(nonce, seal->version, slot);
	crypto_aead_xchacha20poly1305_ietf_encrypt_detached(sealed, seal->tag, NULL, page, c->store.page_bytes, NULL, 0, NULL, nonce,
	                                                    c->key);
}

static enum pw_err crypt_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	struct crypt *c = (struct crypt *)s;
	void *sealed[STORE_BATCH];
	struct crypt_lane *lane = lane_enter(c, sealed);
	enum pw_err err = c->below->ops->read(c->below, n, slot, sealed, why);
	for (uint32_t i = 0; !err && i < n; i++)
		err = page_open(c, slot[i], sealed[i], pages[i], why);
	lane_leave(&lane->lane);
	return err;
}

static enum pw_err crypt_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	struct crypt *c = (struct crypt *)s;
	void *sealed[STORE_BATCH];
	enum pw_err err = PW_OK;
	for (uint32_t i = 0; !err && i < n; i++)
		err = slots_make(&c->seals, slot[i]) ? PW_OK : PW_NOMEM;
	if (err)
		return pw_fail(why, err, "store crypt: out of memory for a seal");
	struct crypt_lane *lane = lane_enter(c, sealed);
	for (uint32_t i = 0; i < n; i++)
		page_seal(c, slot[i], pages[i], sealed[i]);
	err = c->below->ops->write(c->below, n, slot, (const void *const *)sealed, why);
	lane_leave(&lane->lane);
	return err;
}

static void crypt_discard(struct store *s, uint64_t slot, uint32_t n)
{
	struct crypt *c = (struct crypt *)s;
	for (uint64_t i = slot; i < slot + n; i++) {
		struct seal *seal = seal_of(c, i);
		if (seal)
			seal->version = 0;
	}
	c->below->ops->discard(c->below, slot, n);
}

static enum pw_err crypt_flush(struct store *s, struct pw_why *why)
{
	struct store *below = ((struct crypt *)s)->below;
	return below->ops->flush ? below->ops->flush(below, why) : PW_OK;
}

static void crypt_stats(struct store *s, struct store_stats *sum)
{
	struct store *below = ((struct crypt *)s)->below;
	if (below->ops->stats)
		below->ops->stats(below, sum);
}

/* Sealing 4 KiB takes some 4 us. */
static uint64_t crypt_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	struct store *below = ((struct crypt *)s)->below;
	return below->ops->cost_ns(below, d, slot, n) + store_transfer_ns(s, n, 1u << 30);
}

static void crypt_close(struct store *s)
{
	struct crypt *c = (struct crypt *)s;
	store_close_inner(c->below);
	sodium_free(c->key); /* wipes it */
	mem_unreserve(c->area, c->area_bytes);
	slots_fini(&c->seals);
	for (int i = 0; i < LANES; i++)
		lane_fini(&c->lane[i].lane);
	mem_free(c);
}

static const struct store_ops crypt_ops = {
	.name = "crypt",
	.summary = "another store, encrypted with a key that lives only in this process",
	.read = crypt_read,
	.write = crypt_write,
	.discard = crypt_discard,
	.flush = crypt_flush,
	.stats = crypt_stats,
	.cost_ns = crypt_cost_ns,
	.close = crypt_close,
};

static enum pw_err crypt_build(struct crypt *c, struct pw_why *why)
{
	if (sodium_init() < 0)
		return pw_fail(why, PW_UNSUPPORTED, "store crypt: the encryption library cannot start: no source of random numbers");
	c->key = sodium_malloc(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
	if (!c->key || sodium_mlock(c->key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES))
		return pw_fail(why, PW_NOMEM, "store crypt: memory for the key cannot be locked; raise the limit (ulimit -l)");
	crypto_aead_xchacha20poly1305_ietf_keygen(c->key);
	sodium_mprotect_readonly(c->key);
	size_t bytes = (size_t)STORE_BATCH * c->store.page_bytes;
	c->area_bytes = LANES * bytes;
	c->area = mem_reserve(c->area_bytes);
	for (size_t i = 0; i < LANES; i++)
		c->lane[i].bytes = c->area + i * bytes;
	if (c->area && slots_init(&c->seals, c->store.n_slots, SLOTS_LEAF, SLOTS_LEAF * sizeof(struct seal)))
		return PW_OK;
	return pw_fail(why, PW_NOMEM, "store crypt: %s", pw_err_text(PW_NOMEM));
}

static enum pw_err crypt_open(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why)
{
	struct store *below = NULL;
	if (!*spec->args)
		return pw_fail(why, PW_INVALID, "store crypt: what is to be encrypted is missing; write crypt:file:PATH");
	enum pw_err err = store_open_inner(spec->args, like, &below, why);
	struct crypt *c = err ? NULL : mem_zalloc(1, sizeof *c);
	if (!c) {
		store_close_inner(below);
		return err ? err : pw_fail(why, PW_NOMEM, "store crypt: %s", pw_err_text(PW_NOMEM));
	}
	c->store = *below;
	c->store.ops = &crypt_ops;
	c->below = below;
	for (int i = 0; i < LANES; i++)
		lane_init(&c->lane[i].lane);
	if (below->keeps_data)
		err = crypt_build(c, why);
	if (err)
		crypt_close(&c->store);
	else
		*ret = &c->store;
	return err;
}

const struct store_kind store_kind_crypt = { .ops = &crypt_ops, .form = "crypt:STORE", .open = crypt_open };
