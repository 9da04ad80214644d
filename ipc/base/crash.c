/* ipc/base/crash.c - nothing here may allocate, lock or buffer: the process is broken already. */
#include <kukeon/crash.h>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <kukeon/auto.h>
#include <kukeon/fd.h>

enum {
	FRAMES_MAX = 48,
	LINE_MAX_BYTES = 256,
	STACK_BYTES = 64 * 1024,
	PATIENCE_S = 2, /* for a handler that hangs in what is broken */
};

static char build_id[2 * 32 + 1];

/* --- text without stdio --- */

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

static void put(struct line *line, const char *s)
{
	while (*s && line->len < sizeof line->text - 1)
		line->text[line->len++] = *s++;
}

static void put_number(struct line *line, uint64_t value, unsigned base)
{
	char digits[24];
	size_t i = sizeof digits;

	digits[--i] = '\0';
	do
		digits[--i] = "0123456789abcdef"[value % base];
	while ((value /= base) && i > 0);
	if (base == 16)
		put(line, "0x");
	put(line, digits + i);
}

static void line_end(struct line *line)
{
	line->text[line->len++] = '\n';
	(void)kk_fd_write_all(STDERR_FILENO, line->text, line->len);
	*line = (struct line){{0}, 0};
	put(line, KK_CRASH_MARK);
}

static void registers_write(struct line *line, const ucontext_t *context)
{
#ifdef __x86_64__
	static const struct {
		const char *name;
		int index;
	} registers[] = {{"rip", REG_RIP}, {"rsp", REG_RSP}, {"rbp", REG_RBP}, {"rax", REG_RAX},
		{"rbx", REG_RBX}, {"rcx", REG_RCX}, {"rdx", REG_RDX}, {"rsi", REG_RSI},
		{"rdi", REG_RDI}, {"r8", REG_R8}, {"r9", REG_R9}, {"r10", REG_R10},
		{"r11", REG_R11}, {"r12", REG_R12}, {"r13", REG_R13}, {"r14", REG_R14},
		{"r15", REG_R15}};

	for (size_t i = 0; i < KK_COUNT(registers); i++) {
		put(line, i % 6 ? " " : "registers ");
		put(line, registers[i].name);
		put(line, "=");
		put_number(line, (uint64_t)context->uc_mcontext.gregs[registers[i].index], 16);
		if (i % 6 == 5 || i + 1 == KK_COUNT(registers))
			line_end(line);
	}
#elif defined __aarch64__
	put(line, "registers pc=");
	put_number(line, context->uc_mcontext.pc, 16);
	put(line, " sp=");
	put_number(line, context->uc_mcontext.sp, 16);
	line_end(line);
	for (size_t i = 0; i < 31; i++) {
		put(line, i % 6 ? " x" : "registers x");
		put_number(line, i, 10);
		put(line, "=");
		put_number(line, context->uc_mcontext.regs[i], 16);
		if (i % 6 == 5 || i == 30)
			line_end(line);
	}
#else
	(void)line;
	(void)context;
#endif
}

struct walk {
	struct line *line;
	unsigned n;
};

/* `#3 kukeond+0x1f2a4 rc_plan_run+0x2c`: the first is what addr2line takes. */
static _Unwind_Reason_Code frame_write(struct _Unwind_Context *context, void *arg)
{
	struct walk *walk = arg;
	uintptr_t ip = _Unwind_GetIP(context);
	const char *slash;
	Dl_info info;

	if (walk->n >= FRAMES_MAX || !ip)
		return _URC_END_OF_STACK;
	put(walk->line, "#");
	put_number(walk->line, walk->n++, 10);
	put(walk->line, " ");
	if (dladdr((void *)ip, &info) && info.dli_fname) {
		/* Our own file goes by what we were called: "kukeond: network". */
		slash = strrchr(info.dli_fname, '/');
		put(walk->line,
			strchr(info.dli_fname, ':') ? "kukeond" :
				slash               ? slash + 1 :
						      info.dli_fname);
		put(walk->line, "+");
		put_number(walk->line, ip - (uintptr_t)info.dli_fbase, 16);
		if (info.dli_sname) {
			put(walk->line, " ");
			put(walk->line, info.dli_sname);
			put(walk->line, "+");
			put_number(walk->line, ip - (uintptr_t)info.dli_saddr, 16);
		}
	} else {
		put_number(walk->line, ip, 16);
	}
	line_end(walk->line);
	return _URC_NO_REASON;
}

static void on_crash(int signo, siginfo_t *info, void *context)
{
	struct line line = {{0}, 0};
	struct walk walk = {.line = &line};
	sigset_t set;

	alarm(PATIENCE_S);
	put(&line, KK_CRASH_MARK "signal ");
	put_number(&line, (uint64_t)signo, 10);
	if (signo == SIGSYS) {
		put(&line, " forbidden system call ");
		put_number(&line, (uint64_t)info->si_syscall, 10);
	} else if (info->si_code <= 0) {
		put(&line, " sent by pid ");
		put_number(&line, (uint64_t)info->si_pid, 10);
	} else {
		put(&line, " at address ");
		put_number(&line, (uint64_t)(uintptr_t)info->si_addr, 16);
	}
	line_end(&line);
	put(&line, "build ");
	put(&line, build_id);
	line_end(&line);
	registers_write(&line, context);
	_Unwind_Backtrace(frame_write, &walk);
	/* Its handler is the default one again. */
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signo);
}

static int build_id_find(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		const char *p = (const char *)info->dlpi_addr + header->p_vaddr;
		const char *end = p + header->p_memsz;

		while (header->p_type == PT_NOTE && p + sizeof(ElfW(Nhdr)) < end) {
			const ElfW(Nhdr) *note = (const void *)p;
			const char *name = p + sizeof *note;
			const uint8_t *id = (const uint8_t *)name + ((note->n_namesz + 3) & ~3u);

			if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz <= 32 &&
				memcmp(name, "GNU", 4) == 0) {
				for (size_t k = 0; k < note->n_descsz; k++)
					snprintf(build_id + 2 * k, 3, "%02x", id[k]);
				return 1;
			}
			p = (const char *)id + ((note->n_descsz + 3) & ~3u);
		}
	}
	/* The program is the first; libraries have ids of their own. */
	return 1;
}

const char *kk_build_id(void)
{
	if (!build_id[0])
		dl_iterate_phdr(build_id_find, NULL);
	return build_id;
}

void kk_crash_install(void)
{
	static const int signals[] = {
		SIGABRT,
		SIGSYS,
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
		SIGSEGV,
		SIGBUS,
		SIGFPE,
		SIGILL,
		SIGTRAP
#endif
	};
	static char stack[STACK_BYTES];
	const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
	struct sigaction action = {
		.sa_sigaction = on_crash,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND,
	};

	(void)kk_build_id();
	sigaltstack(&alternate, NULL);
	for (size_t i = 0; i < KK_COUNT(signals); i++)
		sigaction(signals[i], &action, NULL);
}
