/* unpack.c - zlib, liblzma and libzstd behind one call.
 *
 * Problem: each library has its own idea of a stream, of its end and of what follows it.
 * Idea: a kind is three functions over (in, out) windows and one flag, whole, that is true exactly when the input may end.
 *
 * 1. A step uses up in or fills out, unless it fails.
 * 2. whole is false from the first byte of a member to its last one.
 * 3. Members follow each other without end; zero bytes after a gzip member are padding, as gzip itself treats them.
 * Rejected: running the tools as child processes (no error text of our own, not everywhere installed). */
#include "unpack.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { WINDOW_LOG_MAX = sizeof(size_t) == 8 ? 31 : 30 };

struct unpack_kind {
	const char *name;
	bool (*begins)(const uint8_t *first, size_t n);
	enum pw_err (*start)(struct unpack *u);
	enum pw_err (*step)(struct unpack *u, bool last);
	void (*stop)(struct unpack *u);
};

static void *zlib_alloc(void *opaque, unsigned n, unsigned bytes)
{
	(void)opaque;
	return mem_zalloc(n, bytes);
}

static void zlib_free(void *opaque, void *p)
{
	(void)opaque;
	mem_free(p);
}

static bool gzip_begins(const uint8_t *b, size_t n)
{
	return n >= 2 && b[0] == 0x1f && b[1] == 0x8b;
}

static enum pw_err gzip_start(struct unpack *u)
{
	z_stream *z = mem_zalloc(1, sizeof *z);
	if (!z)
		return PW_NOMEM;
	z->zalloc = zlib_alloc;
	z->zfree = zlib_free;
	if (inflateInit2(z, 15 + 16) != Z_OK) {
		mem_free(z);
		return PW_NOMEM;
	}
	u->state = z;
	return PW_OK;
}

/* Between members: skips padding and gets ready for the next member, if there is one. */
static enum pw_err gzip_next_member(struct unpack *u)
{
	while (u->in_n && !*u->in) {
		u->in++;
		u->in_n--;
	}
	return u->in_n && inflateReset(u->state) != Z_OK ? PW_FORMAT : PW_OK;
}

/* One call of inflate.  => *ret is what it answered. */
static void gzip_inflate(struct unpack *u, int *ret)
{
	z_stream *z = u->state;
	size_t room = u->out_n < UINT32_MAX ? u->out_n : UINT32_MAX;
	z->next_in = (uint8_t *)u->in;
	z->avail_in = (unsigned)u->in_n;
	z->next_out = u->out;
	z->avail_out = (unsigned)room;
	*ret = inflate(z, Z_NO_FLUSH);
	u->in = z->next_in;
	u->in_n = z->avail_in;
	u->out = z->next_out;
	u->out_n -= room - z->avail_out;
	u->whole = *ret == Z_STREAM_END;
}

/* Inside a member zlib can owe output when no input is left, so it is asked until it has nothing to say. */
static enum pw_err gzip_step(struct unpack *u, bool last)
{
	const z_stream *z = u->state;
	(void)last;
	for (int got = Z_OK; u->out_n && got != Z_BUF_ERROR;) {
		enum pw_err err = u->whole && z->total_in ? gzip_next_member(u) : PW_OK;
		if (err || (u->whole && !u->in_n))
			return err;
		gzip_inflate(u, &got);
		if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR)
			return got == Z_MEM_ERROR ? PW_NOMEM : PW_FORMAT;
	}
	return PW_OK;
}

static void gzip_stop(struct unpack *u)
{
	inflateEnd(u->state);
	mem_free(u->state);
}

static void *lzma_get(void *opaque, size_t n, size_t bytes)
{
	(void)opaque;
	size_t total;
	return __builtin_mul_overflow(n, bytes, &total) ? NULL : mem_alloc(total);
}

static const lzma_allocator lzma_memory = { .alloc = lzma_get, .free = zlib_free };

static bool xz_begins(const uint8_t *b, size_t n)
{
	return n >= 6 && !memcmp(b, "\xfd" "7zXZ", 6);
}

static enum pw_err xz_start(struct unpack *u)
{
	lzma_stream *z = mem_zalloc(1, sizeof *z);
	if (!z)
		return PW_NOMEM;
	z->allocator = &lzma_memory;
	if (lzma_stream_decoder(z, UINT64_MAX, LZMA_CONCATENATED) != LZMA_OK) {
		lzma_end(z);
		mem_free(z);
		return PW_NOMEM;
	}
	u->state = z;
	return PW_OK;
}

static enum pw_err xz_step(struct unpack *u, bool last)
{
	lzma_stream *z = u->state;
	z->next_in = u->in;
	z->avail_in = u->in_n;
	z->next_out = u->out;
	z->avail_out = u->out_n;
	lzma_ret got = lzma_code(z, last ? LZMA_FINISH : LZMA_RUN);
	u->in = z->next_in;
	u->in_n = z->avail_in;
	u->out = z->next_out;
	u->out_n = z->avail_out;
	u->whole = got == LZMA_STREAM_END;
	if (got == LZMA_OK || got == LZMA_STREAM_END || got == LZMA_BUF_ERROR)
		return PW_OK;
	return got == LZMA_MEM_ERROR || got == LZMA_MEMLIMIT_ERROR ? PW_NOMEM : PW_FORMAT;
}

static void xz_stop(struct unpack *u)
{
	lzma_end(u->state);
	mem_free(u->state);
}

/* A zstd frame, or a skippable frame, with which the files of parallel compressors begin. */
static bool zstd_begins(const uint8_t *b, size_t n)
{
	return n >= 4 && (!memcmp(b, "\x28\xb5\x2f\xfd", 4) || ((b[0] & 0xf0) == 0x50 && !memcmp(b + 1, "\x2a\x4d\x18", 3)));
}

static enum pw_err zstd_start(struct unpack *u)
{
	u->state = inject(INJECT_ALLOC) ? NULL : ZSTD_createDCtx();
	/* Large traces are packed with zstd --long=31; what the library takes by default is less. */
	if (u->state)
		ZSTD_DCtx_setParameter(u->state, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	return u->state ? PW_OK : PW_NOMEM;
}

/* Like zlib, it can owe output when no input is left. */
static enum pw_err zstd_step(struct unpack *u, bool last)
{
	(void)last;
	ZSTD_inBuffer in = { .src = u->in, .size = u->in_n };
	ZSTD_outBuffer out = { .dst = u->out, .size = u->out_n };
	enum pw_err err = PW_OK;
	for (bool moved = true; moved && !err && out.pos < out.size && (in.pos < in.size || !u->whole);) {
		size_t before = in.pos + out.pos, left = ZSTD_decompressStream(u->state, &out, &in);
		moved = in.pos + out.pos != before;
		u->whole = left == 0;
		if (ZSTD_isError(left))
			err = ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? PW_NOMEM : PW_FORMAT;
	}
	u->in += in.pos;
	u->in_n -= in.pos;
	u->out += out.pos;
	u->out_n -= out.pos;
	return err;
}

static void zstd_stop(struct unpack *u)
{
	ZSTD_freeDCtx(u->state);
}

static bool plain_begins(const uint8_t *b, size_t n)
{
	(void)b;
	(void)n;
	return true;
}

static enum pw_err plain_start(struct unpack *u)
{
	(void)u;
	return PW_OK;
}

static enum pw_err plain_step(struct unpack *u, bool last)
{
	(void)last;
	size_t n = u->in_n < u->out_n ? u->in_n : u->out_n;
	memcpy(u->out, u->in, n);
	u->in += n;
	u->in_n -= n;
	u->out += n;
	u->out_n -= n;
	return PW_OK;
}

static void plain_stop(struct unpack *u)
{
	(void)u;
}

static const struct unpack_kind kinds[] = {
	{ "gzip", gzip_begins, gzip_start, gzip_step, gzip_stop },
	{ "xz", xz_begins, xz_start, xz_step, xz_stop },
	{ "zstd", zstd_begins, zstd_start, zstd_step, zstd_stop },
	{ "plain", plain_begins, plain_start, plain_step, plain_stop },
};

const struct unpack_kind *unpack_kind_of(const uint8_t *first, size_t n)
{
	const struct unpack_kind *k = kinds;
	while (!k->begins(first, n))
		k++;
	return k;
}

const char *unpack_name(const struct unpack_kind *kind)
{
	return kind->name;
}

enum pw_err unpack_start(struct unpack *u, const struct unpack_kind *kind)
{
	*u = (struct unpack){ .kind = kind, .whole = true };
	return kind->start(u);
}

void unpack_stop(struct unpack *u)
{
	if (u->kind)
		u->kind->stop(u);
	*u = (struct unpack){ 0 };
}

enum pw_err unpack_step(struct unpack *u, bool last)
{
	return u->kind->step(u, last);
}
