package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
)

// canned is a stonithtest.Bed of a master that has one answer for each method.
type canned struct {
	stonithtest.Bed
	params map[string]string
}

func (c canned) Plugin() stonith.Plugin    { return plugin() }
func (c canned) Params() map[string]string { return c.params }

func value(text string) string { return "<value>" + text + "</value>" }

func object(members ...string) string {
	var x strings.Builder
	for i := 0; i < len(members); i += 2 {
		x.WriteString("<member><name>" + members[i] + "</name>" + value(members[i+1]) + "</member>")
	}
	return "<struct>" + x.String() + "</struct>"
}

var methodName = regexp.MustCompile(`<methodName>(.*)</methodName>`)

func newCanned(t *testing.T, answers map[string]string) canned {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		method := methodName.FindStringSubmatch(string(body))
		fmt.Fprintf(w, `<?xml version="1.0"?><methodResponse><params><param>%s</param></params></methodResponse>`,
			value(object("Status", "Success", "Value", answers[method[1]])))
	}))
	t.Cleanup(server.Close)
	return canned{params: map[string]string{
		"hostlist": stonithtest.Node, "pool": server.Listener.Addr().String(), "passwd": "x", "timeout": "4s",
		"tls_pins": fingerprint(sha256.Sum256(server.Certificate().Raw)).String(),
	}}
}

// A guest whose record has become that of something else is not switched.
func TestGuestThatIsAnother(t *testing.T) {
	t.Parallel()
	look := func(uuid, template, snapshot, control string) error {
		c := newCanned(t, map[string]string{"VM.get_record": object("uuid", uuid, "power_state", halted,
			"is_a_template", template, "is_a_snapshot", snapshot, "is_control_domain", control,
			"resident_on", nullRef, "current_operations", "<struct></struct>")})
		at, err := parseAddress(c.params["pool"], httpsPort)
		if err != nil {
			t.Fatal(err)
		}
		var trusted trust
		if err := trusted.pins.Set(c.params["tls_pins"]); err != nil {
			t.Fatal(err)
		}
		rules, err := trusted.config()
		if err != nil {
			t.Fatal(err)
		}
		g := &guest{uuid: uuidA, past: &history{}, session: &session{at: at, rulesOfEntry: rulesOfEntry{client: newClient(rules, 5*time.Second)}}}
		_, err = g.look(t.Context())
		return err
	}
	const yes, no = "<boolean>1</boolean>", "<boolean>0</boolean>"
	if err := look(uuidA, no, no, no); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"another UUID": look(uuidB, no, no, no), "a template": look(uuidA, yes, no, no),
		"a snapshot": look(uuidA, yes, yes, no), "a control domain": look(uuidA, no, no, yes),
	} {
		if stonith.ReasonOf(err) != stonith.Ambiguous {
			t.Errorf("%s: %v, want it to be ambiguous", what, err)
		}
	}
}

// What is not whole, or not of one piece, is no proof.
func TestAnswersThatAreNotWhole(t *testing.T) {
	sound := map[string]string{
		"session.login_with_password": "OpaqueRef:session",
		"session.get_this_host":       "OpaqueRef:host",
		"pool.get_all_records":        object("OpaqueRef:pool", object("uuid", uuidA, "master", "OpaqueRef:host", "ha_enabled", "<boolean>1</boolean>")),
		"host.get_all_records":        object("OpaqueRef:host", object("uuid", uuidB, "name_label", "xen1", "other_config", object("agent_start_time", "1000000000."))),
		"host.get_servertime":         "<dateTime.iso8601>20010909T02:46:40Z</dateTime.iso8601>",
		"task.get_all_records_where":  "<struct></struct>",
		"pool.get_ha_enabled":         "<boolean>1</boolean>",
		"VM.get_by_name_label":        "<array><data>" + value("OpaqueRef:vm") + "</data></array>",
		"VM.get_record": object("uuid", uuidA, "name_label", "node-1", "power_state", "Halted", "is_a_template", "<boolean>0</boolean>",
			"is_a_snapshot", "<boolean>0</boolean>", "is_control_domain", "<boolean>0</boolean>",
			"resident_on", nullRef, "scheduled_to_be_resident_on", nullRef, "current_operations", "<struct></struct>"),
	}
	without := func(method, part string) map[string]string {
		broken := maps.Clone(sound)
		broken[method] = strings.ReplaceAll(broken[method], part, "")
		return broken
	}
	with := func(method, answer string) map[string]string {
		broken := maps.Clone(sound)
		broken[method] = answer
		return broken
	}
	member := func(name, text string) string { return "<member><name>" + name + "</name>" + value(text) + "</member>" }
	instead := func(name, before, after string) map[string]string {
		return with("VM.get_record", strings.Replace(sound["VM.get_record"], member(name, before), member(name, after), 1))
	}
	const no = "<boolean>0</boolean>"
	tests := []struct {
		name    string
		answers map[string]string
		says    string // "" is a success
	}{
		{"sound", sound, ""},
		{"no session", with("session.login_with_password", ""), `it answers with session ""`},
		{"a null session", with("session.login_with_password", nullRef), `it answers with session "OpaqueRef:NULL"`},
		{"not the master", with("session.get_this_host", "OpaqueRef:other"), "it does not know itself"},
		{"not its pool's master", with("pool.get_all_records", object("OpaqueRef:pool", object("uuid", uuidA, "master", "OpaqueRef:other"))), "is the master of its pool"},
		{"no pool", with("pool.get_all_records", "<struct></struct>"), "it is of 0 pools"},
		{"no word of the agent's age", with("host.get_all_records", object("OpaqueRef:host", object("uuid", uuidB, "name_label", "xen1"))), "Halted, but not by this call: its agent was started at"},
		{
			"no word of high availability", with("pool.get_all_records", strings.Replace(sound["pool.get_all_records"], member("ha_enabled", "<boolean>1</boolean>"), "", 1)),
			"",
		},
		{"no state", with("VM.get_record", strings.Replace(sound["VM.get_record"], "Halted", "", 1)), "lacks what every record has"},
		{"no UUID", without("VM.get_record", member("uuid", uuidA)), "lacks what every record has"},
		{"perhaps a template", without("VM.get_record", member("is_a_template", no)), "lacks what every record has"},
		{"perhaps a snapshot", without("VM.get_record", member("is_a_snapshot", no)), "lacks what every record has"},
		{"perhaps a control domain", without("VM.get_record", member("is_control_domain", no)), "lacks what every record has"},
		{"perhaps on a host", without("VM.get_record", member("resident_on", nullRef)), "lacks what every record has"},
		{"perhaps being started", without("VM.get_record", member("current_operations", "<struct></struct>")), "lacks what every record has"},
		{"half a record", with("VM.get_record", sound["VM.get_record"][:100]), "is not XML-RPC"},
		{"a record that is none", with("VM.get_record", "Halted"), "of another form"},
		{"a record of another guest", with("VM.get_record", strings.Replace(sound["VM.get_record"], "node-1", "node-9", 1)), `asked for "node-1", it gives the record of "node-9"`},
		{"a state in other letters", with("VM.get_record", strings.Replace(sound["VM.get_record"], "Halted", "halted", 1)), `power_state is "halted"`},
		{"where it is", instead("resident_on", nullRef, "OpaqueRef:host"), "Halted, but on host xen1"},
		{"where it is to be", instead("scheduled_to_be_resident_on", nullRef, "OpaqueRef:host"), "Halted, but on host xen1"},
		{"an operation that nobody knows", instead("current_operations", "<struct></struct>", object("OpaqueRef:task", "teleport")), `Halted, but with "teleport" under way`},
		{"no list", with("VM.get_by_name_label", "OpaqueRef:vm"), "of another form"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := stonithtest.Run(t.Context(), newCanned(t, tt.answers), "elsewhere", nil, "off", stonithtest.Node)
			if (got.Status == 0) != (tt.says == "") || !strings.Contains(got.Stderr, tt.says) {
				t.Errorf("off: exit status %d, %q %q, want %q", got.Status, got.Stdout, got.Stderr, tt.says)
			}
		})
	}
}

// What a list is made of is looked at, whatever was asked for.
func TestListOfMore(t *testing.T) {
	const yes, no = "<boolean>1</boolean>", "<boolean>0</boolean>"
	guest := func(name, template, snapshot, control string) string {
		return object("uuid", uuidA, "name_label", name, "power_state", "Running", "is_a_template", template, "is_a_snapshot", snapshot,
			"is_control_domain", control, "resident_on", nullRef, "current_operations", "<struct></struct>")
	}
	list := func(records string) ([]string, error) {
		c := newCanned(t, map[string]string{
			"session.login_with_password": "OpaqueRef:session",
			"session.get_this_host":       "OpaqueRef:host",
			"pool.get_all_records":        object("OpaqueRef:pool", object("uuid", uuidA, "master", "OpaqueRef:host")),
			"host.get_all_records":        object("OpaqueRef:host", object("uuid", uuidB, "name_label", "xen1")),
			"VM.get_all_records_where":    records,
		})
		return openDevice(t, c.params).List(t.Context())
	}
	got, err := list(object("OpaqueRef:1", guest("node-1", no, no, no), "OpaqueRef:2", guest("image", yes, no, no),
		"OpaqueRef:3", guest("snapshot", no, yes, no), "OpaqueRef:4", guest("Dom0", no, no, yes)))
	if err != nil || !slices.Equal(got, []string{"node-1"}) {
		t.Errorf("%q, %v, want node-1 alone", got, err)
	}
	for _, records := range []string{"", "<array><data></data></array>", object("OpaqueRef:1", object("name_label", "node-1"))} {
		if got, err := list(records); err == nil || got != nil {
			t.Errorf("%q: %q, %v", records, got, err)
		}
	}
}
