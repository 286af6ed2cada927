// Process 1 of the node and of every pod. It holds their namespaces open, reaps what is orphaned in them, and ends when it
// is asked to; the kernel then ends everything else in its process namespace.
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

int main(void) {
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGINT);
  sigaddset(&awaited, SIGTERM);
  sigprocmask(SIG_BLOCK, &awaited, NULL);
  for (;;) {
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    if (sigwaitinfo(&awaited, NULL) != SIGCHLD) return 0;
  }
}
