/* maps.c - reads /proc/PID/maps and smaps.
 *
 * Problem.  The two files are meant for eyes and were extended for twenty years: names hold spaces, parentheses and colons, kernels
 * add figures, a process ends between two reads, and a mapping may have no figures at all.
 *
 * Idea.  A line is a mapping or belongs to the mapping above it, and its first word tells which:
 *
 *     7f12a000-7f12c000 rw-p 00001000 08:01 4711       /opt/a name (with) everything
 *     Rss:                   8 kB        <- Key: number kB: a figure
 *     VmFlags: rd wr mr mw me ac sd      <- Key: anything:  kept as text
 *
 * An address is written in small letters and ends at '-', a key begins with a capital and ends at ':'.  The text is kept, cut into
 * strings in place; the entries point into it.
 *
 * 1. Entries are in order of address and do not overlap.
 * 2. A figure is known only when its line was there and wholly a number of kB that fits; a known word with another value is
 *    kept as text, so that nothing a kernel writes is lost.
 * 3. Every string lies in text, and so does its end.
 *
 * Rejected: undoing \012 in names (a file may really be called so; the kernel escapes no backslash); sscanf (wraps silently, and
 * is slow); getline (a second copy of each line).
 * Source: proc_pid_maps(5), proc_pid_smaps(5); fs/proc/task_mmu.c of Linux for what is escaped. */
#include "maps.h"
#include "../base/mem.h"
#include <inttypes.h>
#include <string.h>

static const char *const figure_word[] = {
#define X(name, word) word,
	MAPS_FIGURE_LIST(X)
#undef X
};

const char *maps_figure_word(enum maps_figure f) { return figure_word[f]; }

/* ---- small words: each takes the place where it looks, and moves it only when it found what it wants */

static unsigned digit_value(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 99;
}

static bool take_number(const char **at, unsigned base, uint64_t *ret)
{
	const char *s = *at;
	uint64_t v = 0;
	for (; digit_value(*s) < base; s++)
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) || __builtin_add_overflow(v, (uint64_t)digit_value(*s), &v))
			return false;
	if (s == *at)
		return false;
	*ret = v;
	*at = s;
	return true;
}

static bool take(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

static void skip_blanks(const char **at)
{
	while (**at == ' ' || **at == '\t')
		++*at;
}

/* ---- lines */

static bool take_prot(const char **at, struct maps_entry *e)
{
	static const char letter[] = "rwx";
	for (int i = 0; i < 3; i++) {
		if (take(at, letter[i]))
			e->prot |= 1u << i;
		else if (!take(at, '-'))
			return false;
	}
	e->shared = **at == 's' || **at == 'S';
	return take(at, 'p') || take(at, 's') || take(at, 'S') || take(at, '-');
}

static bool take_device(const char **at, struct maps_entry *e)
{
	uint64_t major, minor;
	if (!take_number(at, 16, &major) || !take(at, ':') || !take_number(at, 16, &minor) || (major | minor) > UINT32_MAX)
		return false;
	e->dev_major = (uint32_t)major;
	e->dev_minor = (uint32_t)minor;
	return true;
}

static bool entry_scan(const char *line, struct maps_entry *e)
{
	const char *at = line;
	*e = (struct maps_entry){ .name = "" };
	bool ok = take_number(&at, 16, &e->start) && take(&at, '-') && take_number(&at, 16, &e->end) && take(&at, ' ') &&
	          take_prot(&at, e) && take(&at, ' ') && take_number(&at, 16, &e->offset) && take(&at, ' ') &&
	          take_device(&at, e) && take(&at, ' ') && take_number(&at, 10, &e->inode) && (*at == ' ' || !*at);
	skip_blanks(&at);
	e->name = at;
	return ok && e->start < e->end;
}

static bool figure_scan(const char *value, uint64_t *ret)
{
	uint64_t v;
	const char *at = value;
	if (!take_number(&at, 10, &v) || strcmp(at, " kB") != 0 || v > UINT64_MAX / 1024)
		return false;
	*ret = v * 1024;
	return true;
}

static int figure_find(const char *key)
{
	for (int f = 0; f < MAPS_FIGURES; f++)
		if (strcmp(figure_word[f], key) == 0)
			return f;
	return -1;
}

static enum pw_err entry_add(struct maps *m, const struct maps_entry *e)
{
	if (m->n == m->room) {
		uint32_t room = m->room ? m->room * 2 : 64;
		struct maps_entry *more = mem_realloc(m->entry, room, sizeof *more);
		if (!more)
			return PW_NOMEM;
		m->entry = more;
		m->room = room;
	}
	m->entry[m->n++] = *e;
	return PW_OK;
}

static enum pw_err more_add(struct maps *m, const char *key, const char *value)
{
	if (m->n_more == m->more_room) {
		uint32_t room = m->more_room ? m->more_room * 2 : 64;
		struct maps_more *more = mem_realloc(m->more, room, sizeof *more);
		if (!more)
			return PW_NOMEM;
		m->more = more;
		m->more_room = room;
	}
	m->more[m->n_more++] = (struct maps_more){ key, value };
	m->entry[m->n - 1].n_more++;
	return PW_OK;
}

static enum pw_err detail_line(struct maps *m, char *line, unsigned number, struct pw_why *why)
{
	char *colon = strchr(line, ':');
	if (!m->n || !colon || colon == line)
		return pw_fail(why, PW_FORMAT, "line %u is neither a mapping (START-END PROT ...) nor a figure (Key: value)", number);
	*colon = '\0';
	const char *value = colon + 1;
	skip_blanks(&value);
	struct maps_entry *e = &m->entry[m->n - 1];
	uint64_t bytes;
	int f = figure_find(line);
	if (f < 0 || (e->known >> f & 1) || !figure_scan(value, &bytes))
		return more_add(m, line, value);
	e->figure[f] = bytes;
	e->known |= 1u << f;
	return PW_OK;
}

static enum pw_err line_parse(struct maps *m, char *line, unsigned number, struct pw_why *why)
{
	struct maps_entry e;
	if (digit_value(line[0]) >= 16)
		return detail_line(m, line, number, why);
	if (!entry_scan(line, &e))
		return pw_fail(why, PW_FORMAT, "line %u is no mapping: it should be START-END PROT OFFSET DEVICE INODE NAME", number);
	if (m->n && e.start < m->entry[m->n - 1].end)
		return pw_fail(why, PW_FORMAT, "line %u: a mapping begins at 0x%" PRIx64 ", before the one above it ends", number, e.start);
	e.first_more = m->n_more;
	return entry_add(m, &e);
}

/* => m->text has a '\0' after its bytes. */
static enum pw_err text_parse(struct maps *m, size_t bytes, struct pw_why *why)
{
	unsigned number = 1;
	char *end = m->text + bytes;
	for (char *line = m->text; line < end; number++) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			return pw_fail(why, PW_TRUNCATED, "line %u has no end", number);
		if (memchr(line, '\0', (size_t)(newline - line)))
			return pw_fail(why, PW_FORMAT, "line %u holds a zero byte", number);
		*newline = '\0';
		enum pw_err err = line_parse(m, line, number, why);
		if (err)
			return err;
		line = newline + 1;
	}
	return PW_OK;
}

enum pw_err maps_parse(const char *text, size_t bytes, struct maps *ret, struct pw_why *why)
{
	*ret = (struct maps){ .text = mem_alloc(bytes + 1) };
	enum pw_err err = PW_NOMEM;
	if (ret->text) {
		memcpy(ret->text, text, bytes);
		ret->text[bytes] = '\0';
		err = text_parse(ret, bytes, why);
	}
	if (err == PW_NOMEM)
		pw_fail(why, err, "out of memory for the mappings of a process");
	if (err)
		maps_fini(ret);
	return err;
}

void maps_fini(struct maps *m)
{
	mem_free(m->text);
	mem_free(m->entry);
	mem_free(m->more);
	*m = (struct maps){ 0 };
}

enum pw_err maps_read(struct procfs *p, uint32_t pid, enum maps_detail detail, struct maps *ret, struct pw_why *why)
{
	static const char *const name[] = { "maps", "smaps", "smaps_rollup" };
	const char *text;
	size_t bytes;
	struct pw_why what = { "" };
	*ret = (struct maps){ 0 };
	enum pw_err err = procfs_read_pid(p, pid, name[detail], &text, &bytes, why);
	if (err)
		return err;
	err = maps_parse(text, bytes, ret, &what);
	return err ? pw_fail(why, err, "/proc/%u/%s: %s", pid, name[detail], what.text) : PW_OK;
}

/* ---- questions */

const struct maps_entry *maps_find(const struct maps *m, uint64_t address)
{
	uint32_t low = 0, high = m->n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (m->entry[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->n && m->entry[low].start <= address ? &m->entry[low] : NULL;
}

char *maps_prot_text(char *buf, const struct maps_entry *e)
{
	buf[0] = e->prot & MAPS_READ ? 'r' : '-';
	buf[1] = e->prot & MAPS_WRITE ? 'w' : '-';
	buf[2] = e->prot & MAPS_EXEC ? 'x' : '-';
	buf[3] = e->shared ? 's' : 'p';
	buf[4] = '\0';
	return buf;
}

uint64_t maps_sum(const struct maps *m, enum maps_figure f)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < m->n; i++)
		sum += m->entry[i].figure[f];
	return sum;
}

const char *maps_flaw(const struct maps *m)
{
	uint32_t more = 0;
	for (uint32_t i = 0; i < m->n; i++) {
		const struct maps_entry *e = &m->entry[i];
		if (e->start >= e->end)
			return "a mapping is empty";
		if (i && e->start < e[-1].end)
			return "two mappings overlap, or are out of order";
		if (!e->name || e->first_more != more)
			return "a mapping lost its name or its further lines";
		for (int f = 0; f < MAPS_FIGURES; f++)
			if (!(e->known >> f & 1) && e->figure[f])
				return "a figure has a value and is not known";
		more += e->n_more;
	}
	return more == m->n_more ? NULL : "further lines belong to no mapping";
}
