package realbmc

import (
	"fmt"
	"os"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
)

// simEmulation is the BMC on the bus that ipmi_sim emulates.
const simEmulation = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`

// ipmiSim keeps users in its state directory, so each start has a new one.
func ipmiSim(s *server) *launch {
	s.write("lan.conf", simConfig(s), 0o600)
	s.write("bmc.emu", simEmulation, 0o644)
	state, err := os.MkdirTemp(s.dir, "state")
	if err != nil {
		s.t.Fatal(err)
	}
	return &launch{words: []string{"ipmi_sim", "-n", "-c", s.file("lan.conf"), "-f", s.file("bmc.emu"), "-s", state}}
}

// simConfig allows no authentication type "none": with it, lan asks for no password.
func simConfig(s *server) string {
	var c strings.Builder
	fmt.Fprintf(&c, "name \"bmc\"\nset_working_mc 0x20\n  startlan 1\n    addr %s %d\n    priv_limit admin\n", s.options.Host, s.port)
	for _, level := range []string{"callback", "user", "operator", "admin"} {
		fmt.Fprintf(&c, "    allowed_auths_%s md5 straight\n", level)
	}
	fmt.Fprintf(&c, "    guid a123456789abcdefa123456789abcdef\n")
	if len(s.options.Key) > 0 {
		fmt.Fprintf(&c, "    bmc_key %q\n", s.options.Key)
	}
	fmt.Fprintf(&c, "  endlan\n  chassis_control \"%s %s\"\n  user 1 false \"\" \"none\" user 10\n", s.script, s.dir)
	levels := map[bmc.Privilege]string{bmc.Callback: "callback", bmc.Viewer: "user", bmc.Operator: "operator", bmc.Administrator: "admin"}
	for i, u := range s.options.Users {
		fmt.Fprintf(&c, "  user %d true %q %q %s 10\n", i+2, u.Name, u.Password, levels[limit(u)])
	}
	return c.String()
}
