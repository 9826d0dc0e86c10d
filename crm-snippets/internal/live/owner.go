package live

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// copyOwner makes an empty file beside another one, with its mode and owner.
func copyOwner(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, err
	}
	if owner, has := info.Sys().(*syscall.Stat_t); has {
		err = file.Chown(int(owner.Uid), int(owner.Gid))
	}
	if err = errors.Join(err, file.Chmod(info.Mode().Perm())); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return file, nil
}
