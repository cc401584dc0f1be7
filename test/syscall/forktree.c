/*
 * Processes of one family share pages until they write: each keeps what it wrote, and sees nothing of the others, in
 * whatever order they fork, write, let the kernel write, give pages back and end. Seeds make it repeatable.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS 12
#define PAGES 96
#define WORDS 1024
#define STEPS 60
#define MAX_DEPTH 4
#define MAX_CHILDREN 4

static volatile uint32_t *mem;
/* What the first word of each page should be; the last is one more. */
static uint32_t wanted[PAGES];
static uint32_t state;

static uint32_t rnd(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state * 0x9e3779b1u;
}

static void put(int page, uint32_t value) {
  mem[page * WORDS] = value;
  mem[page * WORDS + WORDS - 1] = value + 1;
  wanted[page] = value;
}

static int differs(void) {
  for (int i = 0; i < PAGES; i++) {
    volatile uint32_t *p = mem + i * WORDS;
    if (p[0] != wanted[i] || p[WORDS - 1] != wanted[i] + 1) return 1;
  }
  return 0;
}

/* Has the kernel write to a page. */
static void readInto(int page, uint32_t value) {
  uint32_t words[2] = {value, value + 1};
  int fds[2];
  if (pipe(fds) != 0 || write(fds[1], words, 8) != 8) exit(3);
  if (read(fds[0], (void *)(mem + page * WORDS), 4) != 4) exit(4);
  if (read(fds[0], (void *)(mem + page * WORDS + WORDS - 1), 4) != 4) exit(5);
  wanted[page] = value;
  close(fds[0]);
  close(fds[1]);
}

static void giveBack(int page) {
  if (madvise((void *)(mem + page * WORDS), WORDS * 4, MADV_DONTNEED) != 0) exit(6);
  if (mem[page * WORDS] != 0) exit(7);
  put(page, 0);
}

static int life(int depth, uint32_t seed) {
  int children = 0, bad = 0, status;
  state = seed | 1;
  for (int step = 0; step < STEPS; step++) {
    uint32_t kind = rnd() % 32;
    if (kind < 16) put(rnd() % PAGES, rnd());
    else if (kind < 20) bad |= differs();
    else if (kind < 24) sched_yield();
    else if (kind < 26) readInto(rnd() % PAGES, rnd());
    else if (kind < 27) giveBack(rnd() % PAGES);
    else if (kind < 30 && depth < MAX_DEPTH && children < MAX_CHILDREN) {
      uint32_t next = rnd();
      pid_t pid = fork();
      if (pid < 0) exit(8);
      if (pid == 0) _exit(life(depth + 1, next));
      children++;
    } else if (children > 0 && waitpid(-1, &status, WNOHANG) > 0) {
      children--;
      bad |= status != 0;
    }
  }
  bad |= differs();
  for (; children > 0; children--) bad |= wait(&status) < 0 || status != 0;
  return bad;
}

int main(void) {
  mem = mmap(0, PAGES * WORDS * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int bad = 0;
  for (int seed = 1; seed <= SEEDS; seed++) {
    for (int i = 0; i < PAGES; i++) put(i, i * seed);
    if (life(0, seed * 2654435761u)) printf("seed %d: memory differs\n", seed), bad++;
  }
  printf("%d of %d families saw what they should not\n", bad, SEEDS);
  return bad != 0;
}
