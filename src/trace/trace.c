/* trace.c - from a name to a stream: a generator, a file, or a file whose format is said.
 *
 * Problem: one word of a command line stands for any of them.
 * Idea: a word that begins with the name of a generator or of a format and a colon is taken for a specification; everything else is
 * a file, whose format is found by looking at it.
 *
 *      zipf:pages=1M,seed=7          generator: keys
 *      csv:FILE,address=2,op=3       format: file, keys      the file's name ends where the first ",letters=" begins
 *      champsim:FILE  lackey:-
 *
 * 1. After an error the stream gives END for ever.
 * 2. A file whose own name looks like a specification can be opened as ./NAME. */
#include "trace.h"
#include "../base/mem.h"
#include "gen.h"
#include "reader.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 40 };

/* A name that is no file: perhaps a generator or a format was meant. */
static enum pw_err explain_missing(const char *spec, enum pw_err err, struct pw_why *why)
{
	const char *names[NAMES_MAX];
	char word[32], list[120];
	unsigned n = 0;
	size_t at = 0;
	for (; gen_name(n) && n < NAMES_MAX / 2; n++) {
		names[n] = gen_name(n);
		at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", n ? ", " : "", names[n]);
	}
	for (unsigned i = 0; reader_at(i) && strchr(spec, ':') && n < NAMES_MAX; i++)
		names[n++] = reader_at(i)->name;
	snprintf(word, sizeof word, "%.*s", (int)strcspn(spec, ":"), spec);
	const char *near = text_nearest(word, names, n);
	if (near)
		return pw_fail(why, err, "%s: no such file, and no such generator or format; did you mean '%s'?", spec, near);
	return pw_fail(why, err, "%s: no such file; a trace is a file, '-' for standard input, or a generator (%s)", spec, list);
}

/* Hands the input over to a reader, with what was said about the file. */
static enum pw_err reader_start(const struct reader *reader, const char *keys, struct input *in, struct trace **ret,
                                struct pw_why *why)
{
	struct spec spec;
	if (!reader->open_with && !*keys)
		return reader->open(in, ret, why);
	char *text = mem_printf("%s:%s", reader->name, keys);
	enum pw_err err = text ? spec_init(&spec, text, why) : PW_NOMEM;
	mem_free(text);
	if (err == PW_NOMEM)
		pw_fail(why, err, "%s: out of memory while opening", input_name(in));
	if (!err && reader->open_with) {
		err = reader->open_with(in, &spec, ret, why);
		spec_fini(&spec);
		return err;
	}
	if (!err) {
		err = pw_fail(why, PW_INVALID, "%s: there is no key '%s'; this format has no keys", reader->name, spec.pair[0].key);
		spec_fini(&spec);
	}
	input_close(in);
	return err;
}

static enum pw_err file_open(const char *name, struct trace **ret, struct pw_why *why)
{
	struct input *in;
	const struct reader *reader;
	bool guessed;
	enum pw_err err = input_open(name, &in, why);
	if (err)
		return err == PW_NOTFOUND ? explain_missing(name, err, why) : err;
	err = reader_sniff(in, &reader, &guessed, why);
	if (err) {
		input_close(in);
		return err;
	}
	err = reader_start(reader, "", in, ret, why);
	if (!err)
		(*ret)->info.guessed = guessed;
	return err;
}

/* Where the keys of "FILE,key=value" begin, behind their comma; the end when there are none. */
static const char *find_keys(const char *text)
{
	for (const char *comma = strchr(text, ','); comma; comma = strchr(comma + 1, ',')) {
		const char *p = comma + 1;
		while (isalpha((unsigned char)*p) || *p == '_')
			p++;
		if (*p == '=' && p > comma + 1)
			return comma + 1;
	}
	return text + strlen(text);
}

/* The format that stands before the colon of "FORMAT:FILE"; NULL: none does. */
static const struct reader *format_of(const char *spec)
{
	const char *colon = strchr(spec, ':');
	return colon ? reader_named(spec, (size_t)(colon - spec)) : NULL;
}

/* "FORMAT:FILE,key=value" */
static enum pw_err said_open(const struct reader *reader, const char *rest, struct trace **ret, struct pw_why *why)
{
	struct input *in;
	const char *keys = find_keys(rest);
	size_t length = (size_t)(keys - rest) - (*keys != 0);
	char *name = mem_printf("%.*s", (int)length, rest);
	if (!name)
		return pw_fail(why, PW_NOMEM, "%s: out of memory while opening", rest);
	enum pw_err err = *name ? input_open(name, &in, why) : pw_fail(why, PW_INVALID, "%s: which file? write %s:FILE%s",
	                                                               reader->name, reader->name, reader->keys ? ",key=value" : "");
	mem_free(name);
	return err ? err : reader_start(reader, keys, in, ret, why);
}

enum pw_err trace_open(const char *spec, struct trace **ret, struct pw_why *why)
{
	*ret = NULL;
	if (gen_is_spec(spec))
		return gen_open(spec, ret, why);
	const struct reader *reader = format_of(spec);
	return reader ? said_open(reader, strchr(spec, ':') + 1, ret, why) : file_open(spec, ret, why);
}

void trace_next(struct trace *t, struct trace_item *ret)
{
	*ret = (struct trace_item){ .kind = TRACE_ITEM_END };
	if (!t->error)
		t->ops->next(t, ret);
}

enum pw_err trace_error(const struct trace *t, struct pw_why *why)
{
	return t->error ? pw_fail(why, t->error, "%s", t->why.text) : PW_OK;
}

enum pw_err trace_rewind(struct trace *t, struct pw_why *why)
{
	if (!t->ops->rewind)
		return pw_fail(why, PW_UNSUPPORTED, "%s: cannot be read twice", t->info.source);
	enum pw_err err = t->ops->rewind(t, why);
	if (!err)
		t->error = PW_OK;
	return err;
}

struct trace_info trace_describe(const struct trace *t)
{
	struct trace_info info = t->info;
	if (t->input) {
		info.packing = input_packing(t->input);
		info.file_bytes = input_file_bytes(t->input);
		info.bytes = input_offset(t->input);
	}
	return info;
}

struct trace_info trace_describe_process(const struct trace *t, uint32_t pid)
{
	return t->ops->of_process ? t->ops->of_process(t, pid) : trace_describe(t);
}

bool trace_reads(const struct trace *t, const char *path)
{
	return t->input && input_is_file(t->input, path);
}

void trace_close(struct trace *t)
{
	if (t)
		t->ops->close(t);
}
