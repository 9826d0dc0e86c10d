package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// What is rendered of the examples is what the plugins take, once the files are there
// that it names.
func TestPluginsTakeExamples(t *testing.T) {
	t.Parallel()
	bin, etc := buildPlugins(t), writeFiles(t)
	for _, example := range examples(t) {
		t.Run(filepath.Base(example), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(example)
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.Parse(example, []byte(strings.ReplaceAll(string(text), "/etc/stonith-plugins", etc)), plan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range p.Devices {
				p.Devices[i].Agent.Face = metadata.FenceAgent // which can validate without contact
			}
			for _, resource := range p.Configuration().Resources {
				validate(t, bin, resource)
			}
		})
	}
}

// validate asks a fence agent whether it takes the parameters of a resource.
func validate(t *testing.T, bin string, resource plan.Resource) {
	agent, _ := metadata.FindAgent(resource.Type)
	lines := []string{"action=validate-all"}
	for _, p := range resource.Parameters {
		if !strings.HasPrefix(p.Name, "pcmk_") {
			lines = append(lines, p.Name+"="+p.Value)
		}
	}
	call := exec.Command(filepath.Join(bin, string(agent.Plugin)))
	call.Args = []string{resource.Type}
	call.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := call.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%s refuses or warns of\n%s\n%v: %s", resource.Type, strings.Join(lines, "\n"), err, out)
	}
}

func buildPlugins(t *testing.T) string {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "../plugins/xen", "../plugins/xenapi", "../plugins/ipmi")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", build.Args, err, out)
	}
	return bin
}

// writeFiles makes a directory with all files that the examples name.
func writeFiles(t *testing.T) string {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{SerialNumber: big.NewInt(1)}
	signed, err := x509.CreateCertificate(nil, certificate, certificate, public, private)
	if err != nil {
		t.Fatal(err)
	}
	host, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	etc := t.TempDir()
	for name, text := range map[string]string{
		"id_ed25519":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		"pool.pem":    string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})),
		"known_hosts": knownhosts.Line([]string{"dom0-a", "dom0-b"}, host) + "\n",
		"bmc.nodes": "node-1 192.0.2.1 fence " + etcPassword + "\nnode-2 192.0.2.2 fence " + etcPassword +
			"\nnode-3 192.0.2.3 fence " + etcPassword + "\nnode-4 192.0.2.4 fence " + etcPassword + "\n",
		"bmc.passwd": "s3cret\n", "pool.passwd": "s3cret\n", "supply-a.passwd": "s3cret\n", "supply-b.passwd": "s3cret\n",
	} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(strings.ReplaceAll(text, etcPassword, etc+"/bmc.passwd")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return etc
}

// etcPassword stands for the file with the BMCs' password.
const etcPassword = "PASSWORD-FILE"
