/* image.h - which file really runs when a program is started, and by which QEMU.
 *
 * A path may name an ELF file, or a script whose first line names an interpreter, which may be a script again.  The kernel resolves
 * this at execve; who puts QEMU in front must do the same first.  Used by the command, to start the first program, and by the
 * plugin, to follow exec; the plugin links nothing of the library, so everything is here. */
#pragma once
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMAGE_SCRIPTS = 5, IMAGE_LINE = 256 }; /* as Linux: scripts that name scripts; bytes of the first line that count */

struct image {
	char path[PATH_MAX];      /* of the ELF file */
	const char *arch;         /* "x86_64", "aarch64", ...: the name QEMU uses */
	char line[IMAGE_SCRIPTS][IMAGE_LINE];
	char script[IMAGE_SCRIPTS][PATH_MAX];
	unsigned n_scripts;
	const char *prefix[IMAGE_SCRIPTS * 2 + 1]; /* arguments that replace argv[0] of a script, in order */
	unsigned n_prefix;
};

static inline const char *image_arch(const unsigned char *head)
{
	static const struct {
		uint16_t machine;
		uint8_t bits, order;
		const char *name;
	} arch[] = {
		{ EM_X86_64, ELFCLASS64, ELFDATA2LSB, "x86_64" },   { EM_AARCH64, ELFCLASS64, ELFDATA2LSB, "aarch64" },
		{ EM_RISCV, ELFCLASS64, ELFDATA2LSB, "riscv64" },   { EM_PPC64, ELFCLASS64, ELFDATA2LSB, "ppc64le" },
		{ EM_S390, ELFCLASS64, ELFDATA2MSB, "s390x" },      { 258, ELFCLASS64, ELFDATA2LSB, "loongarch64" },
	};
	bool big = head[EI_DATA] == ELFDATA2MSB;
	uint16_t machine = big ? head[18] << 8 | head[19] : head[19] << 8 | head[18];
	for (unsigned i = 0; i < sizeof(arch) / sizeof(arch[0]); i++)
		if (arch[i].machine == machine && arch[i].bits == head[EI_CLASS] && arch[i].order == head[EI_DATA])
			return arch[i].name;
	return NULL;
}

/* "#! interpreter [argument]": cuts line, which holds n bytes of the file, into the two.  => false when there is no interpreter. */
static inline bool image_script_line(char *line, size_t n, char **interpreter, char **argument)
{
	char *end = memchr(line, '\n', n);
	if (!end)
		end = line + (n < IMAGE_LINE ? n : IMAGE_LINE - 1);
	while (end > line + 2 && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = 0;
	char *p = line + 2 + strspn(line + 2, " \t");
	if (!*p)
		return false;
	*interpreter = p;
	p += strcspn(p, " \t");
	*argument = NULL;
	if (*p) {
		*p++ = 0;
		*argument = p + strspn(p, " \t");
	}
	return true;
}

/* The first bytes of a file that may be executed.  => their number, or -errno. */
static inline int image_head(const char *path, char *head, size_t size)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return -EACCES;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, head, size);
	int err = errno;
	close(fd);
	return n < 0 ? -err : (int)n;
}

static inline bool image_path_set(struct image *im, const char *path)
{
	size_t n = strlen(path);
	if (n >= sizeof(im->path))
		return false;
	memcpy(im->path, path, n + 1);
	return true;
}

/* A script takes the place of its interpreter's argument list: interpreter [argument] script, then the arguments after argv[0]. */
static inline bool image_script_push(struct image *im, char *interpreter, const char *argument)
{
	memcpy(im->script[im->n_scripts], im->path, sizeof(im->path));
	const char *add[3] = { interpreter, argument, im->script[im->n_scripts] };
	unsigned n_old = im->n_prefix ? im->n_prefix - 1 : 0; /* the old argv[0] goes: the script's path says it */
	const char *old[IMAGE_SCRIPTS * 2 + 1];
	memcpy(old, im->prefix + (im->n_prefix ? 1 : 0), n_old * sizeof(old[0]));
	im->n_prefix = 0;
	for (unsigned i = 0; i < 3; i++)
		if (add[i])
			im->prefix[im->n_prefix++] = add[i];
	memcpy(im->prefix + im->n_prefix, old, n_old * sizeof(old[0]));
	im->n_prefix += n_old;
	im->n_scripts++;
	return image_path_set(im, interpreter);
}

/* => 0, or the errno execve would give; ENOEXEC also for ELF files of a machine that we do not know.  image->n_prefix is 0 when
 * the program is no script; otherwise prefix stands in place of argv[0]. */
static inline int image_resolve(struct image *im, const char *path)
{
	memset(im, 0, sizeof(*im));
	if (!image_path_set(im, path))
		return ENAMETOOLONG;
	for (;;) {
		char head[IMAGE_LINE] = { 0 };
		int n = image_head(im->path, head, sizeof(head) - 1);
		if (n < 0)
			return -n;
		if (n >= 20 && memcmp(head, ELFMAG, SELFMAG) == 0) {
			im->arch = image_arch((unsigned char *)head);
			return im->arch ? 0 : ENOEXEC;
		}
		if (n < 2 || head[0] != '#' || head[1] != '!')
			return ENOEXEC;
		if (im->n_scripts == IMAGE_SCRIPTS)
			return ELOOP;
		char *interpreter, *argument, *line = im->line[im->n_scripts];
		memcpy(line, head, sizeof(head));
		if (!image_script_line(line, n, &interpreter, &argument))
			return ENOEXEC;
		if (!image_script_push(im, interpreter, argument))
			return ENAMETOOLONG;
	}
}
