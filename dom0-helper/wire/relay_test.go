package wire

import (
	"testing"
)

func TestParseRelay(t *testing.T) {
	t.Parallel()
	off := Request{Verb: Off, Guests: []string{"node-1"}, ID: "7"}
	previous := off
	previous.Previous = true
	long := longRequest(MaxRequest)
	list, err := ParseRequest(long)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]Relay{
		"dom0/1 off node-1 7 client a from 192.0.2.7":      {Request: previous, Client: "a", Source: "192.0.2.7"},
		"dom0/2 off node-1 7 client a from 192.0.2.7":      {Request: off, Client: "a", Source: "192.0.2.7"},
		"dom0/2 off node-1 7 client from from ::1":         {Request: off, Client: "from", Source: "::1"},
		"dom0/2 off node-1 7 client a@b from fe80::1%eth0": {Request: off, Client: "a@b", Source: "fe80::1%eth0"},
		"dom0/2 list - 7 client a from unknown":            {Request: Request{Verb: List, ID: "7"}, Client: "a", Source: "unknown"},
		long + " client a from ::1":                        {Request: list, Client: "a", Source: "::1"},
	}
	testAccepted(t, ParseRelay, tests)
}

func TestParseRelayRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"request alone":       "dom0/2 off node-1 7",
		"no client":           "dom0/2 off node-1 7 from ::1",
		"no source":           "dom0/2 off node-1 7 client a",
		"other order":         "dom0/2 off node-1 7 from ::1 client a",
		"other first keyword": "dom0/2 off node-1 7 user a from ::1",
		"other last keyword":  "dom0/2 off node-1 7 client a at ::1",
		"capitals":            "dom0/2 off node-1 7 Client a from ::1",
		"ninth word":          "dom0/2 off node-1 7 client a from ::1 x",
		"blank before":        " dom0/2 off node-1 7 client a from ::1",
		"blank behind":        "dom0/2 off node-1 7 client a from ::1 ",
		"two blanks":          "dom0/2 off node-1 7 client  a from ::1",
		"line end":            "dom0/2 off node-1 7 client a from ::1\n",
		"wrong version":       "dom0/3 off node-1 7 client a from ::1",
		"unknown verb":        "dom0/2 reset node-1 7 client a from ::1",
		"state of 2007":       "dom0/2007 state node-1 7 client a from ::1",
		"two guests of 2007":  "dom0/2007 reset node-1,node-2 7 client a from ::1",
		"other list of 2007":  "dom0/2007 list node-1,-f 7 client a from ::1",
		"no guest of 2007":    "dom0/2007 off - 7 client a from ::1",
		"bad id of 2007":      "dom0/2007 off node-1 -7 client a from ::1",
		"two guests of off":   "dom0/2 off node-1,node-2 7 client a from ::1",
		"guest named twice":   "dom0/2 list node-1,node-1 7 client a from ::1",
		"request too long":    longRequest(MaxRequest+1) + " client a from ::1",
		"far too long":        longRequest(MaxRequest+1024) + " client a from ::1",
	}
	for what, text := range hostile {
		tests["client: "+what] = "dom0/2 off node-1 7 client " + text + " from ::1"
		tests["source: "+what] = "dom0/2 off node-1 7 client a from " + text
		tests["guest: "+what] = "dom0/2 off " + text + " 7 client a from ::1"
	}
	testRefused(t, ParseRelay, tests)
}

func FuzzParseRelay(f *testing.F) {
	for _, line := range []string{
		"", "dom0/2 off node-1 7 client a from ::1", "dom0/2 list - 7 client from from unknown",
		"dom0/2007 reset node-1 7 client a from ::1", "dom0/2007 list - 7 client a from ::1",
		"dom0/2 off node-1 7 client a from $(id)", "dom0/2 off node-1 7 client a\nfrom ::1 x",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := ParseRelay(line)
		if err != nil {
			return
		}
		requireSame(t, line, r)
		requireHarmless(t, line)
		if _, err := ParseRequest(r.Request.String()); err != nil && !r.Legacy {
			t.Errorf("ParseRelay(%q) accepts a request: %v", line, err)
		}
	})
}
