package main

import (
	"context"
	"fmt"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/secretscript"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/xenapi/rpc"
)

// A password is where the password comes from: one of the three.
type password struct {
	passwd stonith.Secret
	file   stonith.Text
	script stonith.Text
}

// source returns a function that returns the password. The file is read at once,
// the script is run when the function is called. Errors never have the password.
func (p *password) source() (func(context.Context) (string, error), error) {
	given := 0
	for _, text := range []string{p.passwd.Reveal(), string(p.file), string(p.script)} {
		if text != "" {
			given++
		}
	}
	if given != 1 {
		return nil, stonith.Errorf(stonith.BadConfig, "%d of passwd, passwd_file and passwd_script are set, want one", given).
			WithHint("passwd_file names a file with the password, which only root can read; password and password_script count as passwd and passwd_script")
	}
	var text string
	var err error
	switch {
	case p.script != "":
		return p.runScript, stonith.CheckProgram("passwd_script", string(p.script))
	case p.file != "":
		text, err = readPassword(string(p.file))
	default:
		text, err = usable("passwd", p.passwd.Reveal())
	}
	return func(context.Context) (string, error) { return text, nil }, err
}

// usable refuses what cannot be a password, or would be another one on the wire.
func usable(origin, text string) (string, error) {
	err := stonith.CheckSecret(origin, text)
	if err == nil && !rpc.Carries(text) {
		err = stonith.Errorf(stonith.BadConfig, "%s: the password has a character that XML cannot carry, so xapi cannot be sent it", origin)
	}
	if err != nil {
		return "", err
	}
	return text, nil
}

// readPassword reads passwd_file.
func readPassword(path string) (string, error) {
	text, err := stonith.ReadSecret("passwd_file", path)
	if err != nil {
		return "", err
	}
	return usable("passwd_file: "+path, text)
}

// runScript runs passwd_script.
func (p *password) runScript(ctx context.Context) (string, error) {
	text, err := secretscript.Run(ctx, "passwd_script", string(p.script))
	if err != nil {
		return "", err
	}
	return usable(fmt.Sprintf("passwd_script: %s", p.script), text)
}
