package main

import (
	"context"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/secretscript"
)

// A passwordScript is passwd_script. It is run when the first BMC is to be logged in at,
// and once for all.
type passwordScript struct {
	path string
	turn chan struct{} // has an element while somebody uses what is below
	text string        // that it printed
}

func newPasswordScript(path string) *passwordScript {
	return &passwordScript{path: path, turn: make(chan struct{}, 1)}
}

// password returns the password.
func (s *passwordScript) password(ctx context.Context) (string, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-s.turn }()
	if s.text == "" {
		text, err := secretscript.Run(ctx, "passwd_script", s.path)
		if err != nil {
			return "", err
		}
		s.text = text
	}
	return s.text, nil
}
