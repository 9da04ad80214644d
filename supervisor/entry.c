/* supervisor/entry.c - one binary, several programs: the name it was started under decides. */
#include <kukeon/entry.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct program {
	const char *name;
	int (*run)(int argc, char **argv);
};

struct role {
	const char *name;
	int (*run)(void);
};

static const struct program programs[] = {
	{"kuke", kuke_main},
	{"kukeond", kukeond_main},
};

/* A worker is started as "kukeond: network", which no file can be called by accident. */
static const struct role roles[] = {
	{"reconciler", kk_reconciler_main},
	{"containerd", kk_containerd_main},
	{"network", kk_network_main},
	{"cgroup", kk_cgroup_main},
};

static const struct role *role_find(const char *arg)
{
	const char *colon = strstr(arg, ": ");

	for (size_t i = 0; colon && i < sizeof roles / sizeof roles[0]; i++) {
		if (strcmp(colon + 2, roles[i].name) == 0)
			return &roles[i];
	}
	return NULL;
}

static const struct program *program_find(const char *name)
{
	for (size_t i = 0; name && i < sizeof programs / sizeof programs[0]; i++) {
		if (strcmp(programs[i].name, name) == 0)
			return &programs[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const char *arg = argc > 0 ? argv[0] : "", *slash = strrchr(arg, '/');
	const char *name = slash ? slash + 1 : arg;
	const struct role *role = role_find(arg);
	const struct program *program = program_find(name);

	if (role)
		return role->run();
	if (!program)
		program = program_find(getenv("KUKEON_DEBUG_MODE"));
	if (!program) {
		fprintf(stderr, "unknown entry command: %s\n", name);
		return 1;
	}
	return program->run(argc, argv);
}
