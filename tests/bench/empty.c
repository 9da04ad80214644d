/* tests/bench/empty.c - the least a program can be: the floor of every start. */
int main(void)
{
	return 0;
}
