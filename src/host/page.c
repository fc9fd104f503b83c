/* page.c - one page of a process, as far as this computer tells.
 *
 * Problem: three files each know a part, and two of them are for root; a part that is missing must not look like a zero.
 * Idea: read the page's word first; ask for the frame's flags and count only when the word names a frame.
 *
 * 1. A figure without its _known is no figure.
 *
 * Source: admin-guide/mm/pagemap.rst of Linux. */
#include "page.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define WORD_FRAME  ((1ull << 55) - 1)
#define WORD_BIT(w, n) ((w) >> (n) & 1)

/* => false: the file cannot be read, or not there */
static bool word_at(int fd, uint64_t index, uint64_t *ret)
{
	return pread(fd, ret, sizeof *ret, (off_t)(index * sizeof *ret)) == (ssize_t)sizeof *ret;
}

static bool frame_word(const char *path, uint64_t frame, uint64_t *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool told = fd >= 0 && word_at(fd, frame, ret);
	if (fd >= 0)
		close(fd);
	return told;
}

static void word_take(uint64_t w, struct page_story *s)
{
	s->present = WORD_BIT(w, 63);
	s->swapped = WORD_BIT(w, 62);
	s->file = WORD_BIT(w, 61);
	s->guarded = WORD_BIT(w, 57);
	s->exclusive = WORD_BIT(w, 56);
	s->soft_dirty = WORD_BIT(w, 55);
	s->frame_known = s->present && (w & WORD_FRAME);
	s->frame = s->frame_known ? w & WORD_FRAME : 0;
	if (s->swapped) {
		s->swap_type = (unsigned)(w & 31);
		s->swap_offset = (w & WORD_FRAME) >> 5;
	}
}

enum pw_err page_read(struct procfs *p, uint32_t pid, uint64_t address, struct page_story *ret, struct pw_why *why)
{
	uint64_t word = 0, page = (uint64_t)sysconf(_SC_PAGESIZE);
	int fd;
	*ret = (struct page_story){ .present = false };
	enum pw_err err = procfs_open_pid(p, pid, "pagemap", &fd, why);
	if (err)
		return err;
	if (word_at(fd, address / page, &word))
		word_take(word, ret);
	else
		err = pw_fail(why, PW_NOTFOUND, "process %u: its page at 0x%llx cannot be read; it may have ended", pid,
		              (unsigned long long)address);
	close(fd);
	if (!err && ret->frame_known && procfs_is_this_computer(p)) {
		ret->flags_known = frame_word("/proc/kpageflags", ret->frame, &ret->flags);
		ret->count_known = frame_word("/proc/kpagecount", ret->frame, &ret->count);
	}
	return err;
}

const char *page_flags_text(uint64_t flags, char *buf, size_t size)
{
	static const struct { unsigned bit; const char *word; } list[] = {
#define X(bit, word) { bit, word },
		PAGE_FLAG_LIST(X)
#undef X
	};
	size_t at = 0;
	*buf = '\0';
	for (unsigned i = 0; i < sizeof list / sizeof *list && at < size; i++)
		if (flags >> list[i].bit & 1)
			at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? " " : "", list[i].word);
	return buf;
}
