/* The least that a program with mcp-mux's libraries can do: linked with all of them, it prints one line.
 * The time until that line is what the dynamic linker takes, and the measure for mcp-mux's start. */
#include <stdio.h>

int main(void)
{
	fprintf(stdout, "{}\n");
	return 0;
}
