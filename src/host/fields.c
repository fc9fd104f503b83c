/* fields.c - one scan over the text, cutting it in place.
 *
 * Problem.  Kernels from 4.19 to today differ in dozens of lines of these files.  A parser that knows its lines loses the ones it does
 * not know, or breaks on a number it did not expect.
 *
 * Idea.  A line is a name, an optional colon, blanks, and the rest.  Nothing else is assumed:
 *
 *     Active(anon):       3640 kB          pgfault 661364567          Name:   a name
 *     '----name---'       '-text-'         '-name' '--text-'          'nam'   '-text'
 *
 * 1. Fields stand in the order of their lines; names and texts point into a copy the struct owns.
 * 2. A name ends at the colon when there is one before the first blank, else at the blank: "Node 0 MemFree:" is the caller's.
 * Rejected: a hash table (two hundred names looked up forty times a second cost less than hashing them all). */
#include "fields.h"
#include "../base/mem.h"
#include <string.h>

/* Reads the decimal digits at s.  => the character after them, NULL when there are none or too many. */
static const char *digits(const char *s, uint64_t *ret)
{
	const char *first = s;
	uint64_t v = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return NULL;
	*ret = v;
	return s == first ? NULL : s;
}

static void field_value(struct field *f)
{
	const char *end = digits(f->text, &f->value);
	f->number = end && (*end == '\0' || strcmp(end, " kB") == 0);
	f->kb = f->number && *end;
	if (!f->number)
		f->value = 0;
}

/* Cuts a line, which ends in a NUL, into name and text.  => false: it has no name. */
static bool field_cut(char *line, struct field *ret)
{
	size_t n = strcspn(line, ": \t");
	if (n == 0)
		return false;
	char *at = line + n + (line[n] != '\0');
	line[n] = '\0';
	at += strspn(at, " \t");
	size_t length = strlen(at);
	while (length && strchr(" \t\r", at[length - 1]))
		at[--length] = '\0';
	*ret = (struct field){ .name = line, .text = at };
	field_value(ret);
	return true;
}

static bool fields_room(struct fields *f)
{
	if (f->n < f->room)
		return true;
	uint32_t room = f->room ? f->room * 2 : 64;
	struct field *more = mem_realloc(f->field, room, sizeof *more);
	if (!more)
		return false;
	f->field = more;
	f->room = room;
	return true;
}

static bool fields_copy(struct fields *f, const char *text, size_t bytes)
{
	if (bytes + 1 > f->text_room) {
		char *more = mem_realloc(f->text, bytes + 1, 1);
		if (!more)
			return false;
		f->text = more;
		f->text_room = bytes + 1;
	}
	memcpy(f->text, text, bytes);
	f->text[bytes] = '\0';
	return true;
}

enum pw_err fields_parse(struct fields *f, const char *text, size_t bytes, struct pw_why *why)
{
	f->n = 0;
	if (!fields_copy(f, text, bytes))
		return pw_fail(why, PW_NOMEM, "out of memory for %zu bytes of figures", bytes);
	for (char *line = f->text, *end = line + bytes, *next; line < end; line = next) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		stop = stop ? stop : end;
		next = stop + 1;
		*stop = '\0';
		if (!fields_room(f)) {
			f->n = 0;
			return pw_fail(why, PW_NOMEM, "out of memory for %zu bytes of figures", bytes);
		}
		f->n += field_cut(line, &f->field[f->n]);
	}
	return PW_OK;
}

void fields_fini(struct fields *f)
{
	mem_free(f->text);
	mem_free(f->field);
	*f = (struct fields){ .text = NULL };
}

const struct field *fields_find(const struct fields *f, const char *name)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (strcmp(f->field[i].name, name) == 0)
			return &f->field[i];
	return NULL;
}

bool fields_value(const struct fields *f, const char *name, uint64_t *ret)
{
	const struct field *found = fields_find(f, name);
	if (!found || !found->number)
		return false;
	return !__builtin_mul_overflow(found->value, found->kb ? 1024u : 1u, ret);
}

void fields_json(const struct fields *f, struct jsonw *j)
{
	for (uint32_t i = 0; i < f->n; i++) {
		const struct field *x = &f->field[i];
		if (x->number)
			jsonw_u64(j, x->name, x->value);
		else
			jsonw_string(j, x->name, x->text);
	}
}

const char *fields_flaw(const struct fields *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		const struct field *x = &f->field[i];
		if (!*x->name || strpbrk(x->name, ": \t\n"))
			return "a name is empty or holds a blank or a colon";
		if (strchr(x->text, '\n'))
			return "a text holds more than its line";
		if (i && x->name < f->field[i - 1].text)
			return "fields do not stand in the order of their lines";
		if ((x->kb || x->value) && !x->number)
			return "a field that is no number has a value";
	}
	return NULL;
}
