package realbmc

import (
	_ "embed" // for the script
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stonith-plugins/stonith-plugins/tests/beds/bmc"
	"github.com/stonith-plugins/stonith-plugins/tests/beds/program"
)

//go:embed chassis.sh
var chassisScript []byte

// A node is the files that chassis.sh acts on.
type node struct {
	t      testing.TB
	dir    string
	script string
}

func newNode(t testing.TB) node {
	n := node{t: t, dir: t.TempDir()}
	n.script = n.file("chassis.sh")
	n.write("chassis.sh", string(chassisScript), 0o755)
	n.SetPower(true)
	return n
}

func (n node) file(name string) string { return filepath.Join(n.dir, name) }

func (n node) write(name, text string, mode os.FileMode) {
	n.t.Helper()
	temporary := n.file(name + ".written")
	if err := errors.Join(program.Write(temporary, text, mode), os.Rename(temporary, n.file(name))); err != nil {
		n.t.Fatal(err)
	}
}

func (n node) remove(name string) {
	if err := os.Remove(n.file(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		n.t.Fatal(err)
	}
}

// Power tells whether the node truly has power: an off that is due is true.
func (n node) Power() bool {
	n.t.Helper()
	text, err := os.ReadFile(n.file("off-at"))
	if err == nil {
		due, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			n.t.Fatal(err)
		}
		if time.Now().UnixNano() >= due {
			return false
		}
	}
	text, err = os.ReadFile(n.file("power"))
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.TrimSpace(string(text)) == "1"
}

// SetPower turns the node on or off, as its button does.
func (n node) SetPower(on bool) {
	n.t.Helper()
	value := "0"
	if on {
		value = "1"
	}
	n.remove("off-at")
	n.write("power", value, 0o644)
}

// Orders is how often the node was to be turned on or off, or reset.
func (n node) Orders() int {
	n.t.Helper()
	text, err := os.ReadFile(n.file("log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		n.t.Fatal(err)
	}
	return strings.Count("\n"+string(text), "\nset ")
}

// nodeFaults are the ones that are the node's, and not the process's.
func nodeFaults() []bmc.Fault {
	return []bmc.Fault{bmc.IgnoreOff, bmc.IgnoreOn, bmc.SaysOff, bmc.SaysOn, bmc.SlowOff, bmc.RefuseSet, bmc.RefuseGet}
}

func (n node) fail(f bmc.Fault) { n.write(string(f), fmt.Sprint(bmc.SlowOffTime), 0o644) }

func (n node) mend() {
	for _, f := range nodeFaults() {
		n.remove(string(f))
	}
}
