package rmcp

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// Nothing that is printed has the password or K_g in it.
func TestSecrets(t *testing.T) {
	c := Config{Addresses: []string{"192.0.2.1:623"}, User: rightUser, Password: "pass-secret", Kg: []byte("key-secret")}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		printed = append(printed, fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, struct{ C Config }{c}))
	}
	for _, prepare := range []func(*peer){
		func(*peer) {},
		func(p *peer) { p.password = c.Password },
		func(p *peer) { p.fault = lose("RAKP 1", 99) },
		func(p *peer) { p.suites = nil },
	} {
		bubble(t, func(ctx context.Context, t *testing.T, p *peer) {
			prepare(p)
			_, err := p.opener(c).open(ctx)
			printed = append(printed, fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err))
			p.open = false // with a wrong K_g it cannot be closed
		})
	}
	long := c
	long.Password = strings.Repeat("pass-secret", 2)
	printed = append(printed, fmt.Sprint(long.Check()))
	for _, text := range printed {
		if strings.Contains(text, "secret") || strings.Contains(text, fmt.Sprintf("%x", "secret")) {
			t.Errorf("a secret is in %q", text)
		}
	}
	if want := `lanplus to 192.0.2.1:623, user "admin", OPERATOR`; c.String() != want {
		t.Errorf("%s, want %s", c, want)
	}
}
