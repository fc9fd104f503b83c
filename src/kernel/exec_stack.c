/* exec_stack.c - the first contents of a program's stack.
 *
 * Problem.  A program learns its arguments, its environment, where it and its interpreter were put, and how large a page is, from words
 * on its stack, some of which point to others there.
 * Idea.  Sizes first, so that every address is known; then one buffer is filled in two movements: strings, and the words below them.
 *
 * 1. The stack pointer is a multiple of 16.
 * 2. Nothing is written outside the buffer: both movements end where the sizes said.
 *
 * Source: System V Application Binary Interface, AMD64 supplement, 3.4.1 "Initial Stack and Register State" (i386: 3.3). */
#include "exec_stack.h"
#include "../base/mem.h"
#include <elf.h>
#include <string.h>

enum { OWN_PAIRS = 3 }; /* AT_RANDOM, AT_EXECFN, AT_NULL */

struct writing {
	uint8_t *bytes;
	uint64_t base;           /* address of bytes */
	uint64_t words, strings; /* addresses of what is written next */
	unsigned word_bytes;
};

static uint64_t strings_bytes(const char *const *list, uint64_t *n)
{
	uint64_t bytes = 0;
	for (*n = 0; list[*n]; ++*n)
		bytes += strlen(list[*n]) + 1;
	return bytes;
}

static void put_word(struct writing *w, uint64_t value)
{
	memcpy(w->bytes + (w->words - w->base), &value, w->word_bytes);
	w->words += w->word_bytes;
}

static uint64_t put_string(struct writing *w, const char *text)
{
	uint64_t at = w->strings, n = strlen(text) + 1;
	memcpy(w->bytes + (at - w->base), text, n);
	w->strings += n;
	return at;
}

static void put_list(struct writing *w, const char *const *list)
{
	for (; *list; list++)
		put_word(w, put_string(w, *list));
	put_word(w, 0);
}

static void put_pair(struct writing *w, uint64_t key, uint64_t value)
{
	put_word(w, key);
	put_word(w, value);
}

enum pw_err exec_stack_make(const struct exec_start *s, uint8_t **ret, uint64_t *ret_pointer, struct pw_why *why)
{
	struct writing w = { .word_bytes = s->is_64 ? 8 : 4 };
	uint64_t n_args, n_env, bytes = strings_bytes(s->argv, &n_args) + strings_bytes(s->envp, &n_env) + strlen(s->file) + 1;
	uint64_t n_words = 1 + n_args + 1 + n_env + 1 + 2 * (s->n_pairs + OWN_PAIRS);
	if (bytes + n_words * w.word_bytes + 64 > s->bytes_max)
		return pw_fail(why, PW_LIMIT, "arguments and environment take %llu bytes; there is room for %llu",
		               (unsigned long long)(bytes + n_words * w.word_bytes), (unsigned long long)s->bytes_max);
	w.strings = s->top - w.word_bytes - bytes;
	uint64_t random = (w.strings - sizeof s->random) & ~15ull, pointer = (random - n_words * w.word_bytes) & ~15ull;
	w.base = w.words = pointer;
	w.bytes = mem_zalloc(1, s->top - pointer);
	if (!w.bytes)
		return pw_fail(why, PW_NOMEM, "out of memory for the stack of a program");
	memcpy(w.bytes + (random - pointer), s->random, sizeof s->random);
	put_word(&w, n_args);
	put_list(&w, s->argv);
	put_list(&w, s->envp);
	for (unsigned i = 0; i < s->n_pairs; i++)
		put_pair(&w, s->pair[i].key, s->pair[i].value);
	put_pair(&w, AT_RANDOM, random);
	put_pair(&w, AT_EXECFN, put_string(&w, s->file));
	put_pair(&w, AT_NULL, 0);
	*ret = w.bytes;
	*ret_pointer = pointer;
	return PW_OK;
}
