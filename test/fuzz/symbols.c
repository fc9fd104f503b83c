/* symbols.c - fuzz target: ELF files, and records of page faults. */
#include "../../src/host/fault_record.h"
#include "../../src/host/symbols.h"
#include "driver/fuzz.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct image {
	Elf64_Ehdr head;
	Elf64_Phdr load;
	Elf64_Shdr section[3];
	Elf64_Sym symbol[3];
	char names[16];
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	struct image m = {
		.head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_DYN,
		          .e_phnum = 1, .e_shnum = 3,
		          .e_phoff = offsetof(struct image, load), .e_shoff = offsetof(struct image, section),
		          .e_phentsize = sizeof(Elf64_Phdr), .e_shentsize = sizeof(Elf64_Shdr) },
		.load = { .p_type = PT_LOAD, .p_filesz = sizeof m, .p_memsz = sizeof m, .p_vaddr = 0x1000 },
		.section = { [1] = { .sh_type = i ? SHT_DYNSYM : SHT_SYMTAB, .sh_offset = offsetof(struct image, symbol),
		                     .sh_size = sizeof m.symbol, .sh_link = 2 },
		             [2] = { .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct image, names), .sh_size = sizeof m.names } },
		.symbol = { [1] = { .st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1,
		                    .st_value = 0x1010, .st_size = 16 },
		            [2] = { .st_name = 5, .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC), .st_shndx = 1,
		                    .st_value = 0x1040 } },
		.names = "\0one\0two",
	};
	if (i > 1 || max < sizeof m)
		return 0;
	memcpy(bytes, &m, sizeof m);
	return sizeof m;
}

static void fuzz_record(const uint8_t *bytes, size_t size)
{
	struct record_layout l = { .major_id = 1, .regs = size & 1, .page_size = size & 2 };
	struct fault_record r;
	if (record_decode(bytes, size, &l, &r) == PW_OK && strlen(r.name) >= size + 1)
		abort();
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	struct symbols *y;
	uint8_t code[16];
	fuzz_record(bytes, size);
	if (symbols_parse(bytes, size, &y) != PW_OK)
		return;
	for (uint64_t at = 0; at < size + 64; at += 7) {
		uint64_t into = 0;
		const char *name = symbols_at(y, at, &into);
		if (name && strlen(name) > size)
			abort();
		if (symbols_bytes(y, at, code, sizeof code) > sizeof code)
			abort();
	}
	symbols_close(y);
}
