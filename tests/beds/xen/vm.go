// Package xen runs real Xen hosts in QEMU: Debian's hypervisor, Dom0 and xl, without hardware
// support. README.md has what is in them.
package xen

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// An Image is a directory that build.sh made.
type Image string

func (i Image) file(name string) string { return filepath.Join(string(i), name) }

// RootKey is the private key by which root of every Dom0 can be reached at first.
func (i Image) RootKey() string { return i.file("root_key") }

// HostKey is the public host key that every Dom0 has at first.
func (i Image) HostKey() string { return i.file("host_key.pub") }

// memory of a host in MiB, and Dom0's part of it.
const (
	memory     = 1280
	dom0Memory = 384
)

// A Host is a Xen host. It is off, or it runs in a QEMU of its own.
type Host struct {
	image   Image
	dir     string
	forward string
	qemu    *exec.Cmd
	ended   chan struct{} // closed when qemu has ended
	control *monitor
}

// New makes a host that is off. Its files will be in dir, which must exist, and its port 22 will
// be reached at forward, as in 127.0.0.1:2222.
func New(image Image, dir, forward string) *Host {
	return &Host{image: image, dir: dir, forward: forward}
}

func (h *Host) file(name string) string { return filepath.Join(h.dir, name) }

// Boot starts the host with empty memory, and returns when Dom0's sshd has been started.
func (h *Host) Boot(limit time.Duration) error {
	_ = os.Remove(h.file("memory"))
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", h.image.file("root.img"), h.file("disk")).CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img: %w: %s", err, out)
	}
	// The memory is a file that others can take over.
	if err := h.start("on"); err != nil {
		return err
	}
	for deadline := time.Now().Add(limit); ; {
		console, err := os.ReadFile(h.file("console"))
		if err == nil && strings.Contains(string(console), "DOM0-READY") {
			return nil
		}
		select {
		case <-h.ended:
			return h.failed(errors.New("QEMU ended"))
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return h.failed(fmt.Errorf("Dom0 is not ready after %s", limit))
		}
	}
}

// Save keeps the state of the running host, guests and all, and ends it. What Dom0 has not
// written to its disk is in its memory, and kept.
func (h *Host) Save() error {
	for _, step := range []struct {
		command   string
		arguments any
	}{
		{"stop", nil},
		{"migrate-set-capabilities", onlyDevices},
		{"migrate", map[string]any{"uri": "exec:cat >" + h.file("devices")}},
	} {
		if err := h.control.ask(step.command, step.arguments, nil); err != nil {
			return err
		}
	}
	if err := h.control.migrated(); err != nil {
		return err
	}
	h.Stop()
	return os.Rename(h.file("disk"), h.file("saved-disk"))
}

// onlyDevices keeps the memory out of a saved state: it is in its file.
var onlyDevices = map[string]any{"capabilities": []any{map[string]any{"capability": "x-ignore-shared", "state": true}}}

// Resume starts the host in the saved state. The saved state stays as it is: what changes in
// memory is private to this run.
func (h *Host) Resume() error {
	if err := copyFile(h.file("saved-disk"), h.file("disk")); err != nil {
		return err
	}
	if err := h.start("off", "-incoming", "defer"); err != nil {
		return err
	}
	if err := h.control.ask("migrate-set-capabilities", onlyDevices, nil); err != nil {
		return h.failed(err)
	}
	if err := h.control.ask("migrate-incoming", map[string]any{"uri": "exec:cat " + h.file("devices")}, nil); err != nil {
		return h.failed(err)
	}
	if err := h.control.migrated(); err != nil {
		return h.failed(err)
	}
	return h.control.ask("cont", nil, nil)
}

// Link plugs the cable of the network in, or out: then nothing comes and nothing goes, and nobody is told.
func (h *Host) Link(up bool) error {
	return h.control.ask("set_link", map[string]any{"name": "net", "up": up}, nil)
}

// Stop ends the host as if its power were cut.
func (h *Host) Stop() {
	if h.qemu == nil {
		return
	}
	_ = h.qemu.Process.Kill()
	<-h.ended
	if h.control != nil {
		h.control.Close()
	}
	h.qemu, h.control = nil, nil
}

// start starts QEMU. The machine is the same each time, as a saved state needs it.
func (h *Host) start(shared string, more ...string) error {
	for _, name := range []string{"console", "control"} {
		_ = os.Remove(h.file(name))
	}
	output, err := os.Create(h.file("qemu.log"))
	if err != nil {
		return err
	}
	defer output.Close()
	xen := fmt.Sprintf("placeholder dom0_mem=%dM,max:%[1]dM dom0_max_vcpus=1 console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning spec-ctrl=no bootscrub=0 noreboot", dom0Memory)
	dom0 := h.image.file("vmlinux") + " console=hvc0 quiet mitigations=off panic=5 net.ifnames=0"
	h.qemu = exec.Command("qemu-system-x86_64", append([]string{
		"-name", filepath.Base(h.dir), "-nodefaults", "-display", "none", "-no-reboot",
		"-object", fmt.Sprintf("memory-backend-file,id=memory,size=%dM,mem-path=%s,share=%s", memory, h.file("memory"), shared),
		"-machine", "pc,memory-backend=memory", "-m", fmt.Sprint(memory), "-accel", "tcg,thread=multi", "-smp", "2",
		"-cpu", "qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt",
		"-kernel", h.image.file("xen"), "-append", xen, "-initrd", dom0 + "," + h.image.file("initrd.gz"),
		"-drive", "file=" + h.file("disk") + ",if=none,id=disk,format=qcow2,cache=unsafe", "-device", "virtio-blk-pci,drive=disk",
		"-netdev", "user,id=net,restrict=on,hostfwd=tcp:" + h.forward + "-:22", "-device", "virtio-net-pci,netdev=net,romfile=",
		"-serial", "file:" + h.file("console"),
		"-qmp", "unix:" + h.file("control") + ",server=on,wait=off",
	}, more...)...)
	h.qemu.Stdout, h.qemu.Stderr = output, output
	if err := h.qemu.Start(); err != nil {
		h.qemu = nil
		return err
	}
	h.ended = make(chan struct{})
	go func(qemu *exec.Cmd, ended chan struct{}) {
		_ = qemu.Wait() // whoever waits for it looks at its log
		close(ended)
	}(h.qemu, h.ended)
	if h.control, err = openMonitor(h.file("control"), h.ended); err != nil {
		return h.failed(err)
	}
	return nil
}

// failed is an error with what QEMU and the console say. It ends the host.
func (h *Host) failed(err error) error {
	h.Stop()
	for _, name := range []string{"qemu.log", "console"} {
		if text, readErr := os.ReadFile(h.file(name)); readErr == nil && len(text) > 0 {
			err = fmt.Errorf("%w; %s ends with\n%s", err, name, text[max(0, len(text)-2000):])
		}
	}
	return fmt.Errorf("Xen host %s: %w", filepath.Base(h.dir), err)
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
