/* tests/bench/sample.h - what a series of measurements comes to. */
#ifndef KK_BENCH_SAMPLE_H
#define KK_BENCH_SAMPLE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline int sample_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Print median and 99th percentile of @n > 0 samples; sorts them. */
static inline void sample_print(int64_t *samples, size_t n)
{
	qsort(samples, n, sizeof samples[0], sample_compare);
	printf("%lld %lld\n", (long long)samples[n / 2], (long long)samples[n * 99 / 100]);
}

#endif
