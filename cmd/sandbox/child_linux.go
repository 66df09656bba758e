package main

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end the child when this process does, however
// it does.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL }
