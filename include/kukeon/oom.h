/* include/kukeon/oom.h - the order in which the kernel kills when memory runs out: containers before their shims,
 * shims before workers, workers before the supervisor. */
#ifndef KK_OOM_H
#define KK_OOM_H

enum {
	KK_OOM_SUPERVISOR = -950,
	KK_OOM_WORKER = -900,
	KK_OOM_SHIM = -500,     /* at least; containerd gives them its own and one */
	KK_OOM_CONTAINER = 100, /* unless its document says otherwise */
};

/* The adjustment of process @pid, 0 where it can't be read. 0 is this process. */
int kk_oom_score_get(int pid);

/* Give this process @score or, where that can't be lowered so far (in a container), one more than it inherited
 * from the process that started it. */
void kk_oom_score_enter(int score);

/* Raise the one of process @pid to at least @score, and above this process's. Best effort. */
void kk_oom_score_raise(int pid, int score);

#endif
