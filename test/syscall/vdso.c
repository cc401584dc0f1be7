/* The vDSO: a shared object in memory, with symbols and versions, that tells the time. */
#define _GNU_SOURCE
#include <elf.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "t.h"

#ifdef __riscv
#define VERSION "LINUX_4.15"
#else
#define VERSION "LINUX_2.6"
#endif

static char *base;
static Elf64_Sym *symbols;
static char *strings;
static Elf64_Half *versions;
static Elf64_Verdef *definitions;
static unsigned count;

static void load(void) {
  base = (char *)getauxval(AT_SYSINFO_EHDR);
  CHECK(base != NULL && memcmp(base, ELFMAG, SELFMAG) == 0);
  Elf64_Ehdr *e = (Elf64_Ehdr *)base;
  Elf64_Phdr *p = (Elf64_Phdr *)(base + e->e_phoff);
  char *bias = NULL;
  Elf64_Dyn *d = NULL;
  for (int i = 0; i < e->e_phnum; i++) {
    if (p[i].p_type == PT_LOAD) bias = base + p[i].p_offset - p[i].p_vaddr;
    if (p[i].p_type == PT_DYNAMIC) d = (Elf64_Dyn *)(base + p[i].p_offset);
  }
  CHECK(bias != NULL && d != NULL);
  Elf64_Word *hash = NULL;
  for (; d->d_tag != DT_NULL; d++) {
    char *at = bias + d->d_un.d_ptr;
    if (d->d_tag == DT_HASH) hash = (Elf64_Word *)at;
    if (d->d_tag == DT_SYMTAB) symbols = (Elf64_Sym *)at;
    if (d->d_tag == DT_STRTAB) strings = at;
    if (d->d_tag == DT_VERSYM) versions = (Elf64_Half *)at;
    if (d->d_tag == DT_VERDEF) definitions = (Elf64_Verdef *)at;
  }
  CHECK(symbols && strings && versions && definitions);
  if (hash) count = hash[1];
#ifdef __riscv
  CHECK(hash != NULL);
#else
  if (!hash) count = 24;
#endif
}

static const char *version_of(unsigned i) {
  for (Elf64_Verdef *v = definitions;; v = (Elf64_Verdef *)((char *)v + v->vd_next)) {
    if (v->vd_ndx == (versions[i] & 0x7fff)) {
      Elf64_Verdaux *a = (Elf64_Verdaux *)((char *)v + v->vd_aux);
      return strings + a->vda_name;
    }
    if (v->vd_next == 0) return "";
  }
}

static void *find(const char *name) {
  for (unsigned i = 1; i < count; i++) {
    if (strcmp(strings + symbols[i].st_name, name) == 0 && symbols[i].st_shndx != SHN_UNDEF) {
      CHECK(strcmp(version_of(i), VERSION) == 0);
      return base + symbols[i].st_value;
    }
  }
  return NULL;
}

static long ns(struct timespec t) {
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

int main(void) {
  load();
  ok("headers and tables");
  int (*gettime)(clockid_t, struct timespec *) = find("__vdso_clock_gettime");
  int (*getday)(struct timeval *, void *) = find("__vdso_gettimeofday");
  int (*getcpu_)(unsigned *, unsigned *, void *) = find("__vdso_getcpu");
  CHECK(gettime && getday && getcpu_);
#ifdef __riscv
  CHECK(find("__vdso_rt_sigreturn") && find("__vdso_clock_getres") && find("__vdso_flush_icache"));
#endif
  ok("versioned symbols");
#ifdef __riscv
  long (*hwprobe)(void *, size_t, size_t, void *, unsigned) = find("__vdso_riscv_hwprobe");
  CHECK(hwprobe);
  for (long key = -2; key < 40; key++) {
    long a[] = {key, 99, 3, 99}, b[] = {key, 99, 3, 99};
    CHECK(hwprobe(a, 2, 0, NULL, 0) == 0 && syscall(258, b, 2L, 0L, NULL, 0L) == 0);
    CHECK(memcmp(a, b, sizeof a) == 0);
  }
  CHECK(hwprobe(NULL, 0, 0, NULL, 0) == 0 && hwprobe(NULL, 0, 0, NULL, 99) == -EINVAL);
#endif

  clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW};
  for (unsigned i = 0; i < 4; i++) {
    for (int k = 0; k < 50; k++) {
      struct timespec a, b, c;
      CHECK(syscall(SYS_clock_gettime, clocks[i], &a) == 0);
      CHECK(gettime(clocks[i], &b) == 0);
      CHECK(syscall(SYS_clock_gettime, clocks[i], &c) == 0);
      CHECK(b.tv_nsec >= 0 && b.tv_nsec < 1000000000);
      CHECK(ns(a) <= ns(b) && ns(b) <= ns(c));
    }
  }
  ok("the clocks agree with the kernel's");
  struct timespec t;
  CHECK(gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
  CHECK(gettime(77, &t) == -EINVAL);
  ok("other clocks ask the kernel");
  struct timeval v, w;
  CHECK(getday(&v, NULL) == 0 && syscall(SYS_gettimeofday, &w, NULL) == 0);
  long us = (w.tv_sec - v.tv_sec) * 1000000L + (w.tv_usec - v.tv_usec);
  CHECK(us >= 0 && us < 1000000);
  ok("gettimeofday");
  unsigned cpu = 999, node = 999;
  CHECK(getcpu_(&cpu, &node, NULL) == 0 && cpu < 999);
  ok("getcpu");
  return 0;
}
