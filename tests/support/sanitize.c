/* tests/support/sanitize.c - how the tests of V=asan are run. */

const char *__asan_default_options(void);

/* A hostile message may make a library ask for more than there is; to be told so is what is tested. */
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:detect_leaks=1";
}
