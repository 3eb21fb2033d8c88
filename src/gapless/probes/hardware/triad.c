/* Streams three arrays through memory: a[i] = b[i] + s * c[i]. Prints how many threads do it, then the seconds of
   each pass, one per line.
   Usage: triad ELEMENTS PASSES SECONDS [NODE]: at least PASSES passes, and as many more, up to 16 times as many, as fit into
   SECONDS. With NODE, all memory is bound to that NUMA node.
   The kernel and its byte count (three streams) are those of STREAM (McCalpin 1995). */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int bind_to(long node) {
#ifdef SYS_set_mempolicy
  unsigned long mask[16] = {0};
  mask[node / 64] = 1UL << (node % 64);
  return (int)syscall(SYS_set_mempolicy, 2 /* MPOL_BIND */, mask, sizeof mask * 8);
#else
  (void)node;
  return -1;
#endif
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  long n = atol(argv[1]), passes = atol(argv[2]);
  double enough = atof(argv[3]);
  if (argc > 4 && bind_to(atol(argv[4])) != 0) return 3;
  double *a, *b, *c, s = 3.0, sum = 0.0;
  if (posix_memalign((void **)&a, 64, (size_t)n * 8) || posix_memalign((void **)&b, 64, (size_t)n * 8) ||
      posix_memalign((void **)&c, 64, (size_t)n * 8))
    return 4;
#pragma omp parallel for schedule(static)
  for (long i = 0; i < n; i++) { a[i] = 0.0; b[i] = 1.0 + (double)i; c[i] = 2.0; }
#ifdef _OPENMP
  printf("%d\n", omp_get_max_threads());
#else
  printf("1\n");
#endif
  double first = now();
  for (long p = 0; p < passes || (p < 16 * passes && now() - first < enough); p++) {
    double begun = now();
#pragma omp parallel for schedule(static)
    for (long i = 0; i < n; i++) a[i] = b[i] + s * c[i];
    printf("%.9f\n", now() - begun);
    sum += a[(p * 7919) % n];
  }
  fprintf(stderr, "%f\n", sum);
  return 0;
}
