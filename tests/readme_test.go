package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The README's table of parameters has those of the plugin, in its order.
func TestReadmeParameters(t *testing.T) {
	readme := readReadme(t)
	var inTable []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(readme, -1) {
		inTable = append(inTable, row[1])
	}
	names, err := exec.Command(pluginPath, "getconfignames").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Fields(string(names)); !slices.Equal(inTable, want) {
		t.Errorf("README has the parameters %q, want %q", inTable, want)
	}
}

// The README's setup of a Dom0, word for word, lets the node fence its guests.
func TestReadmeSetup(t *testing.T) {
	readme := readReadme(t)
	d := dom0s["alpha"]
	must("alpha", d.reset())
	defer func() { must("alpha", d.reset()) }()

	account := line(t, readme, "useradd ")
	public, err := os.ReadFile(key("cluster") + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	keyLine := strings.Replace(line(t, readme, `restrict,command=`), "ssh-ed25519 AAAA...", string(public), 1)
	policy := "toolstack " + d.dir("xen/sbin/xl") + "\nstate " + d.dir("xen/state") + "\n" +
		strings.ReplaceAll(line(t, readme, "guest node-1 ")+"\n"+line(t, readme, "guest node-2 ")+"\n", "/etc/xen/", d.dir("xen/etc")+"/")
	if err := os.WriteFile(d.host.Policy, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"userdel -r xen", account, "mv /etc/ssh/authorized_keys/xen " + labDir + "/keys/before"} {
		if out, err := d.run("sh", "-c", command); err != nil && !strings.HasPrefix(command, "userdel") {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	defer func() {
		if out, err := d.run("mv", labDir+"/keys/before", "/etc/ssh/authorized_keys/xen"); err != nil {
			t.Error(err, out)
		}
	}()
	if err := os.WriteFile("/etc/ssh/authorized_keys/xen", []byte(keyLine), 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filepath.Join("/etc/ssh/authorized_keys", "xen"))

	for _, verb := range []string{"-S", "-T reset node-1"} {
		args := append([]string{"-t", "external/xen", "hostlist=node-1 node-2", "sshaccount=xen@alpha", "identity_file=" + key("cluster")}, strings.Fields(verb)...)
		command := exec.Command("stonith", args...)
		command.Env = append(os.Environ(), "HOME="+filepath.Join(labDir, "home"))
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("stonith %s: %v: %s", verb, err, out)
		}
	}
	if !d.runs("node-1") {
		t.Error("node-1 does not run after its reset")
	}
}

func readReadme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// line returns the only line of text that begins so.
func line(t *testing.T, text, beginning string) string {
	t.Helper()
	found := regexp.MustCompile("(?m)^"+regexp.QuoteMeta(beginning)+".*$").FindAllString(text, -1)
	if len(found) != 1 {
		t.Fatalf("%d lines of the README begin with %q, want one", len(found), beginning)
	}
	return found[0]
}
