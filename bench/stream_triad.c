/* A STREAM triad in its plainest form: static arrays, one parallel loop, best of all passes after the first.
   N is set when it is compiled. Prints GB/s, three streams counted. */
#include <stdio.h>
#include <time.h>

#ifndef N
#define N 8388608
#endif
#define PASSES 13

static double a[N], b[N], c[N];

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(void) {
  double best = 1e30;
  long i;
#pragma omp parallel for
  for (i = 0; i < N; i++) { a[i] = 1.0; b[i] = 2.0; c[i] = 0.5; }
  for (int pass = 0; pass < PASSES; pass++) {
    double begun = seconds();
#pragma omp parallel for
    for (i = 0; i < N; i++) a[i] = b[i] + 3.0 * c[i];
    double taken = seconds() - begun;
    if (pass > 0 && taken < best) best = taken;
  }
  printf("%.6f\n", 24e-9 * (double)N / best);
  return a[N / 2] > 0.0 ? 0 : 1;
}
