// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The two C ends of roundtrip.py, on an inherited Unix stream socket FD:
 *   roundtrip echo FD                  answers every 40-byte request with 24 bytes, until the peer closes
 *   roundtrip client FD FILE COUNT     sends COUNT requests from FILE (40 bytes each, over and over), each after the
 *                                      reply to the one before; prints the nanoseconds of a round trip, of the slowest, and
 *                                      of the one that 999 of a thousand are not slower than
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 40, REPLY = 24, WARM_UP = 2000 };

static void receive(int fd, char *buffer, size_t size)
{
	ssize_t n = recv(fd, buffer, size, MSG_WAITALL);

	if (n == 0)
		exit(0);
	if (n != (ssize_t)size) {
		perror("roundtrip: recv");
		exit(1);
	}
}

static void transmit(int fd, const char *buffer, size_t size)
{
	if (send(fd, buffer, size, MSG_NOSIGNAL) != (ssize_t)size) {
		perror("roundtrip: send");
		exit(1);
	}
}

static void echo(int fd)
{
	char request[REQUEST], reply[REPLY];

	for (;;) {
		receive(fd, request, sizeof(request));
		memcpy(reply, request, sizeof(reply));
		transmit(fd, reply, sizeof(reply));
	}
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int longer(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void client(int fd, const char *path, long count)
{
	static char requests[1024][REQUEST];
	char reply[REPLY];
	FILE *file = fopen(path, "rb");
	size_t have = file ? fread(requests, REQUEST, 1024, file) : 0;
	int64_t start = 0, last = 0, *took = count > 0 ? calloc(count, sizeof(*took)) : NULL;

	if (!have || !took) {
		fprintf(stderr, "roundtrip: no requests in %s, or COUNT is not positive\n", path);
		exit(1);
	}
	for (long i = -WARM_UP; i < count; i++) {
		if (i == 0)
			start = last = now_ns();
		transmit(fd, requests[(i + WARM_UP) % have], REQUEST);
		receive(fd, reply, sizeof(reply));
		if (i >= 0) {
			int64_t now = now_ns();

			took[i] = now - last;
			last = now;
		}
	}
	qsort(took, count, sizeof(*took), longer);
	printf("%.1f %lld %lld\n", (double)(last - start) / count, (long long)took[count - 1],
	       (long long)took[count - 1 - count / 1000]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "echo"))
		echo(atoi(argv[2]));
	else if (argc == 5 && !strcmp(argv[1], "client"))
		client(atoi(argv[2]), argv[3], atol(argv[4]));
	else
		return 2;
	return 0;
}
