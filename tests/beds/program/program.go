// Package program writes programs that a test is about to run.
//
// A process that another goroutine starts in the meantime has the file open for writing
// too, until a moment after it runs its own program: the kernel lets the starter go on
// before it closes what is to be closed. As long as that lasts, the program that was
// written cannot be run: "text file busy" (https://go.dev/issue/22315). So a program is
// written while no process is started.
package program

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Write writes a program's file with exactly that mode, whatever the umask is.
func Write(path, text string, mode fs.FileMode) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode))
}

// Renew writes anew every file below a directory that was written in another way, such as
// the files of a script: those that it leaves there, nobody has open.
func Renew(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		renewed := path + ".renewed"
		return errors.Join(Write(renewed, string(text), info.Mode().Perm()), os.Rename(renewed, path))
	})
}
