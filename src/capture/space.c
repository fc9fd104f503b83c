/* space.c - address-space events.
 *
 * The image: QEMU itself loads the program and its interpreter, without a system call that could be seen.  Where they are is read
 * off the ELF headers and /proc/self/maps: the lowest mapping of the file is the program's (QEMU's own libraries, among them
 * perhaps the same dynamic linker, lie above), and the headers say what a kernel would have mapped there.  The main stack is the
 * lowest writable mapping that has the size asked for and a guard page below it.
 *
 * Everything else is a system call of the program, recorded when it has succeeded.  Calls of several threads are kept apart by a
 * lock from before the call until its record is sent, so that records are in the order in which the host made the changes. */
#include "space.h"
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { SPACE_PAGE = 4096, SPACE_MAPS = 1024, SPACE_PHDRS = 64, SPACE_SHM = 64, SPACE_STACK_BYTES = 8 << 20, SPACE_REST_BYTES = 64 << 20 };

/* On 64-bit hosts QEMU and its libraries lie above, and what it maps for the program below. */
#define SPACE_PROGRAM_END 0x500000000000ull

static pthread_mutex_t space_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t brk_start, brk_now;

/* Attached System V segments, because shmdt names only the address. */
static struct { uint64_t at, bytes; } shm[SPACE_SHM];

static uint64_t page_down(uint64_t v) { return v / SPACE_PAGE * SPACE_PAGE; }
static uint64_t page_up(uint64_t v) { return page_down(v + SPACE_PAGE - 1); }

/* ---- the image ---- */

struct map_line {
	uint64_t start, end, offset, inode, dev;
	bool writable, none; /* none: may not be accessed */
};

/* What of the image has been recorded so far, so that the rest can be found. */
static struct { uint64_t start, end; } known[2 * SPACE_PHDRS];
static unsigned n_known;

static void known_add(uint64_t start, uint64_t end)
{
	if (n_known < sizeof(known) / sizeof(known[0])) {
		known[n_known].start = start;
		known[n_known++].end = end;
	}
}

/* The first byte at or after at, below end, that is known (or is not, if want is false). */
static uint64_t known_next(uint64_t at, uint64_t end, bool want)
{
	for (; at < end; at += SPACE_PAGE) {
		bool is_known = false;
		for (unsigned i = 0; i < n_known; i++)
			is_known |= at >= known[i].start && at < known[i].end;
		if (is_known == want)
			return at;
	}
	return end;
}

static unsigned maps_read(struct map_line *line, unsigned max)
{
	FILE *f = fopen("/proc/self/maps", "re");
	if (!f)
		return 0;
	char text[PATH_MAX + 256];
	unsigned n = 0;
	while (n < max && fgets(text, sizeof(text), f)) {
		struct map_line *l = &line[n];
		unsigned long start, end, offset, inode;
		unsigned major, minor;
		char prot[8];
		if (sscanf(text, "%lx-%lx %7s %lx %x:%x %lu", &start, &end, prot, &offset, &major, &minor, &inode) != 7)
			continue;
		*l = (struct map_line){ start, end, offset, inode, makedev(major, minor), prot[1] == 'w', prot[0] == '-' };
		n++;
	}
	fclose(f);
	return n;
}

struct elf_file {
	char path[PATH_MAX];
	struct stat st;
	Elf64_Ehdr head;
	Elf64_Phdr phdr[SPACE_PHDRS];
	char interp[PATH_MAX];
};

static void elf_interp(struct elf_file *e, int fd)
{
	for (unsigned i = 0; i < e->head.e_phnum; i++) {
		const Elf64_Phdr *p = &e->phdr[i];
		if (p->p_type == PT_INTERP && p->p_filesz < sizeof(e->interp) &&
		    pread(fd, e->interp, p->p_filesz, p->p_offset) == (ssize_t)p->p_filesz)
			e->interp[p->p_filesz] = 0;
	}
}

static bool elf_read(struct elf_file *e, const char *path)
{
	memset(e, 0, sizeof(*e));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (!realpath(path, e->path))
		snprintf(e->path, sizeof(e->path), "%s", path);
	size_t want = 0;
	bool ok = fstat(fd, &e->st) == 0 && pread(fd, &e->head, sizeof(e->head), 0) == sizeof(e->head) &&
	          memcmp(e->head.e_ident, ELFMAG, SELFMAG) == 0 && e->head.e_ident[EI_CLASS] == ELFCLASS64 &&
	          e->head.e_phentsize == sizeof(Elf64_Phdr) && e->head.e_phnum <= SPACE_PHDRS;
	if (ok) {
		want = e->head.e_phnum * sizeof(Elf64_Phdr);
		ok = pread(fd, e->phdr, want, e->head.e_phoff) == (ssize_t)want;
	}
	if (ok)
		elf_interp(e, fd);
	close(fd);
	return ok;
}

/* How far the file was moved from its own addresses when it was loaded.  => false: it is not mapped. */
static bool elf_bias(const struct elf_file *e, const struct map_line *line, unsigned n, uint64_t *ret)
{
	const Elf64_Phdr *first = NULL;
	for (unsigned i = 0; i < e->head.e_phnum && !first; i++)
		if (e->phdr[i].p_type == PT_LOAD)
			first = &e->phdr[i];
	for (unsigned i = 0; first && i < n; i++) {
		if (line[i].inode == e->st.st_ino && line[i].dev == e->st.st_dev && line[i].offset == page_down(first->p_offset)) {
			*ret = line[i].start - page_down(first->p_vaddr);
			return true;
		}
	}
	return false;
}

static uint32_t elf_prot(uint32_t flags)
{
	return (flags & PF_R ? TRACE_PROT_READ : 0) | (flags & PF_W ? TRACE_PROT_WRITE : 0) | (flags & PF_X ? TRACE_PROT_EXEC : 0);
}

static uint64_t file_identity(const struct stat *st) { return (uint64_t)st->st_dev << 40 ^ st->st_ino; }

static void record_anonymous(struct lane_records *r, uint64_t start, uint64_t end, uint32_t prot, uint32_t flags,
                             const char *name)
{
	struct ring_record *rec = lane_record(r, TRACE_MAP, name);
	rec->start = start;
	rec->length = end - start;
	rec->prot = prot;
	rec->flags = flags | TRACE_MAP_ANON;
	known_add(start, end);
}

static void record_segment(struct lane_records *r, const struct elf_file *e, const Elf64_Phdr *p, uint64_t bias)
{
	uint64_t start = page_down(p->p_vaddr) + bias, file_end = page_up(p->p_vaddr + p->p_filesz) + bias;
	uint64_t end = page_up(p->p_vaddr + p->p_memsz) + bias;
	if (p->p_filesz) {
		struct ring_record *rec = lane_record(r, TRACE_MAP, e->path);
		rec->start = start;
		rec->length = file_end - start;
		rec->prot = elf_prot(p->p_flags);
		rec->offset = page_down(p->p_offset);
		rec->file_id = file_identity(&e->st);
		rec->file_bytes = e->st.st_size;
		known_add(start, file_end);
	} else {
		file_end = start;
	}
	if (end > file_end)
		record_anonymous(r, file_end, end, elf_prot(p->p_flags), 0, e->path);
}

static void record_elf(struct lane_records *r, const struct elf_file *e, const struct map_line *line, unsigned n)
{
	uint64_t bias;
	if (!elf_bias(e, line, n, &bias))
		return;
	for (unsigned i = 0; i < e->head.e_phnum; i++)
		if (e->phdr[i].p_type == PT_LOAD)
			record_segment(r, e, &e->phdr[i], bias);
}

/* QEMU makes the stack as large as the limit, or 8 MiB when that is less or there is none. */
static uint64_t stack_bytes(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur > SPACE_STACK_BYTES)
		return page_up(limit.rlim_cur);
	return SPACE_STACK_BYTES;
}

static void record_stack(struct lane_records *r, const struct map_line *line, unsigned n)
{
	uint64_t bytes = stack_bytes();
	for (unsigned i = 1; i < n; i++) {
		const struct map_line *guard = &line[i - 1], *l = &line[i];
		if (guard->none && guard->end == l->start && l->writable && !l->inode && l->end - l->start >= bytes) {
			record_anonymous(r, l->start, l->start + bytes, TRACE_PROT_READ | TRACE_PROT_WRITE,
			                 TRACE_MAP_STACK | TRACE_MAP_GROWSDOWN, "[stack]");
			return;
		}
	}
}

/* QEMU keeps some tables of the processor in the program's memory, and reads them there when it delivers a signal. */
static void record_rest(struct lane_records *r, const struct map_line *line, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct map_line *l = &line[i];
		if (l->end >= SPACE_PROGRAM_END || !l->writable || l->inode || l->end - l->start > SPACE_REST_BYTES)
			continue;
		for (uint64_t at = known_next(l->start, l->end, false); at < l->end; at = known_next(at, l->end, false)) {
			uint64_t end = known_next(at, l->end, true);
			record_anonymous(r, at, end, TRACE_PROT_READ | TRACE_PROT_WRITE, 0, "[qemu]");
		}
	}
}

void space_image(struct lane_records *r, const char *path)
{
	static struct map_line line[SPACE_MAPS];
	static struct elf_file program, interp;
	unsigned n = maps_read(line, SPACE_MAPS);
	bool elf = elf_read(&program, path);
	lane_record(r, TRACE_EXEC, elf ? program.path : path);
	brk_start = brk_now = 0;
	n_known = 0;
	if (!elf)
		return;
	record_elf(r, &program, line, n);
	if (program.interp[0] && elf_read(&interp, program.interp))
		record_elf(r, &interp, line, n);
	record_stack(r, line, n);
	record_rest(r, line, n);
}

/* ---- system calls ---- */

/* What is mapped from a descriptor.  => a name in buf, or NULL. */
static const char *descriptor_name(int fd, char *buf, size_t size, struct stat *st)
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, buf, size - 1);
	if (n < 0 || fstat(fd, st) < 0)
		return NULL;
	buf[n] = 0;
	return buf;
}

static uint32_t map_flags(uint64_t flags)
{
	return ((flags & 0xf) != MAP_PRIVATE ? TRACE_MAP_SHARED : 0) | (flags & MAP_ANONYMOUS ? TRACE_MAP_ANON : 0) |
	       (flags & MAP_FIXED ? TRACE_MAP_FIXED : 0) | (flags & MAP_GROWSDOWN ? TRACE_MAP_GROWSDOWN : 0) |
	       (flags & MAP_POPULATE ? TRACE_MAP_POPULATE : 0);
}

static void record_mmap(struct lane_records *r, const uint64_t arg[6], uint64_t start)
{
	char buf[PATH_MAX];
	struct stat st = { 0 };
	bool file = !(arg[3] & MAP_ANONYMOUS);
	struct ring_record *rec = lane_record(r, TRACE_MAP, file ? descriptor_name((int)arg[4], buf, sizeof(buf), &st) : NULL);
	rec->start = start;
	rec->length = page_up(arg[1]);
	rec->prot = arg[2] & 7;
	rec->flags = map_flags(arg[3]);
	if (file) {
		rec->offset = arg[5];
		rec->file_id = file_identity(&st);
		rec->file_bytes = st.st_size;
	}
}

static void record_range(struct lane_records *r, uint32_t kind, uint64_t start, uint64_t bytes, uint32_t prot, uint64_t count)
{
	struct ring_record *rec = lane_record(r, kind, NULL);
	rec->start = start;
	rec->length = page_up(bytes);
	rec->prot = prot;
	rec->count = count;
}

static void record_mremap(struct lane_records *r, const uint64_t arg[6], uint64_t to)
{
	struct ring_record *rec = lane_record(r, TRACE_REMAP, NULL);
	rec->start = arg[0];
	rec->length = page_up(arg[1]);
	rec->to = to;
	rec->to_length = page_up(arg[2]);
}

static bool record_brk(struct lane_records *r, uint64_t now)
{
	bool first = brk_start == 0;
	if (first)
		brk_start = brk_now = now;
	if (now == brk_now)
		return false;
	brk_now = now;
	struct ring_record *rec = lane_record(r, TRACE_BRK, NULL);
	rec->start = brk_start;
	rec->length = now - brk_start;
	return true;
}

static void record_shmat(struct lane_records *r, int id, uint64_t at, uint64_t flags)
{
	struct shmid_ds ds;
	uint64_t bytes = shmctl(id, IPC_STAT, &ds) == 0 ? page_up(ds.shm_segsz) : 0;
	uint32_t prot = TRACE_PROT_READ | (flags & SHM_RDONLY ? 0 : TRACE_PROT_WRITE);
	record_anonymous(r, at, at + bytes, prot, TRACE_MAP_SHARED, "[shm]");
	for (unsigned i = 0; i < SPACE_SHM; i++) {
		if (shm[i].bytes == 0) {
			shm[i].at = at;
			shm[i].bytes = bytes;
			return;
		}
	}
}

static bool record_shmdt(struct lane_records *r, uint64_t at)
{
	for (unsigned i = 0; i < SPACE_SHM; i++) {
		if (shm[i].bytes && shm[i].at == at) {
			record_range(r, TRACE_UNMAP, at, shm[i].bytes, 0, 0);
			shm[i].bytes = 0;
			return true;
		}
	}
	return false;
}

/* => false: nothing has changed. */
static bool record_call(struct lane_records *r, enum space_call call, const uint64_t arg[6], int64_t ret)
{
	switch (call) {
	case SPACE_MMAP: record_mmap(r, arg, ret); return true;
	case SPACE_MUNMAP: record_range(r, TRACE_UNMAP, arg[0], arg[1], 0, 0); return true;
	case SPACE_MPROTECT: record_range(r, TRACE_PROTECT, arg[0], arg[1], arg[2] & 7, 0); return true;
	case SPACE_MREMAP: record_mremap(r, arg, ret); return true;
	case SPACE_BRK: return record_brk(r, ret);
	case SPACE_MADVISE: record_range(r, TRACE_ADVISE, arg[0], arg[1], 0, arg[2]); return true;
	case SPACE_SHMAT: record_shmat(r, (int)arg[0], ret, arg[2]); return true;
	case SPACE_SHMDT: return record_shmdt(r, arg[0]);
	case SPACE_NONE: break;
	}
	return false;
}

void space_call_begin(void) { pthread_mutex_lock(&space_lock); }

void space_call_end(unsigned vcpu, enum space_call call, const uint64_t arg[6], int64_t ret)
{
	if (ret >= 0 || ret < -4095) {
		struct lane_records r;
		lane_records(&r, vcpu);
		if (record_call(&r, call, arg, ret))
			lane_send(&r);
		else
			lane_cancel(&r);
	}
	pthread_mutex_unlock(&space_lock);
}

void space_fork_child(void) { pthread_mutex_init(&space_lock, NULL); }
