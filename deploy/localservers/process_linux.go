package localservers

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel kill the server when the thread that started it
// ends, which is when this process does, as Go keeps its threads.
func endWithParent(cmd *exec.Cmd) error {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return nil
}
