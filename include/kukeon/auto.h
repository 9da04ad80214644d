/* include/kukeon/auto.h - owned locals: cleanup attributes and giving away. */
#ifndef KK_AUTO_H
#define KK_AUTO_H

#include <stdlib.h>
#include <unistd.h>

/* Run @fn on the address of the variable when it leaves its scope. */
#define kk_auto(fn) __attribute__((cleanup(fn)))

/* Define the cleanup function name##p for a free-like function that takes `type *`. */
#define KK_DEFINE_FREEP(type, name)          \
	static inline void name##p(type **p) \
	{                                    \
		if (*p)                      \
			name(*p);            \
	}

static inline void kk_freep(void *p)
{
	free(*(void **)p);
}

static inline void kk_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define kk_auto_free kk_auto(kk_freep)
#define kk_auto_fd kk_auto(kk_closep)

/* Take the pointer out of an owned variable. */
#define kk_steal(p)                              \
	__extension__({                          \
		__typeof__(*(p)) kk_tmp_ = *(p); \
		*(p) = NULL;                     \
		kk_tmp_;                         \
	})

static inline int kk_steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define KK_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
