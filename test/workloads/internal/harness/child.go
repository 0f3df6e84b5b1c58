package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Child is this same program in a second process, doing one role.
type Child struct {
	role  string
	cmd   *exec.Cmd
	stdin io.Closer
	out   bytes.Buffer
	dir   string
}

// StartChild starts the program once more in the given role. It is started through a symbolic link named like the role,
// because the kernel names a process after the file it executes: all its threads then have the comm `client` or `hog`.
func StartChild(role string, args ...string) *Child {
	self, err := os.Executable()
	Must(err)
	dir, err := os.MkdirTemp("", "workload-")
	Must(err)
	link := filepath.Join(dir, role)
	Must(os.Symlink(self, link))
	child := &Child{role: role, dir: dir, cmd: exec.Command(link, append([]string{"-role", role}, args...)...)}
	child.cmd.Stdout = &child.out
	child.cmd.Stderr = os.Stderr
	child.stdin, err = child.cmd.StdinPipe()
	Must(err)
	Must(child.cmd.Start())
	return child
}

// Stop ends the child by closing its stdin, so that it also ends when this process dies, and returns what it counted.
func (child *Child) Stop() Counts {
	_ = child.stdin.Close()
	if err := child.cmd.Wait(); err != nil {
		Must(fmt.Errorf("the second process (%s): %w", child.role, err))
	}
	_ = os.RemoveAll(child.dir)
	var counts Counts
	Must(json.Unmarshal(child.out.Bytes(), &counts))
	return counts
}

func runRole(run func(context.Context) Counts) {
	if run == nil {
		Must(fmt.Errorf("there is no such role"))
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	printLine(run(ctx))
}
