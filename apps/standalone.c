/* main() of a program that is one project: `lora-finetuning-mlx train ...`. CMake compiles this
 * file once a project, with EAI_PROJECT_SYMBOL as the name of its descriptor. */
#include <efficientai/project.h>

extern const eai_project EAI_PROJECT_SYMBOL;

int main(int argc, char **argv)
{
    return eai_project_main(&EAI_PROJECT_SYMBOL, argc, argv);
}
