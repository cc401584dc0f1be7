/* Threads: creation, join, locks, condition variables, thread-local storage, exit, robust locks. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "t.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cv = PTHREAD_COND_INITIALIZER;
static long counter;
static __thread int mine = 5;

static void *adder(void *arg) {
  for (long i = 0; i < (long)arg; i++) {
    pthread_mutex_lock(&m);
    counter++;
    pthread_mutex_unlock(&m);
    if (i % 64 == 0) sched_yield();
  }
  mine++;
  return (void *)(long)mine;
}

static void join(void) {
  pthread_t t[8];
  void *r;
  for (int i = 0; i < 8; i++) CHECK(pthread_create(&t[i], NULL, adder, (void *)2000L) == 0);
  for (int i = 0; i < 8; i++) {
    CHECK(pthread_join(t[i], &r) == 0);
    CHECK(r == (void *)6);
  }
  CHECK(counter == 16000 && mine == 5);
  ok("threads count under a lock, each with its own storage");
}

static int turn;
static void *ponger(void *arg) {
  (void)arg;
  pthread_mutex_lock(&m);
  for (int i = 0; i < 500; i++) {
    while (turn != 1) pthread_cond_wait(&cv, &m);
    turn = 0;
    pthread_cond_broadcast(&cv);
  }
  pthread_mutex_unlock(&m);
  return NULL;
}

static void ping_pong(void) {
  pthread_t t;
  CHECK(pthread_create(&t, NULL, ponger, NULL) == 0);
  pthread_mutex_lock(&m);
  for (int i = 0; i < 500; i++) {
    turn = 1;
    pthread_cond_broadcast(&cv);
    while (turn != 0) pthread_cond_wait(&cv, &m);
  }
  pthread_mutex_unlock(&m);
  pthread_join(t, NULL);
  ok("condition variables");
}

static void timeouts(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_nsec += 30000000;
  if (t.tv_nsec >= 1000000000) {
    t.tv_nsec -= 1000000000;
    t.tv_sec++;
  }
  pthread_mutex_lock(&m);
  CHECK(pthread_cond_timedwait(&cv, &m, &t) == ETIMEDOUT);
  pthread_mutex_unlock(&m);
  sem_t s;
  CHECK(sem_init(&s, 0, 0) == 0);
  CHECK_ERRNO(sem_trywait(&s), EAGAIN);
  CHECK_ERRNO(sem_timedwait(&s, &t), ETIMEDOUT);
  CHECK(sem_post(&s) == 0 && sem_wait(&s) == 0);
  ok("waits that time out");
}

static void *ids(void *arg) {
  (void)arg;
  CHECK(getpid() != syscall(SYS_gettid));
  return (void *)syscall(SYS_gettid);
}

static void identity(void) {
  pthread_t t;
  void *r;
  CHECK(getpid() == syscall(SYS_gettid));
  pthread_create(&t, NULL, ids, NULL);
  pthread_join(t, &r);
  CHECK((long)r > 0 && (long)r != getpid());
  ok("thread ids");
}

static pthread_mutex_t robust;
static void *dies_holding(void *arg) {
  (void)arg;
  pthread_mutex_lock(&robust);
  return NULL;
}

static void robust_lock(void) {
  pthread_mutexattr_t a;
  pthread_t t;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  CHECK(pthread_mutex_init(&robust, &a) == 0);
  pthread_create(&t, NULL, dies_holding, NULL);
  pthread_join(t, NULL);
  CHECK(pthread_mutex_lock(&robust) == EOWNERDEAD);
  CHECK(pthread_mutex_consistent(&robust) == 0);
  CHECK(pthread_mutex_unlock(&robust) == 0);
  ok("a robust lock learns that its owner died");
}

static void shared_between_processes(void) {
  struct shared {
    pthread_mutex_t m;
    int n;
  } *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  CHECK(pthread_mutex_init(&s->m, &a) == 0);
  for (int k = 0; k < 3; k++) {
    if (fork() == 0) {
      for (int i = 0; i < 300; i++) {
        pthread_mutex_lock(&s->m);
        int n = s->n;
        if (i % 16 == 0) sched_yield();
        s->n = n + 1;
        pthread_mutex_unlock(&s->m);
      }
      _exit(0);
    }
  }
  while (wait(NULL) > 0) {}
  CHECK(s->n == 900);
  if (fork() == 0) {
    pthread_mutex_lock(&s->m);
    _exit(0);
  }
  wait(NULL);
  CHECK(pthread_mutex_lock(&s->m) == EOWNERDEAD);
  ok("locks shared between processes");
}

static void *exits_process(void *arg) {
  (void)arg;
  exit(17);
}
static void *sleeps(void *arg) {
  (void)arg;
  for (;;) pause();
  return NULL;
}
static void *spins(void *arg) {
  for (;;) (*(volatile long *)arg)++;
  return NULL;
}

static void exit_of_one_is_exit_of_all(void) {
  int st;
  pid_t p = fork();
  if (p == 0) {
    pthread_t t;
    static long n;
    pthread_create(&t, NULL, sleeps, NULL);
    pthread_create(&t, NULL, spins, &n);
    pthread_create(&t, NULL, exits_process, NULL);
    for (;;) pause();
  }
  CHECK(waitpid(p, &st, 0) == p && WIFEXITED(st) && WEXITSTATUS(st) == 17);
  p = fork();
  if (p == 0) {
    pthread_t t;
    pthread_create(&t, NULL, sleeps, NULL);
    *(volatile int *)0x10 = 1;
  }
  CHECK(waitpid(p, &st, 0) == p && WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
  ok("exit and faults end all threads");
}

static void *late(void *arg) {
  (void)arg;
  usleep(30000);
  exit(8);
}

static void leader_may_leave_first(void) {
  int st;
  pid_t p = fork();
  if (p == 0) {
    pthread_t t;
    pthread_create(&t, NULL, late, NULL);
    pthread_exit(NULL);
  }
  CHECK(waitpid(p, &st, 0) == p && WIFEXITED(st) && WEXITSTATUS(st) == 8);
  ok("the first thread may end before the others");
}

static void *execs(void *arg) {
  (void)arg;
  char *const argv[] = {"thread", "--exec", NULL};
  execv("/proc/self/exe", argv);
  _exit(99);
}

static void exec_from_a_thread(void) {
  int st;
  pid_t p = fork();
  if (p == 0) {
    pthread_t t;
    pthread_create(&t, NULL, sleeps, NULL);
    pthread_create(&t, NULL, execs, NULL);
    for (;;) pause();
  }
  CHECK(waitpid(p, &st, 0) == p && WIFEXITED(st) && WEXITSTATUS(st) == 55);
  ok("exec from a thread takes the process over");
}

static void *cancelled(void *arg) {
  (void)arg;
  for (;;) usleep(1000);
  return NULL;
}

static void cancel(void) {
  pthread_t t;
  void *r;
  pthread_create(&t, NULL, cancelled, NULL);
  usleep(5000);
  CHECK(pthread_cancel(t) == 0);
  CHECK(pthread_join(t, &r) == 0 && r == PTHREAD_CANCELED);
  ok("pthread_cancel");
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--exec") == 0) return getpid() == syscall(SYS_gettid) ? 55 : 1;
  join();
  ping_pong();
  timeouts();
  identity();
  robust_lock();
  shared_between_processes();
  exit_of_one_is_exit_of_all();
  leader_may_leave_first();
  exec_from_a_thread();
  cancel();
  return 0;
}
