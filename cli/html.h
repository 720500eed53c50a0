/* A graph as an HTML page. */
#ifndef CLI_HTML_H
#define CLI_HTML_H

#include <stdio.h>

/* Writes one page that draws the graph `dot` (the form that hst_model_describe_dot gives) without any network. */
void html_print_graph(FILE *to, const char *dot);

#endif
